//! What only shows with a hand on the connections: slow reads, and a disk without space.
use crate::connections::Bounds;
use crate::{Durability, Options, SqliteStore, store_error};
use baton_common::{ExecutionId, Payload, Timestamp, WorkflowStatus};
use baton_store::{
    Batch, CommitError, ExecutionIndex, ExecutionWrite, LoadRequest, PlanHash, QueueDemand, Store,
    StoreError, Waits,
};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::tempdir;

/// A statement that never ends by itself.
const ENDLESS: &str =
    "with recursive n (x) as (select 1 union all select x + 1 from n) select count(*) from n";

/// Searches wait and work as long as given.
fn open_for_searches(path: &Path, wait: Duration, work: Duration) -> SqliteStore {
    let options = Options { durability: Durability::Full };
    SqliteStore::open_with(path, &options, Bounds { wait, work }).unwrap()
}

fn open(path: &Path) -> SqliteStore {
    open_for_searches(path, Duration::from_secs(5), Duration::from_secs(30))
}

fn id(n: u32) -> ExecutionId {
    ExecutionId::new(Timestamp::from_millis(1_795_000_000_000), u64::from(n) << 12)
}

fn insert(n: u32, bytes: usize) -> Batch {
    let index = ExecutionIndex {
        workflow_name: "ship".to_owned(),
        workflow_version: 1,
        correlation_id: None,
        created_at: Timestamp::default(),
        parent: None,
        plan: PlanHash([0; 32]),
    };
    let write = ExecutionWrite {
        id: id(n),
        expected_version: 0,
        status: WorkflowStatus::Running,
        waits: Waits(Waits::EXTERNAL),
        wake_at: None,
        ended_at: None,
        index: Some(index),
        input: Some(Payload::empty_object()),
        overview: Some("overview".into()),
        journal: vec![7; bytes].into(),
        idempotency_key: None,
        ready_added: Vec::new(),
        ready_removed: Vec::new(),
        sent: Vec::new(),
    };
    Batch { writes: vec![write], ..Batch::default() }
}

async fn is_there(store: &SqliteStore, n: u32) -> bool {
    store.load(&[LoadRequest { id: id(n), journal_after: None }]).await.unwrap()[0].is_some()
}

/// Goal: four slow searches hold up no load, claim, timer or commit, and end with an error that says
/// why. Method: searches without an end, while the engine's requests are all answered.
#[tokio::test]
async fn slow_searches_hold_nobody_up() {
    let directory = tempdir().unwrap();
    let store = open_for_searches(
        &directory.path().join("a.db"),
        Duration::from_mins(1),
        Duration::from_secs(2),
    );
    let endless = || {
        let searchers = &store.open.searchers;
        searchers
            .read(|connection| connection.query_row(ENDLESS, [], |_| Ok(())).map_err(store_error))
    };
    let searches = async { tokio::join!(endless(), endless(), endless(), endless()) };
    let engine = async {
        let mut lane = store.open_lane().await.unwrap();
        for n in 1..=20 {
            lane.commit(&insert(n, 10)).await.unwrap();
            assert!(is_there(&store, n).await);
            store.due_wake_ups(Timestamp::default(), 9).await.unwrap();
            let demand = QueueDemand { queue: "q".to_owned(), count: 1 };
            store.reserve_ready(&[demand], 1_000).await.unwrap();
        }
    };
    tokio::pin!(searches);
    tokio::select! {
        () = engine => {}
        _ = &mut searches => unreachable!("the engine waited for the searches"),
    }
    let (one, two, three, four) = searches.await;
    for search in [one, two, three, four] {
        let Err(StoreError::TimedOut(why)) = search else { unreachable!("{search:?}") };
        assert!(why.contains("longer than 2 s"), "{why}");
    }
    assert!(store.queue_sizes().await.unwrap().is_empty(), "the connections work again");
}

/// Who waits too long for a connection that searches hold is told so.
#[tokio::test]
async fn too_many_searches_are_refused() {
    let directory = tempdir().unwrap();
    let store = open_for_searches(
        &directory.path().join("a.db"),
        Duration::from_millis(50),
        Duration::from_secs(30),
    );
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let stopped = std::sync::Arc::new(std::sync::Mutex::new(stopped));
    let held = || {
        let stopped = std::sync::Arc::clone(&stopped);
        let searchers = &store.open.searchers;
        searchers.read(move |_| {
            let _ = stopped.lock().unwrap().recv();
            Ok(())
        })
    };
    let refused = async {
        let refused = store.queue_sizes().await;
        drop(stop);
        refused
    };
    let (_, _, refused) = tokio::join!(held(), held(), refused);
    let Err(StoreError::Unavailable(why)) = refused else { unreachable!("{refused:?}") };
    assert!(why.contains("in use"), "{why}");
}

/// Writes until the database is full; how many were written.
async fn fill(store: &SqliteStore, first: u32) -> u32 {
    let mut lane = store.open_lane().await.unwrap();
    for n in first..first + 1_000 {
        match lane.commit(&insert(n, 100_000)).await {
            Ok(_) => {}
            Err(CommitError::Store(StoreError::Unavailable(why))) => {
                assert!(why.contains("full"), "{why}");
                return n - first;
            }
            Err(error) => unreachable!("{error:?}"),
        }
    }
    unreachable!("the database is never full");
}

/// Goal: a database at its size is unavailable, not broken, and works again once it may grow. Method:
/// SQLite's own limit of pages.
#[tokio::test]
async fn a_full_database_heals_when_it_may_grow() {
    let directory = tempdir().unwrap();
    let store = open(&directory.path().join("a.db"));
    let limit = |pages: u32| {
        store.write(move |connection| {
            let set = |row: &rusqlite::Row<'_>| row.get::<_, u32>(0);
            connection.pragma_update_and_check(None, "max_page_count", pages, set).map(drop)
        })
    };
    limit(500).await.unwrap();
    let written = fill(&store, 0).await;
    assert!(written > 3 && is_there(&store, written - 1).await && !is_there(&store, written).await);
    limit(1_000_000).await.unwrap();
    store.open_lane().await.unwrap().commit(&insert(written, 100_000)).await.unwrap();
    assert!(is_there(&store, written).await);
}

/// Goal: where several commits share a transaction that SQLite undoes as a whole, none of them is
/// answered as done. Method: many at once against a database that may hardly grow.
#[tokio::test]
async fn commits_that_share_a_full_transaction_are_answered_as_they_are_stored() {
    let directory = tempdir().unwrap();
    let store = open(&directory.path().join("a.db"));
    let limit = store.write(|connection| {
        let set = |row: &rusqlite::Row<'_>| row.get::<_, u32>(0);
        connection.pragma_update_and_check(None, "max_page_count", 500, set).map(drop)
    });
    limit.await.unwrap();
    let mut lanes = tokio::task::JoinSet::new();
    for n in 0..60 {
        let store = store.clone();
        let commit = async move { store.open_lane().await?.commit(&insert(n, 100_000)).await };
        lanes.spawn(async move { (n, commit.await) });
    }
    let mut refused = 0;
    for (n, outcome) in lanes.join_all().await {
        let is_refused = matches!(outcome, Err(CommitError::Store(StoreError::Unavailable(_))));
        assert!(outcome.is_ok() || is_refused, "{outcome:?}");
        assert_eq!(is_there(&store, n).await, outcome.is_ok());
        refused += u32::from(is_refused);
    }
    assert!(refused > 0);
}

/// A small file system of its own, where this process may make one.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Option<Self> {
        let folder = tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=6m", "none"]).arg(folder.path());
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        is_mounted.then(|| Self(folder))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.0.path()).output());
    }
}

/// Goal: a full disk is unavailable as well, and as soon as there is a little space commits pass again,
/// without a restart. Method: a file system of 6 MiB of which something else holds two; without the
/// right to make one there is nothing to see.
#[tokio::test]
async fn a_full_disk_heals_when_there_is_space() {
    let Some(disk) = Disk::new() else { return };
    let other = disk.0.path().join("other");
    std::fs::write(&other, vec![1; 2 << 20]).unwrap();
    let store = open(&disk.0.path().join("a.db"));
    let written = fill(&store, 0).await;
    assert!(written > 3 && is_there(&store, written - 1).await);
    assert!(!is_there(&store, written).await);
    std::fs::remove_file(&other).unwrap();
    let mut lane = store.open_lane().await.unwrap();
    for n in written..written + 3 {
        lane.commit(&insert(n, 100_000)).await.unwrap();
    }
    assert!(is_there(&store, 0).await && is_there(&store, written + 2).await);
}

/// A log that nobody needs is given back a second after the last commit.
#[tokio::test]
async fn an_idle_log_is_emptied() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = open(&path);
    let log = || std::fs::metadata(crate::guard::beside(&path, "-wal")).map_or(0, |it| it.len());
    for n in 0..20 {
        store.open_lane().await.unwrap().commit(&insert(n, 100_000)).await.unwrap();
    }
    assert!(log() > 1_000_000);
    let until = Instant::now() + Duration::from_secs(30);
    while log() > 0 {
        assert!(Instant::now() < until, "the log keeps {} bytes", log());
        tokio::task::yield_now().await;
    }
    store.open_lane().await.unwrap().commit(&insert(99, 10)).await.unwrap();
    assert!(is_there(&store, 0).await && is_there(&store, 99).await);
}
