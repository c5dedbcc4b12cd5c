//! What each task type demands of a step.
use super::steps::Step;
use super::{Fault, wait};
use baton_common::TaskDef;
use baton_expression::script::{Language, syntax_error};
use std::sync::Arc;

/// The faults of a step for its type; types that Conductor has no rule for have none.
pub(super) fn faults(
    step: &Step<'_>,
    task_defs: &dyn Fn(&str) -> Option<Arc<TaskDef>>,
) -> Vec<Fault> {
    let task = step.task;
    match task.task_type.as_str() {
        "EVENT" => required(step, "sink", task.sink.is_some()),
        "DECISION" => decision(step),
        "SWITCH" => switch(step),
        "DYNAMIC" => required(step, "dynamicTaskNameParam", task.dynamic_task_name_param.is_some()),
        "DO_WHILE" => {
            let mut faults = required(step, "loopCondition", task.loop_condition.is_some());
            faults.extend(required(step, "loopOver", !task.loop_over.is_empty()));
            faults
        }
        "SUB_WORKFLOW" => required(step, "subWorkflowParam", task.sub_workflow_param.is_some()),
        "FORK_JOIN" if task.fork_tasks.is_empty() => vec![without_tasks(step, "forkTasks")],
        "FORK_JOIN_DYNAMIC" => dynamic_fork(step),
        "HTTP" => http(step, task_defs),
        "KAFKA_PUBLISH" => required_input(step, "kafka_request", task_defs),
        "JSON_JQ_TRANSFORM" => required_input(step, "queryExpression", task_defs),
        "TERMINATE" => terminate(step),
        "WAIT" => wait::faults(step),
        _ => Vec::new(),
    }
}

/// The fault of a field that is not there; `field` begins with its member's name.
fn required(step: &Step<'_>, field: &str, is_given: bool) -> Vec<Fault> {
    if is_given {
        return Vec::new();
    }
    let (task_type, name) = (&step.task.task_type, step.name());
    let message = format!("{field} field is required for taskType: {task_type} taskName: {name}");
    let member = field.split(' ').next().unwrap_or(field).replace('.', "/");
    vec![step.fault(&format!("/{member}"), message)]
}

fn without_tasks(step: &Step<'_>, member: &str) -> Fault {
    let (task_type, name) = (&step.task.task_type, step.name());
    let message =
        format!("{member} should have atleast one task for taskType: {task_type} taskName: {name}");
    step.fault(&format!("/{member}"), message)
}

fn decision(step: &Step<'_>) -> Vec<Fault> {
    let task = step.task;
    let is_given = task.case_value_param.is_some() || task.case_expression.is_some();
    let mut faults = required(step, "caseValueParam or caseExpression", is_given);
    if task.decision_cases.is_empty() {
        faults.push(without_tasks(step, "decisionCases"));
    }
    faults.extend(script_fault(step, "caseExpression", task.case_expression.as_deref()));
    faults
}

fn switch(step: &Step<'_>) -> Vec<Fault> {
    let task = step.task;
    let mut faults = required(step, "evaluatorType", task.evaluator_type.is_some());
    if faults.is_empty() {
        faults.extend(required(step, "expression", task.expression.is_some()));
    }
    if task.decision_cases.is_empty() {
        faults.push(without_tasks(step, "decisionCases"));
    }
    if task.evaluator_type.as_deref() == Some("javascript") {
        faults.extend(script_fault(step, "expression", task.expression.as_deref()));
    }
    faults
}

fn script_fault(step: &Step<'_>, member: &str, source: Option<&str>) -> Option<Fault> {
    let error = syntax_error(Language::JavaScript, source?)?;
    let (task_type, name) = (&step.task.task_type, step.name());
    let message =
        format!("Expression is not well formatted: {error}, taskType: {task_type} taskName {name}");
    Some(step.fault(&format!("/{member}"), message))
}

fn dynamic_fork(step: &Step<'_>) -> Vec<Fault> {
    let task = step.task;
    let (list, inputs) = (
        task.dynamic_fork_tasks_param.is_some(),
        task.dynamic_fork_tasks_input_param_name.is_some(),
    );
    if task.dynamic_fork_join_tasks_param.is_some() {
        let message = format!(
            "dynamicForkJoinTasksParam or combination of dynamicForkTasksInputParamName and \
             dynamicForkTasksParam cam be used for taskType: FORK_JOIN_DYNAMIC taskName: {}",
            step.name()
        );
        let is_mixed = list || inputs;
        return is_mixed
            .then(|| step.fault("/dynamicForkJoinTasksParam", message))
            .into_iter()
            .collect();
    }
    if has_input(step, "forkTaskInputs") {
        return Vec::new();
    }
    let mut faults = required(step, "dynamicForkTasksParam", list);
    faults.extend(required(step, "dynamicForkTasksInputParamName", inputs));
    faults
}

fn has_input(step: &Step<'_>, member: &str) -> bool {
    step.task.input_parameters.to_value().get(member).is_some()
}

/// Whether the step's task definition supplies an input: its own one, else the registered one.
fn is_in_template(
    step: &Step<'_>,
    member: &str,
    task_defs: &dyn Fn(&str) -> Option<Arc<TaskDef>>,
) -> bool {
    let has = |def: &TaskDef| def.input_template.to_value().get(member).is_some();
    match &step.task.task_definition {
        Some(own) => has(own),
        None => task_defs(step.name()).is_some_and(|def| has(&def)),
    }
}

fn http(step: &Step<'_>, task_defs: &dyn Fn(&str) -> Option<Arc<TaskDef>>) -> Vec<Fault> {
    let is_given = ["http_request", "uri", "method"].iter().any(|name| has_input(step, name))
        || is_in_template(step, "http_request", task_defs);
    required(step, "inputParameters.http_request or inputParameters.uri", is_given)
}

fn required_input(
    step: &Step<'_>,
    member: &str,
    task_defs: &dyn Fn(&str) -> Option<Arc<TaskDef>>,
) -> Vec<Fault> {
    let is_given = has_input(step, member) || is_in_template(step, member, task_defs);
    required(step, &format!("inputParameters.{member}"), is_given)
}

fn terminate(step: &Step<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    if step.task.optional {
        let message = format!("terminate task cannot be optional, taskName: {}", step.name());
        faults.push(step.fault("/optional", message));
    }
    let input = step.task.input_parameters.to_value();
    let status = input.get("terminationStatus").and_then(serde_json::Value::as_str);
    if !matches!(status, Some("COMPLETED" | "FAILED" | "TERMINATED")) {
        let message = format!(
            "terminate task must have an terminationStatus parameter and must be set to \
             COMPLETED or FAILED, taskName: {}",
            step.name()
        );
        faults.push(step.fault("/inputParameters/terminationStatus", message));
    }
    faults
}
