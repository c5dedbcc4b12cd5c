//! Which tasks are ready for workers.
use super::draft::Draft;
use crate::limits::bound_of_def;
use baton_decider::change::Change;
use baton_decider::state::{Execution, Task};
use baton_store::{LANE, ReadyKey};
use std::collections::BTreeSet;

/// A task's place in its queue, when any worker may take it.
pub(crate) fn ready_key(execution: &Execution, seq: u32) -> Option<ReadyKey> {
    let ready_at = execution.ready_since(seq)?;
    let task = execution.task(seq)?;
    Some(ReadyKey {
        queue: queue_of(execution, task),
        priority: execution.facts.priority,
        ready_at,
        task: execution.id().task(seq),
    })
}

/// The queue of a task, and its lane there: the tasks of one definition among those of a type that many
/// definitions share, such as HTTP. Where the type is the definition's own, the whole queue is limited.
fn queue_of(execution: &Execution, task: &Task) -> String {
    let node = execution.node_of(task);
    let queue = execution.queue_of(task);
    match bound_of_def(&node.name, &node.task_def) {
        Some(bound) if *node.task_type != *node.name => format!("{queue}{LANE}{}", bound.limit),
        Some(_) | None => queue,
    }
}

/// The tasks that a draft's changes may have moved into or out of a queue.
pub(super) fn touched(draft: &Draft) -> BTreeSet<u32> {
    let mut seqs = BTreeSet::new();
    for change in &draft.changes {
        match change {
            Change::TaskScheduled(task) => {
                seqs.insert(task.seq);
            }
            Change::TaskLeased { seq, .. } | Change::TaskMoved { seq, .. } => {
                seqs.insert(*seq);
            }
            Change::TaskReported(report) => {
                seqs.insert(report.seq);
            }
            Change::TaskEnded(end) => {
                seqs.insert(end.seq);
            }
            Change::TaskReopened(reopening) => {
                seqs.insert(reopening.seq);
            }
            Change::TasksRemoved { seqs: removed } => seqs.extend(removed),
            Change::ExecutionRestarted(_) => {
                let before = draft.before.as_ref();
                seqs.extend(before.iter().flat_map(|cached| cached.execution.tasks.keys()));
            }
            Change::ExecutionStarted(_)
            | Change::TaskRenewed { .. }
            | Change::TaskInputSet { .. }
            | Change::TaskForgiven { .. }
            | Change::TaskOverdue { .. }
            | Change::MessageSent { .. }
            | Change::MessageReceived { .. }
            | Change::LoopIterated { .. }
            | Change::LoopAdvanced { .. }
            | Change::StepsDefined { .. }
            | Change::AgendaLeft { .. }
            | Change::BranchesPlanned { .. }
            | Change::BranchesJoined { .. }
            | Change::VariablesSet { .. }
            | Change::ExecutionPaused { .. }
            | Change::ExecutionResumed { .. }
            | Change::ExecutionEnded(_)
            | Change::OutputAmended { .. }
            | Change::ExecutionReopened { .. } => {}
        }
    }
    seqs
}
