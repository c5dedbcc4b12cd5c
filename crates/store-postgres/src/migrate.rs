//! Brings a database to the schema of this build.
use crate::connector::Connector;
use crate::error::{store_error, unavailable};
use crate::liveness::Silence;
use baton_store::StoreError;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_postgres::Client;

/// Every migration, oldest first. Never edited after a release.
pub(crate) const MIGRATIONS: &[(i32, &str, &str)] = &[
    (1, "tables", include_str!("../migrations/0001_tables.sql")),
    (2, "functions", include_str!("../migrations/0002_functions.sql")),
    (3, "limits", include_str!("../migrations/0003_limits.sql")),
];

/// A migration of a large table may take an hour; a lost connection must not hold it for ever.
const STATEMENT_TIMEOUT_MS: u32 = 3_600_000;

/// How long the connection may take to come about, at the start of a process.
const OPEN_MAX: Duration = Duration::from_secs(5);

/// What a migration did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationReport {
    /// Names of the migrations that this call applied, oldest first.
    pub applied: Vec<String>,
    /// Number of the newest migration in the database; may be one that only a newer build knows.
    pub version: i32,
}

/// Applies what is missing, each file in one transaction; processes take turns.
pub(crate) async fn migrate(url: &str) -> Result<MigrationReport, StoreError> {
    let connector = Connector::new(url, "", STATEMENT_TIMEOUT_MS)?;
    let opened = tokio::time::timeout(OPEN_MAX, connector.open()).await;
    let (mut client, driver) =
        opened.map_err(|_| Silence::OfServer)?.map_err(|error| unavailable(&error))?;
    let driver = tokio::spawn(driver);
    let report = apply_missing(&mut client).await;
    // The advisory lock ends with the connection: see its end before telling anybody.
    drop(client);
    let _ = driver.await;
    report
}

async fn apply_missing(client: &mut Client) -> Result<MigrationReport, StoreError> {
    let lock = include_str!("sql/migration_lock.sql");
    client.batch_execute(lock).await.map_err(|error| store_error(&error))?;
    let known = applied(client).await?;
    let mut report =
        MigrationReport { applied: vec![], version: known.keys().max().copied().unwrap_or(0) };
    for &(number, name, sql) in MIGRATIONS {
        match known.get(&number) {
            Some(checksum) if *checksum == checksum_of(sql) => {}
            Some(_) => return Err(StoreError::Corrupt(format!("migration {number} was edited"))),
            None => {
                let done = apply(client, number, name, sql).await;
                done.map_err(|error| store_error(&error))?;
                report.applied.push(format!("{number:04}_{name}"));
                report.version = report.version.max(number);
            }
        }
    }
    distribute(client).await.map_err(|error| store_error(&error))?;
    Ok(report)
}

/// Where the extension for it is there, cuts the tables over the nodes of its cluster.
async fn distribute(client: &Client) -> Result<(), tokio_postgres::Error> {
    let present = client.query_one(include_str!("sql/citus_present.sql"), &[]).await?;
    if present.get("present") {
        client.batch_execute(include_str!("sql/citus_tables.sql")).await?;
        client.batch_execute(include_str!("sql/citus_functions.sql")).await?;
    }
    Ok(())
}

async fn apply(
    client: &mut Client,
    number: i32,
    name: &str,
    sql: &str,
) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(sql).await?;
    let done = include_str!("sql/migration_done.sql");
    transaction.execute(done, &[&number, &name, &checksum_of(sql)]).await?;
    transaction.commit().await
}

async fn applied(client: &Client) -> Result<BTreeMap<i32, Vec<u8>>, StoreError> {
    let rows = client.query(include_str!("sql/migrations_applied.sql"), &[]).await;
    let rows = rows.map_err(|error| store_error(&error))?;
    Ok(rows.iter().map(|row| (row.get("number"), row.get("checksum"))).collect())
}

fn checksum_of(sql: &str) -> Vec<u8> {
    Sha256::digest(sql.as_bytes()).to_vec()
}
