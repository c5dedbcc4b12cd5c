//! One batch: decided, handed over, committed in one transaction, answered.
use super::deciding::{Deciding, Draft, JobOutcome, unknown};
use super::groups::{Decided, Outcome, Shards};
use super::jobs::{Job, What};
use super::pack::Prepared;
use super::{Cached, Engine, Handed};
use crate::error::OrchestratorError;
use crate::view;
use baton_common::ExecutionId;
use baton_common::planted::{Planted, is};
use baton_decider::command::{Command, Message, MessageBody};
use baton_store::{Conflict, ReadyKey, StoreError};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// How often a batch is decided again when others were faster, before its callers are told to retry.
const TRIES_MAX: usize = 8;
/// Most refused messages kept for the next batch; the others are found in the database again.
const OWN_MESSAGES_MAX: usize = 4_096;
/// Most executions that are born in the batch in which they are asked for. A definition that starts
/// itself would else never let a batch end.
const BATCH_STARTS_MAX: usize = 256;
/// Of them so many that stand at the end of a chain of starts: those are the ones that may not end.
const BATCH_CHAINED_STARTS_MAX: usize = 16;
/// A chain is longer than this: a parent, its child and its grandchild are everyday.
const CHAIN_LEAST: u32 = 2;
/// Most starts by message that are remembered; the others are found in the database again.
const BACKGROUND_MAX: usize = 16_384;
/// Bytes of payloads after which a batch takes no further job: the others are for the next one.
const BATCH_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most jobs that wait for one execution's script; what a patient caller can have in flight.
const SUSPENDED_JOBS_MAX: usize = 4_096;
/// How long the engine pauses after a database error, ms.
const PAUSE_MS: u64 = 100;

impl Engine {
    /// Decides these jobs, commits what they change and answers them.
    pub(super) async fn run_batch(&mut self, jobs: Vec<Job>) {
        let mut jobs = self.put_aside_suspended(jobs);
        let mut stale = HashSet::new();
        let mut key_holders = HashMap::new();
        for _ in 0..TRIES_MAX {
            let mut asked = jobs.len();
            let mut deciding =
                match self.decide_all(&mut jobs, &mut asked, &stale, &key_holders).await {
                    Ok(deciding) => deciding,
                    Err(error) => return self.refuse_all(jobs, &error.into()).await,
                };
            if !deciding.unconfirmed.is_empty() && !is(Planted::TrustAnOldState) {
                jobs.truncate(asked);
                stale.extend(deciding.unconfirmed.iter().copied());
                self.learn(&mut jobs, Conflict::default(), &mut stale).await;
                self.restore(deciding);
                continue;
            }
            let mut prepared = self.prepare(&mut deciding);
            if is(Planted::AnswerBeforeCommit) {
                answer_at_once(&mut jobs, &deciding);
            }
            let outcome = self.send(std::mem::take(&mut prepared.batch), &jobs).await;
            let decided = Decided { asked, jobs, deciding, prepared };
            let Some((lost, conflict)) = self.settle(decided, outcome).await else { return };
            jobs = lost.jobs;
            key_holders.extend(conflict.idempotency.iter().copied());
            drop_delivered(&mut jobs, &conflict, &mut stale);
            self.learn(&mut jobs, conflict, &mut stale).await;
            self.restore(lost.deciding);
        }
        let error = OrchestratorError::Unavailable("too many others were faster".into());
        self.refuse_all(jobs, &error).await;
    }

    /// Completes what is committed; answers what lost a race, to be decided again.
    async fn settle(
        &mut self,
        mut decided: Decided,
        outcome: Outcome,
    ) -> Option<(Decided, Conflict)> {
        let failed = outcome.failed.map(|(shards, error)| {
            let part = decided.split_off(shards);
            self.take_back(&part.deciding, shards);
            (part.jobs, error)
        });
        let lost = outcome.lost.map(|(shards, conflict)| {
            self.dispatcher.undo(|id| shards.hold(id));
            (decided.split_off(shards), conflict)
        });
        if !decided.jobs.is_empty() {
            self.committed(decided.jobs, decided.deciding, decided.prepared);
        }
        if let Some((jobs, error)) = failed {
            self.not_committed(jobs, error).await;
        }
        lost
    }

    /// The database failed. When it refused the batch for what is in it, that is one job's fault: the
    /// batch is halved until that one is alone, so that the others do not suffer from it.
    async fn not_committed(&mut self, mut jobs: Vec<Job>, error: StoreError) {
        tracing::warn!(%error, jobs = jobs.len(), "a batch could not be committed");
        if !error.is_about_content() {
            self.parts.pulse.commit_ended(false);
        }
        if !error.is_about_content() || jobs.len() == 1 {
            return self.refuse_all(jobs, &error.into()).await;
        }
        self.learn(&mut jobs, Conflict::default(), &mut HashSet::new()).await;
        let second = jobs.split_off(jobs.len() / 2);
        Box::pin(self.run_batch(jobs)).await;
        Box::pin(self.run_batch(second)).await;
    }

    /// Nothing was committed: the states from before are remembered again; stale ones catch up from
    /// there.
    fn restore(&mut self, deciding: Deciding) {
        let drafted = deciding.drafts.into_values().filter_map(|draft| {
            let lost = draft.after;
            let keeps = |before: Cached| Cached { execution: lost, ..before };
            draft.before.map(|old| if is(Planted::KeepALostDraft) { keeps(old) } else { old })
        });
        let untouched = deciding.states.by_id.into_values().flatten();
        for cached in drafted.chain(untouched) {
            if !cached.execution.status.is_terminal() {
                self.cache.put(cached);
            }
        }
    }

    /// The commit may have key_holders effect, but the polls were not answered: tasks that it leased to them
    /// go back before anything else is done with their executions.
    fn take_back(&mut self, deciding: &Deciding, shards: Shards) {
        for (id, seq) in self.dispatcher.undo(|id| shards.hold(id)) {
            let task = deciding.drafts.get(&id).and_then(|draft| draft.after.task(seq));
            if let Some(task) = task {
                let (poll_count, leased_at) = (task.poll_count, Some(task.updated_at));
                self.own.push_back(Job::take_back(id.task(seq), poll_count, leased_at));
            }
        }
    }

    /// Jobs about executions that wait for scripts wait with them.
    fn put_aside_suspended(&mut self, jobs: Vec<Job>) -> Vec<Job> {
        let mut now = Vec::with_capacity(jobs.len());
        for job in jobs {
            match (&job.what, self.suspended.get_mut(&job.target)) {
                (What::Resume(_), Some(_)) => {
                    let waiting = self.suspended.remove(&job.target).unwrap_or_default();
                    now.push(job);
                    now.extend(waiting);
                }
                (What::Lease(_), Some(_)) | (_, None) => now.push(job),
                // The decision that waits is about the same time or a later one, and what it leaves due
                // is found again.
                (What::Command(Command::WakeUp), Some(_)) => {}
                (_, Some(waiting)) if waiting.len() < SUSPENDED_JOBS_MAX => waiting.push(job),
                // A message is found again in the database, and so is a wake-up.
                (_, Some(_)) => job.refuse(too_many_wait()),
            }
        }
        now
    }

    async fn decide_all(
        &mut self,
        jobs: &mut Vec<Job>,
        asked: &mut usize,
        stale: &HashSet<ExecutionId>,
        key_holders: &HashMap<ExecutionId, ExecutionId>,
    ) -> Result<Deciding, StoreError> {
        let mut deciding = Deciding {
            states: self.states(jobs, stale).await?,
            answers: Vec::with_capacity(jobs.len()),
            key_holders: key_holders.clone(),
            ..Deciding::new(self.parts.definitions.surroundings())
        };
        let began = Instant::now();
        let (mut index, mut loaded) = (0, jobs.len());
        while index < jobs.len() {
            if deciding.bytes >= BATCH_BYTES_MAX && index < *asked {
                loaded -= self.put_off(jobs, index..*asked);
                *asked = index;
                continue;
            }
            let step = self.decide_guarded(&mut deciding, &mut jobs[index], index);
            let answer = match step {
                JobOutcome::Answered(answer) => Some(answer),
                JobOutcome::Suspended => None,
                JobOutcome::Created => {
                    jobs.push(Job::begin(jobs[index].target));
                    Some(Ok(super::Reply { id: jobs[index].target, task: None }))
                }
                JobOutcome::Passed { from, to, command } => {
                    jobs.push(Job::new(to, What::Command(command), None));
                    Some(Err(unknown(from)))
                }
            };
            deciding.count_bytes(jobs[index].target);
            note_unconfirmed(&mut deciding, &jobs[index], answer.as_ref());
            Self::take_starts(&mut deciding, jobs, index, stale);
            if answer.as_ref().is_some_and(is_understood) {
                deciding.delivered.extend(jobs[index].message);
            }
            deciding.answers.push(answer);
            index += 1;
            self.load_passed(&jobs[loaded..], &mut deciding, stale).await?;
            loaded = jobs.len();
        }
        self.parts.metrics.decide_duration.observe(began.elapsed());
        Ok(deciding)
    }

    /// Leaves jobs to the next batch, before all others; how many.
    fn put_off(&mut self, jobs: &mut Vec<Job>, range: std::ops::Range<usize>) -> usize {
        let count = range.len();
        for job in jobs.drain(range).rev() {
            self.own.push_front(job);
        }
        count
    }

    /// The first starts that the decisions of a batch ask for are decided in the same batch, so that
    /// their ids can be read at once. Beyond a bound they stay messages, which later batches decide. A created is in the shard of who asks for it.
    fn take_starts(
        deciding: &mut Deciding,
        jobs: &mut Vec<Job>,
        index: usize,
        stale: &HashSet<ExecutionId>,
    ) {
        let from = jobs[index].target;
        let Some(draft) = deciding.drafts.get_mut(&from) else { return };
        let mut starts: Vec<Message> = Vec::new();
        draft.messages.retain(|message| {
            let (MessageBody::Start(start) | MessageBody::StartFor { start, .. }) = &message.body
            else {
                return true;
            };
            let is_chained = start.lineage.generation > CHAIN_LEAST;
            let is_now = deciding.starts < BATCH_STARTS_MAX
                && (!is_chained || deciding.chained_starts < BATCH_CHAINED_STARTS_MAX);
            if is_now {
                deciding.starts += 1;
                deciding.chained_starts += usize::from(is_chained);
                starts.push(message.clone());
            }
            !is_now
        });
        for Message { to, body, .. } in starts {
            if !stale.contains(&to) {
                deciding.states.by_id.entry(to).or_insert(None);
            }
            jobs.push(Job::child(to, from, body));
        }
    }

    /// Loads what these jobs need, which came up while the batch was decided.
    async fn load_passed(
        &mut self,
        jobs: &[Job],
        deciding: &mut Deciding,
        stale: &HashSet<ExecutionId>,
    ) -> Result<(), StoreError> {
        let known = |id: &ExecutionId| {
            deciding.states.by_id.contains_key(id) || deciding.drafts.contains_key(id)
        };
        let missing = jobs.iter().filter(|job| !known(&job.target));
        let missing: Vec<Job> = missing.map(|job| Job::wake_up(job.target)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let loaded = self.states(&missing, stale).await?;
        deciding.states.by_id.extend(loaded.by_id);
        deciding.states.fresh.extend(loaded.fresh);
        Ok(())
    }

    /// Everything is durable: remembers, delivers, answers.
    fn committed(&mut self, jobs: Vec<Job>, deciding: Deciding, prepared: Prepared) {
        self.parts.pulse.commit_ended(true);
        let Prepared { batch: _, cached, held, queued, messages, starts, plans } = prepared;
        for pinned in plans {
            pinned.is_stored.store(true, Ordering::Relaxed);
        }
        let states: BTreeMap<ExecutionId, Cached> =
            cached.into_iter().map(|cached| (cached.execution.id(), cached)).collect();
        let show = |id: ExecutionId, seq: u32| {
            let execution = &states.get(&id)?.execution;
            let task = execution.task(seq)?;
            Some(Handed { task: view::polled(execution, task), poll_count: task.poll_count })
        };
        let lost = self.dispatcher.deliver(show, self.handle.upgrade().as_ref());
        self.meter.committed(deciding.drafts.values(), queued.len(), self.parts.clock.now());
        self.starts.opened(deciding.drafts.values().map(Draft::opened));
        self.starts.taken(deciding.drafts.values().flat_map(Draft::waits_ms));
        for draft in deciding.drafts.values() {
            self.parts.tracer.committed(&draft.after, &draft.changes, draft.version() + 1);
        }
        self.own.extend(lost.into_iter().map(|(task, count)| Job::give_back(task, count)));
        self.notify(&held);
        for key in &held {
            self.dispatcher.hold(key);
        }
        self.own.extend(messages.into_iter().map(Job::message));
        let room = BACKGROUND_MAX.saturating_sub(self.background.len());
        self.background.extend(starts.into_iter().take(room).map(Job::message));
        self.parts.watchers.changed(states.keys());
        for cached in states.into_values() {
            self.remember(cached);
        }
        deciding.states.by_id.into_values().flatten().for_each(|cached| self.cache.put(cached));
        for (job, answer) in jobs.iter().zip(&deciding.answers) {
            if let (What::Lease(key), Some(Err(_))) = (&job.what, answer) {
                self.dispatcher.missed(&key.queue);
            }
        }
        self.answer(jobs, deciding.answers, deciding.waiting);
    }

    fn remember(&mut self, mut cached: Cached) {
        if cached.execution.status.is_terminal() {
            return;
        }
        let Cached { execution, version, since, .. } = &cached;
        cached.since = self.parts.snapshots.offer(execution, *version, *since);
        if cached.execution.is_due_to_continue() {
            self.slices.push(cached.execution.id());
        } else if let Some(at) = cached.row_wake_at {
            self.timers.add_near(cached.execution.id(), at, self.parts.clock.now());
        }
        self.cache.put(cached);
    }

    fn answer(
        &mut self,
        jobs: Vec<Job>,
        answers: Vec<Option<Result<super::Reply, OrchestratorError>>>,
        waiting: Vec<super::deciding::Waiting>,
    ) {
        let mut jobs: Vec<Option<Job>> = jobs.into_iter().map(Some).collect();
        for waiting in waiting {
            if let Some(job) = jobs.get_mut(waiting.job).and_then(Option::take) {
                self.suspended.entry(waiting.target).or_default();
                self.evaluate(waiting, job.reply, job.message);
            }
        }
        for (job, answer) in jobs.into_iter().zip(answers) {
            if let (Some(Job { reply: Some(reply), .. }), Some(answer)) = (job, answer) {
                let _ = reply.send(answer);
            }
        }
    }

    /// Tells other processes about tasks that nobody here waits for.
    fn notify(&self, held: &[ReadyKey]) {
        if held.is_empty() {
            return;
        }
        let queues: BTreeSet<&String> = held.iter().map(|key| &key.queue).collect();
        let queues: Vec<String> = queues.into_iter().cloned().collect();
        let store = self.parts.store.clone();
        tokio::spawn(async move { store.notify(&queues).await });
    }

    /// Prepares for another try after a conflict.
    async fn learn(
        &mut self,
        jobs: &mut [Job],
        conflict: Conflict,
        stale: &mut HashSet<ExecutionId>,
    ) {
        stale.extend(conflict.versions);
        let holders: HashMap<_, _> = conflict.idempotency.into_iter().collect();
        stale.extend(look_at_holders(jobs, &holders));
        if conflict.stale_definitions
            && let Err(error) = self.parts.definitions.refresh().await
        {
            tracing::warn!(%error, "definitions could not be refreshed");
        }
        // Who is answered with an execution of this batch must be decided after its request.
        jobs.sort_by_key(Job::is_read);
    }

    /// Answers with an error. Messages and tasks that must go back are tried again; what else nobody waits for is
    /// found again in the database. Pauses, so that a database that is away is not hammered.
    async fn refuse_all(&mut self, jobs: Vec<Job>, error: &OrchestratorError) {
        let is_away =
            matches!(error, OrchestratorError::Unavailable(_) | OrchestratorError::TimedOut(_));
        for job in jobs {
            if let Some(reply) = job.reply {
                let _ = reply.send(Err(error.clone()));
                continue;
            }
            if !is_away {
                continue;
            }
            match &job.what {
                What::Command(Command::ReturnTask { seq, poll_count, leased_at }) => {
                    let task = job.target.task(*seq);
                    self.own.push_back(Job::take_back(task, *poll_count, *leased_at));
                }
                What::Message(_) if self.own.len() < OWN_MESSAGES_MAX => {
                    self.own.push_back(Job { reply: None, ..job });
                }
                What::Start(_)
                | What::Command(_)
                | What::RestartOnLatest
                | What::Lease(_)
                | What::Child { .. }
                | What::Message(_)
                | What::Resume(_) => {}
            }
        }
        if is_away {
            tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
        }
    }
}

/// Drops messages that somebody else has delivered: their receivers have changed since.
fn drop_delivered(jobs: &mut Vec<Job>, conflict: &Conflict, stale: &mut HashSet<ExecutionId>) {
    let delivered: HashSet<_> = conflict.delivered.iter().collect();
    for job in jobs.extract_if(.., |job| job.message.is_some_and(|id| delivered.contains(&id))) {
        stale.insert(job.target);
    }
}

/// Has starts that lost their key answered with the execution that holds it; see `start_workflow`. So
/// are those who were to be answered with one of them. Returns the holders.
fn look_at_holders(
    jobs: &mut [Job],
    holders: &HashMap<ExecutionId, ExecutionId>,
) -> Vec<ExecutionId> {
    let mut found = Vec::new();
    for job in jobs.iter_mut().filter(|job| job.is_asked_start() || job.is_read()) {
        if let Some(holder) = holder_of(holders, job.target) {
            job.target = holder;
            job.what = What::Command(Command::Read);
            found.push(holder);
        }
    }
    found
}

/// Who holds the key of a created that lost it. A created of the same batch that it lost to may have
/// lost as well, to somebody else.
pub(super) fn holder_of(
    holders: &HashMap<ExecutionId, ExecutionId>,
    created: ExecutionId,
) -> Option<ExecutionId> {
    let mut holder = *holders.get(&created)?;
    for _ in 0..holders.len() {
        let Some(next) = holders.get(&holder) else { break };
        holder = *next;
    }
    Some(holder)
}

/// Whether a message with this answer has had its effect, be it none. One that cannot be read, or that
/// must wait for another, stays.
fn is_understood(answer: &Result<super::Reply, OrchestratorError>) -> bool {
    match answer {
        Ok(_) => true,
        Err(error) => match error {
            OrchestratorError::NotFound(_)
            | OrchestratorError::Conflict(_)
            | OrchestratorError::Invalid(_)
            | OrchestratorError::Faulty(_)
            | OrchestratorError::IllegalState(_)
            | OrchestratorError::TooLarge(_) => true,
            OrchestratorError::Overloaded(_)
            | OrchestratorError::Unavailable(_)
            | OrchestratorError::TimedOut(_)
            | OrchestratorError::Corrupt(_) => false,
        },
    }
}

/// A planted fault: nobody waits for the commit.
fn answer_at_once(jobs: &mut [Job], deciding: &Deciding) {
    for (job, answer) in jobs.iter_mut().zip(&deciding.answers) {
        if let Some(answer) = answer.clone()
            && let Some(reply) = job.reply.take()
        {
            let _ = reply.send(answer);
        }
    }
}

/// Notes when a job changed nothing on a state that may be out of date.
fn note_unconfirmed(
    deciding: &mut Deciding,
    job: &Job,
    answer: Option<&Result<super::Reply, OrchestratorError>>,
) {
    let is_claim = matches!(job.what, What::Lease(_)) && matches!(answer, Some(Ok(_)));
    let is_unchanged = deciding.drafts.get(&job.target).is_some_and(|draft| {
        draft.before.is_some() && draft.changes.is_empty() && draft.messages.is_empty()
    });
    if answer.is_some() && !is_claim && is_unchanged && !deciding.states.fresh.contains(&job.target)
    {
        deciding.unconfirmed.insert(job.target);
    }
}

fn too_many_wait() -> OrchestratorError {
    let cause = "the workflow waits for a script, and too many requests wait for the workflow";
    OrchestratorError::Unavailable(cause.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton_common::Timestamp;

    /// One of a batch lost its key to another of it, which then loses it to somebody else: in the same
    /// commit or in the next. Both are answered with who holds it in the end.
    #[test]
    fn who_lost_to_a_loser_is_answered_with_the_last_holder() {
        let id = |n: u64| ExecutionId::new(Timestamp::from_millis(1), n);
        let (first, second, other) = (id(1), id(2), id(3));
        let targets = |conflicts: &[&[(ExecutionId, ExecutionId)]]| {
            let look = |target| Job::new(target, What::Command(Command::Read), None);
            let mut jobs = [first, second].map(look);
            for conflict in conflicts {
                look_at_holders(&mut jobs, &conflict.iter().copied().collect());
            }
            jobs.map(|job| job.target)
        };
        assert_eq!(targets(&[&[(second, first), (first, other)]]), [other; 2]);
        assert_eq!(targets(&[&[(second, first)], &[(first, other)]]), [other; 2]);
        assert_eq!(targets(&[&[(second, first)]]), [first; 2]);
    }
}
