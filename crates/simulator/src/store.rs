//! The store in memory as one process reaches it: late, at times not at all, at times without an
//! answer.
use crate::case::Fault;
use crate::shared::Process;
use async_trait::async_trait;
use baton_common::{ExecutionId, Payload, TaskId, Timestamp};
use baton_store::{
    Batch, CommitError, CommitLane, CommitScope, DefinitionChanges, DefinitionWrite, InUse,
    LimitState, LoadRequest, LoadedExecution, PlanHash, PollRecord, QueueDemand, QueueSize,
    ReadyKey, Revision, SearchPage, SearchQuery, SnapshotWrite, Store, StoreError, StoredMessage,
    TaskLog, Version, WaitFacts, WaitQuery,
};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;

/// A process's way to the store.
#[derive(Clone)]
pub(crate) struct SimStore(pub(crate) Process);

fn lost(what: &str) -> StoreError {
    StoreError::Unavailable(format!("{what} failed, as the seed wants it"))
}

impl SimStore {
    /// The way to the database: it takes time, and the process may stand still or die on it.
    async fn reach(&self, what: &str) {
        let Process { shared, gate, .. } = &self.0;
        if !shared.may_call() {
            std::future::pending::<()>().await;
        }
        self.0.may_die(Fault::DieBefore, 4);
        gate.pass().await;
        let slow = shared.strikes(Fault::Slow, 30);
        shared.pause(0, if slow { 900 } else { 3 }).await;
        gate.pass().await;
        shared.note(|| format!("p{} {what}", self.0.number));
    }

    /// The way back.
    async fn come_back(&self) {
        let Process { shared, gate, .. } = &self.0;
        self.0.may_die(Fault::DieAfter, 4);
        gate.pass().await;
        shared.pause(0, 2).await;
        gate.pass().await;
    }

    async fn read(&self, what: &str) -> Result<(), StoreError> {
        self.reach(what).await;
        let fails = self.0.shared.strikes(Fault::ReadFails, 20);
        if fails { Err(lost(what)) } else { Ok(()) }
    }
}

#[async_trait]
impl CommitLane for SimStore {
    async fn commit(&mut self, batch: &Batch) -> Result<InUse, CommitError> {
        let shared = self.0.shared.clone();
        self.reach("commits").await;
        shared.note(|| describe(batch));
        if shared.strikes(Fault::CommitFails, 30) {
            self.come_back().await;
            return Err(lost("a commit").into());
        }
        let result = shared.memory.clone().commit(batch).await;
        shared.note(|| format!("p{} committed {result:?}", self.0.number));
        if result.is_ok() {
            let now = shared.now();
            let dead = shared.memory.dead_waits(1).await?;
            let broken = shared.check().committed(batch, now, &dead);
            if let Err((rule, text)) = broken {
                shared.fail(rule, text);
            }
            shared.progress.notify_waiters();
        }
        self.come_back().await;
        if result.is_ok() && shared.strikes(Fault::CommitUnknown, 30) {
            return Err(lost("the answer to a commit").into());
        }
        result
    }
}

fn describe(batch: &Batch) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for write in &batch.writes {
        let journal = String::from_utf8_lossy(&write.journal);
        let _ = write!(text, "\n    {}@{} {journal}", write.id, write.expected_version);
        for sent in &write.sent {
            let _ = write!(text, "\n      to {}: {}", sent.to, String::from_utf8_lossy(&sent.body));
        }
    }
    format!("  batch delivers {:?}{text}", batch.delivered)
}

#[async_trait]
impl Store for SimStore {
    async fn open_lane(&self) -> Result<Box<dyn CommitLane>, StoreError> {
        Ok(Box::new(self.clone()))
    }

    fn scope(&self) -> CommitScope {
        self.0.shared.memory.scope()
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.read("asks for the time").await?;
        let now = self.0.shared.now();
        self.come_back().await;
        Ok(now)
    }

    async fn load(
        &self,
        requests: &[LoadRequest],
    ) -> Result<Vec<Option<LoadedExecution>>, StoreError> {
        self.read("loads").await?;
        self.0.shared.note(|| format!("  {requests:?}"));
        let mut loaded = self.0.shared.memory.load(requests).await?;
        if self.0.shared.strikes(Fault::Corrupt, 20)
            && let Some(one) = loaded.iter_mut().flatten().next()
            && let Some((_, entry)) = one.journal.first_mut()
        {
            *entry = Bytes::from_static(b"[{\"FromAnotherVersion\":1}]");
        }
        self.come_back().await;
        Ok(loaded)
    }

    async fn put_snapshot(&self, write: &SnapshotWrite) -> Result<bool, StoreError> {
        self.read("puts a snapshot").await?;
        let is_put = self.0.shared.memory.put_snapshot(write).await?;
        self.come_back().await;
        Ok(is_put)
    }

    async fn reserve_ready(
        &self,
        demands: &[QueueDemand],
        reserve_ms: u32,
    ) -> Result<Vec<ReadyKey>, StoreError> {
        self.read("reserves").await?;
        let keys = self.0.shared.memory.reserve_ready(demands, reserve_ms).await?;
        self.come_back().await;
        Ok(keys)
    }

    async fn due_wake_ups(
        &self,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<(ExecutionId, Timestamp)>, StoreError> {
        self.read("asks for wake-ups").await?;
        let mut due = self.0.shared.memory.due_wake_ups(until, limit).await?;
        due.retain(|_| !self.0.shared.strikes(Fault::WakeUpsHidden, 300));
        self.come_back().await;
        Ok(due)
    }

    async fn undelivered(
        &self,
        sent_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        self.read("asks for messages").await?;
        let shared = &self.0.shared;
        let early = shared.strikes(Fault::MessagesTwice, 400);
        let before = if early { shared.now() } else { sent_before };
        let mut messages = shared.memory.undelivered(before, limit).await?;
        // Two messages rarely wait at once, so all that are on their way are asked for.
        let waiting = shared.memory.undelivered(shared.now(), limit).await?;
        if waiting.len() > 1 && shared.strikes(Fault::MessagesReordered, 1_000) {
            messages = waiting.into_iter().rev().collect();
        }
        self.come_back().await;
        Ok(messages)
    }

    async fn write_definitions(&self, writes: &[DefinitionWrite]) -> Result<Revision, StoreError> {
        self.reach("writes definitions").await;
        let revision = self.0.shared.memory.write_definitions(writes).await?;
        self.come_back().await;
        Ok(revision)
    }

    async fn read_definitions(&self, since: Revision) -> Result<DefinitionChanges, StoreError> {
        self.read("reads definitions").await?;
        let changes = self.0.shared.memory.read_definitions(since).await?;
        self.come_back().await;
        Ok(changes)
    }

    async fn load_plan(&self, hash: PlanHash) -> Result<Payload, StoreError> {
        self.read("loads a plan").await?;
        self.0.shared.memory.load_plan(hash).await
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError> {
        self.read("searches").await?;
        self.0.shared.memory.search(query).await
    }

    async fn queue_sizes(&self) -> Result<Vec<QueueSize>, StoreError> {
        self.read("counts queues").await?;
        self.0.shared.memory.queue_sizes().await
    }

    async fn limits(&self, names: &[String]) -> Result<Vec<LimitState>, StoreError> {
        self.read("reads limits").await?;
        let states = self.0.shared.memory.limits(names).await;
        self.come_back().await;
        states
    }

    async fn slot_holders(&self, limit: &str, most: u32) -> Result<Vec<TaskId>, StoreError> {
        self.read("reads who holds slots").await?;
        let holders = self.0.shared.memory.slot_holders(limit, most).await;
        self.come_back().await;
        holders
    }

    async fn append_task_logs(&self, lines: &[TaskLog]) -> Result<(), StoreError> {
        self.0.shared.memory.append_task_logs(lines).await
    }

    async fn task_logs(&self, task: TaskId, limit: u32) -> Result<Vec<TaskLog>, StoreError> {
        self.0.shared.memory.task_logs(task, limit).await
    }

    async fn record_polls(&self, polls: &[PollRecord]) -> Result<(), StoreError> {
        self.0.shared.memory.record_polls(polls).await
    }

    async fn load_waits(&self, query: &WaitQuery) -> Result<WaitFacts, StoreError> {
        self.read("explains").await?;
        self.0.shared.memory.load_waits(query).await
    }

    async fn release_key(&self, id: ExecutionId) -> Result<bool, StoreError> {
        self.read("gives a key free").await?;
        let is_ended = self.0.shared.memory.release_key(id).await?;
        if is_ended {
            self.0.shared.check().key_released(id);
        }
        self.come_back().await;
        Ok(is_ended)
    }

    async fn remove(&self, id: ExecutionId, version: Version) -> Result<bool, StoreError> {
        self.reach("removes").await;
        let is_removed = self.0.shared.memory.remove(id, version).await?;
        if is_removed {
            let shared = &self.0.shared;
            let broken = shared.check().removed(id);
            if let Err((rule, text)) = broken {
                shared.fail(rule, text);
            }
            shared.progress.notify_waiters();
        }
        self.come_back().await;
        Ok(is_removed)
    }

    async fn dead_waits(&self, limit: u32) -> Result<Vec<ExecutionId>, StoreError> {
        self.0.shared.memory.dead_waits(limit).await
    }

    async fn notify(&self, queues: &[String]) {
        let (shared, from) = (self.0.shared.clone(), self.0.number);
        self.0.gate.pass().await;
        if shared.strikes(Fault::NotifyLost, 400) {
            return;
        }
        let again = shared.strikes(Fault::NotifyTwice, 400);
        shared.pause(0, if again { 1_500 } else { 3 }).await;
        shared.notify(from, queues);
        if again {
            tokio::time::sleep(Duration::from_millis(700)).await;
            shared.notify(from, queues);
        }
    }

    fn notifications(&self) -> broadcast::Receiver<Arc<[String]>> {
        self.0.shared.listen(self.0.number)
    }
}
