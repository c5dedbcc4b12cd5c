//! Scripts in child processes: a bounded number of them, served fairly, each used again and again
//! until it has grown or served long enough.
use super::deadline::Since;
use super::engine::{Engine, Silence};
use super::fair::{FairQueue, QueueLimits, ShareKey};
use super::frame::Answer;
use super::{Script, ScriptError, ScriptLimits};
use baton_common::payload::Payload;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a script is given to an evaluator: once more when the first ended before it had begun.
const TRIES_MAX: usize = 2;

/// What the processes of a pool may become, and what may wait for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Most processes at a time, at least one.
    pub processes_max: usize,
    /// Memory above which a process is replaced after its script, bytes: one large result leaves
    /// the allocator with memory that it does not give back.
    pub memory_bytes_max: u64,
    /// Scripts after which a process is replaced: what an engine loses does not add up.
    pub evaluations_max: u64,
    /// What may wait.
    pub queue: QueueLimits,
}

impl PoolLimits {
    /// The usual limits, with so many processes.
    pub const fn of_processes(processes_max: usize) -> Self {
        Self {
            processes_max,
            memory_bytes_max: 64 * 1024 * 1024,
            evaluations_max: 10_000,
            queue: QueueLimits::STANDARD,
        }
    }
}

/// Too many scripts wait: nothing of this one was done, and it can be submitted again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{waiting} scripts wait for an evaluator; try again later")]
pub struct Busy {
    /// How many wait.
    pub waiting: usize,
}

/// Why a process was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Replaced {
    /// It had grown above its limit.
    Memory,
    /// It had evaluated as many scripts as it may.
    Evaluations,
    /// Its script ran too long and was stopped with it.
    TimedOut,
    /// It ended by itself, or was ended from outside.
    Lost,
}

/// What happens in a pool, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolEvent {
    /// A script waits.
    Queued,
    /// It no longer waits, and is given to an evaluator.
    Began {
        /// How long it waited.
        waited: Duration,
    },
    /// A script was refused as [`Busy`].
    Refused,
    /// A process was replaced.
    Replaced(Replaced),
}

/// Receives the result of a script, on a thread of the pool: it must not block. Dropped unused when
/// the pool ends first.
type Done = Box<dyn FnOnce(Result<Payload, ScriptError>) + Send>;

/// Runs scripts in child processes of our own binary.
///
/// Children start when they are first needed, are kept for the next script, and end with the pool
/// or with this process. What a script does to its child never reaches this process.
pub struct EvaluatorPool(Arc<Shared>);

struct Shared {
    program: PathBuf,
    args: Vec<String>,
    limits: PoolLimits,
    script_limits: ScriptLimits,
    observe: Box<dyn Fn(PoolEvent) + Send + Sync>,
    state: Mutex<State>,
    /// A job waits, or the pool ends.
    work: Condvar,
    /// A job waits no longer.
    room: Condvar,
}

struct State {
    queue: FairQueue<Job>,
    /// Threads that serve, each with a child of its own.
    workers: usize,
    /// Those of them that wait for a job.
    idle: usize,
    has_ended: bool,
}

struct Job {
    script: Script,
    since: Since,
    done: Done,
}

impl EvaluatorPool {
    /// A pool of children `program args…`, which must call [`serve`](super::serve) on their standard
    /// input and output. Starts none yet.
    pub fn new(
        program: PathBuf,
        args: Vec<String>,
        limits: PoolLimits,
        script_limits: ScriptLimits,
    ) -> Self {
        Self::observed(program, args, limits, script_limits, |_| {})
    }

    /// As [`Self::new`]; `observe` is told what happens, while the pool waits for it.
    pub fn observed(
        program: PathBuf,
        args: Vec<String>,
        limits: PoolLimits,
        script_limits: ScriptLimits,
        observe: impl Fn(PoolEvent) + Send + Sync + 'static,
    ) -> Self {
        let limits = PoolLimits { processes_max: limits.processes_max.max(1), ..limits };
        let queue = FairQueue::new(limits.queue);
        let state = State { queue, workers: 0, idle: 0, has_ended: false };
        Self(Arc::new(Shared {
            program,
            args,
            limits,
            script_limits,
            observe: Box::new(observe),
            state: Mutex::new(state),
            work: Condvar::new(),
            room: Condvar::new(),
        }))
    }

    /// Lets `script` run when it is its share's turn, and returns at once. `done` receives the
    /// result on another thread, where it must not block; it is dropped when the pool ends first.
    ///
    /// The result is an error as [`ScriptError`] says. A script never fails for having waited: its
    /// time limit counts from the moment at which a process begins with it.
    ///
    /// # Errors
    /// [`Busy`] when too much waits already, of this share or in all. Nothing was done then.
    pub fn submit(
        &self,
        share: ShareKey,
        script: Script,
        done: impl FnOnce(Result<Payload, ScriptError>) + Send + 'static,
    ) -> Result<(), Busy> {
        let bytes = size_of(&script);
        let state = self.0.state();
        if !state.queue.admits(share, bytes) {
            let waiting = state.queue.len();
            drop(state);
            (self.0.observe)(PoolEvent::Refused);
            return Err(Busy { waiting });
        }
        Shared::enqueue(&self.0, state, share, script, Box::new(done));
        Ok(())
    }

    /// Runs `script` and waits for its result, and before that for room among those that wait.
    /// Blocks; may be called from many threads.
    ///
    /// # Errors
    /// As [`ScriptError`] says.
    pub fn evaluate(&self, share: ShareKey, script: &Script) -> Result<Payload, ScriptError> {
        let (sender, receiver) = sync_channel(1);
        let (bytes, mut state) = (size_of(script), self.0.state());
        while !state.queue.admits(share, bytes) {
            state = self.0.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let done = move |result| drop(sender.send(result));
        Shared::enqueue(&self.0, state, share, script.clone(), Box::new(done));
        receiver.recv().unwrap_or_else(|_| Err(lost("the pool of evaluators has ended")))
    }

    /// How many scripts wait.
    pub fn waiting(&self) -> usize {
        self.0.state().queue.len()
    }
}

impl fmt::Debug for EvaluatorPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EvaluatorPool")
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}

impl Drop for EvaluatorPool {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.has_ended = true;
        state.queue = FairQueue::new(self.0.limits.queue);
        drop(state);
        self.0.work.notify_all();
    }
}

fn lost(error: impl fmt::Display) -> ScriptError {
    ScriptError::EngineLost { message: error.to_string() }
}

/// Bytes that a script takes while it waits.
fn size_of(script: &Script) -> usize {
    script.source.len().saturating_add(script.input.len_bytes())
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job for which there is room, and a thread to serve it if one more may be.
    fn enqueue(
        shared: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        share: ShareKey,
        script: Script,
        done: Done,
    ) {
        let bytes = size_of(&script);
        state.queue.push(share, bytes, Job { script, since: Since::now(), done });
        (shared.observe)(PoolEvent::Queued);
        let wants_worker = state.queue.len() > state.idle;
        let is_new = wants_worker && state.workers < shared.limits.processes_max;
        state.workers += usize::from(is_new);
        drop(state);
        shared.work.notify_one();
        if is_new {
            Self::add_worker(shared);
        }
    }

    fn add_worker(shared: &Arc<Self>) {
        let own = Arc::clone(shared);
        let thread = std::thread::Builder::new().name("evaluators".to_owned());
        let Err(error) = thread.spawn(move || own.serve()) else { return };
        // With others at work the job is served later; with none it would wait for ever.
        let mut state = shared.state();
        state.workers -= 1;
        let orphan = if state.workers == 0 { state.queue.pop(1) } else { None };
        if let Some((share, job)) = orphan {
            state.queue.finished(share);
            drop(state);
            (shared.observe)(PoolEvent::Began { waited: job.since.elapsed() });
            (job.done)(Err(lost(format!("no thread for an evaluator: {error}"))));
        }
    }

    /// Serves one job after the other until the pool ends.
    fn serve(&self) {
        let mut engine = None;
        while let Some((share, job)) = self.next() {
            let Job { script, since, done } = job;
            (self.observe)(PoolEvent::Began { waited: since.elapsed() });
            let run = || self.run(&mut engine, &script);
            let result = catch_unwind(AssertUnwindSafe(run));
            drop(script);
            self.state().queue.finished(share);
            // A fault of ours must cost one script and not a thread.
            let result = result.unwrap_or_else(|_| Err(lost("the pool failed inside")));
            let _ = catch_unwind(AssertUnwindSafe(|| done(result)));
        }
    }

    /// The next job; `None` when the pool ends.
    fn next(&self) -> Option<(ShareKey, Job)> {
        let mut state = self.state();
        loop {
            if state.has_ended {
                state.workers -= 1;
                return None;
            }
            if let Some(job) = state.queue.pop(self.limits.processes_max) {
                drop(state);
                self.room.notify_all();
                return Some(job);
            }
            state.idle += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    fn run(&self, kept: &mut Option<Engine>, script: &Script) -> Result<Payload, ScriptError> {
        script.check_size(&self.script_limits)?;
        let limit_ms = self.script_limits.time_ms;
        let mut cause = String::new();
        for _ in 0..TRIES_MAX {
            let mut engine = match self.engine(kept) {
                Ok(engine) => engine,
                Err(error) => {
                    cause = format!("an evaluator cannot be started: {error}");
                    continue;
                }
            };
            match engine.ask(script, &self.script_limits) {
                Ok(answer) => {
                    *kept = self.worth_keeping(engine);
                    return match answer {
                        Answer::Result(result) => Ok(result),
                        Answer::Error(error) => Err(error),
                        Answer::Begun => Err(lost("the evaluator began twice")),
                    };
                }
                Err(Silence::NotBegun(what)) => {
                    self.replaced(Replaced::Lost);
                    cause = what;
                }
                Err(Silence::TimedOut) => {
                    self.replaced(Replaced::TimedOut);
                    return Err(ScriptError::TimedOut { limit_ms });
                }
                Err(Silence::Ended) => {
                    let error = engine.why_ended(limit_ms);
                    let is_timeout = matches!(error, ScriptError::TimedOut { .. });
                    self.replaced(if is_timeout { Replaced::TimedOut } else { Replaced::Lost });
                    return Err(error);
                }
            }
        }
        Err(lost(cause))
    }

    /// A child that lives: the kept one, or else a new one.
    fn engine(&self, kept: &mut Option<Engine>) -> std::io::Result<Engine> {
        if let Some(mut engine) = kept.take() {
            if engine.is_alive() {
                return Ok(engine);
            }
            self.replaced(Replaced::Lost);
        }
        Engine::start(&self.program, &self.args, &self.script_limits)
    }

    /// The child, unless it has grown or served long enough: then it ends here, and the next script
    /// starts a new one.
    fn worth_keeping(&self, engine: Engine) -> Option<Engine> {
        let limits = self.limits;
        if engine.evaluations >= limits.evaluations_max {
            self.replaced(Replaced::Evaluations);
            return None;
        }
        if engine.memory_bytes().is_some_and(|bytes| bytes > limits.memory_bytes_max) {
            self.replaced(Replaced::Memory);
            return None;
        }
        Some(engine)
    }

    fn replaced(&self, why: Replaced) {
        (self.observe)(PoolEvent::Replaced(why));
    }
}
