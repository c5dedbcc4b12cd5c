//! The fourth stage: commits a decided batch, in one transaction or in one for each shard.
//!
//! Promises that of each execution all changes of a batch are committed or none, and only if nobody
//! else has changed the execution meanwhile. Returns what is committed, what another process was faster
//! with, and what the database could not take.
mod pack;
mod shards;
mod write;

use super::attempt::{Attempt, Refused};
use super::decide::Decided;
use super::dispatch::Dispatcher;
use super::draft::{Drafts, before_states};
use super::job::Job;
use super::state::{Cached, States};
use crate::health::Pulse;
use baton_common::ExecutionId;
use baton_common::planted::{Planted, is};
use baton_decider::decide::agenda::SliceLimits;
use baton_store::{
    Batch, CommitError, CommitLane, CommitScope, Conflict, InUse, LimitMoves, Store, StoreError,
};
use baton_telemetry::EngineMetrics;
use pack::{Packed, pack};
use shards::{Losses, Shards, by_shard, is_needed};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The way to the database.
pub(super) struct Commit {
    store: Arc<dyn Store>,
    lane: Box<dyn CommitLane>,
    pulse: Arc<Pulse>,
    metrics: EngineMetrics,
}

/// What became of a batch.
pub(super) struct Outcome {
    pub(super) committed: Option<Committed>,
    pub(super) lost: Option<Lost>,
    pub(super) failed: Option<Failed>,
    /// How long the commit took, if all of it succeeded.
    pub(super) took: Option<Duration>,
    /// Limits with free slots that nobody waits for in this process: others may.
    pub(super) rooms: Vec<String>,
}

/// A batch, or a part of one, that is durable.
pub(super) struct Committed {
    pub(super) decided: Decided,
    pub(super) packed: Packed,
}

/// A part of a batch that another process was faster with.
pub(super) struct Lost {
    attempt: Attempt,
    conflict: Conflict,
    drafts: Drafts,
    states: BTreeMap<ExecutionId, Option<Cached>>,
}

/// A part of a batch that the database failed to commit.
pub(super) struct Failed {
    jobs: Vec<Job>,
    error: StoreError,
    slice: SliceLimits,
    began: Instant,
    /// Tasks to be given back. The commit may have taken effect, but the polls that it leased them to
    /// were not answered.
    pub(super) give_back: Vec<Job>,
}

impl Lost {
    /// Whether definitions have changed since the batch was decided.
    pub(super) fn has_stale_definitions(&self) -> bool {
        self.conflict.stale_definitions
    }

    /// Gives free the keys of ended executions that starts of this part may take. Keys whose holders
    /// are open, or cannot be asked for, stay with them.
    async fn release_keys(&mut self, store: &dyn Store) {
        let mut held = Vec::new();
        for (new, holder) in std::mem::take(&mut self.conflict.idempotency) {
            let takes_it = self.drafts.get(&new).is_some_and(|draft| draft.takes_key_of_ended);
            if !(takes_it && store.release_key(holder).await.is_ok_and(|is_free| is_free)) {
                held.push((new, holder));
            }
        }
        self.conflict.idempotency = held;
    }

    /// The next attempt, and the states to put back before it: stale ones are caught up from there.
    pub(super) fn split(self) -> (Result<Attempt, Refused>, impl Iterator<Item = Cached>) {
        let untouched = self.states.into_values().flatten();
        (self.attempt.again(self.conflict), before_states(self.drafts).chain(untouched))
    }
}

impl Failed {
    /// What comes next: two smaller attempts when the database refused the batch for what is in it,
    /// else a refusal.
    ///
    /// # Errors
    /// [`Refused`] when smaller attempts would not help.
    pub(super) fn next(self) -> Result<[Attempt; 2], Refused> {
        if self.error.is_about_content() && self.jobs.len() > 1 {
            return Ok(Attempt::halves(self.jobs, self.slice, self.began));
        }
        Err(Refused { jobs: self.jobs, error: self.error.into() })
    }
}

impl Commit {
    /// See [`Lost::release_keys`].
    pub(super) async fn release_keys(&self, lost: &mut Lost) {
        lost.release_keys(&*self.store).await;
    }

    pub(super) fn new(
        store: Arc<dyn Store>,
        lane: Box<dyn CommitLane>,
        pulse: Arc<Pulse>,
        metrics: EngineMetrics,
    ) -> Self {
        Self { store, lane, pulse, metrics }
    }

    /// Commits a batch. Polls that were to get tasks of a part that is not committed wait again.
    pub(super) async fn commit(
        &mut self,
        mut decided: Decided,
        dispatcher: &mut Dispatcher,
    ) -> Outcome {
        let (batch, packed) = pack(&mut decided);
        if is(Planted::AnswerBeforeCommit) {
            answer_at_once(&mut decided);
        }
        let moves = batch.limits.clone();
        let (losses, took, in_use) = self.send(batch, &decided.jobs).await;
        let rooms = note_limits(dispatcher, &moves, &in_use, &losses);
        let mut committed = Committed { decided, packed };
        let failed = losses.failed.map(|(shards, error)| {
            let part = committed.split_off(shards);
            let give_back = give_back(&part.drafts, dispatcher, shards);
            let Decided { slice, began, .. } = committed.decided;
            Failed { jobs: part.jobs, error, slice, began, give_back }
        });
        let lost = losses.lost.map(|(shards, conflict)| {
            dispatcher.unassign(|id| shards.contain(id));
            let Part { jobs, drafts, states } = committed.split_off(shards);
            let decided = &mut committed.decided;
            let learned = std::mem::take(&mut decided.learned);
            let Decided { slice, began, earlier, .. } = *decided;
            let attempt = Attempt { jobs, slice, learned, began, earlier };
            Lost { attempt, conflict, drafts, states }
        });
        let committed = Some(committed).filter(|committed| !committed.decided.jobs.is_empty());
        if committed.is_some() {
            self.pulse.commit_ended(true);
        }
        if let Some(Failed { jobs, error, .. }) = &failed {
            tracing::warn!(%error, jobs = jobs.len(), "a batch could not be committed");
            if !error.is_about_content() {
                self.pulse.commit_ended(false);
            }
        }
        Outcome { committed, lost, failed, took, rooms }
    }

    /// Sends a batch, in as many parts as the store has commits for.
    async fn send(&mut self, batch: Batch, jobs: &[Job]) -> (Losses, Option<Duration>, InUse) {
        let parts = match self.store.scope() {
            CommitScope::Database => vec![(Shards::ALL, batch)],
            CommitScope::Shard => by_shard(batch, jobs),
        };
        let needed = parts.into_iter().filter(|(_, batch)| is_needed(batch));
        let (shards, batches): (Vec<Shards>, Vec<Batch>) = needed.unzip();
        let mut losses = Losses::default();
        let began = Instant::now();
        let sent = self.lane.commit_each(&batches).await;
        let took = began.elapsed();
        self.measure(&batches, &sent, took);
        let is_whole = !sent.is_empty() && sent.iter().all(Result::is_ok);
        let mut in_use = InUse::new();
        for (shards, sent) in shards.into_iter().zip(sent) {
            match sent {
                Ok(held) => in_use.extend(held),
                Err(error) => losses.add(shards, error),
            }
        }
        (losses, Some(took).filter(|_| is_whole), in_use)
    }

    fn measure(&self, batches: &[Batch], sent: &[Result<InUse, CommitError>], took: Duration) {
        for (batch, sent) in batches.iter().zip(sent) {
            self.metrics.commit_duration.observe(took);
            match sent {
                Ok(_) => {
                    self.metrics.commits.inc();
                    self.metrics.commit_batch.observe_size(batch.writes.len());
                }
                Err(CommitError::Conflict(_)) => {
                    self.metrics.conflicts.inc();
                }
                Err(CommitError::Store(_)) => {}
            }
        }
    }
}

/// Takes in what a commit has shown of the limits. Returns those that were full and have free slots now
/// that nobody waits for here.
fn note_limits(
    dispatcher: &mut Dispatcher,
    moves: &LimitMoves,
    in_use: &InUse,
    losses: &Losses,
) -> Vec<String> {
    if moves.is_empty() {
        return Vec::new();
    }
    if let Some((_, conflict)) = &losses.lost {
        dispatcher.correct(&conflict.limits);
    }
    if losses.failed.is_some() {
        dispatcher.doubt(moves.names());
    }
    if losses.lost.is_none() && losses.failed.is_none() {
        dispatcher.wrote(&moves.windows);
    }
    let mut rooms = dispatcher.learn(in_use);
    rooms.retain(|limit| moves.freed.iter().any(|slot| slot.limit == *limit));
    rooms
}

/// Tasks that were leased to polls in a part whose commit may or may not have taken effect. They go
/// back before anything else is done with their executions.
fn give_back(drafts: &Drafts, dispatcher: &mut Dispatcher, shards: Shards) -> Vec<Job> {
    let leased = dispatcher.unassign(|id| shards.contain(id)).into_iter();
    let job = |(id, seq): (ExecutionId, u32)| {
        let task = drafts.get(&id).and_then(|draft| draft.after.task(seq))?;
        Some(Job::take_back(id.task(seq), task.poll_count, Some(task.updated_at)))
    };
    leased.filter_map(job).collect()
}

/// A part of a batch that is not committed.
struct Part {
    jobs: Vec<Job>,
    drafts: Drafts,
    states: BTreeMap<ExecutionId, Option<Cached>>,
}

impl Committed {
    /// Takes out what is about executions in these shards, with the jobs that were asked for: what
    /// these came up with (starts, refusals) is decided anew when they are.
    fn split_off(&mut self, shards: Shards) -> Part {
        let packed = &mut self.packed;
        packed.cached.retain(|cached| !shards.contain(cached.execution.id()));
        packed.messages.retain(|message| !shards.contain(message.id.from));
        packed.starts.retain(|message| !shards.contain(message.id.from));
        // Those that are stored after all are sent once more.
        packed.plans.clear();
        let decided = &mut self.decided;
        decided.unassigned.retain(|key| !shards.contain(key.task.execution()));
        decided.limited.retain(|(key, _)| !shards.contain(key.task.execution()));
        decided.queued.retain(|id| !shards.contain(*id));
        let States { by_id, .. } = &mut decided.states;
        let states = by_id.extract_if(.., |id, _| shards.contain(*id)).collect();
        let drafts = decided.drafts.extract_if(.., |id, _| shards.contain(*id)).collect();
        Part { jobs: split_off_jobs(decided, shards), drafts, states }
    }
}

/// Takes out the jobs about executions in these shards; keeps answers and suspended decisions with the
/// jobs that stay.
fn split_off_jobs(decided: &mut Decided, shards: Shards) -> Vec<Job> {
    let (mut lost, mut kept, mut places) = (Vec::new(), Vec::new(), HashMap::new());
    let answers = std::mem::take(&mut decided.answers);
    let all = std::mem::take(&mut decided.jobs).into_iter().zip(answers).enumerate();
    for (place, (job, answer)) in all {
        if !shards.contain(job.target) {
            places.insert(place, kept.len());
            kept.push((job, answer));
        } else if place < decided.asked {
            lost.push(job);
        }
    }
    decided.asked -= lost.len();
    (decided.jobs, decided.answers) = kept.into_iter().unzip();
    decided.waiting.retain_mut(|waiting| {
        let place = places.get(&waiting.job);
        place.map(|place| waiting.job = *place).is_some()
    });
    lost
}

/// A planted fault: nobody waits for the commit.
fn answer_at_once(decided: &mut Decided) {
    for (job, answer) in decided.jobs.iter_mut().zip(&decided.answers) {
        if let Some(answer) = answer.clone()
            && let Some(reply) = job.reply.take()
        {
            let _ = reply.send(answer);
        }
    }
}
