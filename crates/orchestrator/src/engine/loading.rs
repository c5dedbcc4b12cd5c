//! Bringing the executions of a batch into memory, in one round trip.
use super::jobs::{Job, What};
use super::mean::{Mean, count};
use super::write::ready_key;
use super::{Cached, Engine};
use crate::journal::{self, FROM_THE_START};
use baton_common::ExecutionId;
use baton_decider::command::{Command, TaskUpdate};
use baton_decider::state::{Delivery, Execution};
use baton_store::{LoadRequest, LoadedExecution, StoreError};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Part of what recent batches were about that had to be loaded: above it several other processes
/// decide about the same executions. With one other it is a third (a request needs no load), with
/// three others three fifths.
const WIDE_PART_LEAST: f32 = 0.5;
/// Part of it that was in memory, but out of date: above it at least one other process does. Where
/// every call goes to another of two or four it is an eighth to a sixth, where there is one it is
/// nothing, also after it was started anew.
const SHARED_PART_LEAST: f32 = 0.02;

/// Where executions are shared, a state that has not changed for so long is probably out of date.
const OUTDATED_AFTER_MS: i64 = 2_000;

/// The states a batch works on.
#[derive(Default)]
pub(super) struct States {
    /// By execution; `None`: there is no such execution.
    pub(super) by_id: BTreeMap<ExecutionId, Option<Cached>>,
    /// Those that were read from the database for this batch. The others may be out of date: what is
    /// decided on them is fenced when it changes something, and must be decided again when not.
    pub(super) fresh: HashSet<ExecutionId>,
}

impl Engine {
    /// The states that these jobs are about: from the cache, unless stale, else from the database.
    pub(super) async fn states(
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
            let then = self.parts.clock.now().plus_millis(-OUTDATED_AFTER_MS);
            self.cache.forget_unchanged_since(then);
        }
        let found = states.by_id.values().flatten().count();
        self.parts.metrics.cache_hits.inc_by(found as u64);
        if requests.is_empty() {
            return Ok(states);
        }
        self.parts.metrics.cache_misses.inc_by(requests.len() as u64);
        states.fresh.extend(requests.iter().map(|request| request.id));
        let loaded = self.parts.store.load(&requests).await?;
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
                    self.aside.put(id, &error.to_string());
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
        let whole = self.parts.store.load(&[request]).await?.into_iter().next().flatten();
        let whole = whole.ok_or_else(|| StoreError::NotFound(id.to_string()))?;
        self.folded(&whole).await
    }

    async fn folded(&self, whole: &LoadedExecution) -> Result<Cached, StoreError> {
        let (execution, since) = journal::fold(whole, &self.parts.definitions).await?;
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

/// How much of what is decided about was decided about by other processes in between.
#[derive(Default)]
pub(super) struct Shared {
    loaded: Mean,
    outdated: Mean,
}

impl Shared {
    /// Of a batch's jobs so many had to be loaded, and so many of these were out of date in memory.
    fn note(&mut self, jobs: usize, loaded: usize, outdated: usize) {
        if jobs > 0 {
            self.loaded.see(count(loaded) / count(jobs));
            self.outdated.see(count(outdated) / count(jobs));
        }
    }

    /// Whether another process decides about the same executions.
    fn is_any(&self) -> bool {
        self.outdated.is_above(SHARED_PART_LEAST)
    }

    /// Whether several other processes decide about the same executions.
    pub(super) fn is_wide(&self) -> bool {
        self.loaded.is_above(WIDE_PART_LEAST)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_loaded_tells_of_others() {
        let after = |loaded, outdated| {
            let mut shared = Shared::default();
            (0..40).for_each(|_| shared.note(30, loaded, outdated));
            (shared.is_any(), shared.is_wide())
        };
        assert_eq!(after(0, 0), (false, false));
        assert_eq!(after(12, 4), (true, false));
        assert_eq!(after(17, 3), (true, true));
    }

    #[test]
    fn a_cold_memory_tells_of_nobody() {
        let mut shared = Shared::default();
        (0..4).for_each(|_| shared.note(30, 30, 0));
        assert!(!shared.is_any() && !shared.is_wide());
    }
}
