//! The store against a real PostgreSQL: what the conformance suite cannot reach.
mod rows;

use anyhow::{Context, Result};
use baton_common::{ExecutionId, Payload};
use baton_store::{
    Batch, CommitError, ExecutionWrite, LoadRequest, MessageId, PlanHash, PollRecord, QueueDemand,
    ReadyKey, SearchQuery, Store, StoreError, StoredMessage, TaskLog, WaitQuery,
};
use baton_store_postgres::{PostgresConfig, PostgresStore};
use baton_telemetry::Telemetry;
use baton_test_support::Postgres;
use bytes::Bytes;
use rows::{AT, insert, step};
use std::collections::BTreeSet;
use std::time::Duration;

/// A database of its own, and its URL.
async fn migrated(server: &Postgres) -> Result<String> {
    let url = server.database()?;
    PostgresStore::migrate(&url).await?;
    Ok(url)
}

async fn store(url: &str) -> Result<PostgresStore> {
    Ok(PostgresStore::connect(PostgresConfig::new(url)).await?)
}

fn id(n: u64) -> ExecutionId {
    ExecutionId::new(AT, n << 12)
}

fn batch(mut writes: Vec<ExecutionWrite>) -> Batch {
    writes.sort_by_key(|write| (write.id.shard(), write.id));
    Batch { at: AT, writes, ..Batch::default() }
}

async fn version(store: &PostgresStore, id: ExecutionId) -> Result<Option<i64>> {
    let loaded = store.load(&[LoadRequest { id, journal_after: Some(0) }]).await?;
    Ok(loaded[0].as_ref().map(|loaded| loaded.row.version))
}

/// Two processes that decide on the same version: one commits, the other is told which execution
/// it lost, and nothing of its batch is there.
#[tokio::test]
async fn two_stores_on_one_database_conflict_by_name() -> Result<()> {
    let url = migrated(Postgres::shared()?).await?;
    let (first, second) = (store(&url).await?, store(&url).await?);
    let (mut one, mut other) = (first.open_lane().await?, second.open_lane().await?);
    one.commit(&batch(vec![insert(id(1)), insert(id(2))])).await?;
    one.commit(&batch(vec![step(id(1), 1)])).await?;
    let lost = other.commit(&batch(vec![step(id(1), 1), step(id(2), 1), insert(id(3))])).await;
    let Err(CommitError::Conflict(conflict)) = lost else { panic!("{lost:?}") };
    assert_eq!(conflict.versions, [id(1)]);
    assert!(!conflict.stale_definitions && conflict.idempotency.is_empty());
    assert_eq!(version(&first, id(2)).await?, Some(1));
    assert_eq!(version(&first, id(3)).await?, None);
    Ok(())
}

/// Lanes that write the same executions at the same time never deadlock: each batch either
/// commits or loses by name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_race_without_deadlocks() -> Result<()> {
    let url = migrated(Postgres::shared()?).await?;
    let store = std::sync::Arc::new(store(&url).await?);
    let ids: Vec<ExecutionId> = (0..50).map(id).collect();
    store.open_lane().await?.commit(&batch(ids.iter().copied().map(insert).collect())).await?;
    let racers = (0..4).map(|_| tokio::spawn(race(store.clone(), ids.clone())));
    let won: i64 = futures::future::try_join_all(racers).await?.into_iter().sum::<Result<i64>>()?;
    for id in ids {
        assert_eq!(version(&store, id).await?, Some(1 + won));
    }
    Ok(())
}

/// Steps all executions 20 times; how many batches won.
async fn race(store: std::sync::Arc<PostgresStore>, ids: Vec<ExecutionId>) -> Result<i64> {
    let mut lane = store.open_lane().await?;
    let mut won = 0;
    for _ in 0..20 {
        let now = version(&store, ids[0]).await?.context("inserted")?;
        match lane.commit(&batch(ids.iter().map(|id| step(*id, now)).collect())).await {
            Ok(_) => won += 1,
            Err(CommitError::Conflict(conflict)) => assert!(!conflict.versions.is_empty()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(won)
}

/// The commit that meets a dead connection fails as unavailable, the next one works.
#[tokio::test]
async fn a_lane_survives_the_death_of_its_connection() -> Result<()> {
    let server = Postgres::shared()?;
    let url = migrated(server).await?;
    let store = store(&url).await?;
    let mut lane = store.open_lane().await?;
    lane.commit(&batch(vec![insert(id(1))])).await?;
    let kill = "select pg_terminate_backend(pid) from pg_stat_activity \
        where datname = current_database() and pid <> pg_backend_pid()";
    server.sql(&url, kill)?;
    let mut committed = false;
    for _ in 0..2 {
        match lane.commit(&batch(vec![step(id(1), 1)])).await {
            Ok(_) => {
                committed = true;
                break;
            }
            Err(CommitError::Store(StoreError::Unavailable(_))) => {}
            Err(error) => return Err(error.into()),
        }
    }
    assert!(committed);
    assert_eq!(loaded_in_the_end(&store, id(1)).await?, Some(2));
    Ok(())
}

/// Pooled connections that died are found out one by one.
async fn loaded_in_the_end(store: &PostgresStore, id: ExecutionId) -> Result<Option<i64>> {
    let attempts = 20;
    for _ in 0..attempts {
        if let Ok(version) = version(store, id).await {
            return Ok(version);
        }
    }
    version(store, id).await
}

/// What was answered is there after a crash of the server, and the lane goes on by itself.
#[tokio::test]
async fn an_immediate_restart_loses_nothing_acknowledged() -> Result<()> {
    let server = Postgres::start()?;
    let url = migrated(&server).await?;
    let store = store(&url).await?;
    let mut lane = store.open_lane().await?;
    lane.commit(&batch((0..20).map(|n| insert(id(n))).collect())).await?;
    for version in 1..30 {
        lane.commit(&batch((0..20).map(|n| step(id(n), version)).collect())).await?;
    }
    server.restart_immediate()?;
    for n in 0..20 {
        assert_eq!(loaded_in_the_end(&store, id(n)).await?, Some(30));
    }
    let again = batch(vec![step(id(1), 30)]);
    let resent = match lane.commit(&again).await {
        Err(CommitError::Store(StoreError::Unavailable(_))) => lane.commit(&again).await,
        outcome => outcome,
    };
    assert_eq!(resent.map(drop), Ok(()));
    Ok(())
}

/// What PostgreSQL's text cannot hold is kept all the same.
#[tokio::test]
async fn nul_characters_do_no_harm() -> Result<()> {
    let url = migrated(Postgres::shared()?).await?;
    let store = store(&url).await?;
    let mut write = insert(id(1));
    write.idempotency_key = Some("k\0ey".into());
    write.overview = Some(Bytes::from_static(b"\0\xff"));
    if let Some(index) = &mut write.index {
        index.workflow_name = "sh\0ip".into();
        index.correlation_id = Some("\0".into());
    }
    store.open_lane().await?.commit(&batch(vec![write])).await?;
    let query =
        SearchQuery { correlation_ids: vec!["\0".into()], size: 9, ..SearchQuery::default() };
    let found = store.search(&query).await?;
    assert_eq!(found.executions[0].index.workflow_name, "sh\0ip");
    assert_eq!(found.executions[0].overview, Bytes::from_static(b"\0\xff"));
    let task = id(1).task(1);
    store.append_task_logs(&[TaskLog { task, at: AT, line: "a\0b".into() }]).await?;
    assert_eq!(store.task_logs(task, 9).await?[0].line, "a\0b");
    let poll = |worker: &str| PollRecord {
        task_type: "t".into(),
        domain: String::new(),
        worker: worker.into(),
        at: AT,
    };
    store.record_polls(&[poll("w\0"), poll("v\0")]).await?;
    assert_eq!(store.load_waits(&WaitQuery::of_polls(Some("t"))).await?.polls, [poll("v\0")]);
    Ok(())
}

/// A wake-up that moves to a later time is not reported at the earlier one, and comes when due.
#[tokio::test]
async fn a_postponed_wake_up_comes_at_its_new_time() -> Result<()> {
    let url = migrated(Postgres::shared()?).await?;
    let store = store(&url).await?;
    let mut lane = store.open_lane().await?;
    let wake_at = |seconds: i64| Some(AT.plus_seconds(seconds));
    lane.commit(&batch(vec![ExecutionWrite { wake_at: wake_at(10), ..insert(id(1)) }])).await?;
    lane.commit(&batch(vec![ExecutionWrite { wake_at: wake_at(60), ..step(id(1), 1) }])).await?;
    for _ in 0..2 {
        assert_eq!(store.due_wake_ups(AT.plus_seconds(59), 10).await?, []);
    }
    let due = [(id(1), AT.plus_seconds(60))];
    assert_eq!(store.due_wake_ups(AT.plus_seconds(60), 10).await?, due);
    lane.commit(&batch(vec![ExecutionWrite { wake_at: wake_at(20), ..step(id(1), 2) }])).await?;
    assert_eq!(store.due_wake_ups(AT.plus_seconds(20), 10).await?, [(id(1), AT.plus_seconds(20))]);
    lane.commit(&batch(vec![step(id(1), 3)])).await?;
    assert_eq!(store.due_wake_ups(AT.plus_seconds(90), 10).await?, []);
    lane.commit(&batch(vec![ExecutionWrite { wake_at: wake_at(30), ..step(id(1), 4) }])).await?;
    assert_eq!(store.due_wake_ups(AT.plus_seconds(30), 10).await?, [(id(1), AT.plus_seconds(30))]);
    Ok(())
}

/// Of two processes each sees to its part of the wake-ups, both to what is overdue, and one alone to
/// all of them, also after the other has died.
#[tokio::test]
async fn wake_ups_are_shared_by_those_that_live() -> Result<()> {
    let url = migrated(Postgres::shared()?).await?;
    let one = store(&url).await?;
    let soon = one.now().await?.plus_seconds(60);
    let at = |n| if n == 0 { AT } else { soon };
    let inserts = (0..40).map(|n| {
        let shard = u8::try_from(n).unwrap_or_default();
        ExecutionWrite { wake_at: Some(at(n)), ..insert(id(n).in_shard(shard)) }
    });
    one.open_lane().await?.commit(&batch(inserts.collect())).await?;
    let of = async |store: &PostgresStore| {
        let due = store.due_wake_ups(soon, 100).await?;
        Ok::<BTreeSet<_>, StoreError>(due.into_iter().collect())
    };
    let all = of(&one).await?;
    assert_eq!(all.len(), 40);
    let other = store(&url).await?;
    let (ones, others) = (of(&one).await?, of(&other).await?);
    assert_eq!(&ones | &others, all);
    assert_eq!((&ones & &others).into_iter().map(|(_, at)| at).collect::<Vec<_>>(), [AT]);
    assert_eq!(ones.len() + others.len(), 41);
    assert!(ones.len().abs_diff(others.len()) <= 1, "{} and {}", ones.len(), others.len());
    drop(other);
    let alone = async {
        while of(&one).await? != all {}
        Ok::<_, StoreError>(())
    };
    tokio::time::timeout(Duration::from_secs(10), alone).await??;
    Ok(())
}

/// Two callers that ask at the same time get different tasks, each queue its own share.
#[tokio::test]
async fn reservations_are_disjoint_and_fair() -> Result<()> {
    let url = migrated(Postgres::shared()?).await?;
    let store = store(&url).await?;
    let key = |queue: &str, seq: u32| ReadyKey {
        queue: queue.into(),
        priority: 0,
        ready_at: AT,
        task: id(1).task(seq),
    };
    let mut ready: Vec<ReadyKey> = (1..=100).map(|seq| key("long", seq)).collect();
    ready.push(key("short", 101));
    let write = ExecutionWrite { ready_added: ready, ..insert(id(1)) };
    store.open_lane().await?.commit(&batch(vec![write])).await?;
    let demands = |count| ["long", "short"].map(|queue| QueueDemand { queue: queue.into(), count });
    let wanted = demands(40);
    let [one, other] = [store.reserve_ready(&wanted, 60_000), store.reserve_ready(&wanted, 60_000)];
    let (one, other) = futures::future::try_join(one, other).await?;
    let mut all: Vec<&ReadyKey> = one.iter().chain(&other).collect();
    assert_eq!(all.iter().filter(|key| key.queue == "short").count(), 1);
    let total = all.len();
    all.sort();
    all.dedup();
    assert_eq!((all.len(), total), (81, 81));
    assert_eq!(store.reserve_ready(&demands(100), 60_000).await?.len(), 20);
    let sizes = store.queue_sizes().await?;
    let sizes: Vec<_> = sizes.iter().map(|size| (&*size.queue, size.ready)).collect();
    assert_eq!(sizes, [("long", 100), ("short", 1)]);
    Ok(())
}

/// A notification reaches the other process and not its sender, also over a unix socket.
#[tokio::test]
async fn notifications_reach_the_others() -> Result<()> {
    let server = Postgres::shared()?;
    let url = migrated(server).await?;
    let socket = server.socket_directory().display().to_string().replace('/', "%2F");
    let database = url.rsplit('/').next().context("a name")?;
    let by_socket = format!("postgres://postgres@{socket}:{}/{database}", server.port());
    let (sender, listener) = (store(&url).await?, store(&by_socket).await?);
    let (mut own, mut others) = (sender.notifications(), listener.notifications());
    sender.notify(&["b".into(), "a".into()]).await;
    let received = tokio::time::timeout(Duration::from_secs(10), others.recv()).await??;
    assert_eq!(*received, ["a".to_owned(), "b".to_owned()]);
    assert!(own.try_recv().is_err());
    Ok(())
}

/// A database that nobody migrated, and one that is not there, are refused with the remedy.
#[tokio::test]
async fn an_unusable_database_says_why() -> Result<()> {
    let url = Postgres::shared()?.database()?;
    let error = store(&url).await.err().context("refused")?;
    assert!(error.to_string().contains("migrate it first"), "{error}");
    let error = store(&format!("{url}_not_there")).await.err().context("refused")?;
    assert!(error.to_string().contains("does not exist"), "{error}");
    Ok(())
}

/// Batches that touch every section of `baton_commit`.
fn rich_batches() -> [Batch; 2] {
    let ready =
        |n: u64| ReadyKey { queue: "q".into(), priority: 0, ready_at: AT, task: id(n).task(1) };
    let message = |n: u64| StoredMessage {
        id: MessageId { from: id(n), version: 1, number: 0 },
        to: id(2),
        body: Bytes::from_static(b"body"),
    };
    let inserted = |n: u64| ExecutionWrite {
        idempotency_key: Some(format!("key {n}")),
        ready_added: vec![ready(n)],
        sent: vec![message(n)],
        ..insert(id(n))
    };
    let mut inserts = batch(vec![inserted(1), inserted(2)]);
    inserts.plans = vec![(PlanHash([7; 32]), Payload::empty_object())];
    let renewed =
        ExecutionWrite { expected_version: 1, ready_removed: vec![ready(1)], ..insert(id(1)) };
    let mut steps = batch(vec![renewed, step(id(2), 1)]);
    steps.delivered = vec![message(1).id];
    [inserts, steps]
}

/// Goal: the rows that we count are those that PostgreSQL writes, so that a change of the layout
/// cannot leave the count behind. Method: its own statistics of our tables, which a backend hands in
/// when its connection ends.
#[tokio::test]
async fn rows_are_counted_as_the_database_counts_them() -> Result<()> {
    const COUNT: &str = "select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) \
        from pg_stat_user_tables where relname in \
        ('execution', 'journal', 'ready', 'message', 'idempotency', 'plan')";
    let server = Postgres::shared()?;
    let url = migrated(server).await?;
    let store = store(&url).await?;
    let mut lane = store.open_lane().await?;
    for batch in rich_batches() {
        lane.commit(&batch).await?;
    }
    drop(lane);
    let counted = store.metrics().store.rows_written.get();
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    let mut written = String::new();
    while written != counted.to_string() && std::time::Instant::now() < deadline {
        // Lets the connection of the lane end.
        tokio::task::yield_now().await;
        written = server.sql(&url, COUNT)?.trim().to_owned();
    }
    assert_eq!(written, counted.to_string());
    assert_eq!(counted, (4 + 2 + 2 + 2 + 1) + (4 + 1 + 1 + 1));
    Ok(())
}

/// Statements are counted, waits for connections too, and the log's position never goes back.
#[tokio::test]
async fn a_store_records_what_it_asks_of_the_database() -> Result<()> {
    let url = migrated(Postgres::shared()?).await?;
    let store = store(&url).await?;
    let telemetry = Telemetry::default();
    telemetry.add(store.metrics());
    let wal = || -> Result<f64> {
        let text = telemetry.text();
        let line = text.lines().find(|line| line.starts_with("baton_wal_bytes_total "));
        Ok(line.and_then(|line| line.split(' ').nth(1)).context("a position")?.parse()?)
    };
    store.now().await?;
    let (before, sent) = (wal()?, store.metrics().store.round_trips.get());
    store.open_lane().await?.commit(&batch(vec![insert(id(1))])).await?;
    store.now().await?;
    assert!(before > 0.0 && wal()? > before);
    assert_eq!(store.metrics().store.round_trips.get(), sent + 2);
    assert!(store.metrics().store.pool_wait("engine").count() >= 2);
    Ok(())
}
