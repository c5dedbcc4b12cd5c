//! That PostgreSQL takes every SQL file, and plans the engine's as meant.
mod hot;

use crate::PostgresConfig;
use crate::migrate::migrate;
use baton_store::CommitScope;
use baton_test_support::Postgres;
use std::path::Path;
use tokio_postgres::Client;

/// Read by the engine's own connections, or while a person waits: each must find its rows by an
/// index, in any table. What is a function is looked into in hot.rs.
const ENGINE: &[&str] =
    &["commit_losers", "load", "load_plan", "load_waits", "task_logs", "undelivered"];

/// Not one statement each, or not of the schema, or only where the extension is.
const NOT_PREPARED: &[&str] =
    &["migration_lock", "citus_tables", "citus_functions", "hold_snapshot", "measure_statements"];

async fn engine_connection() -> anyhow::Result<Client> {
    let url = Postgres::shared()?.database()?;
    migrate(&url).await?;
    let (client, connection) =
        PostgresConfig::new(url).engine(CommitScope::Database)?.open().await?;
    tokio::spawn(connection);
    Ok(client)
}

fn sql_files() -> anyhow::Result<Vec<(String, String)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sql");
    let mut files = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        files.push((name, std::fs::read_to_string(&path)?));
    }
    Ok(files)
}

/// A typing error in a statement never ships.
#[tokio::test]
async fn postgresql_prepares_every_file() -> anyhow::Result<()> {
    let client = engine_connection().await?;
    let files = sql_files()?;
    assert!(files.len() > 20);
    for (name, sql) in files {
        if !NOT_PREPARED.contains(&name.as_str()) && name != "listen" {
            let prepared = client.prepare(&sql).await;
            assert!(prepared.is_ok(), "{name}: {prepared:?}");
        }
    }
    Ok(())
}

/// On an engine connection nothing scans a whole table, whatever its statistics; a small sort of
/// what an index found is fine.
#[tokio::test]
async fn the_engine_finds_rows_by_index() -> anyhow::Result<()> {
    let client = engine_connection().await?;
    for (name, sql) in sql_files()? {
        if !ENGINE.contains(&name.as_str()) {
            continue;
        }
        let parameters = client.prepare(&sql).await?.params().len();
        let nulls = vec!["null"; parameters].join(", ");
        client.batch_execute(&format!("prepare plan_of as {sql}")).await?;
        let explain = format!("explain (costs off) execute plan_of({nulls})");
        let lines = client.simple_query(&explain).await?;
        let plan: Vec<String> = lines.iter().map(line).collect();
        let plan = plan.join("\n");
        // One row, read on purpose.
        let scans = plan.replace("Seq Scan on definition_revision", "");
        assert!(!scans.contains("Seq Scan") && !scans.contains("Bitmap"), "{name}:\n{plan}");
        client.batch_execute("deallocate plan_of").await?;
    }
    Ok(())
}

fn line(message: &tokio_postgres::SimpleQueryMessage) -> String {
    let tokio_postgres::SimpleQueryMessage::Row(row) = message else { return String::new() };
    row.get(0).unwrap_or_default().to_owned()
}

/// A second migration changes nothing; one that somebody edited is refused.
#[tokio::test]
async fn migrations_apply_once() -> anyhow::Result<()> {
    let server = Postgres::shared()?;
    let url = server.database()?;
    let [first, second] = [migrate(&url).await?, migrate(&url).await?];
    assert_eq!(first.applied, ["0001_tables", "0002_functions", "0003_limits"]);
    assert_eq!((second.applied.len(), second.version), (0, first.version));
    server.sql(&url, "update baton_migration set checksum = 'x' where number = 1")?;
    assert!(migrate(&url).await.is_err());
    Ok(())
}

/// Processes that start together take turns.
#[tokio::test]
async fn migrations_of_many_processes_take_turns() -> anyhow::Result<()> {
    let url = Postgres::shared()?.database()?;
    let reports = futures::future::try_join_all((0..4).map(|_| migrate(&url))).await?;
    let applied: usize = reports.iter().map(|report| report.applied.len()).sum();
    assert_eq!(applied, reports[0].version.unsigned_abs() as usize);
    Ok(())
}
