//! The engine's loop. A batch passes through five stages, each of which owns its data and hands the
//! batch to the next one as a value:
//! ```text
//!  intake ──► load ──► decide ──► commit ──► publish
//!  Gathered   Loaded   Decided    Committed  FollowUp
//! ```
//! What must come back is returned: attempts that must be made again, jobs and messages for later
//! batches, states to remember. One thread runs the loop, so nothing is locked while a batch is decided
//! and committed; requests that arrive meanwhile make the next batch. Two desks are lent to the stages:
//! the [`Dispatcher`], where polls wait for tasks, and [`Suspended`], where decisions wait for scripts.
mod attempt;
mod commit;
mod decide;
mod dispatch;
mod draft;
mod handle;
mod intake;
mod job;
mod load;
mod mean;
mod publish;
mod ready;
mod state;
mod suspended;

pub(crate) use handle::{
    Claim, DEFINITIONS_CHANGED, EngineHandle, EngineRequest, Offer, Receipt, WaitingPoll,
};
pub(crate) use job::{Definition, Reply, StartRequest, What};
pub(crate) use ready::ready_key;

use crate::admission::Admission;
use crate::clock::Clock;
use crate::definitions::Definitions;
use crate::environment::{RunScript, Threads};
use crate::error::OrchestratorError;
use crate::health::Pulse;
use crate::snapshots::Snapshots;
use crate::trace::Tracer;
use crate::watchers::Watchers;
use attempt::{Attempt, Refused};
use baton_decider::decide::agenda::SliceLimits;
use baton_store::{CommitLane, Store};
use baton_telemetry::EngineMetrics;
use commit::{Commit, Outcome};
use decide::{Decide, Decided, Deciding};
use dispatch::Dispatcher;
use handle::WeakHandle;
use intake::Intake;
use load::Load;
use publish::{FollowUp, Publish, refuse};
use state::Cached;
use std::sync::Arc;
use std::time::Duration;
use suspended::Suspended;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// How long the engine pauses after a database error, so that a database that is away is not flooded.
const PAUSE: Duration = Duration::from_millis(100);

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

/// The stages, and the desks that are lent to them.
struct Engine {
    intake: Intake,
    load: Load,
    decide: Decide,
    commit: Commit,
    publish: Publish,
    dispatcher: Dispatcher,
    suspended: Suspended,
}

/// Starts the engine on a thread of its own; it ends when every handle is gone.
///
/// # Errors
/// [`OrchestratorError::Unavailable`] when the database or the thread cannot be had.
pub(crate) async fn spawn(parts: EngineParts) -> Result<EngineHandle, OrchestratorError> {
    let (handle, inbox) = handle::channel();
    let own_handle = handle.downgrade();
    let (ready, started) = oneshot::channel();
    let died = |_| OrchestratorError::Unavailable("the engine died at its start".into());
    if parts.threads == Threads::Callers {
        tokio::task::spawn_local(run(parts, inbox, own_handle, ready));
        started.await.map_err(died)??;
        return Ok(handle);
    }
    let body = move || {
        // The engine's thread ends with the last handle; nothing of it needs to outlive the process.
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
    inbox: mpsc::Receiver<EngineRequest>,
    handle: WeakHandle,
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
    let pulse = parts.pulse.clone();
    let mut engine = Engine::new(parts, lane, inbox, handle);
    while !engine.intake.is_over() {
        engine.turn().await;
        pulse.batch_ended();
    }
}

impl Engine {
    fn new(
        parts: EngineParts,
        lane: Box<dyn CommitLane>,
        inbox: mpsc::Receiver<EngineRequest>,
        handle: WeakHandle,
    ) -> Self {
        let EngineParts { store, clock, definitions, metrics, .. } = parts;
        let gauges = (parts.admission, metrics.clone());
        Self {
            intake: Intake::new(
                (inbox, handle.clone()),
                (store.clone(), definitions.clone()),
                clock.clone(),
                gauges,
                parts.slice,
            ),
            load: Load::new(store.clone(), clock.clone(), definitions.clone(), metrics.clone()),
            decide: Decide::new(clock.clone(), definitions, metrics.clone()),
            commit: Commit::new(store.clone(), lane, parts.pulse, metrics.clone()),
            publish: Publish::new(
                (store, clock),
                handle.clone(),
                metrics,
                (parts.tracer, parts.watchers),
                parts.snapshots,
            ),
            dispatcher: Dispatcher::default(),
            suspended: Suspended::new(parts.run_script, handle),
        }
    }

    /// Takes the next batch through the stages, until each of its jobs is committed or refused.
    async fn turn(&mut self) {
        let waits_for_more = self.load.is_shared_widely();
        let gathered = self.intake.gather(&mut self.dispatcher, waits_for_more).await;

        self.load.forget(&gathered.deleted);
        if gathered.is_tick {
            self.decide.tick();
            self.publish.show_polls(&self.dispatcher);
        }
        if gathered.jobs.is_empty() {
            return;
        }
        let began = Instant::now();
        let mut attempts = vec![Attempt::first(gathered.jobs, gathered.slice, began)];
        while let Some(attempt) = attempts.pop() {
            match self.attempt(attempt).await {
                Ok(again) => attempts.extend(again),
                Err(refused) => self.refuse(refused).await,
            }
        }
        self.intake.note_batch(began.elapsed());
    }

    /// Takes a batch through the stages once. Returns what must be attempted again, the first one last.
    async fn attempt(&mut self, mut attempt: Attempt) -> Result<Vec<Attempt>, Refused> {
        attempt.jobs = self.suspended.sort_out(attempt.jobs);
        let loaded = self.load.load(attempt).await?;
        let mut deciding = self.decide.begin(loaded);
        let decided = self.decide_all(&mut deciding).await;
        self.intake.add_first(deciding.take_postponed());
        if let Err(error) = decided {
            return Err(deciding.refuse(error));
        }
        match self.decide.finish(deciding, &mut self.dispatcher, &self.suspended) {
            Ok(decided) => self.commit_and_publish(decided).await,
            Err(unconfirmed) => {
                let (again, states) = unconfirmed.split();
                self.load.restore(states);
                again.map(|again| vec![again])
            }
        }
    }

    /// Decides a batch; loads what comes up meanwhile.
    async fn decide_all(&mut self, deciding: &mut Deciding) -> Result<(), OrchestratorError> {
        while let Some(missing) = self.decide.decide(deciding) {
            let states = self.load.load_more(missing, &deciding.learned().stale).await?;
            self.decide.add(deciding, states);
        }
        Ok(())
    }

    async fn commit_and_publish(&mut self, decided: Decided) -> Result<Vec<Attempt>, Refused> {
        let outcome = self.commit.commit(decided, &mut self.dispatcher).await;
        let Outcome { committed, lost, mut failed, took, rooms } = outcome;
        self.publish.notify_rooms(&rooms);
        if let Some(took) = took {
            self.intake.note_commit(took);
        }
        if let Some(failed) = &mut failed {
            self.intake.add(std::mem::take(&mut failed.give_back));
        }
        if let Some(committed) = committed {
            let drafts = &committed.decided.drafts;
            let waits_ms = drafts.values().flat_map(draft::Draft::waits_ms);
            self.intake.note_progress(drafts.values().map(draft::Draft::opened), waits_ms);
            let follow_up = self.publish.publish(committed, &mut self.dispatcher);
            self.follow_up(follow_up);
        }
        let mut again = Vec::new();
        if let Some(mut lost) = lost {
            self.commit.release_keys(&mut lost).await;
            if lost.has_stale_definitions() {
                self.load.refresh_definitions().await;
            }
            let (attempt, states) = lost.split();
            self.load.restore(states);
            match attempt {
                Ok(attempt) => again.push(attempt),
                Err(refused) => self.refuse(refused).await,
            }
        }
        match failed.map(commit::Failed::next) {
            Some(Ok([first, second])) => again.extend([second, first]),
            Some(Err(refused)) => self.refuse(refused).await,
            None => {}
        }
        Ok(again)
    }

    /// Hands what a committed batch leaves to the stages that continue with it.
    fn follow_up(&mut self, follow_up: FollowUp) {
        let FollowUp { give_back, messages, starts, changed, untouched, suspended } = follow_up;
        self.intake.add(give_back);
        self.intake.add(messages.into_iter().map(job::Job::message));
        self.intake.add_starts(starts);
        for cached in changed {
            let Cached { execution, row_wake_at, .. } = &cached;
            if execution.is_due_to_continue() {
                self.intake.continue_soon(execution.id());
            } else if let Some(at) = row_wake_at {
                self.intake.wake_up_at(execution.id(), *at);
            }
            self.load.remember(cached);
        }
        untouched.into_values().flatten().for_each(|cached| self.load.remember(cached));
        for (waiting, job) in suspended {
            self.suspended.suspend(waiting, job.reply, job.message);
        }
    }

    /// Answers jobs that cannot be decided or committed.
    async fn refuse(&mut self, refused: Refused) {
        let is_temporary = refused.is_temporary();
        self.intake.try_again(refuse(refused));
        if is_temporary {
            tokio::time::sleep(PAUSE).await;
        }
    }
}
