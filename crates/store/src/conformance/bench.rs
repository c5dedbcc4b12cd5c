//! Rows to test with, and the shortest way to commit and to read them.
use crate::{
    Batch, CommitError, CommitLane, ExecutionIndex, ExecutionWrite, LoadRequest, LoadedExecution,
    MessageId, PlanHash, ReadyKey, SearchQuery, Store, StoredMessage, Version, Waits,
};
use baton_common::{ExecutionId, Payload, Timestamp, WorkflowStatus};
use bytes::Bytes;

/// The moment around which all rows live.
pub(super) const NOON: Timestamp = Timestamp::from_millis(1_795_000_000_000);

/// The `n`th execution; ids of different `n` are in different shards.
pub(super) fn id(n: u64) -> ExecutionId {
    ExecutionId::new(noon(n.cast_signed()), n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Noon and `millis`.
pub(super) fn noon(millis: i64) -> Timestamp {
    NOON.plus_millis(millis)
}

pub(super) fn json(text: &str) -> Payload {
    Payload::parse(text.to_owned()).unwrap()
}

pub(super) fn text(text: &str) -> Payload {
    Payload::of(text).unwrap()
}

pub(super) fn index() -> ExecutionIndex {
    ExecutionIndex {
        workflow_name: "ship".to_owned(),
        workflow_version: 1,
        correlation_id: None,
        created_at: NOON,
        parent: None,
        plan: PlanHash([7; 32]),
    }
}

/// The insert of the `n`th execution: it runs and waits for a person.
pub(super) fn insert(n: u64) -> ExecutionWrite {
    ExecutionWrite {
        id: id(n),
        expected_version: 0,
        status: WorkflowStatus::Running,
        waits: Waits(Waits::EXTERNAL),
        wake_at: None,
        ended_at: None,
        index: Some(index()),
        input: Some(json(r#"{"order": 1.50}"#)),
        overview: Some(Bytes::from_static(b"overview")),
        journal: Bytes::from_static(b"inserted"),
        idempotency_key: None,
        ready_added: Vec::new(),
        ready_removed: Vec::new(),
        sent: Vec::new(),
    }
}

/// A later write, at version `expected`, that gives nothing it need not give.
pub(super) fn update(n: u64, expected: Version) -> ExecutionWrite {
    ExecutionWrite {
        expected_version: expected,
        index: None,
        input: None,
        overview: None,
        journal: Bytes::from(format!("after {expected}")),
        ..insert(n)
    }
}

/// Ready tasks by queue.
pub(super) async fn sizes(store: &dyn Store) -> Vec<(String, u64)> {
    let sizes = store.queue_sizes().await.unwrap().into_iter();
    sizes.map(|size| (size.queue, size.ready)).collect()
}

pub(super) fn ready(queue: &str, priority: u8, at: i64, n: u64) -> ReadyKey {
    ReadyKey { queue: queue.to_owned(), priority, ready_at: noon(at), task: id(n).task(1) }
}

/// The only message of `from`'s commit to `version`.
pub(super) fn message(from: u64, version: Version, to: u64) -> StoredMessage {
    StoredMessage {
        id: MessageId { from: id(from), version, number: 0 },
        to: id(to),
        body: Bytes::from(format!("{from} to {to}")),
    }
}

pub(super) fn batch(writes: Vec<ExecutionWrite>) -> Batch {
    let mut writes = writes;
    writes.sort_by_key(|write| (write.id.shard(), write.id));
    Batch { at: NOON, writes, ..Batch::default() }
}

/// All executions.
pub(super) fn everyone() -> SearchQuery {
    SearchQuery { size: 100, ..SearchQuery::default() }
}

/// A store with one lane open.
pub(super) struct Bench<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) lane: Box<dyn CommitLane>,
}

impl<'a> Bench<'a> {
    pub(super) async fn new(store: &'a dyn Store) -> Self {
        Self { store, lane: store.open_lane().await.unwrap() }
    }

    pub(super) async fn with(store: &'a dyn Store, writes: Vec<ExecutionWrite>) -> Self {
        let mut bench = Self::new(store).await;
        bench.commit(writes).await;
        bench
    }

    /// Commits; the writes must pass.
    pub(super) async fn commit(&mut self, writes: Vec<ExecutionWrite>) {
        self.lane.commit(&batch(writes)).await.unwrap();
    }

    pub(super) async fn refused(&mut self, batch: &Batch) -> crate::error::Conflict {
        match self.lane.commit(batch).await {
            Err(CommitError::Conflict(conflict)) => conflict,
            other => unreachable!("a conflict was expected, not {other:?}"),
        }
    }

    /// The `n`th execution with its whole journal.
    pub(super) async fn find(&self, n: u64) -> Option<LoadedExecution> {
        let request = LoadRequest { id: id(n), journal_after: Some(0) };
        self.store.load(&[request]).await.unwrap().remove(0)
    }

    /// Whether there is such an execution.
    pub(super) async fn is_stored(&self, id: ExecutionId) -> bool {
        let request = LoadRequest { id, journal_after: None };
        self.store.load(&[request]).await.unwrap()[0].is_some()
    }

    pub(super) async fn get(&self, n: u64) -> LoadedExecution {
        self.find(n).await.unwrap()
    }
}
