//! Packs a decided batch into the writes of one commit.
use super::write::write_of;
use crate::definitions::PinnedDefinition;
use crate::engine::decide::Decided;
use crate::engine::draft::Draft;
use crate::engine::state::Cached;
use crate::snapshots::Since;
use baton_common::Timestamp;
use baton_common::planted::{Planted, is};
use baton_store::{Batch, Slot, StoredMessage};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a commit makes true, besides the drafts.
#[derive(Default)]
pub(in crate::engine) struct Packed {
    /// The states as committed.
    pub(in crate::engine) cached: Vec<Cached>,
    pub(in crate::engine) messages: Vec<StoredMessage>,
    /// Messages that start executions.
    pub(in crate::engine) starts: Vec<StoredMessage>,
    /// Definitions that the database has then.
    pub(in crate::engine) plans: Vec<Arc<PinnedDefinition>>,
}

/// The writes of a batch, and what is true once they are committed.
pub(super) fn pack(decided: &mut Decided) -> (Batch, Packed) {
    let mut batch = Batch { at: decided.at, revision: decided.revision, ..Batch::default() };
    batch.delivered = std::mem::take(&mut decided.delivered);
    let mut packed = Packed::default();
    batch.limits = std::mem::take(&mut decided.limits);
    for id in &decided.order {
        if let Some(draft) = decided.drafts.get_mut(id) {
            pack_draft(draft, decided.at, &mut batch, &mut packed);
        }
    }
    (batch, packed)
}

fn pack_draft(draft: &mut Draft, now: Timestamp, batch: &mut Batch, packed: &mut Packed) {
    // A decision that waits for a script commits soon; a commit before that would be in its way.
    let must_move_wake_up = !draft.waits_for_script
        && draft.before.as_ref().is_some_and(|cached| {
            cached.row_wake_at.is_some_and(|at| at <= now) && !draft.after.status.is_terminal()
        });
    if draft.changes.is_empty() && draft.messages.is_empty() && !must_move_wake_up {
        packed.cached.extend(draft.before.clone());
        return;
    }
    let after = Arc::make_mut(&mut draft.after);
    after.updated_at = after.updated_at.max(now);
    let plan = match (&draft.pinned, &draft.before) {
        (Some(pinned), _) => {
            if !pinned.is_stored.load(Ordering::Relaxed) {
                batch.plans.push((pinned.hash, pinned.plan.json.clone()));
                packed.plans.push(pinned.clone());
            }
            pinned.hash
        }
        (None, Some(cached)) => cached.plan,
        (None, None) => unreachable!("the draft of a new execution has its definition"),
    };
    let (write, row_wake_at) = write_of(draft, plan);
    for (message, stored) in draft.messages.iter().zip(&write.sent) {
        let sent =
            if message.body.start().is_some() { &mut packed.starts } else { &mut packed.messages };
        sent.push(stored.clone());
    }
    let (execution, version) = (draft.after.clone(), write.expected_version + 1);
    let more = Since { changes: draft.changes.len(), bytes: write.journal.len() };
    let since = draft.before.as_ref().map_or(more, |cached| cached.since.plus(more));
    packed.cached.push(Cached { execution, version, row_wake_at, plan, since });
    batch.writes.push(write);
    let slot = |(limit, seq): &(Arc<str>, u32)| Slot {
        limit: limit.to_string(),
        task: draft.after.id().task(*seq),
    };
    batch.limits.taken.extend(draft.slots_taken().map(slot));
    if !is(Planted::KeepASlot) {
        batch.limits.freed.extend(draft.slots_freed().map(slot));
    }
}
