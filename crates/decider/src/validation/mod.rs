//! What makes a definition fit to be registered, with every fault found at once.
//!
//! The rules and their words are Conductor's (**Source**: conductor-rest-api §3), who looks into
//! branches but not into loop bodies. Beyond them stand the limits of [`baton_common::limits`] and a
//! few faults that Conductor only meets when an execution is stuck (`structure`).
//! Nothing here asks whether the workflows and tasks that a definition names are registered.
pub(crate) mod demands;
mod fault;
mod references;
pub(crate) mod steps;
mod structure;
mod task_def;
#[cfg(test)]
mod tests;
mod texts;

use crate::decide::types;
use baton_common::{TaskDef, WorkflowDef};
use std::sync::Arc;

pub use fault::Fault;
pub use task_def::validate_task_def;

/// Every fault of a workflow definition, in the order of the document; none means that it can be
/// registered. `task_defs` looks up registered task definitions, whose input templates may supply
/// what a step leaves out.
pub fn validate_workflow(
    definition: &WorkflowDef,
    task_defs: &dyn Fn(&str) -> Option<Arc<TaskDef>>,
) -> Vec<Fault> {
    let over_limit = structure::limit_faults(definition);
    if !over_limit.is_empty() {
        return over_limit;
    }
    let steps = steps::steps(definition);
    let mut faults = definition_faults(definition);
    for step in &steps {
        if step.in_loop {
            faults.extend(structure::loop_body_faults(step));
        } else {
            faults.extend(steps::field_faults(step));
            faults.extend((types::facts_of(&step.task.task_type).faults)(step, task_defs));
        }
    }
    faults.extend(texts::faults(definition, &steps));
    faults.extend(structure::faults(&steps));
    faults.extend(references::duplicates(definition, &steps));
    faults.extend(references::undefined(&steps));
    faults
}

/// The first fault of a definition that came with a step: a text or a number above its limit.
pub(crate) fn inline_fault(definition: &WorkflowDef) -> Option<Fault> {
    let over_limit = structure::limit_faults(definition).into_iter().next();
    over_limit.or_else(|| texts::faults(definition, &steps::steps(definition)).into_iter().next())
}

fn definition_faults(definition: &WorkflowDef) -> Vec<Fault> {
    let mut faults = Vec::new();
    if definition.name.as_deref().is_none_or(str::is_empty) {
        let message = "WorkflowDef name cannot be null or empty";
        faults.push(Fault::of_member("name", message, definition.name.clone()));
    }
    if definition.tasks.is_empty() {
        faults.push(Fault::of_member("tasks", "WorkflowTask list cannot be empty", None));
    }
    if definition.schema_version != 2 {
        let message = "workflowDef schemaVersion: 2 is only supported";
        let value = Some(definition.schema_version.to_string());
        faults.push(Fault::of_member("schemaVersion", message, value));
    }
    faults
}
