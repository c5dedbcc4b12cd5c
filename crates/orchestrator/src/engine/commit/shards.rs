//! The parts of a batch. One database commits a batch whole or not at all; where each shard has a commit
//! of its own, some parts of a batch can fail while the others are committed.
use crate::engine::job::Job;
use baton_common::ExecutionId;
use baton_store::{
    Batch, CommitError, Conflict, ExecutionWrite, LimitMoves, MessageId, Slot, StoreError,
};
use std::collections::{BTreeMap, HashMap};

/// A set of shards, a bit each.
#[derive(Clone, Copy, Default)]
pub(super) struct Shards(u64);

impl Shards {
    pub(super) const ALL: Self = Self(u64::MAX);

    fn of(shard: u8) -> Self {
        Self(1 << shard)
    }

    /// Whether the execution is in one of these shards.
    pub(super) fn contain(self, id: ExecutionId) -> bool {
        self.0 & Self::of(id.shard()).0 != 0
    }

    fn add(&mut self, others: Self) {
        self.0 |= others.0;
    }
}

/// Which shards' parts of a batch were not committed. All others are.
#[derive(Default)]
pub(super) struct Losses {
    /// Other processes have committed first.
    pub(super) lost: Option<(Shards, Conflict)>,
    /// The database failed; the last error of several.
    pub(super) failed: Option<(Shards, StoreError)>,
}

impl Losses {
    pub(super) fn add(&mut self, shards: Shards, error: CommitError) {
        match error {
            CommitError::Conflict(conflict) => {
                let (lost, all) = self.lost.get_or_insert_default();
                lost.add(shards);
                all.versions.extend(conflict.versions);
                all.idempotency.extend(conflict.idempotency);
                all.stale_definitions |= conflict.stale_definitions;
                all.delivered.extend(conflict.delivered);
                all.limits.extend(conflict.limits);
            }
            CommitError::Store(error) => {
                let (failed, last) = self.failed.get_or_insert((shards, error.clone()));
                failed.add(shards);
                *last = error;
            }
        }
    }
}

/// Whether there is anything to commit.
pub(super) fn is_needed(batch: &Batch) -> bool {
    !batch.writes.is_empty() || !batch.delivered.is_empty()
}

/// A batch for each shard. A message goes with the commit of who has received it.
pub(super) fn by_shard(batch: Batch, jobs: &[Job]) -> Vec<(Shards, Batch)> {
    if !batch.limits.windows.is_empty() {
        // What a rate lets through is one record for executions of all shards.
        return vec![(Shards::ALL, batch)];
    }
    let Batch { at, revision, plans, writes, delivered, limits } = batch;
    let mut parts: BTreeMap<u8, Batch> = BTreeMap::new();
    let empty = || Batch { at, revision, ..Batch::default() };
    for write in writes {
        let part = parts.entry(write.id.shard()).or_insert_with(empty);
        let is_new = |plan: &&_| is_plan_of(&write, plan) && !part.plans.contains(plan);
        let brought: Vec<_> = plans.iter().filter(is_new).take(1).cloned().collect();
        part.plans.extend(brought);
        part.writes.push(write);
    }
    let received = jobs.iter().filter_map(|job| Some((job.message?, job.target.shard())));
    let receivers: HashMap<MessageId, u8> = received.collect();
    for message in delivered {
        let shard = receivers.get(&message).copied().unwrap_or(message.from.shard());
        parts.entry(shard).or_insert_with(empty).delivered.push(message);
    }
    for (shard, part) in &mut parts {
        part.limits = limits_in(&limits, *shard);
    }
    parts.into_iter().map(|(shard, batch)| (Shards::of(shard), batch)).collect()
}

/// What the executions of one shard take and free. The limits themselves are of any shard.
fn limits_in(limits: &LimitMoves, shard: u8) -> LimitMoves {
    let is_here = |slot: &&Slot| slot.task.execution().shard() == shard;
    let taken: Vec<Slot> = limits.taken.iter().filter(is_here).cloned().collect();
    let freed = limits.freed.iter().filter(is_here).cloned().collect();
    let is_taken = |limit: &String| taken.iter().any(|slot| slot.limit == *limit);
    let most = limits.most.iter().filter(|(limit, _)| is_taken(limit));
    let most = most.map(|(limit, most)| (limit.clone(), *most)).collect();
    LimitMoves { taken, freed, most, windows: Vec::new() }
}

fn is_plan_of<T>(write: &ExecutionWrite, (hash, _): &(baton_store::PlanHash, T)) -> bool {
    write.index.as_ref().is_some_and(|index| index.plan == *hash)
}
