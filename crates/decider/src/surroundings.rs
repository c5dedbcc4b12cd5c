//! What a decision may ask of the world.
use baton_common::TaskDef;
use std::sync::Arc;

/// What a decision may know of the world beyond the execution, as of one moment.
pub trait Surroundings: Send + Sync {
    /// The registered task definition of a name.
    fn task_def(&self, name: &str) -> Option<Arc<TaskDef>>;
    /// The highest registered version of a workflow.
    fn latest_version(&self, name: &str) -> Option<i32>;
    /// Whether workers of this domain have polled the task type lately.
    fn is_domain_active(&self, task_type: &str, domain: &str) -> bool;
    /// The value of `workflow.env.NAME`.
    fn environment(&self, name: &str) -> Option<String>;
}
