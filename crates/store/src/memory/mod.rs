//! A store in memory: the model that every other store must equal, and the store of tests and
//! simulations. It favors being obviously right over being fast; nothing survives the process.
mod limits;
mod search;
mod state;

use crate::{
    Batch, CommitError, CommitLane, CommitScope, DefinitionChanges, DefinitionWrite, InUse,
    LimitState, LoadRequest, LoadedExecution, PlanHash, PollRecord, QueueDemand, QueueSize,
    ReadyKey, Revision, SearchPage, SearchQuery, SnapshotWrite, Store, StoreError, StoredMessage,
    TaskLog, Version, WaitFacts, WaitQuery,
};
use async_trait::async_trait;
use baton_common::{ExecutionId, Payload, TaskId, Timestamp};
use state::State;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// Tells the time; reservations are measured by it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// All rows in collections behind one mutex. A clone is another handle to the same rows.
#[derive(Clone)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    clock: Clock,
    scope: CommitScope,
    notifications: broadcast::Sender<Arc<[String]>>,
}

impl MemoryStore {
    /// An empty store whose time is what `clock` says.
    pub fn new(clock: Clock) -> Self {
        let notifications = broadcast::Sender::new(1);
        Self { state: Arc::default(), clock, scope: CommitScope::Database, notifications }
    }

    /// The same rows, committed as a store of this scope lets them be.
    #[must_use]
    pub fn with_scope(self, scope: CommitScope) -> Self {
        Self { scope, ..self }
    }

    /// Every method changes the state only after its last check, so a panic leaves it whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl CommitLane for MemoryStore {
    async fn commit(&mut self, batch: &Batch) -> Result<InUse, CommitError> {
        self.state().commit(batch)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn open_lane(&self) -> Result<Box<dyn CommitLane>, StoreError> {
        Ok(Box::new(self.clone()))
    }

    fn scope(&self) -> CommitScope {
        self.scope
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        Ok((self.clock)())
    }

    async fn load(
        &self,
        requests: &[LoadRequest],
    ) -> Result<Vec<Option<LoadedExecution>>, StoreError> {
        let state = self.state();
        Ok(requests.iter().map(|request| state.load(request)).collect())
    }

    async fn put_snapshot(&self, write: &SnapshotWrite) -> Result<bool, StoreError> {
        Ok(self.state().put_snapshot(write))
    }

    async fn reserve_ready(
        &self,
        demands: &[QueueDemand],
        reserve_ms: u32,
    ) -> Result<Vec<ReadyKey>, StoreError> {
        Ok(self.state().reserve(demands, (self.clock)(), reserve_ms))
    }

    async fn due_wake_ups(
        &self,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<(ExecutionId, Timestamp)>, StoreError> {
        Ok(self.state().due_wake_ups(until, limit))
    }

    async fn undelivered(
        &self,
        sent_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        Ok(self.state().undelivered(sent_before, limit))
    }

    async fn write_definitions(&self, writes: &[DefinitionWrite]) -> Result<Revision, StoreError> {
        self.state().write_definitions(writes)
    }

    async fn read_definitions(&self, since: Revision) -> Result<DefinitionChanges, StoreError> {
        Ok(self.state().definitions.since(since))
    }

    async fn load_plan(&self, hash: PlanHash) -> Result<Payload, StoreError> {
        self.state().plan(hash)
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError> {
        Ok(search::page(self.state().rows(), query))
    }

    async fn queue_sizes(&self) -> Result<Vec<QueueSize>, StoreError> {
        Ok(self.state().queue_sizes())
    }

    async fn limits(&self, names: &[String]) -> Result<Vec<LimitState>, StoreError> {
        let state = self.state();
        Ok(names.iter().map(|name| state.limits.state(name)).collect())
    }

    async fn slot_holders(&self, limit: &str, most: u32) -> Result<Vec<TaskId>, StoreError> {
        Ok(self.state().limits.holders(limit).take(most as usize).collect())
    }

    async fn append_task_logs(&self, lines: &[TaskLog]) -> Result<(), StoreError> {
        self.state().append_task_logs(lines);
        Ok(())
    }

    async fn task_logs(&self, task: TaskId, limit: u32) -> Result<Vec<TaskLog>, StoreError> {
        Ok(self.state().task_logs(task, limit))
    }

    async fn record_polls(&self, polls: &[PollRecord]) -> Result<(), StoreError> {
        self.state().record_polls(polls);
        Ok(())
    }

    async fn load_waits(&self, query: &WaitQuery) -> Result<WaitFacts, StoreError> {
        Ok(self.state().load_waits(query))
    }

    async fn remove(&self, id: ExecutionId, version: Version) -> Result<bool, StoreError> {
        Ok(self.state().remove(id, version))
    }

    async fn release_key(&self, id: ExecutionId) -> Result<bool, StoreError> {
        Ok(self.state().release_key(id))
    }

    async fn dead_waits(&self, limit: u32) -> Result<Vec<ExecutionId>, StoreError> {
        Ok(self.state().dead_waits(limit))
    }

    async fn notify(&self, _queues: &[String]) {}

    fn notifications(&self) -> broadcast::Receiver<Arc<[String]>> {
        self.notifications.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;
    use std::sync::atomic::{AtomicI64, Ordering};

    /// A clock that moves by one millisecond each time it is read.
    fn ticking() -> Clock {
        let millis = AtomicI64::new(1_700_000_000_000);
        Arc::new(move || Timestamp::from_millis(millis.fetch_add(1, Ordering::Relaxed)))
    }

    #[tokio::test]
    async fn the_model_keeps_every_promise_of_the_contract() {
        conformance::all(async || MemoryStore::new(ticking())).await;
    }

    #[tokio::test]
    async fn the_model_equals_itself() {
        for seed in 1..=4 {
            conformance::model_equality(async || MemoryStore::new(ticking()), seed, 3_000).await;
        }
    }
}
