//! A store whose n-th call fails, once.
use async_trait::async_trait;
use baton_common::{ExecutionId, Payload, TaskId, Timestamp};
use baton_store::memory::MemoryStore;
use baton_store::{
    Batch, CommitError, CommitLane, CommitScope, DefinitionChanges, DefinitionWrite, InUse,
    LimitState, LoadRequest, LoadedExecution, PlanHash, PollRecord, QueueDemand, QueueSize,
    ReadyKey, Revision, SearchPage, SearchQuery, SnapshotWrite, Store, StoreError, StoredMessage,
    TaskLog, Version, WaitFacts, WaitQuery,
};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{broadcast, watch};

/// The model, with a fault to come.
#[derive(Clone)]
pub(crate) struct Faulty {
    pub(crate) inner: MemoryStore,
    left: Arc<AtomicI64>,
    away: Arc<AtomicBool>,
    wake_ups_panic: Arc<AtomicBool>,
    wake_ups_fail: Arc<AtomicBool>,
    snapshots_panic: Arc<AtomicBool>,
    leftover: Arc<Mutex<Option<StoredMessage>>>,
    /// How often undelivered messages were asked for.
    pub(crate) undelivered_calls: Arc<AtomicI64>,
    watched: Option<Arc<watch::Receiver<()>>>,
    gate: Arc<watch::Sender<bool>>,
}

impl Faulty {
    pub(crate) fn new(inner: MemoryStore) -> Self {
        Self {
            inner,
            left: Arc::default(),
            away: Arc::default(),
            wake_ups_panic: Arc::default(),
            wake_ups_fail: Arc::default(),
            snapshots_panic: Arc::default(),
            leftover: Arc::default(),
            undelivered_calls: Arc::default(),
            watched: None,
            gate: Arc::new(watch::Sender::new(true)),
        }
    }

    /// Tells when the store and its lanes are gone.
    pub(crate) fn watch_lane(&mut self) -> watch::Sender<()> {
        let (sender, receiver) = watch::channel(());
        self.watched = Some(Arc::new(receiver));
        sender
    }

    /// The n-th call from now on fails. A commit counts twice: it may fail before or after it took
    /// effect.
    pub(crate) fn fail_at(&self, n: i64) {
        self.left.store(n, Ordering::SeqCst);
    }

    /// Every call fails from now on, or none.
    pub(crate) fn set_away(&self, is_away: bool) {
        self.away.store(is_away, Ordering::SeqCst);
    }

    /// Calls for wake-ups panic from now on, or not.
    pub(crate) fn set_wake_ups_panic(&self, panics: bool) {
        self.wake_ups_panic.store(panics, Ordering::SeqCst);
    }

    /// Calls for wake-ups fail from now on.
    pub(crate) fn fail_wake_ups(&self) {
        self.wake_ups_fail.store(true, Ordering::SeqCst);
    }

    /// Writes of snapshots panic from now on, or not.
    pub(crate) fn set_snapshots_panic(&self, panics: bool) {
        self.snapshots_panic.store(panics, Ordering::SeqCst);
    }

    /// This message is undelivered from now on.
    pub(crate) fn leave(&self, message: StoredMessage) {
        *self.leftover.lock().unwrap() = Some(message);
    }

    /// Commits wait while the gate is closed.
    pub(crate) fn set_gate(&self, is_open: bool) {
        self.gate.send_replace(is_open);
    }

    /// A call that counts.
    fn hit(&self) -> Result<(), StoreError> {
        self.is_there()?;
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 { Err(fault()) } else { Ok(()) }
    }

    fn is_there(&self) -> Result<(), StoreError> {
        if self.away.load(Ordering::SeqCst) { Err(fault()) } else { Ok(()) }
    }
}

fn fault() -> StoreError {
    StoreError::Unavailable("a fault of the test".to_owned())
}

#[async_trait]
impl CommitLane for Faulty {
    async fn commit(&mut self, batch: &Batch) -> Result<InUse, CommitError> {
        let _ = self.gate.subscribe().wait_for(|is_open| *is_open).await;
        self.hit()?;
        let in_use = self.inner.commit(batch).await?;
        self.hit()?;
        Ok(in_use)
    }
}

#[async_trait]
impl Store for Faulty {
    async fn open_lane(&self) -> Result<Box<dyn CommitLane>, StoreError> {
        Ok(Box::new(self.clone()))
    }

    fn scope(&self) -> CommitScope {
        self.inner.scope()
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.is_there()?;
        self.inner.now().await
    }

    async fn load(
        &self,
        requests: &[LoadRequest],
    ) -> Result<Vec<Option<LoadedExecution>>, StoreError> {
        self.hit()?;
        self.inner.load(requests).await
    }

    /// Not a call that the sweep counts: it is made beside the engine.
    async fn put_snapshot(&self, write: &SnapshotWrite) -> Result<bool, StoreError> {
        assert!(!self.snapshots_panic.load(Ordering::SeqCst), "a panic of the test");
        self.is_there()?;
        self.inner.put_snapshot(write).await
    }

    async fn reserve_ready(
        &self,
        demands: &[QueueDemand],
        reserve_ms: u32,
    ) -> Result<Vec<ReadyKey>, StoreError> {
        self.hit()?;
        self.inner.reserve_ready(demands, reserve_ms).await
    }

    async fn due_wake_ups(
        &self,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<(ExecutionId, Timestamp)>, StoreError> {
        assert!(!self.wake_ups_panic.load(Ordering::SeqCst), "a panic of the test");
        if self.wake_ups_fail.load(Ordering::SeqCst) {
            return Err(fault());
        }
        self.hit()?;
        self.inner.due_wake_ups(until, limit).await
    }

    async fn undelivered(
        &self,
        sent_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        self.undelivered_calls.fetch_add(1, Ordering::SeqCst);
        self.hit()?;
        let mut messages = self.inner.undelivered(sent_before, limit).await?;
        messages.extend(self.leftover.lock().unwrap().clone());
        Ok(messages)
    }

    async fn write_definitions(&self, writes: &[DefinitionWrite]) -> Result<Revision, StoreError> {
        self.inner.write_definitions(writes).await
    }

    async fn read_definitions(&self, since: Revision) -> Result<DefinitionChanges, StoreError> {
        self.hit()?;
        self.inner.read_definitions(since).await
    }

    async fn load_plan(&self, hash: PlanHash) -> Result<Payload, StoreError> {
        self.hit()?;
        self.inner.load_plan(hash).await
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError> {
        self.inner.search(query).await
    }

    async fn queue_sizes(&self) -> Result<Vec<QueueSize>, StoreError> {
        self.is_there()?;
        self.inner.queue_sizes().await
    }

    async fn limits(&self, names: &[String]) -> Result<Vec<LimitState>, StoreError> {
        self.hit()?;
        self.inner.limits(names).await
    }

    async fn slot_holders(&self, limit: &str, most: u32) -> Result<Vec<TaskId>, StoreError> {
        self.is_there()?;
        self.inner.slot_holders(limit, most).await
    }

    async fn append_task_logs(&self, lines: &[TaskLog]) -> Result<(), StoreError> {
        self.inner.append_task_logs(lines).await
    }

    async fn task_logs(&self, task: TaskId, limit: u32) -> Result<Vec<TaskLog>, StoreError> {
        self.inner.task_logs(task, limit).await
    }

    async fn record_polls(&self, polls: &[PollRecord]) -> Result<(), StoreError> {
        self.is_there()?;
        self.inner.record_polls(polls).await
    }

    async fn load_waits(&self, query: &WaitQuery) -> Result<WaitFacts, StoreError> {
        self.hit()?;
        self.inner.load_waits(query).await
    }

    async fn remove(&self, id: ExecutionId, version: Version) -> Result<bool, StoreError> {
        self.inner.remove(id, version).await
    }

    async fn release_key(&self, id: ExecutionId) -> Result<bool, StoreError> {
        self.hit()?;
        self.inner.release_key(id).await
    }

    async fn dead_waits(&self, limit: u32) -> Result<Vec<ExecutionId>, StoreError> {
        self.inner.dead_waits(limit).await
    }

    async fn notify(&self, queues: &[String]) {
        self.inner.notify(queues).await;
    }

    fn notifications(&self) -> broadcast::Receiver<Arc<[String]>> {
        self.inner.notifications()
    }
}
