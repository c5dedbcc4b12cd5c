//! Which tasks are ready for workers.
use super::draft::Draft;
use baton_decider::change::Change;
use baton_decider::state::Execution;
use baton_store::ReadyKey;
use std::collections::BTreeSet;

/// A task's place in its queue, when any worker may take it.
pub(crate) fn ready_key(execution: &Execution, seq: u32) -> Option<ReadyKey> {
    let ready_at = execution.ready_since(seq)?;
    let task = execution.task(seq)?;
    Some(ReadyKey {
        queue: execution.queue_of(task),
        priority: execution.facts.priority,
        ready_at,
        task: execution.id().task(seq),
    })
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
