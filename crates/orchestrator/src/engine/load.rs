//! The second stage: brings the states of a batch's executions into memory, in one round trip.
//!
//! Promises a state for every execution that the batch is about, or the reason why there is none. A
//! state from memory may be out of date; the fences of the commit notice that.
mod cache;
mod shared;

use super::attempt::{Attempt, Refused};
use super::job::{Job, What};
use super::ready::ready_key;
use super::state::{Cached, States};
use crate::clock::Clock;
use crate::definitions::Definitions;
use crate::journal::{self, FROM_THE_START};
use baton_common::ExecutionId;
use baton_decider::command::{Command, TaskUpdate};
use baton_decider::state::{Delivery, Execution};
use baton_store::{LoadRequest, LoadedExecution, Store, StoreError};
use baton_telemetry::EngineMetrics;
use cache::Cache;
use shared::Shared;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Where executions are shared, a state that has not changed for so long is probably out of date.
const OUTDATED_AFTER_MS: i64 = 2_000;

/// The states in memory, and the way to those in the database.
pub(super) struct Load {
    store: Arc<dyn Store>,
    clock: Arc<Clock>,
    definitions: Arc<Definitions>,
    metrics: EngineMetrics,
    cache: Cache,
    shared: Shared,
}

/// A batch with the states that it is about.
pub(super) struct Loaded {
    pub(super) attempt: Attempt,
    pub(super) states: States,
}

impl Load {
    pub(super) fn new(
        store: Arc<dyn Store>,
        clock: Arc<Clock>,
        definitions: Arc<Definitions>,
        metrics: EngineMetrics,
    ) -> Self {
        let (cache, shared) = (Cache::default(), Shared::default());
        Self { store, clock, definitions, metrics, cache, shared }
    }

    /// Loads what a batch is about.
    ///
    /// # Errors
    /// [`Refused`] with all jobs of the batch when the database fails.
    pub(super) async fn load(&mut self, attempt: Attempt) -> Result<Loaded, Refused> {
        match self.states(&attempt.jobs, &attempt.learned.stale).await {
            Ok(states) => Ok(Loaded { attempt, states }),
            Err(error) => Err(Refused { jobs: attempt.jobs, error: error.into() }),
        }
    }

    /// Loads executions that came up while the batch was decided.
    ///
    /// # Errors
    /// As of [`Store::load`].
    pub(super) async fn load_more(
        &mut self,
        ids: Vec<ExecutionId>,
        stale: &HashSet<ExecutionId>,
    ) -> Result<States, StoreError> {
        let jobs: Vec<Job> = ids.into_iter().map(Job::wake_up).collect();
        self.states(&jobs, stale).await
    }

    /// Whether several other processes decide about the same executions.
    pub(super) fn is_shared_widely(&self) -> bool {
        self.shared.is_wide()
    }

    /// Remembers a state as committed.
    pub(super) fn remember(&mut self, cached: Cached) {
        self.cache.put(cached);
    }

    /// Puts back states that a batch has taken out and has not changed after all.
    pub(super) fn restore(&mut self, states: impl Iterator<Item = Cached>) {
        let open = states.filter(|cached| !cached.execution.status.is_terminal());
        open.for_each(|cached| self.cache.put(cached));
    }

    /// Forgets executions that have been deleted.
    pub(super) fn forget(&mut self, deleted: &[ExecutionId]) {
        for id in deleted {
            self.cache.take(*id);
        }
    }

    /// Brings the definitions up to date, after a commit was refused for old ones.
    pub(super) async fn refresh_definitions(&self) {
        if let Err(error) = self.definitions.refresh().await {
            tracing::warn!(%error, "definitions could not be refreshed");
        }
    }

    /// The states that these jobs are about: from the cache, unless stale, else from the database.
    async fn states(
        &mut self,
        jobs: &[Job],
        stale: &HashSet<ExecutionId>,
    ) -> Result<States, StoreError> {
        let mut states = States::default();
        let mut requests = Vec::new();
        let mut old: HashMap<ExecutionId, Cached> = HashMap::new();
        for job in jobs {
            for id in concerned(job) {
                if states.by_id.contains_key(&id) {
                    continue;
                }
                let is_newest = |cached: &Cached| {
                    let is_known_stale = stale.contains(&id);
                    !is_known_stale && (id != job.target || !is_behind(&cached.execution, job))
                };
                match self.cache.take(id) {
                    Some(cached) if is_newest(&cached) => {
                        states.by_id.insert(id, Some(cached));
                        continue;
                    }
                    Some(cached) => {
                        requests.push(LoadRequest { id, journal_after: Some(cached.version) });
                        old.insert(id, cached);
                    }
                    // A request with a fresh id need not be looked for: the commit is fenced.
                    None if job.is_start() && !stale.contains(&id) => {}
                    None => requests.push(LoadRequest { id, journal_after: Some(FROM_THE_START) }),
                }
                states.by_id.insert(id, None);
            }
        }
        self.shared.note(jobs.len(), requests.len(), old.len());
        if self.shared.is_any() {
            let then = self.clock.now().plus_millis(-OUTDATED_AFTER_MS);
            self.cache.forget_unchanged_since(then);
        }
        let found = states.by_id.values().flatten().count();
        self.metrics.cache_hits.inc_by(found as u64);
        if requests.is_empty() {
            return Ok(states);
        }
        self.metrics.cache_misses.inc_by(requests.len() as u64);
        states.fresh.extend(requests.iter().map(|request| request.id));
        let loaded = self.store.load(&requests).await?;
        for loaded in loaded.into_iter().flatten() {
            let id = loaded.row.id;
            match self.state_of(loaded, old.remove(&id)).await {
                Ok(cached) => {
                    states.by_id.insert(id, Some(cached));
                }
                Err(error @ (StoreError::Unavailable(_) | StoreError::TimedOut(_))) => {
                    return Err(error);
                }
                // That one stops; the batch's others have nothing to do with it.
                Err(
                    error @ (StoreError::Corrupt(_)
                    | StoreError::Rejected(_)
                    | StoreError::NotFound(_)
                    | StoreError::AlreadyExists(_)),
                ) => {
                    tracing::error!(workflow.id = %id, %error, "an execution is set aside");
                    states.unreadable.push((id, error.to_string()));
                }
            }
        }
        Ok(states)
    }

    async fn state_of(
        &self,
        loaded: LoadedExecution,
        old: Option<Cached>,
    ) -> Result<Cached, StoreError> {
        let row = &loaded.row;
        let (version, row_wake_at, plan) = (row.version, row.wake_at, row.index.plan);
        if journal::is_whole(&loaded) {
            return self.folded(&loaded).await;
        }
        if let Some(mut cached) = old.filter(|cached| cached.plan == plan) {
            let execution = Arc::make_mut(&mut cached.execution);
            if let Some(more) = journal::catch_up(execution, &loaded)? {
                // A rerun's new input is in the row, not in the journal.
                execution.input = loaded.row.input;
                let since = cached.since.plus(more);
                return Ok(Cached { version, row_wake_at, since, ..cached });
            }
        }
        let id = row.id;
        let request = LoadRequest { id, journal_after: Some(FROM_THE_START) };
        let whole = self.store.load(&[request]).await?.into_iter().next().flatten();
        let whole = whole.ok_or_else(|| StoreError::NotFound(id.to_string()))?;
        self.folded(&whole).await
    }

    async fn folded(&self, whole: &LoadedExecution) -> Result<Cached, StoreError> {
        let (execution, since) = journal::fold(whole, &self.definitions).await?;
        let row = &whole.row;
        Ok(Cached {
            execution: Arc::new(execution),
            version: row.version,
            row_wake_at: row.wake_at,
            plan: row.index.plan,
            since,
        })
    }
}

/// Whether a state from memory cannot be the newest: the job is about a task that is not in it yet, is
/// over in it, or is not in a worker's hands. Then another process has gone on with the execution, and
/// a decision would be in vain.
fn is_behind(execution: &Execution, job: &Job) -> bool {
    if let What::Lease(key) = &job.what {
        return ready_key(execution, key.task.seq()).as_ref() != Some(key);
    }
    if let What::Command(
        Command::UpdateTask(TaskUpdate { seq, .. }) | Command::RenewLease { seq },
    ) = &job.what
    {
        return execution.task(*seq).is_none_or(|task| {
            let is_in_queue = matches!(task.delivery, Delivery::Ready(_) | Delivery::Delayed(_));
            task.status.is_terminal() || is_in_queue
        });
    }
    false
}

/// The executions a job needs: its target, and for a failure workflow the one that failed.
fn concerned(job: &Job) -> impl Iterator<Item = ExecutionId> {
    let sender = match &job.what {
        What::Message(message) => Some(message.id.from),
        What::Start(_)
        | What::Command(_)
        | What::Child { .. }
        | What::RestartOnLatest
        | What::Lease(_)
        | What::Resume(_) => None,
    };
    std::iter::once(job.target).chain(sender)
}
