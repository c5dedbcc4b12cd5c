//! Checks of definitions without a server: the same rules, run here.
use super::document::Definitions;
use baton_common::{TaskDef, WorkflowDef};
use baton_decider::validation::{Fault, validate_task_def, validate_workflow};
use std::sync::Arc;

/// Every fault of these definitions, one line each; task definitions of the same files count as
/// registered.
pub(crate) fn faults(definitions: &Definitions) -> Vec<String> {
    let known = |name: &str| -> Option<Arc<TaskDef>> {
        let found = definitions.tasks.iter().find(|task| task.name.as_deref() == Some(name));
        found.cloned().map(Arc::new)
    };
    let tasks = definitions.tasks.iter().flat_map(|task| {
        let name = task.name.as_deref().unwrap_or("(unnamed task)");
        lines(name, validate_task_def(task))
    });
    let workflows = definitions.workflows.iter().flat_map(|workflow: &WorkflowDef| {
        let name = workflow.name.as_deref().unwrap_or("(unnamed workflow)");
        lines(name, validate_workflow(workflow, &known))
    });
    tasks.chain(workflows).collect()
}

fn lines(name: &str, faults: Vec<Fault>) -> Vec<String> {
    let line = |fault: Fault| format!("{name} at {}: {}", fault.pointer, fault.message);
    faults.into_iter().map(line).collect()
}
