//! The engine's own thread: takes what is waiting, loads, decides, commits once, answers.
//!
//! There is one loop. It owns the cached states, the dispatcher and the timers, so nothing is locked
//! while a batch is decided and committed; whatever arrives meanwhile makes the next batch.
mod aside;
mod batch;
mod cache;
mod claims;
mod deciding;
mod dispatch;
mod groups;
mod jobs;
mod loading;
mod mean;
mod measure;
mod pack;
mod slices;
mod starting;
mod starts;
mod timers;
mod write;

pub(crate) use dispatch::Handed;
pub(crate) use jobs::{Definition, Job, Reply, StartRequest, What};
pub(crate) use write::ready_key;

use crate::admission::Admission;
use crate::clock::Clock;
use crate::definitions::Definitions;
use crate::environment::{RunScript, Threads};
use crate::error::OrchestratorError;
use crate::health::Pulse;
use crate::snapshots::{Since, Snapshots};
use crate::trace::Tracer;
use crate::watchers::Watchers;
use aside::Aside;
use baton_common::{ExecutionId, TaskId, Timestamp};
use baton_decider::decide::agenda::SliceLimits;
use baton_decider::state::Execution;
use baton_store::{CommitLane, PlanHash, QueueDemand, ReadyKey, Store, StoredMessage, Version};
use baton_telemetry::EngineMetrics;
use cache::Cache;
use dispatch::Dispatcher;
use loading::Shared;
use measure::Meter;
use slices::Slices;
use starts::Starts;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use timers::Timers;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Most works taken into one batch: enough to keep the commit's fixed cost small.
const BATCH_WORKS_MAX: usize = 512;
/// Most jobs of the engine's own in one batch, such as messages: what others ask for is not to wait
/// for all of them.
const OWN_JOBS_MAX: usize = 128;
/// Most starts by message in a batch that has other work to do.
const BACKGROUND_BESIDE_MAX: usize = 16;
/// How long a batch waits for company where several other processes decide about the same executions.
/// There every batch loads what they committed, so few large ones cost the database much less.
const GATHER: Duration = Duration::from_millis(2);
/// Works with which a batch needs no more company.
const GATHERED: usize = 32;
/// Works that may wait for the engine before senders have to.
const INBOX_CAPACITY: usize = 8_192;
/// How long it goes on after the last handle is gone, if the database is away.
const CLOSING_MAX: Duration = Duration::from_secs(5);

/// What the engine is asked to look at.
pub(crate) enum Work {
    /// Decide something.
    Job(Box<Job>),
    /// A worker waits for tasks.
    Poll(PollWork),
    /// Tasks that a poller never got.
    Return(Vec<(TaskId, u32)>),
    /// Ready tasks found in the database for these demands.
    Reserved(Vec<QueueDemand>, Vec<ReadyKey>),
    /// Other processes put tasks into these queues.
    Notified(Arc<[String]>),
    /// Time to look into the database for what other processes left behind.
    Tick,
    /// Wake-ups that are due soon.
    WakeUps(Vec<(ExecutionId, Timestamp)>),
    /// Messages that nobody has delivered.
    Undelivered(Vec<StoredMessage>),
    /// This execution is deleted.
    Forget(ExecutionId),
    /// Somebody asks whether the engine turns.
    Turn(oneshot::Sender<()>),
}

/// A waiting poll.
pub(crate) struct PollWork {
    pub(crate) queue: String,
    pub(crate) worker: Option<Arc<str>>,
    pub(crate) count: usize,
    /// Whether a task is on its way to it, which the poll must wait for.
    pub(crate) claim: Claim,
    pub(crate) reply: oneshot::Sender<Offer>,
}

/// Says whether the commit of a lease for a poll is under way. Then the poll waits for it, however
/// long it takes: a poll that gave up would hand back each task that it gets where a commit takes
/// longer than polls wait.
#[derive(Clone, Default)]
pub(crate) struct Claim(Arc<AtomicU8>);

impl Claim {
    const OPEN: u8 = 0;
    const CLAIMED: u8 = 1;
    const GONE: u8 = 2;

    /// A task is to be leased to the poll; false when the poll is gone.
    pub(crate) fn take(&self) -> bool {
        self.0.compare_exchange(Self::OPEN, Self::CLAIMED, SeqCst, SeqCst) != Err(Self::GONE)
    }

    /// No task came of it: the poll may give up again.
    pub(crate) fn release(&self) {
        let _ = self.0.compare_exchange(Self::CLAIMED, Self::OPEN, SeqCst, SeqCst);
    }

    /// The poll's time is over; false when a task is on its way.
    pub(crate) fn give_up(&self) -> bool {
        self.0.compare_exchange(Self::OPEN, Self::GONE, SeqCst, SeqCst) != Err(Self::CLAIMED)
    }
}

/// Tasks on their way to a poller. Dropped before they have arrived, they go back to their queue.
pub(crate) struct Offer {
    pub(crate) tasks: Vec<Handed>,
    pub(crate) receipt: Receipt,
}

/// Gives tasks back when dropped, unless they have arrived.
#[derive(Default)]
pub(crate) struct Receipt {
    pub(crate) engine: Option<EngineHandle>,
    pub(crate) tasks: Vec<(TaskId, u32)>,
}

impl Receipt {
    /// They are somebody else's to give back now.
    pub(crate) fn settle(&mut self) -> Vec<(TaskId, u32)> {
        std::mem::take(&mut self.tasks)
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let tasks = self.settle();
        if let Some(engine) = &self.engine {
            engine.give_back(tasks);
        }
    }
}

/// A way to reach the engine.
#[derive(Clone)]
pub(crate) struct EngineHandle {
    sender: mpsc::Sender<Work>,
}

/// The engine's way to reach itself; does not keep it alive.
#[derive(Clone)]
pub(crate) struct OwnHandle(mpsc::WeakSender<Work>);

impl OwnHandle {
    /// `None` when nobody else can reach the engine any more.
    pub(crate) fn upgrade(&self) -> Option<EngineHandle> {
        self.0.upgrade().map(|sender| EngineHandle { sender })
    }
}

impl EngineHandle {
    /// Whether the engine runs.
    pub(crate) fn is_alive(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Comes back when the engine has ended, which happens before its last handle is gone only by a
    /// fault.
    pub(crate) async fn ended(&self) {
        self.sender.closed().await;
    }

    /// Hands work to the engine; waits while too much is waiting already.
    pub(crate) async fn send(&self, work: Work) -> Result<(), OrchestratorError> {
        let gone = |_| OrchestratorError::Unavailable("the engine is shutting down".into());
        self.sender.send(work).await.map_err(gone)
    }

    /// Comes back when the engine has taken up what was sent before.
    ///
    /// # Errors
    /// [`OrchestratorError::Unavailable`] when it has ended.
    pub(crate) async fn turn(&self) -> Result<(), OrchestratorError> {
        let (sender, receiver) = oneshot::channel();
        self.send(Work::Turn(sender)).await?;
        let ended = |_| OrchestratorError::Unavailable("the engine has ended".into());
        receiver.await.map_err(ended)
    }

    /// Works that wait for the engine.
    pub(crate) fn waiting(&self) -> usize {
        self.sender.max_capacity() - self.sender.capacity()
    }

    /// Hands a job to the engine and waits for its answer, which comes after the commit.
    pub(crate) async fn ask(
        &self,
        target: ExecutionId,
        what: What,
    ) -> Result<Reply, OrchestratorError> {
        let (sender, receiver) = oneshot::channel();
        self.send(Work::Job(Box::new(Job::new(target, what, Some(sender))))).await?;
        let lost = || OrchestratorError::Unavailable("the engine has lost the request".into());
        receiver.await.map_err(|_| lost())?
    }

    /// Gives tasks back that a poller never got; best effort.
    pub(crate) fn give_back(&self, tasks: Vec<(TaskId, u32)>) {
        if !tasks.is_empty() {
            let sender = self.sender.clone();
            if let Err(mpsc::error::TrySendError::Full(work)) = sender.try_send(Work::Return(tasks))
                && let Ok(runtime) = tokio::runtime::Handle::try_current()
            {
                runtime.spawn(async move { sender.send(work).await });
            }
        }
    }
}

/// What the engine needs from outside.
pub(crate) struct EngineParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) run_script: RunScript,
    pub(crate) threads: Threads,
    pub(crate) slice: SliceLimits,
    pub(crate) metrics: EngineMetrics,
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) tracer: Tracer,
    pub(crate) admission: Arc<Admission>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) snapshots: Snapshots,
}

/// A state in memory, as of a version.
#[derive(Clone)]
pub(crate) struct Cached {
    pub(crate) execution: Arc<Execution>,
    pub(crate) version: Version,
    /// The wake-up time that the row has.
    pub(crate) row_wake_at: Option<Timestamp>,
    pub(crate) plan: PlanHash,
    /// What its journal holds after its newest snapshot.
    pub(crate) since: Since,
}

/// The engine's loop and all it owns.
pub(crate) struct Engine {
    parts: EngineParts,
    lane: Box<dyn CommitLane>,
    inbox: mpsc::Receiver<Work>,
    handle: OwnHandle,
    cache: Cache,
    dispatcher: Dispatcher,
    timers: Timers,
    meter: Meter,
    /// Jobs that this engine makes for itself, next in line.
    own: VecDeque<Job>,
    /// Starts that executions ask for by message, behind all else.
    background: VecDeque<Job>,
    starts: Starts,
    /// Executions with more to decide.
    slices: Slices,
    /// Executions that cannot be decided.
    aside: Aside,
    /// Executions whose decision waits for a script, with the jobs that wait for it.
    suspended: HashMap<ExecutionId, Vec<Job>>,
    reserving: bool,
    shared: Shared,
    /// When every handle was gone; `None` while there is one.
    closing: Option<Instant>,
}

/// Starts the engine on a thread of its own; it ends when every handle is gone.
///
/// # Errors
/// [`OrchestratorError::Unavailable`] when the database or the thread cannot be had.
pub(crate) async fn spawn(parts: EngineParts) -> Result<EngineHandle, OrchestratorError> {
    let (sender, inbox) = mpsc::channel(INBOX_CAPACITY);
    let handle = EngineHandle { sender };
    let own_handle = OwnHandle(handle.sender.downgrade());
    let (ready, started) = oneshot::channel();
    let died = |_| OrchestratorError::Unavailable("the engine died at its start".into());
    if parts.threads == Threads::Callers {
        tokio::task::spawn_local(run(parts, inbox, own_handle, ready));
        started.await.map_err(died)??;
        return Ok(handle);
    }
    let body = move || {
        // The engine's thread ends with its last handle; nothing of it needs to outlive the process.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(run(parts, inbox, own_handle, ready)),
            Err(error) => {
                let _ = ready.send(Err(OrchestratorError::Unavailable(error.to_string())));
            }
        }
    };
    let unavailable = |error: std::io::Error| OrchestratorError::Unavailable(error.to_string());
    std::thread::Builder::new()
        .name("engine".into())
        .stack_size(baton_common::limits::READER_STACK_BYTES)
        .spawn(body)
        .map_err(unavailable)?;
    started.await.map_err(died)??;
    Ok(handle)
}

async fn run(
    parts: EngineParts,
    inbox: mpsc::Receiver<Work>,
    handle: OwnHandle,
    ready: oneshot::Sender<Result<(), OrchestratorError>>,
) {
    let lane = match parts.store.open_lane().await {
        Ok(lane) => lane,
        Err(error) => {
            let _ = ready.send(Err(error.into()));
            return;
        }
    };
    let _ = ready.send(Ok(()));
    let mut engine = Engine {
        cache: Cache::default(),
        meter: Meter::new(parts.metrics.clone()),
        parts,
        lane,
        inbox,
        handle,
        dispatcher: Dispatcher::default(),
        timers: Timers::default(),
        own: VecDeque::new(),
        background: VecDeque::new(),
        starts: Starts::default(),
        slices: Slices::default(),
        aside: Aside::default(),
        suspended: HashMap::new(),
        reserving: false,
        shared: Shared::default(),
        closing: None,
    };
    while !engine.is_over() {
        let works = engine.next_works().await;
        engine.process(works).await;
        engine.parts.pulse.batch_ended();
    }
}

impl Engine {
    /// Whether nobody can ask any more and what was asked is done, or cannot be done.
    fn is_over(&self) -> bool {
        let has_nothing_left = self.own.is_empty() && self.starts.is_empty();
        self.closing.is_some_and(|since| has_nothing_left || since.elapsed() > CLOSING_MAX)
    }

    /// Waits until there is something to do, then takes all that is waiting, up to a bound.
    async fn next_works(&mut self) -> Vec<Work> {
        let mut works = Vec::new();
        let starts_wait = self.starts.wait(Instant::now());
        let has_own = !self.own.is_empty()
            || !self.slices.is_empty()
            || !self.background.is_empty()
            || starts_wait == Some(Duration::ZERO);
        if !has_own && !self.dispatcher.has_claims() {
            let wait = self.timers.wait_ms(self.parts.clock.passed());
            let wait = Duration::from_millis(wait).min(starts_wait.unwrap_or(Duration::MAX));
            match tokio::time::timeout(wait, self.inbox.recv()).await {
                Ok(Some(work)) => works.push(work),
                Ok(None) => self.closing = self.closing.or_else(|| Some(Instant::now())),
                Err(_) => {}
            }
        } else {
            // Lets connections and claims on this thread move before the next batch.
            tokio::task::yield_now().await;
        }
        self.take_waiting(&mut works);
        if self.shared.is_wide() && works.len() < GATHERED {
            tokio::time::sleep(GATHER).await;
            self.take_waiting(&mut works);
        }
        works
    }

    fn take_waiting(&mut self, works: &mut Vec<Work>) {
        while works.len() < BATCH_WORKS_MAX
            && let Ok(work) = self.inbox.try_recv()
        {
            works.push(work);
        }
    }

    /// One turn of the loop.
    async fn process(&mut self, works: Vec<Work>) {
        let own = self.own.len().min(OWN_JOBS_MAX);
        let mut jobs: Vec<Job> = self.own.drain(..own).collect();
        for work in works {
            self.sort_in(work, &mut jobs);
        }
        let now = self.parts.clock.now();
        let due = self.timers.due(self.parts.clock.passed(), BATCH_WORKS_MAX);
        self.meter.woke(&due, now);
        jobs.extend(due.into_iter().map(|(_, id)| Job::wake_up(id)));
        jobs.extend(self.dispatcher.claims().into_iter().map(Job::lease));
        let others = jobs.len() + self.starts.len();
        jobs.extend(self.slices.beside(others));
        jobs.extend(self.background_beside(others));
        let is_full = self.parts.admission.is_full();
        let began = Instant::now();
        jobs.extend(self.starts.beside(jobs.len(), is_full, began));
        self.starts.refuse_overdue(began);
        self.reserve();
        if !jobs.is_empty() {
            self.meter.begin();
            self.run_batch(jobs).await;
        }
    }

    fn measure_waiting(&self) {
        let count = |len: usize| i64::try_from(len).unwrap_or(i64::MAX);
        let metrics = &self.parts.metrics;
        metrics.executions_continuing.set(count(self.slices.len()));
        metrics.executions_set_aside.set(count(self.aside.len()));
        metrics.starts_waiting.set(count(self.background.len()));
    }

    /// Starts by message to decide together with that many other jobs.
    fn background_beside(&mut self, others: usize) -> impl Iterator<Item = Job> {
        let most = if others > 0 { BACKGROUND_BESIDE_MAX } else { OWN_JOBS_MAX };
        self.background.drain(..most.min(self.background.len()))
    }

    fn sort_in(&mut self, work: Work, jobs: &mut Vec<Job>) {
        match work {
            Work::Job(job) if matches!(job.what, What::Start(_)) => {
                self.starts.push(*job, Instant::now());
            }
            Work::Job(job) => jobs.push(*job),
            Work::Poll(poll) => self.dispatcher.register(poll),
            Work::Return(tasks) => {
                jobs.extend(tasks.into_iter().map(|(task, count)| Job::give_back(task, count)));
            }
            Work::Reserved(demands, keys) => {
                self.reserving = false;
                self.dispatcher.found(&demands, keys);
            }
            Work::Notified(queues) => self.dispatcher.suspect(&queues),
            Work::Tick => {
                self.dispatcher.suspect_all();
                self.aside.forget_old();
                self.meter.look_at(&self.dispatcher);
                self.measure_waiting();
            }
            Work::WakeUps(wake_ups) => {
                for (id, at) in wake_ups {
                    if !self.slices.contains(id) {
                        self.timers.add(id, at);
                    }
                }
            }
            Work::Forget(id) => {
                self.cache.take(id);
            }
            Work::Turn(reply) => {
                let _ = reply.send(());
            }
            Work::Undelivered(messages) => {
                self.own.extend(messages.into_iter().map(Job::message));
            }
        }
    }
}
