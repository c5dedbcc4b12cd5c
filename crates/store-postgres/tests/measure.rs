//! The counters that benchmarks read, against a real PostgreSQL.
use anyhow::{Context, Result};
use baton_common::{ExecutionId, Timestamp};
use baton_store::{LoadRequest, Store};
use baton_store_postgres::{DatabaseCounts, Measure, PostgresConfig, PostgresStore};
use baton_test_support::Postgres;
use std::time::{Duration, Instant};

/// Longest wait for counters: those of a connection that has ended come within moments.
const PATIENCE: Duration = Duration::from_secs(30);

async fn migrated(server: &Postgres) -> Result<String> {
    let url = server.database()?;
    PostgresStore::migrate(&url).await?;
    Ok(url)
}

/// Reads until the counters are as wanted.
async fn counts(
    measure: &Measure,
    is_wanted: impl Fn(&DatabaseCounts) -> bool,
) -> Result<DatabaseCounts> {
    let begin = Instant::now();
    loop {
        let counts = measure.counts().await?;
        if is_wanted(&counts) {
            return Ok(counts);
        }
        anyhow::ensure!(begin.elapsed() < PATIENCE, "in vain: {counts:?}");
    }
}

/// Goal: what was written is counted, by rows, transactions, statements and WAL. Method: a
/// connection updates and ends, which tells the server's counters.
#[tokio::test]
async fn what_was_written_is_counted() -> Result<()> {
    let server = Postgres::start_with(&[("shared_preload_libraries", "pg_stat_statements")])?;
    let url = migrated(&server).await?;
    assert_eq!(Measure::connect(&url).await?.counts().await?.statements, None);
    server.sql(&url, "create extension pg_stat_statements")?;
    let measure = Measure::connect(&url).await?;
    let before = counts(&measure, |counts| counts.statements.is_some()).await?;
    for _ in 0..20 {
        server.sql(&url, "update definition_revision set revision = revision + 1")?;
    }
    let after = counts(&measure, |counts| counts.updated >= before.updated + 20).await?;
    assert!(after.transactions >= before.transactions + 20, "{before:?} {after:?}");
    assert!(after.statements >= before.statements.map(|count| count + 20), "{after:?}");
    assert!(after.wal_bytes > before.wal_bytes + 1000, "{before:?} {after:?}");
    assert!(after.updated_hot > before.updated_hot && after.dead > 0, "{after:?}");
    assert_ne!(after.process, 0);
    Ok(())
}

/// A held snapshot keeps the server from forgetting, until it is dropped, and does not stand in the
/// way of anybody.
#[tokio::test]
async fn a_snapshot_is_held_until_it_is_dropped() -> Result<()> {
    let server = Postgres::shared()?;
    let url = migrated(server).await?;
    let held = "select count(*) from pg_stat_activity where datname = current_database() \
        and state = 'idle in transaction' and backend_xmin is not null";
    let snapshot = Measure::hold_snapshot(&url).await?;
    assert_eq!(server.sql(&url, held)?.trim(), "1");
    let store = PostgresStore::connect(PostgresConfig::new(&url)).await?;
    let nobody =
        LoadRequest { id: ExecutionId::new(Timestamp::from_millis(1), 1), journal_after: None };
    assert_eq!(store.load(&[nobody]).await?, [None]);
    drop(snapshot);
    let begin = Instant::now();
    while server.sql(&url, held)?.trim() != "0" {
        anyhow::ensure!(begin.elapsed() < PATIENCE, "the snapshot is held for ever");
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[tokio::test]
async fn a_database_that_is_not_there_is_said_to_be_unavailable() -> Result<()> {
    let refused = Measure::connect("postgres://nobody@127.0.0.1:1/none").await;
    let text = refused.err().context("nobody listens there")?.to_string();
    assert!(text.contains("unavailable"), "{text}");
    assert!(Measure::hold_snapshot(&Postgres::shared()?.database()?).await.is_err(), "no tables");
    Ok(())
}
