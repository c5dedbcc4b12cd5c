//! Which refusals of PostgreSQL are about what was sent, and which wait for better times.
mod rows;

use anyhow::{Context, Result};
use baton_common::ExecutionId;
use baton_store::{
    Batch, CommitError, DefinitionWrite, ExecutionWrite, LoadRequest, PollRecord, QueueDemand,
    SearchQuery, Store, StoreError,
};
use baton_store_postgres::{PostgresConfig, PostgresStore};
use baton_test_support::Postgres;
use rows::{AT, insert};

/// A store that gives a statement little time.
const SHORT_MS: u32 = 300;

/// A trigger that refuses journal entries with the SQLSTATE that they hold, as often as the sequence
/// `left` allows.
const FAULTS: &str = "create sequence left_over; \
    create function fault() returns trigger language plpgsql as $$ \
    declare code text := convert_from(new.body, 'UTF8'); begin \
    if code like 'raise %' and nextval('left_over') <= 1000000 then \
        raise exception 'as the test wants' using errcode = substr(code, 7); end if; \
    return new; end $$; \
    create trigger fault before insert on journal for each row execute function fault()";

async fn migrated() -> Result<String> {
    let url = Postgres::shared()?.database()?;
    PostgresStore::migrate(&url).await?;
    Ok(url)
}

async fn store(url: &str) -> Result<PostgresStore> {
    let config = PostgresConfig {
        statement_timeout_ms: SHORT_MS,
        search_timeout_ms: SHORT_MS,
        ..PostgresConfig::new(url)
    };
    Ok(PostgresStore::connect(config).await?)
}

fn id(n: u64) -> ExecutionId {
    ExecutionId::new(AT, n << 12)
}

fn batch(mut writes: Vec<ExecutionWrite>) -> Batch {
    writes.sort_by_key(|write| (write.id.shard(), write.id));
    Batch { at: AT, writes, ..Batch::default() }
}

/// The insert of an execution whose journal entry makes the trigger raise this.
fn raising(n: u64, code: &str) -> ExecutionWrite {
    ExecutionWrite { journal: format!("raise {code}").into(), ..insert(id(n)) }
}

async fn is_stored(store: &PostgresStore, n: u64) -> Result<bool> {
    Ok(store.load(&[LoadRequest { id: id(n), journal_after: None }]).await?[0].is_some())
}

fn kind<T>(outcome: &Result<T, CommitError>) -> &'static str {
    match outcome {
        Ok(_) => "committed",
        Err(CommitError::Conflict(_)) => "conflict",
        Err(CommitError::Store(StoreError::Unavailable(_))) => "unavailable",
        Err(CommitError::Store(StoreError::TimedOut(_))) => "timed out",
        Err(CommitError::Store(StoreError::Rejected(_))) => "rejected",
        Err(CommitError::Store(StoreError::Corrupt(_))) => "corrupt",
        Err(CommitError::Store(StoreError::AlreadyExists(_) | StoreError::NotFound(_))) => "name",
    }
}

/// Letters that do not compress, the same for a seed.
fn noise(mut seed: u64, bytes: usize) -> String {
    let letter = |_| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + u8::try_from((seed >> 33) % 90).unwrap_or_default())
    };
    (0..bytes).map(letter).collect()
}

/// Goal: the caller of a batch knows from the error whether to wait or to look for the write at fault,
/// and after each of them the lane works. Method: a trigger raises one error of each class.
#[tokio::test]
async fn each_class_of_errors_says_what_to_do() -> Result<()> {
    let url = migrated().await?;
    Postgres::shared()?.sql(&url, FAULTS)?;
    let store = store(&url).await?;
    let mut lane = store.open_lane().await?;
    let cases = [
        ("08006", "unavailable"),
        ("0A000", "unavailable"),
        ("22003", "rejected"),
        ("22021", "rejected"),
        ("22P02", "rejected"),
        ("23502", "rejected"),
        ("23503", "rejected"),
        ("23505", "rejected"),
        ("23514", "rejected"),
        ("25006", "unavailable"),
        ("26000", "unavailable"),
        ("40001", "unavailable"),
        ("40P01", "unavailable"),
        ("42501", "unavailable"),
        ("42P01", "unavailable"),
        ("42804", "rejected"),
        ("53100", "unavailable"),
        ("53200", "unavailable"),
        ("53300", "unavailable"),
        ("54000", "rejected"),
        ("54001", "rejected"),
        ("55P03", "unavailable"),
        ("57014", "timed out"),
        ("57P01", "unavailable"),
        ("58030", "unavailable"),
        ("P0001", "rejected"),
        ("XX000", "rejected"),
        ("XX001", "corrupt"),
    ];
    for (n, (code, expected)) in (1..).step_by(2).zip(cases) {
        let outcome = lane.commit(&batch(vec![raising(n, code), insert(id(n + 1))])).await;
        assert_eq!(kind(&outcome), expected, "{code}");
        assert!(!is_stored(&store, n + 1).await?, "{code}");
        lane.commit(&batch(vec![insert(id(n + 1))])).await.context(code)?;
    }
    Ok(())
}

/// A batch that the server undoes for the sake of another transaction passes when it is sent again,
/// and nobody is told.
#[tokio::test]
async fn what_the_server_undoes_is_sent_again() -> Result<()> {
    let url = migrated().await?;
    Postgres::shared()?.sql(&url, &FAULTS.replace("1000000", "2"))?;
    let store = store(&url).await?;
    let mut lane = store.open_lane().await?;
    lane.commit(&batch(vec![raising(1, "40001")])).await?;
    assert!(is_stored(&store, 1).await?);
    Ok(())
}

/// Goal: one text that no index holds is refused by name of its kind and takes nobody with it. Method:
/// for each indexed column a text that does not compress; the rest of the batch passes without it.
#[tokio::test]
async fn texts_that_no_index_holds_are_refused_as_content() -> Result<()> {
    let url = migrated().await?;
    let store = store(&url).await?;
    let mut lane = store.open_lane().await?;
    let mut named = insert(id(1));
    named.index.as_mut().context("an index")?.workflow_name = noise(1, 3_000);
    let mut correlated = insert(id(1));
    correlated.index.as_mut().context("an index")?.correlation_id = Some(noise(2, 3_000));
    let keyed = ExecutionWrite { idempotency_key: Some(noise(3, 3_000)), ..insert(id(1)) };
    let key = baton_store::ReadyKey {
        queue: noise(4, 3_000),
        priority: 0,
        ready_at: AT,
        task: id(1).task(1),
    };
    let queued = ExecutionWrite { ready_added: vec![key], ..insert(id(1)) };
    for (n, hostile) in (2..).zip([named, correlated, keyed, queued]) {
        let refused = lane.commit(&batch(vec![hostile, insert(id(n))])).await;
        let Err(CommitError::Store(StoreError::Rejected(text))) = refused else {
            panic!("{n}: {refused:?}")
        };
        assert!(text.contains("longer than an index can hold"), "{text}");
        assert!(!is_stored(&store, 1).await? && !is_stored(&store, n).await?);
        lane.commit(&batch(vec![insert(id(n))])).await?;
    }
    let text = noise(5, 3_000);
    let poll =
        PollRecord { task_type: text.clone(), domain: String::new(), worker: "w".into(), at: AT };
    let body = baton_common::Payload::empty_object();
    let put = DefinitionWrite::PutTask { name: text.clone(), body };
    assert!(matches!(store.record_polls(&[poll]).await, Err(StoreError::Rejected(_))));
    assert!(matches!(store.write_definitions(&[put]).await, Err(StoreError::Rejected(_))));
    let query = SearchQuery { correlation_ids: vec![text.clone()], ..SearchQuery::default() };
    assert_eq!(store.search(&query).await?.total_hits, 0);
    let demand = QueueDemand { queue: text, count: 1 };
    assert_eq!(store.reserve_ready(&[demand], 1_000).await?, []);
    Ok(())
}

/// A batch for which its time does not suffice is told apart from a database that is away, and leaves
/// nothing. Method: somebody holds a lock that the batch waits for.
#[tokio::test]
async fn a_commit_over_its_time_limit_says_so() -> Result<()> {
    let url = migrated().await?;
    let store = store(&url).await?;
    let mut lane = store.open_lane().await?;
    let (client, driver) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
    tokio::spawn(driver);
    client.batch_execute("begin; lock table journal in exclusive mode").await?;
    let outcome = lane.commit(&batch(vec![insert(id(1)), insert(id(2))])).await;
    assert_eq!(kind(&outcome), "timed out");
    client.batch_execute("rollback").await?;
    assert!(!is_stored(&store, 1).await?);
    lane.commit(&batch(vec![insert(id(1)), insert(id(2))])).await?;
    Ok(())
}

/// Goal: what people read waits for nobody but people, and ends with an error that says why. Method:
/// a lock that counts of queues wait for, while the engine loads, claims and commits.
#[tokio::test]
async fn slow_reads_of_people_hold_nobody_up() -> Result<()> {
    let url = migrated().await?;
    let config = PostgresConfig { search_timeout_ms: 2_000, ..PostgresConfig::new(&url) };
    let store = PostgresStore::connect(config).await?;
    let mut lane = store.open_lane().await?;
    let (client, driver) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
    tokio::spawn(driver);
    client.batch_execute("begin; lock table poll in access exclusive mode").await?;
    let everything = baton_store::WaitQuery::of_polls(None);
    let slow = futures::future::join_all((0..4).map(|_| store.load_waits(&everything)));
    let engine = async {
        for n in 1..=20 {
            lane.commit(&batch(vec![insert(id(n))])).await?;
            anyhow::ensure!(is_stored(&store, n).await?);
            store.reserve_ready(&[QueueDemand { queue: "q".into(), count: 1 }], 1_000).await?;
            store.due_wake_ups(AT, 10).await?;
        }
        anyhow::Ok(())
    };
    tokio::pin!(slow);
    tokio::select! {
        outcome = engine => outcome?,
        answers = &mut slow => panic!("the engine waited for {answers:?}"),
    }
    for answer in slow.await {
        let Err(StoreError::TimedOut(text)) = answer else { panic!("{answer:?}") };
        assert!(text.contains("timeout"), "{text}");
    }
    Ok(())
}
