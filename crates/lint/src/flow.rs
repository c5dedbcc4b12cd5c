//! Steps that no execution comes to.
use crate::finding::{Code, Finding};
use crate::scene::Scene;
use crate::steps::branches;
use baton_common::WorkflowTask;

/// The first step behind each one that always ends the execution.
pub(crate) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    list(&scene.definition.tasks, "/tasks", &mut findings);
    findings
}

/// Looks through a list of steps; whether it always ends the execution.
fn list(tasks: &[WorkflowTask], pointer: &str, findings: &mut Vec<Finding>) -> bool {
    let mut ended_by: Option<&str> = None;
    let mut is_told = false;
    for (index, task) in tasks.iter().enumerate() {
        let pointer = format!("{pointer}/{index}");
        if let Some(before) = ended_by.filter(|_| !is_told) {
            let message = format!(
                "no execution comes to this step: `{before}` always ends the execution; remove one of \
                 the two"
            );
            findings.push(Finding::new(Code::UnreachableStep, pointer.clone(), message));
            is_told = true;
        }
        if ends(task, &pointer, findings) && ended_by.is_none() {
            ended_by = Some(task.task_reference_name.as_deref().unwrap_or_default());
        }
    }
    ended_by.is_some()
}

/// Whether a step always ends the execution.
fn ends(task: &WorkflowTask, pointer: &str, findings: &mut Vec<Finding>) -> bool {
    let ends: Vec<bool> = branches(task)
        .map(|(name, tasks)| list(tasks, &format!("{pointer}/{name}"), findings))
        .collect();
    let cases = task.decision_cases.len();
    match task.task_type.as_str() {
        "TERMINATE" => true,
        // The cases, and behind them the default; an empty one does not end anything.
        "SWITCH" => cases > 0 && ends.iter().take(cases + 1).all(|ends| *ends),
        "DO_WHILE" => task.items.is_none() && ends.last().copied().unwrap_or(false),
        _ => false,
    }
}
