//! The database's own counters, for benchmarks. Reads only.
use crate::connector::Connector;
use crate::database::deadline;
use crate::error::{store_error, unavailable};
use crate::liveness::Silence;
use baton_store::StoreError;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Row};

/// How long one reading may take: the counters of a busy server are read in milliseconds.
const TIMEOUT_MS: u32 = 5_000;
/// A snapshot is held by a transaction that does nothing, for as long as its holder wants.
const HOLDING: &str = "-c idle_in_transaction_session_timeout=0";
/// How long after its last work a server process may keep its counts to itself (10 s), and a little.
pub const COUNTS_SETTLE: Duration = Duration::from_millis(10_500);

/// Reads the counters of one database.
pub struct Measure {
    link: Link,
    counts_statements: bool,
}

/// A connection that ends with its owner.
struct Link {
    client: Client,
    driver: JoinHandle<()>,
}

/// A reader that sees the database as it was, until it is dropped.
pub struct HeldSnapshot(#[expect(dead_code, reason = "is there to be dropped")] Link);

/// Counters since the statistics began; two of them make a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatabaseCounts {
    /// Transactions, committed or not.
    pub transactions: i64,
    /// Statements; `None` where pg_stat_statements does not count them.
    pub statements: Option<i64>,
    /// Rows inserted.
    pub inserted: i64,
    /// Rows updated.
    pub updated: i64,
    /// Those of them that touched no index.
    pub updated_hot: i64,
    /// Rows deleted.
    pub deleted: i64,
    /// Dead tuples now, as the server believes.
    pub dead: i64,
    /// Bytes of write-ahead log, of the whole server.
    pub wal_bytes: i64,
    /// The server process that answered, a child of the server's first.
    pub process: u32,
}

impl Link {
    async fn open(url: &str, settings: &str) -> Result<Self, StoreError> {
        let opened = Connector::new(url, settings, TIMEOUT_MS)?.open_driven().await;
        let (client, driver) = opened.map_err(|error| unavailable(&error))?;
        Ok(Self { client, driver })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Measure {
    /// Connects to the database at `url`, on the runtime that calls this.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let link = Link::open(url, "").await?;
        let statements = include_str!("sql/measure_statements.sql");
        let counts_statements = link.client.query_one(statements, &[]).await.is_ok();
        Ok(Self { link, counts_statements })
    }

    /// The counters as they stand. Of the last ten seconds something may be missing: see
    /// [`COUNTS_SETTLE`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn counts(&self) -> Result<DatabaseCounts, StoreError> {
        let row = self.one(include_str!("sql/measure.sql")).await?;
        let statements = if self.counts_statements {
            let row = self.one(include_str!("sql/measure_statements.sql")).await?;
            Some(row.get("statements"))
        } else {
            None
        };
        Ok(DatabaseCounts {
            transactions: row.get("transactions"),
            statements,
            inserted: row.get("inserted"),
            updated: row.get("updated"),
            updated_hot: row.get("updated_hot"),
            deleted: row.get("deleted"),
            dead: row.get("dead"),
            wal_bytes: row.get("wal_bytes"),
            process: row.get::<_, i32>("process").unsigned_abs(),
        })
    }

    async fn one(&self, sql: &str) -> Result<Row, StoreError> {
        let asked = self.link.client.query_one(sql, &[]);
        let answer = tokio::time::timeout(deadline(TIMEOUT_MS), asked).await;
        answer.map_err(|_| Silence::OfServer)?.map_err(|error| store_error(&error))
    }

    /// Holds a snapshot of the database at `url` open, as a slow reader would.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; the database must have our tables.
    pub async fn hold_snapshot(url: &str) -> Result<HeldSnapshot, StoreError> {
        let link = Link::open(url, HOLDING).await?;
        let begun = link.client.batch_execute(include_str!("sql/hold_snapshot.sql")).await;
        begun.map_err(|error| store_error(&error))?;
        Ok(HeldSnapshot(link))
    }
}
