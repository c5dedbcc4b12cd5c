//! The last stage: makes a committed batch known.
//!
//! Promises that nobody learns of a change before it is durable: tasks leave for their polls, callers
//! are answered, other processes are notified, watchers, metrics and traces are told. Returns what the
//! batch leaves for later ones.
mod meter;

use super::attempt::Refused;
use super::commit::Committed;
use super::decide::Answer;
use super::dispatch::Dispatcher;
use super::draft::Draft;
use super::handle::{Handed, WeakHandle, limit_notification};
use super::job::{Job, Waiting, What};
use super::state::Cached;
use crate::clock::Clock;
use crate::snapshots::Snapshots;
use crate::trace::Tracer;
use crate::view;
use crate::watchers::Watchers;
use baton_common::ExecutionId;
use baton_store::{ReadyKey, Store, StoredMessage};
use baton_telemetry::EngineMetrics;
use meter::{Meter, Moment};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Who is told of committed batches.
pub(super) struct Publish {
    store: Arc<dyn Store>,
    clock: Arc<Clock>,
    handle: WeakHandle,
    meter: Meter,
    tracer: Tracer,
    watchers: Arc<Watchers>,
    snapshots: Snapshots,
}

/// What a committed batch leaves for later ones.
pub(super) struct FollowUp {
    /// Leased tasks whose poll is gone, to be given back.
    pub(super) give_back: Vec<Job>,
    /// Messages to be delivered.
    pub(super) messages: Vec<StoredMessage>,
    /// Messages that start executions.
    pub(super) starts: Vec<StoredMessage>,
    /// The states of open executions as committed.
    pub(super) changed: Vec<Cached>,
    /// Loaded states that are as they were.
    pub(super) untouched: BTreeMap<ExecutionId, Option<Cached>>,
    /// Decisions that wait for scripts, each with the job that asked for it.
    pub(super) suspended: Vec<(Waiting, Job)>,
}

impl Publish {
    pub(super) fn new(
        (store, clock): (Arc<dyn Store>, Arc<Clock>),
        handle: WeakHandle,
        metrics: EngineMetrics,
        (tracer, watchers): (Tracer, Arc<Watchers>),
        snapshots: Snapshots,
    ) -> Self {
        Self { store, clock, handle, meter: Meter::new(metrics), tracer, watchers, snapshots }
    }

    /// Makes a committed batch known.
    pub(super) fn publish(
        &mut self,
        committed: Committed,
        dispatcher: &mut Dispatcher,
    ) -> FollowUp {
        let Committed { decided, packed } = committed;
        for pinned in packed.plans {
            pinned.is_stored.store(true, Ordering::Relaxed);
        }
        let states: BTreeMap<ExecutionId, Cached> =
            packed.cached.into_iter().map(|cached| (cached.execution.id(), cached)).collect();
        let give_back = self.deliver(&states, dispatcher);
        let moment = Moment { began: decided.began, now: self.clock.now() };
        self.meter.committed(decided.drafts.values(), decided.queued.len(), moment);
        self.trace(decided.drafts.values());
        self.notify(&decided.unassigned);
        for key in &decided.unassigned {
            dispatcher.add_ready(key);
        }
        for (key, limit) in &decided.limited {
            dispatcher.wait_for_slot(key, limit);
        }
        self.watchers.changed(states.keys());
        for (job, answer) in decided.jobs.iter().zip(&decided.answers) {
            if let (What::Lease(key), Some(Err(_))) = (&job.what, answer) {
                dispatcher.was_not_ready(&key.queue);
            }
        }
        FollowUp {
            give_back,
            messages: packed.messages,
            starts: packed.starts,
            changed: self.offer_snapshots(states),
            untouched: decided.states.by_id,
            suspended: answer(decided.jobs, decided.answers, decided.waiting),
        }
    }

    /// Sends leased tasks to their polls; returns those whose poll is gone.
    fn deliver(
        &self,
        states: &BTreeMap<ExecutionId, Cached>,
        dispatcher: &mut Dispatcher,
    ) -> Vec<Job> {
        let show = |id: ExecutionId, seq: u32| {
            let execution = &states.get(&id)?.execution;
            let task = execution.task(seq)?;
            Some(Handed { task: view::polled(execution, task), poll_count: task.poll_count })
        };
        let lost = dispatcher.deliver(show, self.handle.upgrade().as_ref());
        lost.into_iter().map(|(task, count)| Job::give_back(task, count)).collect()
    }

    fn trace<'d>(&self, drafts: impl Iterator<Item = &'d Draft>) {
        for draft in drafts {
            self.tracer.committed(&draft.after, &draft.changes, draft.version() + 1);
        }
    }

    /// Tells other processes about tasks that no poll waits for here.
    fn notify(&self, unassigned: &[ReadyKey]) {
        if unassigned.is_empty() {
            return;
        }
        let queues: BTreeSet<&String> = unassigned.iter().map(|key| &key.queue).collect();
        let queues: Vec<String> = queues.into_iter().cloned().collect();
        let store = self.store.clone();
        tokio::spawn(async move { store.notify(&queues).await });
    }

    /// Tells other processes about limits with free slots.
    pub(super) fn notify_rooms(&self, limits: &[String]) {
        if !limits.is_empty() {
            let names: Vec<String> = limits.iter().map(|limit| limit_notification(limit)).collect();
            let store = self.store.clone();
            tokio::spawn(async move { store.notify(&names).await });
        }
    }

    /// The states of open executions, after those with a long journal were offered for a snapshot.
    fn offer_snapshots(&self, states: BTreeMap<ExecutionId, Cached>) -> Vec<Cached> {
        let open = |cached: &Cached| !cached.execution.status.is_terminal();
        let offer = |cached: Cached| {
            let since = self.snapshots.offer(&cached.execution, cached.version, cached.since);
            Cached { since, ..cached }
        };
        states.into_values().filter(open).map(offer).collect()
    }

    /// Shows how many polls wait for each queue.
    pub(super) fn show_polls(&self, dispatcher: &Dispatcher) {
        self.meter.show_polls(dispatcher);
    }
}

/// Answers the jobs of a committed batch; returns the decisions that wait for scripts.
fn answer(jobs: Vec<Job>, answers: Vec<Answer>, waiting: Vec<Waiting>) -> Vec<(Waiting, Job)> {
    let mut jobs: Vec<Option<Job>> = jobs.into_iter().map(Some).collect();
    let job_of = |waiting: Waiting| {
        let job = jobs.get_mut(waiting.job).and_then(Option::take)?;
        Some((waiting, job))
    };
    let suspended = waiting.into_iter().filter_map(job_of).collect();
    for (job, answer) in jobs.into_iter().zip(answers) {
        if let (Some(Job { reply: Some(reply), .. }), Some(answer)) = (job, answer) {
            let _ = reply.send(answer);
        }
    }
    suspended
}

/// Answers jobs with an error. Returns those that nobody waits for and that may succeed later.
pub(super) fn refuse(refused: Refused) -> Vec<Job> {
    let is_temporary = refused.is_temporary();
    let Refused { jobs, error } = refused;
    let mut again = Vec::new();
    for mut job in jobs {
        match job.reply.take() {
            Some(reply) => {
                let _ = reply.send(Err(error.clone()));
            }
            None if is_temporary => again.push(job),
            None => {}
        }
    }
    again
}
