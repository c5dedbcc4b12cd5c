//! Demands that several task types make of a step.
use super::fault::Fault;
use super::steps::{Step, TaskDefs};
use baton_common::TaskDef;
use baton_expression::script::{Language, syntax_error};

/// The fault of a field that is not there; `field` begins with its member's name.
pub(crate) fn required(step: &Step<'_>, field: &str, is_given: bool) -> Vec<Fault> {
    if is_given {
        return Vec::new();
    }
    let (task_type, name) = (&step.task.task_type, step.name());
    let message = format!("{field} field is required for taskType: {task_type} taskName: {name}");
    let member = field.split(' ').next().unwrap_or(field).replace('.', "/");
    vec![step.fault(&format!("/{member}"), message)]
}

/// The fault of a member that must have a step in it.
pub(crate) fn without_tasks(step: &Step<'_>, member: &str) -> Fault {
    let (task_type, name) = (&step.task.task_type, step.name());
    let message =
        format!("{member} should have atleast one task for taskType: {task_type} taskName: {name}");
    step.fault(&format!("/{member}"), message)
}

/// The fault of a script that does not parse.
pub(crate) fn script_fault(step: &Step<'_>, member: &str, source: Option<&str>) -> Option<Fault> {
    let error = syntax_error(Language::JavaScript, source?)?;
    let (task_type, name) = (&step.task.task_type, step.name());
    let message =
        format!("Expression is not well formatted: {error}, taskType: {task_type} taskName {name}");
    Some(step.fault(&format!("/{member}"), message))
}

/// Whether the step itself gives an input.
pub(crate) fn has_input(step: &Step<'_>, member: &str) -> bool {
    step.task.input_parameters.to_value().get(member).is_some()
}

/// Whether the step's task definition supplies an input: its own one, else the registered one.
pub(crate) fn is_in_template(step: &Step<'_>, member: &str, task_defs: TaskDefs<'_>) -> bool {
    let has = |def: &TaskDef| def.input_template.to_value().get(member).is_some();
    match &step.task.task_definition {
        Some(own) => has(own),
        None => task_defs(step.name()).is_some_and(|def| has(&def)),
    }
}

/// The fault of an input that neither the step nor its task definition gives.
pub(crate) fn required_input(step: &Step<'_>, member: &str, task_defs: TaskDefs<'_>) -> Vec<Fault> {
    let is_given = has_input(step, member) || is_in_template(step, member, task_defs);
    required(step, &format!("inputParameters.{member}"), is_given)
}

/// The fault of a fork with no join right behind it; `join` is the type that it must have.
pub(crate) fn join_missing(step: &Step<'_>, join: &str) -> Option<Fault> {
    let is_joined = step.next.is_some_and(|next| next.task_type == join);
    let message = format!(
        "Fork task definition is not followed by a join task: taskReferenceName: {}",
        step.reference()
    );
    (!is_joined).then(|| step.fault("", message))
}
