//! Limits, and faults of structure that Conductor registers and then trips over: it fails the start,
//! or leaves the execution waiting for ever.
//! **Source**: conductor-semantics §1.5, §1.7, §10 (3).
use super::Fault;
use super::steps::{Step, reference_fault};
use baton_common::limits::{DEFINITION_BYTES_MAX, DEFINITION_DEPTH_MAX, DEFINITION_TASKS_MAX};
use baton_common::{WorkflowDef, WorkflowTask};
use std::collections::HashSet;
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

/// Forks without a task in a branch or without a JOIN behind, and joins on steps that cannot be.
pub(super) fn faults(steps: &[Step<'_>]) -> Vec<Fault> {
    let names: HashSet<&str> = steps.iter().map(Step::reference).collect();
    let has_dynamic_names = steps.iter().any(|step| step.task.task_type == "FORK_JOIN_DYNAMIC");
    let mut faults = Vec::new();
    for step in steps {
        match step.task.task_type.as_str() {
            "FORK_JOIN" => {
                faults.extend(empty_branches(step));
                faults.extend(join_missing(step));
            }
            "FORK_JOIN_DYNAMIC" => faults.extend(join_missing(step)),
            "JOIN" if !has_dynamic_names => faults.extend(unknown_joins(step, &names)),
            _ => {}
        }
    }
    faults
}

fn empty_branches(step: &Step<'_>) -> Vec<Fault> {
    let branches = step.task.fork_tasks.iter().enumerate();
    let empty = branches.filter(|(_, branch)| branch.is_empty());
    empty
        .map(|(index, _)| {
            let message = format!(
                "forkTasks[{index}] should have atleast one task for taskType: FORK_JOIN \
                 taskName: {}",
                step.name()
            );
            step.fault(&format!("/forkTasks/{index}"), message)
        })
        .collect()
}

fn join_missing(step: &Step<'_>) -> Option<Fault> {
    let is_joined = step.next.is_some_and(|next| next.task_type == "JOIN");
    let message = format!(
        "Fork task definition is not followed by a join task: taskReferenceName: {}",
        step.reference()
    );
    (!is_joined).then(|| step.fault("", message))
}

/// Names that no step has, so that the JOIN would wait for ever. `__` parts an iteration's number
/// from the name of a step in a loop.
fn unknown_joins(step: &Step<'_>, names: &HashSet<&str>) -> Vec<Fault> {
    let joined = step.task.join_on.iter().enumerate();
    let unknown = joined.filter(|(_, name)| {
        let base = name.split("__").next().unwrap_or(name);
        !names.contains(name.as_str()) && !names.contains(base)
    });
    unknown
        .map(|(index, name)| {
            let message = format!(
                "joinOn: {name} of taskReferenceName: {} is not defined in workflow definition.",
                step.reference()
            );
            step.fault(&format!("/joinOn/{index}"), message)
        })
        .collect()
}
