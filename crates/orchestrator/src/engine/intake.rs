//! The first stage: collects what makes the next batch.
//!
//! Promises that requests are taken in the order they come, that follow-up jobs of committed batches
//! come first, and that starts and timers get their share without delaying the rest. What no caller
//! waits for has batches of its own, between those of the requests.
mod background;
mod limits;
mod reserve;
mod starts;
mod timers;

use super::dispatch::Dispatcher;
use super::handle::{EngineRequest, WeakHandle, notified_limit};
use super::job::{Job, What};
use crate::admission::Admission;
use crate::clock::Clock;
use crate::definitions::Definitions;
use background::Background;
use baton_common::{ExecutionId, Timestamp};
use baton_decider::command::Command;
use baton_decider::decide::agenda::SliceLimits;
use baton_store::{Store, StoredMessage};
use baton_telemetry::EngineMetrics;
use limits::LimitReads;
use reserve::Reservations;
use starts::{BATCH_REQUESTS_MAX, Starts};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use timers::Timers;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Most follow-up jobs in one batch, such as messages: what callers ask for must not wait for all of
/// them.
const FOLLOW_UPS_MAX: usize = 128;
/// Most messages kept that were refused, or found in the database; the others are found there again.
const FOUND_MESSAGES_MAX: usize = 4_096;
/// How long a small batch waits for more requests where several other processes decide about the same
/// executions. There every batch loads what they committed, so few large ones cost the database less.
const GATHER: Duration = Duration::from_millis(2);
/// A batch of this many requests does not wait for more.
const GATHERED: usize = 32;
/// How long the engine continues after the last handle is gone, if the database is away.
const CLOSING_MAX: Duration = Duration::from_secs(5);

/// What waits for the engine.
pub(super) struct Intake {
    inbox: mpsc::Receiver<EngineRequest>,
    definitions: Arc<Definitions>,
    clock: Arc<Clock>,
    admission: Arc<Admission>,
    metrics: EngineMetrics,
    /// Jobs that committed and refused batches have left behind, next in line.
    follow_ups: VecDeque<Job>,
    background: Background,
    starts: Starts,
    timers: Timers,
    reservations: Reservations,
    limit_reads: LimitReads,
    /// Since when there is no handle any more.
    closing: Option<Instant>,
}

/// What the engine does next.
pub(super) struct Gathered {
    /// The jobs of the next batch.
    pub(super) jobs: Vec<Job>,
    /// How much each of its decisions may do.
    pub(super) slice: SliceLimits,
    /// Executions that have been deleted.
    pub(super) deleted: Vec<ExecutionId>,
    /// Whether a second has passed, so that gauges are due.
    pub(super) is_tick: bool,
}

impl Intake {
    pub(super) fn new(
        (inbox, handle): (mpsc::Receiver<EngineRequest>, WeakHandle),
        (store, definitions): (Arc<dyn Store>, Arc<Definitions>),
        clock: Arc<Clock>,
        (admission, metrics): (Arc<Admission>, EngineMetrics),
        slice: SliceLimits,
    ) -> Self {
        Self {
            inbox,
            definitions,
            clock,
            admission,
            metrics,
            follow_ups: VecDeque::new(),
            background: Background::new(slice),
            starts: Starts::default(),
            timers: Timers::default(),
            reservations: Reservations::new(store.clone(), handle.clone()),
            limit_reads: LimitReads::new(store, handle),
            closing: None,
        }
    }

    /// Whether no handle is left and what was asked is done, or cannot be done.
    pub(super) fn is_over(&self) -> bool {
        let has_nothing_left = self.follow_ups.is_empty() && self.starts.is_empty();
        self.closing.is_some_and(|since| has_nothing_left || since.elapsed() > CLOSING_MAX)
    }

    /// Waits until there is something to do, then takes what waits, up to a bound; or takes what waits
    /// in the background, when it is its turn. Where other processes decide about the same executions,
    /// `waits_for_more` makes small batches larger.
    pub(super) async fn gather(
        &mut self,
        dispatcher: &mut Dispatcher,
        waits_for_more: bool,
    ) -> Gathered {
        if self.background.is_next() {
            let (jobs, slice) = self.background.take_turn();
            return Gathered { jobs, slice, deleted: Vec::new(), is_tick: false };
        }
        let requests = self.requests(dispatcher, waits_for_more).await;
        dispatcher.follow(&self.definitions.catalog());
        dispatcher.pass(self.clock.now());
        let follow_ups = self.follow_ups.len().min(FOLLOW_UPS_MAX);
        let jobs = self.follow_ups.drain(..follow_ups).collect();
        let slice = self.background.give_way();
        let mut gathered = Gathered { jobs, slice, deleted: Vec::new(), is_tick: false };
        for request in requests {
            self.sort_in(request, dispatcher, &mut gathered);
        }
        self.add_due(dispatcher, &mut gathered.jobs);
        self.reservations.ask_for(dispatcher);
        self.limit_reads.ask_for(dispatcher);
        if gathered.jobs.is_empty() {
            (gathered.jobs, gathered.slice) = self.background.take_alone();
        }
        gathered
    }

    /// Waits for a request, a timer or a start that may go, then takes all requests that wait.
    async fn requests(
        &mut self,
        dispatcher: &Dispatcher,
        waits_for_more: bool,
    ) -> Vec<EngineRequest> {
        let mut requests = Vec::new();
        let starts_wait = self.starts.wait(Instant::now());
        let has_jobs = !self.follow_ups.is_empty()
            || !self.background.is_empty()
            || starts_wait == Some(Duration::ZERO);
        if !has_jobs && !dispatcher.can_serve_polls() {
            let wait = self.timers.wait_ms(self.clock.passed());
            let wait = Duration::from_millis(wait).min(starts_wait.unwrap_or(Duration::MAX));
            let wait = wait.min(self.rate_wait(dispatcher));
            match tokio::time::timeout(wait, self.inbox.recv()).await {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => self.closing = self.closing.or_else(|| Some(Instant::now())),
                Err(_) => {}
            }
        } else {
            // Lets connections and reservations on this thread move before the next batch.
            tokio::task::yield_now().await;
        }
        self.take_waiting(&mut requests);
        if waits_for_more && requests.len() < GATHERED {
            tokio::time::sleep(GATHER).await;
            self.take_waiting(&mut requests);
        }
        requests
    }

    /// How long until a rate lets more through for which a task waits.
    fn rate_wait(&self, dispatcher: &Dispatcher) -> Duration {
        let until = |at: Timestamp| u64::try_from(at.millis_since(self.clock.now())).unwrap_or(0);
        dispatcher.next_room().map_or(Duration::MAX, |at| Duration::from_millis(until(at)))
    }

    fn take_waiting(&mut self, requests: &mut Vec<EngineRequest>) {
        while requests.len() < BATCH_REQUESTS_MAX
            && let Ok(request) = self.inbox.try_recv()
        {
            requests.push(request);
        }
    }

    fn sort_in(
        &mut self,
        request: EngineRequest,
        dispatcher: &mut Dispatcher,
        gathered: &mut Gathered,
    ) {
        let jobs = &mut gathered.jobs;
        match request {
            EngineRequest::Job(job) if matches!(job.what, What::Start(_)) => {
                self.starts.push(*job, Instant::now());
            }
            EngineRequest::Job(job) => jobs.push(*job),
            EngineRequest::Poll(poll) => dispatcher.register(poll),
            EngineRequest::Return(tasks) => {
                jobs.extend(tasks.into_iter().map(|(task, count)| Job::give_back(task, count)));
            }
            EngineRequest::Reserved(demands, keys) => {
                self.reservations.answered();
                dispatcher.add_reserved(&demands, keys);
            }
            EngineRequest::LimitsRead(states) => {
                self.limit_reads.answered();
                dispatcher.answer(&states);
            }
            // They are followed before each batch.
            EngineRequest::DefinitionsChanged => {}
            EngineRequest::Notified(names) => {
                dispatcher.may_have_more(&names);
                let limits = names.iter().filter_map(|name| notified_limit(name));
                limits.for_each(|limit| dispatcher.has_room(limit));
            }
            EngineRequest::Tick => {
                dispatcher.all_may_have_more();
                gathered.is_tick = true;
                self.show_waiting();
            }
            EngineRequest::WakeUps(wake_ups) => {
                for (id, at) in wake_ups {
                    if !self.background.contains(id) {
                        self.timers.add(id, at);
                    }
                }
            }
            EngineRequest::Forget(id) => gathered.deleted.push(id),
            EngineRequest::Ping(reply) => {
                let _ = reply.send(());
            }
            EngineRequest::Undelivered(messages) => {
                let room = FOUND_MESSAGES_MAX.saturating_sub(self.follow_ups.len());
                self.follow_ups.extend(messages.into_iter().take(room).map(Job::message));
            }
        }
    }

    /// Adds the jobs that no request brings: timers that are due, ready tasks for polls, and as many
    /// starts as the batch has room for.
    fn add_due(&mut self, dispatcher: &mut Dispatcher, jobs: &mut Vec<Job>) {
        let now = self.clock.now();
        for (at, id) in self.timers.due(self.clock.passed(), BATCH_REQUESTS_MAX) {
            self.metrics.timer_lateness.observe_ms(now.millis_since(at));
            jobs.push(Job::wake_up(id));
        }
        jobs.extend(dispatcher.tasks_for_polls().into_iter().map(Job::lease));
        let is_full = self.admission.is_full();
        let began = Instant::now();
        jobs.extend(self.starts.beside(jobs.len(), is_full, began));
        self.starts.refuse_overdue(began);
    }

    fn show_waiting(&self) {
        let [slices, starts] =
            self.background.len().map(|len| i64::try_from(len).unwrap_or(i64::MAX));
        self.metrics.executions_continuing.set(slices);
        self.metrics.starts_waiting.set(starts);
    }

    /// Adds jobs to the next batches.
    pub(super) fn add(&mut self, jobs: impl IntoIterator<Item = Job>) {
        self.follow_ups.extend(jobs);
    }

    /// Puts jobs that did not fit into a batch before all others.
    pub(super) fn add_first(&mut self, jobs: Vec<Job>) {
        for job in jobs.into_iter().rev() {
            self.follow_ups.push_front(job);
        }
    }

    /// Adds the starts that committed executions ask for, as far as there is room.
    pub(super) fn add_starts(&mut self, starts: Vec<StoredMessage>) {
        self.background.add_starts(starts);
    }

    /// Tries again what nobody waits for and the database could not take: messages and tasks that must
    /// go back. Everything else is found again in the database.
    pub(super) fn try_again(&mut self, refused: Vec<Job>) {
        for job in refused {
            match &job.what {
                What::Command(Command::ReturnTask { seq, poll_count, leased_at }) => {
                    let task = job.target.task(*seq);
                    self.follow_ups.push_back(Job::take_back(task, *poll_count, *leased_at));
                }
                What::Message(_) if self.follow_ups.len() < FOUND_MESSAGES_MAX => {
                    self.follow_ups.push_back(job);
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
    }

    /// The execution's last decision left a rest for the next slice.
    pub(super) fn continue_soon(&mut self, id: ExecutionId) {
        self.background.add_slice(id);
    }

    /// The execution is to be woken at that time; a late one is found in the database when it is near.
    pub(super) fn wake_up_at(&mut self, id: ExecutionId, at: Timestamp) {
        self.timers.add_near(id, at, self.clock.now());
    }

    /// The batch under way took so long, from its first stage to its last.
    pub(super) fn note_batch(&mut self, took: Duration) {
        self.background.took(took);
    }

    /// A commit of the batch under way took so long.
    pub(super) fn note_commit(&mut self, took: Duration) {
        if self.background.waits_for_requests() {
            self.starts.committed(took);
        }
    }

    /// What a commit means for the rate of starts; see [`Starts::opened`] and [`Starts::waited`].
    pub(super) fn note_progress(
        &mut self,
        opened: impl Iterator<Item = i64>,
        waits_ms: impl Iterator<Item = i64>,
    ) {
        self.starts.opened(opened);
        self.starts.waited(waits_ms);
    }
}
