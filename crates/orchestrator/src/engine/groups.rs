//! What becomes of a batch. In one database it is committed whole or not; where each shard has a commit
//! of its own, a part of it can be lost while the others are done.
use super::Engine;
use super::deciding::Deciding;
use super::jobs::Job;
use super::loading::States;
use super::pack::Prepared;
use baton_common::ExecutionId;
use baton_store::{
    Batch, CommitError, CommitScope, Conflict, ExecutionWrite, MessageId, StoreError,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use tokio::time::Instant;

/// A set of shards, a bit each.
#[derive(Clone, Copy, Default)]
pub(super) struct Shards(u64);

impl Shards {
    const ALL: Self = Self(u64::MAX);

    fn of(shard: u8) -> Self {
        Self(1 << shard)
    }

    /// Whether the execution is in one of them.
    pub(super) fn hold(self, id: ExecutionId) -> bool {
        self.0 & Self::of(id.shard()).0 != 0
    }

    fn add(&mut self, others: Self) {
        self.0 |= others.0;
    }
}

/// Which shards' parts of a batch were not committed. What is in neither set is done.
#[derive(Default)]
pub(super) struct Outcome {
    /// Others were faster.
    pub(super) lost: Option<(Shards, Conflict)>,
    /// The database failed; the last error of several.
    pub(super) failed: Option<(Shards, StoreError)>,
}

impl Outcome {
    fn add(&mut self, shards: Shards, error: CommitError) {
        match error {
            CommitError::Conflict(conflict) => {
                let (lost, all) = self.lost.get_or_insert_default();
                lost.add(shards);
                all.versions.extend(conflict.versions);
                all.idempotency.extend(conflict.idempotency);
                all.stale_definitions |= conflict.stale_definitions;
                all.delivered.extend(conflict.delivered);
            }
            CommitError::Store(error) => {
                let (failed, last) = self.failed.get_or_insert((shards, error.clone()));
                failed.add(shards);
                *last = error;
            }
        }
    }
}

impl Engine {
    /// Commits a batch, in as many parts as the store has commits for.
    pub(super) async fn send(&mut self, batch: Batch, jobs: &[Job]) -> Outcome {
        let parts = match self.parts.store.scope() {
            CommitScope::Database => vec![(Shards::ALL, batch)],
            CommitScope::Shard => by_shard(batch, jobs),
        };
        let needed = parts.into_iter().filter(|(_, batch)| is_needed(batch));
        let (shards, batches): (Vec<Shards>, Vec<Batch>) = needed.unzip();
        let mut outcome = Outcome::default();
        let began = Instant::now();
        let sent = self.lane.commit_each(&batches).await;
        let took = began.elapsed();
        self.meter.sent(&batches, &sent, took);
        if !sent.is_empty() && sent.iter().all(Result::is_ok) {
            self.starts.committed(took);
        }
        for (shards, sent) in shards.into_iter().zip(sent) {
            if let Err(error) = sent {
                outcome.add(shards, error);
            }
        }
        outcome
    }
}

/// Whether there is anything to commit.
fn is_needed(batch: &Batch) -> bool {
    !batch.writes.is_empty() || !batch.delivered.is_empty()
}

/// A batch for each shard. A message goes with the commit of who has received it.
fn by_shard(batch: Batch, jobs: &[Job]) -> Vec<(Shards, Batch)> {
    let Batch { at, revision, plans, writes, delivered } = batch;
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
    let hearers: HashMap<MessageId, u8> = received.collect();
    for message in delivered {
        let shard = hearers.get(&message).copied().unwrap_or(message.from.shard());
        parts.entry(shard).or_insert_with(empty).delivered.push(message);
    }
    parts.into_iter().map(|(shard, batch)| (Shards::of(shard), batch)).collect()
}

fn is_plan_of<T>(write: &ExecutionWrite, (hash, _): &(baton_store::PlanHash, T)) -> bool {
    write.index.as_ref().is_some_and(|index| index.plan == *hash)
}

/// A batch that is decided and sent.
pub(super) struct Decided {
    /// How many of the jobs were asked for; the others came up with them.
    pub(super) asked: usize,
    pub(super) jobs: Vec<Job>,
    pub(super) deciding: Deciding,
    pub(super) prepared: Prepared,
}

impl Decided {
    /// Takes out what is about executions in these shards, with the jobs that were asked for: what
    /// these came up with (starts, refusals) is decided anew when they are.
    pub(super) fn split_off(&mut self, shards: Shards) -> Self {
        let is_lost = |id: &ExecutionId| shards.hold(*id);
        let prepared = &mut self.prepared;
        prepared.cached.retain(|cached| !shards.hold(cached.execution.id()));
        prepared.held.retain(|key| !shards.hold(key.task.execution()));
        prepared.queued.retain(|id| !shards.hold(*id));
        prepared.messages.retain(|message| !shards.hold(message.id.from));
        prepared.starts.retain(|message| !shards.hold(message.id.from));
        // Those that are stored after all are sent once more.
        prepared.plans.clear();
        let deciding = &mut self.deciding;
        let by_id = deciding.states.by_id.extract_if(.., |id, _| is_lost(id)).collect();
        let part = Deciding {
            states: States { by_id, fresh: HashSet::new() },
            drafts: deciding.drafts.extract_if(.., |id, _| is_lost(id)).collect(),
            ..Deciding::new(deciding.snapshot.clone())
        };
        let jobs = self.split_off_jobs(shards);
        Self { asked: jobs.len(), jobs, deciding: part, prepared: Prepared::default() }
    }

    /// Keeps answers and suspended decisions with their jobs.
    fn split_off_jobs(&mut self, shards: Shards) -> Vec<Job> {
        let (mut lost, mut kept, mut places) = (Vec::new(), Vec::new(), HashMap::new());
        let answers = std::mem::take(&mut self.deciding.answers);
        let all = std::mem::take(&mut self.jobs).into_iter().zip(answers).enumerate();
        for (place, (job, answer)) in all {
            if !shards.hold(job.target) {
                places.insert(place, kept.len());
                kept.push((job, answer));
            } else if place < self.asked {
                lost.push(job);
            }
        }
        self.asked -= lost.len();
        (self.jobs, self.deciding.answers) = kept.into_iter().unzip();
        self.deciding.waiting.retain_mut(|waiting| {
            let place = places.get(&waiting.job);
            place.map(|place| waiting.job = *place).is_some()
        });
        lost
    }
}
