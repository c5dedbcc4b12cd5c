//! What the gateway may ask of the engine.
mod definitions;
mod executions;
mod explain;
mod health;
mod known;
mod limits;
mod metrics;
mod query;
mod search;
mod start_shards;
mod tasks;
mod waiting;

use crate::admission::Admission;
use crate::background::{self, Upkeep};
use crate::clock::Clock;
use crate::definitions::Definitions;
use crate::engine::{self, EngineHandle, EngineParts, Receipt};
use crate::environment::{Environment, Evaluate, RunScript};
use crate::error::{OrchestratorError, no_workflow};
use crate::handed_out::HandedOut;
use crate::health::Pulse;
use crate::journal::{self, FROM_THE_START};
use crate::polls::Polls;
use crate::sampling::LastSample;
use crate::script_metrics::measured;
use crate::snapshots::Snapshots;
use crate::supervision::Supervisor;
use crate::trace::Tracer;
use crate::watchers::Watchers;
use baton_common::ExecutionId;
use baton_common::api::{StartWorkflowRequest, Task};
use baton_decider::state::Execution;
use baton_store::{CommitScope, ExecutionRow, JournalHistory, LoadRequest, LoadedExecution, Store};
use baton_telemetry::EngineMetrics;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub use known::KnownNames;
pub use metrics::EngineCounts;

pub(crate) type Answer<T> = Result<T, OrchestratorError>;

/// The engine of one process: decides, commits and dispatches. Cheap to clone; ends when the last
/// clone is gone.
#[derive(Clone)]
pub struct Orchestrator {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) polls: Arc<Polls>,
    pub(crate) handed_out: HandedOut,
    pub(crate) engine: EngineHandle,
    pub(crate) metrics: EngineMetrics,
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) tracer: Tracer,
    pub(crate) admission: Arc<Admission>,
    pub(crate) pulse: Arc<Pulse>,
    closing: CancellationToken,
    /// The background loops run as long as this is held.
    _upkeep: Arc<Upkeep>,
    sampled: LastSample,
    environment: Environment,
    /// Keeps processes apart.
    salt: u64,
}

/// A worker asks for tasks.
#[derive(Clone, Debug)]
pub struct PollRequest {
    /// The task type.
    pub task_type: String,
    /// The domain, if any.
    pub domain: Option<String>,
    /// Who asks.
    pub worker: Option<String>,
    /// At most this many.
    pub count: usize,
    /// How long to wait for the first.
    pub timeout: Duration,
}

/// Tasks leased to a poller. Unless [`Self::delivered`] is called, dropping this hands every one
/// of them back to its queue at once.
pub struct PolledTasks {
    /// The tasks, ready to be sent.
    pub tasks: Vec<Task>,
    pub(crate) receipt: Receipt,
}

impl PolledTasks {
    /// The answer has been written: the worker has them.
    pub fn delivered(mut self) {
        self.receipt.take_tasks();
    }
}

/// A search as the gateway has read it from the query string.
#[derive(Clone, Debug, Default)]
pub struct SearchRequest {
    /// Offset of the first result.
    pub start: usize,
    /// Most results.
    pub size: usize,
    /// `field:ASC|field:DESC`.
    pub sort: Option<String>,
    /// `*` or words.
    pub free_text: Option<String>,
    /// Conditions joined by AND: `status IN (A,B) AND workflowType = 'x' AND startTime > 1`.
    pub query: Option<String>,
    /// Only executions that no other started.
    pub top_level_only: bool,
}

/// A start whose caller waits.
#[derive(Clone, Debug)]
pub struct ExecuteRequest {
    /// The start itself.
    pub start: StartWorkflowRequest,
    /// Echoed.
    pub request_id: String,
    /// Answer also when one of these steps has ended.
    pub wait_until_task_refs: Vec<String>,
    /// Longest wait.
    pub wait_for: Duration,
    /// TARGET_WORKFLOW, BLOCKING_WORKFLOW, BLOCKING_TASK or BLOCKING_TASK_INPUT.
    pub return_strategy: String,
}

impl Orchestrator {
    /// Starts an engine on a store. `evaluate` runs scripts, blocking its thread.
    ///
    /// # Errors
    /// [`OrchestratorError::Unavailable`] when the database cannot be reached.
    pub async fn start(store: Arc<dyn Store>, evaluate: Evaluate) -> Answer<Self> {
        Self::start_traced(store, Environment::machine(evaluate).run_script, Tracer::off()).await
    }

    /// Starts an engine on this machine, and tells of spans.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_traced(
        store: Arc<dyn Store>,
        run_script: RunScript,
        tracer: Tracer,
    ) -> Answer<Self> {
        let metrics = EngineMetrics::default();
        let environment = Environment::on_machine(measured(run_script, &metrics));
        Self::start_measured(store, environment, tracer, metrics).await
    }

    /// As [`Self::start`], with time, randomness and threads of the caller's own.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_in(store: Arc<dyn Store>, environment: Environment) -> Answer<Self> {
        Self::start_measured(store, environment, Tracer::off(), EngineMetrics::default()).await
    }

    async fn start_measured(
        store: Arc<dyn Store>,
        environment: Environment,
        tracer: Tracer,
        metrics: EngineMetrics,
    ) -> Answer<Self> {
        let clock = Arc::new(Clock::new(environment.monotonic_ms.clone()));
        clock.adjust(&*store).await?;
        let polls = Arc::new(Polls::new(clock.clone()));
        let definitions = Arc::new(Definitions::new(store.clone(), polls.clone()));
        definitions.refresh().await?;
        let watchers = Arc::new(Watchers::default());
        let admission = Arc::new(Admission::default());
        let pulse = Arc::new(Pulse::default());
        let restarts = metrics.loop_restarts.clone();
        let supervisor = Supervisor { pulse: pulse.clone(), restarts };
        let engine = engine::spawn(EngineParts {
            store: store.clone(),
            clock: clock.clone(),
            definitions: definitions.clone(),
            run_script: environment.run_script.clone(),
            threads: environment.threads,
            slice: environment.slice,
            metrics: metrics.clone(),
            watchers: watchers.clone(),
            tracer: tracer.clone(),
            admission: admission.clone(),
            pulse: pulse.clone(),
            snapshots: Snapshots::spawn(store.clone(), JournalHistory::Keep, supervisor.clone()),
        })
        .await?;
        let upkeep = Arc::new(Upkeep {
            store: store.clone(),
            clock: clock.clone(),
            polls: polls.clone(),
            definitions: definitions.clone(),
            engine: engine.clone(),
            metrics: metrics.clone(),
            supervisor,
        });
        background::spawn(&upkeep);
        let inner = Arc::new(Inner {
            _upkeep: upkeep,
            handed_out: HandedOut::new(clock.clone()),
            store,
            clock,
            definitions,
            polls,
            engine,
            metrics,
            watchers,
            tracer,
            admission,
            pulse,
            closing: CancellationToken::new(),
            sampled: LastSample::default(),
            salt: (environment.entropy)(),
            environment,
        });
        Ok(Self { inner })
    }

    /// Whether the process was asked to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.inner.closing.is_cancelled()
    }

    /// Comes back only if the engine has ended by a fault of its own: nothing can be done any more,
    /// and the process should end.
    pub async fn ended(&self) {
        self.inner.engine.ended().await;
    }

    /// Answers every call that waits as if its time were over, now and from now on: a process that is
    /// about to end keeps nobody waiting for what another may give sooner.
    pub fn stop_waiting(&self) {
        self.inner.closing.cancel();
    }

    /// A fresh id; no two are alike.
    pub(crate) fn new_id(&self) -> ExecutionId {
        let entropy = (self.inner.environment.entropy)();
        let now = self.inner.clock.now();
        let id = ExecutionId::new(now, entropy);
        match self.inner.store.scope() {
            CommitScope::Database => id,
            CommitScope::Shard => id.in_shard(start_shards::of(self.inner.salt, now, entropy)),
        }
    }

    /// The row of an execution.
    pub(crate) async fn row(&self, id: ExecutionId) -> Answer<ExecutionRow> {
        Ok(self.loaded(LoadRequest { id, journal_after: None }).await?.row)
    }

    /// The whole state of an execution, as committed.
    pub(crate) async fn state(&self, id: ExecutionId) -> Answer<Execution> {
        let request = LoadRequest { id, journal_after: Some(FROM_THE_START) };
        let loaded = self.loaded(request).await?;
        Ok(journal::fold(&loaded, &self.inner.definitions).await?.0)
    }

    async fn loaded(&self, request: LoadRequest) -> Answer<LoadedExecution> {
        let loaded = self.inner.store.load(&[request]).await?.into_iter().next().flatten();
        loaded.ok_or_else(|| no_workflow(request.id))
    }
}

/// The execution that a caller named.
pub(crate) fn execution_id(text: &str) -> Answer<ExecutionId> {
    text.parse().map_err(|_| no_workflow(text))
}
