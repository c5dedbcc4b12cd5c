//! Gives ready tasks to the polls that wait for them: a lease is one more change of the draft. A task of a
//! limited definition takes a slot with it, in the same commit.
use super::batch::DraftBatch;
use super::slots::Slots;
use crate::engine::dispatch::Dispatcher;
use crate::engine::draft::Draft;
use crate::engine::ready::{ready_key, touched};
use crate::engine::suspended::Suspended;
use baton_common::planted::{Planted, is};
use baton_common::{ExecutionId, Timestamp};
use baton_decider::change::Change;
use baton_store::{LimitMoves, ReadyKey};
use std::sync::Arc;

/// A batch that has lost so often to others who took the same slots takes none: what else is in it must
/// not wait. Its tasks have their slots in the next batch.
const LIMIT_LOSSES_MAX: usize = 2;

/// What the polls have left.
#[derive(Default)]
pub(super) struct Assigned {
    /// The executions of the batch in the order of their writes.
    pub(super) order: Vec<ExecutionId>,
    /// Ready tasks that no poll waits for.
    pub(super) unassigned: Vec<ReadyKey>,
    /// Ready tasks for which there is no slot, each with the limit.
    pub(super) limited: Vec<(ReadyKey, Arc<str>)>,
    /// The executions of those that became ready with this batch, one entry for each task.
    pub(super) queued: Vec<ExecutionId>,
    /// What the commit must hold to.
    pub(super) limits: LimitMoves,
}

/// What became of a ready task.
enum Lease {
    Given,
    NoPoll,
    NoSlot(Arc<str>),
}

/// Assigns first the tasks that were ready before, then those that this batch has made ready.
pub(super) fn to_polls(
    batch: &mut DraftBatch,
    dispatcher: &mut Dispatcher,
    suspended: &Suspended,
    now: Timestamp,
) -> Assigned {
    let mut assigned = Assigned::default();
    let snapshot = batch.snapshot.clone();
    let mut slots = Slots::freed_by(batch.drafts.values(), &snapshot.catalog, now);
    if batch.learned.limit_losses >= LIMIT_LOSSES_MAX {
        slots.close();
    }
    let mut desk = Desk { dispatcher, slots, now };
    for key in std::mem::take(&mut batch.claims) {
        // A later job of the batch may have ended it or taken it away.
        if let Some(draft) = batch.drafts.get_mut(&key.task.execution())
            && !draft.after.status.is_terminal()
            && (ready_key(&draft.after, key.task.seq()).as_ref() == Some(&key)
                || is(Planted::LeaseTwice))
        {
            match desk.lease(draft, &key) {
                Lease::Given => {}
                Lease::NoPoll => assigned.unassigned.push(key),
                Lease::NoSlot(limit) => assigned.limited.push((key, limit)),
            }
        }
    }
    for waiting in &batch.waiting {
        if let Some(draft) = batch.drafts.get_mut(&waiting.target) {
            draft.waits_for_script = true;
        }
    }
    assigned.order = batch.drafts.keys().copied().collect();
    assigned.order.sort_unstable_by_key(|id| (id.shard(), *id));
    for place in 0..assigned.order.len() {
        let id = assigned.order[place];
        if let Some(draft) = batch.drafts.get_mut(&id) {
            draft.waits_for_script |= suspended.contains(id);
            desk.assign_new(draft, &mut assigned);
        }
    }
    assigned.limits = desk.slots.moves();
    let is_limited = !assigned.limits.most.is_empty() || !assigned.limits.windows.is_empty();
    batch.read_definitions |= is_limited;
    assigned
}

/// Where tasks meet polls and slots.
struct Desk<'a> {
    dispatcher: &'a mut Dispatcher,
    slots: Slots<'a>,
    now: Timestamp,
}

impl Desk<'_> {
    /// Assigns the tasks that this batch made ready; notes those that no poll waits for.
    fn assign_new(&mut self, draft: &mut Draft, assigned: &mut Assigned) {
        if draft.changes.is_empty() || draft.after.status.is_terminal() {
            return;
        }
        let new_key = |seq: u32| {
            let before = draft.before.as_ref().and_then(|cached| ready_key(&cached.execution, seq));
            ready_key(&draft.after, seq).filter(|key| before.as_ref() != Some(key))
        };
        let keys: Vec<ReadyKey> = touched(draft).into_iter().filter_map(new_key).collect();
        for key in keys {
            let lease = match self.first_in_line(draft, &key) {
                Some(limit) => Lease::NoSlot(limit),
                None => self.lease(draft, &key),
            };
            if !matches!(lease, Lease::Given) {
                assigned.queued.push(key.task.execution());
            }
            match lease {
                Lease::Given => {}
                Lease::NoPoll => assigned.unassigned.push(key),
                Lease::NoSlot(limit) => assigned.limited.push((key, limit)),
            }
        }
    }

    /// The limit of a new task for whose slots older ones wait.
    fn first_in_line(&self, draft: &Draft, key: &ReadyKey) -> Option<Arc<str>> {
        let bound = self.slots.needed(&draft.after, key.task.seq())?;
        self.dispatcher.has_before(key, &bound.limit).then_some(bound.limit)
    }

    /// Leases a ready task to a waiting poll, with the slot that it needs.
    fn lease(&mut self, draft: &mut Draft, key: &ReadyKey) -> Lease {
        let (id, seq) = (draft.after.id(), key.task.seq());
        let bound = self.slots.needed(&draft.after, seq);
        if let Some(bound) = &bound
            && !self.slots.has_room(bound, self.dispatcher.known(bound))
        {
            return Lease::NoSlot(bound.limit.clone());
        }
        let Some(worker) = self.dispatcher.assign(&key.queue, id, seq) else {
            return Lease::NoPoll;
        };
        let slots = bound.and_then(|bound| self.slots.take(&bound));
        let change = Change::TaskLeased { seq, worker, slots, at: self.now };
        Arc::make_mut(&mut draft.after).apply(&change);
        draft.changes.push(change);
        Lease::Given
    }
}
