//! One connection that commits batches, one at a time.
use crate::batch::{Columns, Fences, Keys};
use crate::database::deadline;
use crate::error::{is_lost_race, store_error, too_late, unavailable};
use crate::rows::execution_id;
use crate::rows_written::rows_written;
use async_trait::async_trait;
use baton_common::ExecutionId;
use baton_store::error::Conflict;
use baton_store::{Batch, CommitError, CommitLane, StoreError};
use baton_telemetry::StoreMetrics;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls, Row, Statement};

/// How often a batch is sent that lost a race to somebody who cannot be found afterwards: an
/// execution that was removed, a key that was given free.
const ATTEMPTS: u32 = 3;

/// A lane; its connection is driven on the runtime that made it.
pub(crate) struct Lane {
    config: Config,
    deadline: Duration,
    metrics: StoreMetrics,
    link: Option<Link>,
}

/// An open connection with the lane's two statements.
struct Link {
    client: Client,
    commit: Statement,
    losers: Statement,
    driver: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Link {
    async fn open(config: &Config) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = config.connect(NoTls).await?;
        // How a connection ends shows in the requests that it fails.
        let driver = tokio::spawn(async { drop(connection.await) });
        let commit = client.prepare(include_str!("sql/commit.sql")).await?;
        let losers = client.prepare(include_str!("sql/commit_losers.sql")).await?;
        Ok(Self { client, commit, losers, driver })
    }
}

#[async_trait]
impl CommitLane for Lane {
    async fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        if says_nothing(batch) {
            return Ok(());
        }
        for _ in 0..ATTEMPTS {
            if Keys::of(&batch.writes).doubled.is_empty() && self.try_commit(batch).await? {
                self.metrics.rows_written.inc_by(rows_written(batch));
                return Ok(());
            }
            let conflict = self.conflict(batch).await?;
            if conflict != Conflict::default() {
                return Err(CommitError::Conflict(conflict));
            }
        }
        Err(StoreError::Unavailable("a race was lost to nobody, again and again".into()).into())
    }
}

impl Lane {
    pub(crate) async fn open(
        config: Config,
        timeout_ms: u32,
        metrics: StoreMetrics,
    ) -> Result<Self, StoreError> {
        let mut lane = Self { config, deadline: deadline(timeout_ms), metrics, link: None };
        lane.link().await?;
        Ok(lane)
    }

    /// Sends the batch; false = somebody was faster.
    async fn try_commit(&mut self, batch: &Batch) -> Result<bool, StoreError> {
        self.metrics.round_trips.inc();
        let limit = self.deadline;
        let link = self.link().await?;
        let columns = Columns::of(batch);
        let params = columns.params();
        let sent = tokio::time::timeout(limit, link.client.query(&link.commit, &params)).await;
        match sent {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(error)) if is_lost_race(&error) => Ok(false),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(_) => Err(self.hangs()),
        }
    }

    /// Who was faster, by name.
    async fn conflict(&mut self, batch: &Batch) -> Result<Conflict, StoreError> {
        self.metrics.round_trips.inc();
        let limit = self.deadline;
        let link = self.link().await?;
        let fences = Fences::of(batch);
        let params = fences.params();
        let asked = link.client.query(&link.losers, &params);
        let rows = match tokio::time::timeout(limit, asked).await {
            Ok(Ok(rows)) => rows,
            Ok(Err(error)) => return Err(self.failed(&error)),
            Err(_) => return Err(self.hangs()),
        };
        let mut conflict = Conflict::default();
        for row in &rows {
            add_loser(&mut conflict, row)?;
        }
        fences.add_doubled(&mut conflict.idempotency);
        Ok(conflict)
    }

    async fn link(&mut self) -> Result<&Link, StoreError> {
        let usable = self.link.take().filter(|link| !link.client.is_closed());
        let link = match usable {
            Some(link) => link,
            None => tokio::time::timeout(self.deadline, Link::open(&self.config))
                .await
                .map_err(|_| too_late())?
                .map_err(|error| unavailable(&error))?,
        };
        Ok(self.link.insert(link))
    }

    /// Keeps the connection after a refusal of the server, drops it after anything else.
    fn failed(&mut self, error: &tokio_postgres::Error) -> StoreError {
        if error.as_db_error().is_none() {
            self.link = None;
        }
        store_error(error)
    }

    fn hangs(&mut self) -> StoreError {
        self.link = None;
        too_late()
    }
}

/// Nothing to write and nothing to fence.
fn says_nothing(batch: &Batch) -> bool {
    let Batch { at: _, revision, plans, writes, delivered } = batch;
    revision.is_none() && plans.is_empty() && writes.is_empty() && delivered.is_empty()
}

fn add_loser(conflict: &mut Conflict, row: &Row) -> Result<(), StoreError> {
    let id = |column: &str| -> Result<ExecutionId, StoreError> { execution_id(row.get(column)) };
    match row.get::<_, i16>("kind") {
        0 => conflict.versions.push(id("id")?),
        1 => conflict.idempotency.push((id("id")?, id("holder")?)),
        _ => conflict.stale_definitions = true,
    }
    Ok(())
}
