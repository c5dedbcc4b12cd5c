//! Limits, and faults of structure that Conductor registers and then trips over: it fails the start,
//! or leaves the execution waiting for ever.
//! **Source**: conductor-semantics §1.5, §1.7, §10 (3).
use super::fault::Fault;
use super::steps::{Names, Step, reference_fault};
use crate::decide::types;
use crate::task_type::Inside;
use baton_common::limits::{DEFINITION_BYTES_MAX, DEFINITION_DEPTH_MAX, DEFINITION_TASKS_MAX};
use baton_common::{WorkflowDef, WorkflowTask};
use std::io;

/// The limits a definition breaks. A definition that breaks one is not looked at further.
pub(super) fn limit_faults(definition: &WorkflowDef) -> Vec<Fault> {
    let (tasks, depth) = extent(definition);
    let mut faults = Vec::new();
    if depth > DEFINITION_DEPTH_MAX {
        faults.push(Fault::of_whole(
            "/tasks",
            format!("tasks are nested {depth} deep, the limit is {DEFINITION_DEPTH_MAX}"),
        ));
    }
    if tasks > DEFINITION_TASKS_MAX {
        let message =
            format!("the definition has {tasks} tasks, the limit is {DEFINITION_TASKS_MAX}");
        faults.push(Fault::of_whole("/tasks", message));
    }
    // A definition nested too deep could overflow the stack of the serializer.
    let bytes = if faults.is_empty() { size_bytes(definition) } else { 0 };
    if bytes > DEFINITION_BYTES_MAX {
        let message = format!(
            "the definition has {bytes} bytes of JSON, the limit is {DEFINITION_BYTES_MAX}"
        );
        faults.push(Fault::of_whole("", message));
    }
    faults
}

/// Number of steps, and how deep they are nested; a definition's own steps have depth 1.
fn extent(definition: &WorkflowDef) -> (usize, usize) {
    let (mut tasks, mut deepest) = (0, 0);
    let mut open: Vec<(&WorkflowTask, usize)> = definition.tasks.iter().map(|t| (t, 1)).collect();
    while let Some((task, depth)) = open.pop() {
        tasks += 1;
        deepest = deepest.max(depth);
        let branches = task.decision_cases.values().chain(&task.fork_tasks);
        let within = branches.chain([&task.default_case, &task.loop_over]).flatten();
        open.extend(within.map(|inner| (inner, depth + 1)));
    }
    (tasks, deepest)
}

/// Bytes of the definition's JSON, counted without keeping it.
fn size_bytes(definition: &WorkflowDef) -> usize {
    struct Counter(usize);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, definition) {
        Ok(()) => counter.0,
        Err(_) => unreachable!("a definition is always JSON and counting never fails"),
    }
}

/// What a step in a loop's body needs to run at all.
pub(super) fn loop_body_faults(step: &Step<'_>) -> Vec<Fault> {
    reference_fault(step).into_iter().collect()
}

/// What the steps around it or the names of others make wrong with a step: see [`crate::task_type::Facts`].
pub(super) fn faults(steps: &[Step<'_>]) -> Vec<Fault> {
    let facts = |step: &Step<'_>| types::facts_of(&step.task.task_type);
    let names = Names {
        given: steps.iter().map(Step::reference).collect(),
        has_others: steps.iter().any(|step| facts(step).inside == Inside::RunTimeBranches),
    };
    steps.iter().flat_map(|step| (facts(step).flow_faults)(step, &names)).collect()
}
