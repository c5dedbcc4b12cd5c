//! Executions with long journals are loaded from snapshots.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are not seen as tests"
)]
mod support;

use baton_common::ExecutionId;
use baton_orchestrator::Orchestrator;
use baton_store::memory::MemoryStore;
use baton_store::{LoadRequest, LoadedExecution, Store};
use serde_json::{Value, json};
use support::faulty::Faulty;
use support::{complete, define, engine_on, read, simple, start, store, take};

/// Changes of one iteration: a task is scheduled, leased and ended, the loop notes it, goes to the next
/// and forgets an older one.
const CHANGES_OF_AN_ITERATION: usize = 6;
/// Journal entries of one iteration: the lease, and the report with what follows from it.
const ENTRIES_OF_AN_ITERATION: usize = 2;
/// Changes that the journal may hold after a snapshot; see `snapshots.rs`.
const CHANGES_MIN: usize = 1_000;

/// A loop that never ends by itself and keeps its last two iterations.
fn endless() -> Value {
    json!({"name": "again", "taskReferenceName": "again", "type": "DO_WHILE",
        "loopCondition": "true", "loopOver": [simple("a")],
        "inputParameters": {"keepLastN": 2}})
}

async fn load(store: &MemoryStore, id: &str) -> LoadedExecution {
    let id: ExecutionId = id.parse().unwrap();
    let request = LoadRequest { id, journal_after: Some(0) };
    store.load(&[request]).await.unwrap().remove(0).unwrap()
}

async fn iterate(engine: &Orchestrator, times: usize) {
    for _ in 0..times {
        complete(engine, &take(engine).await).await;
    }
}

/// Waits for a snapshot newer than `version`; it is written beside the engine.
async fn snapshot_after(store: &MemoryStore, id: &str, version: i64) -> LoadedExecution {
    loop {
        let loaded = load(store, id).await;
        if loaded.snapshot.as_ref().is_some_and(|snapshot| snapshot.version > version) {
            return loaded;
        }
        tokio::task::yield_now().await;
    }
}

/// Goal: what a load reads does not grow with the age of an execution.
/// Method: a loop runs, until it has had three snapshots; the entries that a load reads are counted.
#[tokio::test]
async fn a_load_of_an_endless_loop_reads_a_bounded_number_of_entries() {
    let store = store();
    let engine = engine_on(store.clone()).await;
    define(&engine, "w", &[endless()]).await;
    let id = start(&engine, "w").await;
    let per_snapshot = CHANGES_MIN / (CHANGES_OF_AN_ITERATION - 1);
    let mut newest = 0;
    for _ in 0..3 {
        iterate(&engine, per_snapshot).await;
        let loaded = snapshot_after(&store, &id, newest).await;
        newest = loaded.snapshot.unwrap().version;
        let entries_max = ENTRIES_OF_AN_ITERATION * per_snapshot;
        assert!(loaded.journal.len() <= entries_max, "{} entries", loaded.journal.len());
        let entries = i64::try_from(loaded.journal.len()).unwrap();
        assert_eq!(entries, loaded.row.version - newest);
    }
    let per_snapshot = i64::try_from(per_snapshot).unwrap();
    assert!(newest > 2 * per_snapshot, "the newest is of version {newest}");
}

/// Goal: an engine that reads a snapshot goes on as the one that wrote it.
/// Method: another engine on the same store takes over in the middle of the loop.
#[tokio::test]
async fn another_engine_goes_on_from_a_snapshot() {
    let store = store();
    let first = engine_on(store.clone()).await;
    define(&first, "w", &[endless(), simple("after")]).await;
    let id = start(&first, "w").await;
    iterate(&first, CHANGES_MIN / (CHANGES_OF_AN_ITERATION - 1)).await;
    snapshot_after(&store, &id, 0).await;
    let before = read(&first, &id).await;
    drop(first);
    let second = engine_on(store.clone()).await;
    assert_eq!(
        serde_json::to_value(read(&second, &id).await).unwrap(),
        serde_json::to_value(&before).unwrap()
    );
    iterate(&second, 3).await;
    let after = read(&second, &id).await;
    assert_eq!(after.tasks[0].iteration, before.tasks[0].iteration + 3);
}

/// Goal: a panic while a snapshot is written does not end the writing of snapshots. Method: the store
/// panics at the first snapshot, and takes the next.
#[tokio::test]
async fn the_writer_of_snapshots_survives_a_panic() {
    let memory = store();
    let faulty = Faulty::new(memory.clone());
    let engine = engine_on(faulty.clone()).await;
    define(&engine, "w", &[endless()]).await;
    let id = start(&engine, "w").await;
    let per_snapshot = CHANGES_MIN / (CHANGES_OF_AN_ITERATION - 1);
    faulty.set_snapshots_panic(true);
    iterate(&engine, per_snapshot).await;
    while engine.metrics().loop_restarts.get() == 0 {
        tokio::task::yield_now().await;
    }
    faulty.set_snapshots_panic(false);
    iterate(&engine, per_snapshot).await;
    snapshot_after(&memory, &id, 0).await;
}

/// Goal: a record that cannot be read is named: execution, version and what is wrong.
/// Method: another store answers with damaged entries, and with one of a newer version.
#[tokio::test]
async fn an_unreadable_entry_is_named() {
    let store = store();
    let engine = engine_on(store.clone()).await;
    define(&engine, "w", &[simple("a")]).await;
    let id = start(&engine, "w").await;
    let row = load(&store, &id).await.row;
    let mut lane = store.open_lane().await.unwrap();
    let write = |journal: &'static [u8]| baton_store::ExecutionWrite {
        id: row.id,
        expected_version: row.version,
        status: row.status,
        waits: row.waits,
        wake_at: row.wake_at,
        ended_at: None,
        index: None,
        input: None,
        overview: None,
        journal: journal.into(),
        idempotency_key: None,
        ready_added: Vec::new(),
        ready_removed: Vec::new(),
        sent: Vec::new(),
    };
    let writes = vec![write(b"[9,{\"unheard\":{}}]")];
    lane.commit(&baton_store::Batch { writes, ..Default::default() }).await.unwrap();
    let error = engine.workflow(&id, true).await.unwrap_err().to_string();
    let version = row.version + 1;
    assert!(error.contains(&format!("execution {id}: version {version}")), "{error}");
    assert!(error.contains("a newer version of Baton wrote it (format 9"), "{error}");
}
