//! What is known of the world that a definition will run in.

/// What is registered and who polls, as far as the caller knows. Where it answers `None`, nothing is
/// said.
pub trait Known {
    /// Whether a workflow is registered, in this version when one is given.
    fn has_workflow(&self, name: &str, version: Option<i32>) -> Option<bool>;
    /// Names of registered workflows, for suggestions.
    fn workflow_names(&self) -> Vec<&str>;
    /// Whether a task definition is registered.
    fn has_task_def(&self, name: &str) -> Option<bool>;
    /// Names of registered task definitions, for suggestions.
    fn task_names(&self) -> Vec<&str>;
    /// Whether the registered task definition gives this input.
    fn gives_input(&self, name: &str, member: &str) -> bool;
    /// Whether a worker has polled for this queue.
    fn is_polled(&self, queue: &str) -> Option<bool>;
}
