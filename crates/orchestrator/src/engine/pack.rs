//! Packing a decided batch: ready tasks go to waiting polls, drafts become the writes of one commit.
use super::deciding::{Deciding, Draft};
use super::write::{ready_key, touched, write_of};
use super::{Cached, Engine};
use crate::definitions::PinnedDefinition;
use crate::snapshots::Since;
use baton_common::planted::{Planted, is};
use baton_common::{ExecutionId, Timestamp};
use baton_decider::change::Change;
use baton_decider::command::MessageBody;
use baton_store::{Batch, ReadyKey, StoredMessage};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A commit ready to be sent, with what must be done after it.
#[derive(Default)]
pub(super) struct Prepared {
    pub(super) batch: Batch,
    pub(super) cached: Vec<Cached>,
    pub(super) held: Vec<ReadyKey>,
    /// The executions of those of them that became ready in this batch, one entry for each task.
    pub(super) queued: Vec<ExecutionId>,
    pub(super) messages: Vec<StoredMessage>,
    /// Messages that start executions.
    pub(super) starts: Vec<StoredMessage>,
    pub(super) plans: Vec<Arc<PinnedDefinition>>,
}

impl Engine {
    /// Hands ready tasks to waiting polls and packs the commit.
    pub(super) fn prepare(&mut self, deciding: &mut Deciding) -> Prepared {
        let now = self.parts.clock.now();
        let mut held = Vec::new();
        for key in std::mem::take(&mut deciding.claims) {
            // A later job of the batch may have ended it or taken it away.
            if let Some(draft) = deciding.drafts.get_mut(&key.task.execution())
                && !draft.after.status.is_terminal()
                && (ready_key(&draft.after, key.task.seq()).as_ref() == Some(&key)
                    || is(Planted::LeaseTwice))
                && !self.hand_over(draft, &key, now)
            {
                held.push(key);
            }
        }
        let batch = Batch { at: now, ..Batch::default() };
        let mut prepared = Prepared { batch, held, ..Prepared::default() };
        prepared.batch.delivered = std::mem::take(&mut deciding.delivered);
        if deciding.read_definitions {
            prepared.batch.revision = Some(deciding.snapshot.catalog.revision);
        }
        let mut ids: Vec<ExecutionId> = deciding.drafts.keys().copied().collect();
        ids.sort_unstable_by_key(|id| (id.shard(), *id));
        let waiting: HashSet<ExecutionId> =
            deciding.waiting.iter().map(|waiting| waiting.target).collect();
        for id in ids {
            if let Some(draft) = deciding.drafts.get_mut(&id) {
                let waits = waiting.contains(&id) || self.suspended.contains_key(&id);
                self.pack(draft, waits, now, &mut prepared);
            }
        }
        deciding.mark_outdated();
        prepared
    }

    fn pack(
        &mut self,
        draft: &mut Draft,
        waits_for_script: bool,
        now: Timestamp,
        prepared: &mut Prepared,
    ) {
        self.hand_over_new(draft, now, prepared);
        // One that waits for a script commits soon; a commit before that would be in its way.
        let must_move = !waits_for_script
            && draft.before.as_ref().is_some_and(|cached| {
                cached.row_wake_at.is_some_and(|at| at <= now) && !draft.after.status.is_terminal()
            });
        if draft.changes.is_empty() && draft.messages.is_empty() && !must_move {
            prepared.cached.extend(draft.before.clone());
            return;
        }
        let after = Arc::make_mut(&mut draft.after);
        after.updated_at = after.updated_at.max(now);
        let plan = match (&draft.pinned, &draft.before) {
            (Some(pinned), _) => {
                if !pinned.is_stored.load(Ordering::Relaxed) {
                    prepared.batch.plans.push((pinned.hash, pinned.plan.json.clone()));
                    prepared.plans.push(pinned.clone());
                }
                pinned.hash
            }
            (None, Some(cached)) => cached.plan,
            (None, None) => unreachable!("a created draft has its definition"),
        };
        let (write, row_wake_at) = write_of(draft, plan);
        for (message, stored) in draft.messages.iter().zip(&write.sent) {
            let is_start =
                matches!(message.body, MessageBody::Start(_) | MessageBody::StartFor { .. });
            let sent = if is_start { &mut prepared.starts } else { &mut prepared.messages };
            sent.push(stored.clone());
        }
        let (execution, version) = (draft.after.clone(), write.expected_version + 1);
        let more = Since { changes: draft.changes.len(), bytes: write.journal.len() };
        let since = draft.before.as_ref().map_or(more, |cached| cached.since.plus(more));
        prepared.cached.push(Cached { execution, version, row_wake_at, plan, since });
        prepared.batch.writes.push(write);
    }

    /// Gives a ready task to a waiting poll; false when nobody waits.
    fn hand_over(&mut self, draft: &mut Draft, key: &ReadyKey, at: Timestamp) -> bool {
        let (id, seq) = (draft.after.id(), key.task.seq());
        let Some(worker) = self.dispatcher.take(&key.queue, id, seq) else { return false };
        let change = Change::TaskLeased { seq, worker, at };
        Arc::make_mut(&mut draft.after).apply(&change);
        draft.changes.push(change);
        true
    }

    /// Hands over the tasks that this batch made ready; remembers the others.
    fn hand_over_new(&mut self, draft: &mut Draft, now: Timestamp, prepared: &mut Prepared) {
        if draft.changes.is_empty() || draft.after.status.is_terminal() {
            return;
        }
        let new_key = |seq: u32| {
            let before = draft.before.as_ref().and_then(|cached| ready_key(&cached.execution, seq));
            ready_key(&draft.after, seq).filter(|key| before.as_ref() != Some(key))
        };
        let keys: Vec<ReadyKey> = touched(draft).into_iter().filter_map(new_key).collect();
        for key in keys {
            if !self.hand_over(draft, &key, now) {
                prepared.queued.push(key.task.execution());
                prepared.held.push(key);
            }
        }
    }
}
