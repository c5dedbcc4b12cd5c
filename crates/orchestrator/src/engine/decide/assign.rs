//! Gives ready tasks to the polls that wait for them: a lease is one more change of the draft.
use super::batch::DraftBatch;
use crate::engine::dispatch::Dispatcher;
use crate::engine::draft::Draft;
use crate::engine::ready::{ready_key, touched};
use crate::engine::suspended::Suspended;
use baton_common::planted::{Planted, is};
use baton_common::{ExecutionId, Timestamp};
use baton_decider::change::Change;
use baton_store::ReadyKey;
use std::sync::Arc;

/// What the polls have left.
pub(super) struct Assigned {
    /// The executions of the batch in the order of their writes.
    pub(super) order: Vec<ExecutionId>,
    /// Ready tasks that no poll waits for.
    pub(super) unassigned: Vec<ReadyKey>,
    /// The executions of those that became ready with this batch, one entry for each task.
    pub(super) queued: Vec<ExecutionId>,
}

/// Assigns first the tasks that were ready before, then those that this batch has made ready.
pub(super) fn to_polls(
    batch: &mut DraftBatch,
    dispatcher: &mut Dispatcher,
    suspended: &Suspended,
    now: Timestamp,
) -> Assigned {
    let mut unassigned = Vec::new();
    for key in std::mem::take(&mut batch.claims) {
        // A later job of the batch may have ended it or taken it away.
        if let Some(draft) = batch.drafts.get_mut(&key.task.execution())
            && !draft.after.status.is_terminal()
            && (ready_key(&draft.after, key.task.seq()).as_ref() == Some(&key)
                || is(Planted::LeaseTwice))
            && !lease(draft, &key, dispatcher, now)
        {
            unassigned.push(key);
        }
    }
    for waiting in &batch.waiting {
        if let Some(draft) = batch.drafts.get_mut(&waiting.target) {
            draft.waits_for_script = true;
        }
    }
    let mut order: Vec<ExecutionId> = batch.drafts.keys().copied().collect();
    order.sort_unstable_by_key(|id| (id.shard(), *id));
    let mut assigned = Assigned { order: Vec::new(), unassigned, queued: Vec::new() };
    for id in &order {
        if let Some(draft) = batch.drafts.get_mut(id) {
            draft.waits_for_script |= suspended.contains(*id);
            assign_new(draft, dispatcher, now, &mut assigned);
        }
    }
    Assigned { order, ..assigned }
}

/// Assigns the tasks that this batch made ready; notes those that no poll waits for.
fn assign_new(
    draft: &mut Draft,
    dispatcher: &mut Dispatcher,
    now: Timestamp,
    assigned: &mut Assigned,
) {
    if draft.changes.is_empty() || draft.after.status.is_terminal() {
        return;
    }
    let new_key = |seq: u32| {
        let before = draft.before.as_ref().and_then(|cached| ready_key(&cached.execution, seq));
        ready_key(&draft.after, seq).filter(|key| before.as_ref() != Some(key))
    };
    let keys: Vec<ReadyKey> = touched(draft).into_iter().filter_map(new_key).collect();
    for key in keys {
        if !lease(draft, &key, dispatcher, now) {
            assigned.queued.push(key.task.execution());
            assigned.unassigned.push(key);
        }
    }
}

/// Leases a ready task to a waiting poll; false when no poll waits.
fn lease(draft: &mut Draft, key: &ReadyKey, dispatcher: &mut Dispatcher, at: Timestamp) -> bool {
    let (id, seq) = (draft.after.id(), key.task.seq());
    let Some(worker) = dispatcher.assign(&key.queue, id, seq) else { return false };
    let change = Change::TaskLeased { seq, worker, at };
    Arc::make_mut(&mut draft.after).apply(&change);
    draft.changes.push(change);
    true
}
