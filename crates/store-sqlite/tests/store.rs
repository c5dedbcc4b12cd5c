//! The file keeps every promise of the contract, and keeps it over restarts and kills.
#![expect(clippy::unwrap_used, reason = "these are tests and their helpers")]
use baton_common::{ExecutionId, Payload, Timestamp, WorkflowStatus};
use baton_store::{
    Batch, CommitError, ExecutionIndex, ExecutionWrite, LoadRequest, PlanHash, Store, StoreError,
    Waits, conformance,
};
use baton_store_sqlite::{Durability, Options, SqliteStore};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::{TempDir, tempdir};

/// Without flushes: what these tests kill is the process, not the machine.
fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, &Options { durability: Durability::Normal })
}

/// A directory that gives a new file each time.
struct Files(TempDir, AtomicU32);

impl Files {
    fn new() -> Self {
        Self(tempdir().unwrap(), AtomicU32::new(0))
    }

    fn fresh(&self) -> SqliteStore {
        let number = self.1.fetch_add(1, Ordering::Relaxed);
        open(&self.0.path().join(format!("{number}.db"))).unwrap()
    }
}

fn id(n: u32) -> ExecutionId {
    ExecutionId::new(Timestamp::from_millis(1_795_000_000_000), u64::from(n) << 12)
}

fn insert(n: u32) -> ExecutionWrite {
    ExecutionWrite {
        id: id(n),
        expected_version: 0,
        status: WorkflowStatus::Running,
        waits: Waits(Waits::EXTERNAL),
        wake_at: None,
        ended_at: None,
        index: Some(ExecutionIndex {
            workflow_name: "ship".to_owned(),
            workflow_version: 1,
            correlation_id: None,
            created_at: Timestamp::default(),
            parent: None,
            plan: PlanHash([0; 32]),
        }),
        input: Some(Payload::empty_object()),
        overview: Some("overview".into()),
        journal: "inserted".into(),
        idempotency_key: None,
        ready_added: Vec::new(),
        ready_removed: Vec::new(),
        sent: Vec::new(),
    }
}

async fn commit(store: &SqliteStore, n: u32) -> Result<(), CommitError> {
    let batch = Batch { writes: vec![insert(n)], ..Batch::default() };
    store.open_lane().await?.commit(&batch).await.map(drop)
}

async fn inserted(store: &SqliteStore) -> usize {
    let requests: Vec<_> =
        (0..500).map(|n| LoadRequest { id: id(n), journal_after: Some(0) }).collect();
    let loaded = store.load(&requests).await.unwrap();
    loaded.iter().flatten().filter(|held| held.journal.len() == 1).count()
}

#[tokio::test]
async fn the_file_keeps_every_promise_of_the_contract() {
    let files = Files::new();
    conformance::all(async || files.fresh()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_with_many_threads() {
    let files = Files::new();
    conformance::all(async || files.fresh()).await;
}

#[tokio::test]
async fn the_file_equals_the_model() {
    let files = Files::new();
    for seed in 1..=5 {
        conformance::model_equality(async || files.fresh(), seed, 1_500).await;
    }
}

#[tokio::test]
async fn flushed_commits_are_read_back() {
    let directory = tempdir().unwrap();
    let options = Options { durability: Durability::Full };
    let store = SqliteStore::open(&directory.path().join("baton.db"), &options).unwrap();
    commit(&store, 1).await.unwrap();
    assert_eq!(inserted(&store).await, 1);
}

#[tokio::test]
async fn what_is_committed_is_there_after_a_restart() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("baton.db");
    let store = open(&path).unwrap();
    for n in 0..10 {
        commit(&store, n).await.unwrap();
    }
    drop(store);
    let store = open(&path).unwrap();
    assert_eq!(inserted(&store).await, 10);
    commit(&store, 10).await.unwrap();
    assert_eq!(inserted(&store).await, 11);
}

/// A copy of the files beside a store that was not shut down is what a killed process leaves.
#[tokio::test]
async fn what_is_committed_is_there_after_a_kill() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("baton.db");
    let store = open(&path).unwrap();
    for n in 0..50 {
        commit(&store, n).await.unwrap();
    }
    let killed = directory.path().join("killed.db");
    for suffix in ["", "-wal"] {
        let name = |base: &Path| format!("{}{suffix}", base.display());
        std::fs::copy(name(&path), name(&killed)).unwrap();
    }
    assert_eq!(inserted(&open(&killed).unwrap()).await, 50);
}

/// Many lanes at once share commits, and each answer is its own.
#[tokio::test]
async fn lanes_that_commit_together_are_answered_apart() {
    let files = Files::new();
    let store = files.fresh();
    commit(&store, 7).await.unwrap();
    let mut lanes = tokio::task::JoinSet::new();
    for n in 0..100 {
        let store = store.clone();
        lanes.spawn(async move { (n, commit(&store, n).await.is_ok()) });
    }
    let answers = lanes.join_all().await;
    assert!(answers.iter().all(|(n, passed)| *passed == (*n != 7)));
    assert_eq!(inserted(&store).await, 100);
}

#[tokio::test]
async fn a_file_serves_one_at_a_time() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("baton.db");
    let store = open(&path).unwrap();
    let refused = open(&path).err();
    assert!(matches!(refused, Some(StoreError::Unavailable(_))), "{refused:?}");
    let lane = store.open_lane().await.unwrap();
    drop(store);
    assert!(open(&path).is_err(), "a lane holds the file too");
    drop(lane);
    assert!(open(&path).is_ok());
}

#[test]
fn migrations_are_named_once() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("baton.db");
    assert_eq!(SqliteStore::migrate(&path).unwrap(), ["0001_executions", "0002_limits"]);
    assert!(SqliteStore::migrate(&path).unwrap().is_empty());
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("sample.txt");
    std::fs::write(&path, "Dear reader, this is no database at all. ".repeat(200)).unwrap();
    let refused = open(&path).err();
    assert!(matches!(refused, Some(StoreError::Corrupt(_))), "{refused:?}");
}

/// Goal: a copy that is taken while executions are inserted holds all of them up to a moment and none
/// after it, and can take the file's place. Method: inserts in a loop on one thread, the copy on
/// another; the copy must hold a gapless beginning of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_file_in_use_is_whole_up_to_a_moment_and_can_be_put_back() {
    let directory = tempdir().unwrap();
    let (file, copy) = (directory.path().join("a.db"), directory.path().join("copy.db"));
    let store = open(&file).unwrap();
    let mut lane = store.open_lane().await.unwrap();
    for n in 1..=200 {
        lane.commit(&Batch { writes: vec![insert(n)], ..Batch::default() }).await.unwrap();
    }
    let (from, to) = (file.clone(), copy.clone());
    let copying = tokio::task::spawn_blocking(move || baton_store_sqlite::backup(&from, &to));
    let mut inserted = 200;
    while !copying.is_finished() {
        inserted += 1;
        lane.commit(&Batch { writes: vec![insert(inserted)], ..Batch::default() }).await.unwrap();
    }
    let copied = copying.await.unwrap().unwrap();
    assert!(copied.bytes > 100_000 && copied.version >= 1, "{copied:?}");
    let is_taken = baton_store_sqlite::backup(&file, &copy);
    assert!(matches!(is_taken, Err(StoreError::AlreadyExists(_))), "{is_taken:?}");
    let is_used = baton_store_sqlite::restore(&copy, &file, true);
    assert!(matches!(is_used, Err(StoreError::Unavailable(_))), "{is_used:?}");
    drop((lane, store));

    let is_there = baton_store_sqlite::restore(&copy, &file, false);
    assert!(matches!(is_there, Err(StoreError::AlreadyExists(_))), "{is_there:?}");
    baton_store_sqlite::restore(&copy, &file, true).unwrap();
    let store = open(&file).unwrap();
    let requests: Vec<_> =
        (1..=inserted).map(|n| LoadRequest { id: id(n), journal_after: Some(0) }).collect();
    let found = store.load(&requests).await.unwrap();
    let kept = found.iter().take_while(|one| one.is_some()).count();
    assert!(kept >= 200, "{kept} of {inserted}");
    assert!(found[kept..].iter().all(Option::is_none), "a gap after {kept}");
    assert!(store.dead_waits(10).await.unwrap().is_empty());
}

/// What is no whole database of ours takes nobody's place.
#[test]
fn a_damaged_copy_is_refused_and_the_file_is_untouched() {
    let directory = tempdir().unwrap();
    let (file, copy) = (directory.path().join("a.db"), directory.path().join("copy.db"));
    drop(open(&file).unwrap());
    baton_store_sqlite::backup(&file, &copy).unwrap();
    let before = std::fs::read(&file).unwrap();
    let whole = std::fs::read(&copy).unwrap();
    let mut scratched = whole.clone();
    scratched[whole.len() / 2..].fill(0x5a);
    let empty = Vec::new();
    for damaged in [&scratched[..], &whole[..whole.len() / 2], b"no database at all", &empty] {
        std::fs::write(&copy, damaged).unwrap();
        let refused = baton_store_sqlite::restore(&copy, &file, true);
        assert!(refused.is_err(), "{} bytes: {refused:?}", damaged.len());
        assert_eq!(std::fs::read(&file).unwrap(), before);
    }
    let missing = baton_store_sqlite::restore(&directory.path().join("no.db"), &file, true);
    assert!(matches!(missing, Err(StoreError::NotFound(_))), "{missing:?}");
}

/// Goal: rows are counted as the file has them, and a refused batch counts none. Method: an insert has
/// its row, its input, its overview and its journal entry.
#[tokio::test]
async fn rows_are_counted_as_they_are_written() {
    let files = Files::new();
    let store = files.fresh();
    commit(&store, 1).await.unwrap();
    assert_eq!(store.metrics().rows_written.get(), 4);
    commit(&store, 1).await.unwrap_err();
    assert_eq!(store.metrics().rows_written.get(), 4);
    let before = store.metrics().round_trips.get();
    assert_eq!(inserted(&store).await, 1);
    assert_eq!(store.metrics().round_trips.get(), before + 1);
    assert!(store.metrics().pool_wait("reader").count() > 0);
}
