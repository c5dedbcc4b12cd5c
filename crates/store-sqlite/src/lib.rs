//! Executions in one SQLite file: the store of a single machine, without a server to set up.
//!
//! One thread owns the connection that writes and commits what waits in groups; a few connections
//! read beside it (WAL). Reservations of ready tasks live in memory, so one process at a time serves
//! a file, and a lock beside it says so. All SQL is in `sql/` and `migrations/`; only searches are
//! put together from the filters given.
mod backup;
mod clock;
mod commit;
mod connections;
mod errors;
mod guard;
mod limits;
mod log;
mod migrations;
mod options;
mod read;
mod reservations;
mod rows;
mod search;
mod write;
mod writer;

#[cfg(test)]
mod tests;

pub use backup::{Copied, backup, restore};
pub use options::{Durability, Options};

use async_trait::async_trait;
use baton_common::{ExecutionId, Payload, TaskId, Timestamp};
use baton_store::{
    Batch, CommitError, CommitLane, DefinitionChanges, DefinitionWrite, InUse, LimitState,
    LoadRequest, LoadedExecution, PlanHash, PollRecord, QueueDemand, QueueSize, ReadyKey, Revision,
    SearchPage, SearchQuery, SnapshotWrite, Store, StoreError, StoredMessage, TaskLog, Version,
    WaitFacts, WaitQuery,
};
use baton_telemetry::StoreMetrics;
use connections::{Bounds, Readers};
use errors::store_error;
use guard::Guard;
use log::Log;
use migrations::MIGRATIONS;
use reservations::Reservations;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use writer::Writer;

/// A read for people (a search, an explanation, a count) is refused when it takes longer.
const SEARCH_BOUNDS: Bounds =
    Bounds { wait: Duration::from_secs(5), work: Duration::from_secs(30) };

/// A store in one file. A clone is another handle; the file is closed with the last handle or lane.
#[derive(Clone)]
pub struct SqliteStore {
    open: Arc<OpenFile>,
    notifications: broadcast::Sender<Arc<[String]>>,
}

/// Dropped in this order: readers and writer close the file before the guard lets go.
struct OpenFile {
    readers: Readers,
    searchers: Readers,
    writer: Writer,
    reservations: Reservations,
    metrics: StoreMetrics,
    _guard: Guard,
}

impl SqliteStore {
    /// Opens the file, which is made when there is none, and brings its tables up to date. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when another process uses the file or it cannot be opened;
    /// [`StoreError::Corrupt`] when it is no database, or one of a newer version of this program.
    pub fn open(path: &Path, options: &Options) -> Result<Self, StoreError> {
        Self::open_with(path, options, SEARCH_BOUNDS)
    }

    fn open_with(path: &Path, options: &Options, bounds: Bounds) -> Result<Self, StoreError> {
        let guard = Guard::take(path)?;
        let writer = migrated(path, options)?.0;
        let metrics = StoreMetrics::default();
        let [readers, searchers] = ["reader", "search"].map(|pool| metrics.pool_wait(pool));
        let readers = Readers::for_engine(path, readers).map_err(store_error)?;
        let searchers = Readers::for_people(path, searchers, bounds).map_err(store_error)?;
        let open = OpenFile {
            readers,
            searchers,
            writer: Writer::start(writer, Log::of(path))?,
            reservations: Reservations::default(),
            metrics,
            _guard: guard,
        };
        Ok(Self { open: Arc::new(open), notifications: broadcast::Sender::new(1) })
    }

    /// Brings the tables of the file up to date, and names the migrations that were missing. Blocks.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn migrate(path: &Path) -> Result<Vec<String>, StoreError> {
        let _guard = Guard::take(path)?;
        migrated(path, &Options { durability: Durability::Full }).map(|(_, applied)| applied)
    }

    /// What this store records of itself.
    pub fn metrics(&self) -> &StoreMetrics {
        &self.open.metrics
    }

    async fn read<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.open.metrics.round_trips.inc();
        self.open.readers.read(move |connection| work(connection).map_err(store_error)).await
    }

    /// As [`Self::read`], for people: on connections of their own and within a time limit.
    async fn read_for_people<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.open.metrics.round_trips.inc();
        self.open.searchers.read(move |connection| work(connection).map_err(store_error)).await
    }

    async fn write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.open.metrics.round_trips.inc();
        self.open.writer.write(move |connection| work(connection).map_err(store_error)).await
    }
}

fn migrated(path: &Path, options: &Options) -> Result<(Connection, Vec<String>), StoreError> {
    let mut writer = connections::open_writer(path, options).map_err(store_error)?;
    let applied = migrations::run(&mut writer, MIGRATIONS)?;
    Ok((writer, applied))
}

struct SqliteLane {
    open: Arc<OpenFile>,
}

#[async_trait]
impl CommitLane for SqliteLane {
    async fn commit(&mut self, batch: &Batch) -> Result<InUse, CommitError> {
        let copy = batch.clone();
        self.open.metrics.round_trips.inc();
        let commit = move |connection: &Connection| {
            let before = connection.total_changes();
            let in_use = commit::batch(connection, &copy)?;
            Ok::<_, CommitError>((connection.total_changes().saturating_sub(before), in_use))
        };
        let (rows, in_use) = self.open.writer.write(commit).await?;
        self.open.metrics.rows_written.inc_by(rows);
        let removed = batch.writes.iter().flat_map(|write| &write.ready_removed);
        self.open.reservations.forget(removed);
        Ok(in_use)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn open_lane(&self) -> Result<Box<dyn CommitLane>, StoreError> {
        Ok(Box::new(SqliteLane { open: Arc::clone(&self.open) }))
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        Ok(clock::now())
    }

    async fn load(
        &self,
        requests: &[LoadRequest],
    ) -> Result<Vec<Option<LoadedExecution>>, StoreError> {
        let requests = requests.to_vec();
        self.read(move |connection| read::load(connection, &requests)).await
    }

    async fn put_snapshot(&self, write: &SnapshotWrite) -> Result<bool, StoreError> {
        let write = write.clone();
        self.write(move |connection| write::snapshot(connection, &write)).await
    }

    async fn reserve_ready(
        &self,
        demands: &[QueueDemand],
        reserve_ms: u32,
    ) -> Result<Vec<ReadyKey>, StoreError> {
        let (demands, reservations) = (demands.to_vec(), self.open.reservations.clone());
        self.read(move |connection| {
            let now = clock::now();
            let until = now.plus_millis(i64::from(reserve_ms));
            reservations.reserve(connection, &demands, now, until)
        })
        .await
    }

    async fn due_wake_ups(
        &self,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<(ExecutionId, Timestamp)>, StoreError> {
        self.read(move |connection| read::due_wake_ups(connection, until, limit)).await
    }

    async fn undelivered(
        &self,
        sent_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        self.read(move |connection| read::undelivered(connection, sent_before, limit)).await
    }

    async fn write_definitions(&self, writes: &[DefinitionWrite]) -> Result<Revision, StoreError> {
        let writes = writes.to_vec();
        self.open.writer.write(move |connection| write::definitions(connection, &writes)).await
    }

    async fn read_definitions(&self, since: Revision) -> Result<DefinitionChanges, StoreError> {
        self.read(move |connection| read::definitions(connection, since)).await
    }

    async fn load_plan(&self, hash: PlanHash) -> Result<Payload, StoreError> {
        let plan = self.read(move |connection| read::plan(connection, hash)).await?;
        plan.ok_or_else(|| StoreError::NotFound("the plan of an execution".to_owned()))
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError> {
        let query = query.clone();
        self.read_for_people(move |connection| search::page(connection, &query)).await
    }

    async fn queue_sizes(&self) -> Result<Vec<QueueSize>, StoreError> {
        self.read_for_people(read::queue_sizes).await
    }

    async fn limits(&self, names: &[String]) -> Result<Vec<LimitState>, StoreError> {
        let names = names.to_vec();
        self.read(move |connection| {
            names.iter().map(|name| limits::state(connection, name)).collect()
        })
        .await
    }

    async fn slot_holders(&self, limit: &str, most: u32) -> Result<Vec<TaskId>, StoreError> {
        let limit = limit.to_owned();
        self.read_for_people(move |connection| limits::holders(connection, &limit, most)).await
    }

    async fn append_task_logs(&self, lines: &[TaskLog]) -> Result<(), StoreError> {
        let lines = lines.to_vec();
        self.write(move |connection| write::task_logs(connection, &lines)).await
    }

    async fn task_logs(&self, task: TaskId, limit: u32) -> Result<Vec<TaskLog>, StoreError> {
        self.read_for_people(move |connection| read::task_logs(connection, task, limit)).await
    }

    async fn record_polls(&self, polls: &[PollRecord]) -> Result<(), StoreError> {
        let polls = polls.to_vec();
        self.write(move |connection| write::polls(connection, &polls)).await
    }

    async fn load_waits(&self, query: &WaitQuery) -> Result<WaitFacts, StoreError> {
        let query = query.clone();
        self.read_for_people(move |connection| read::waits(connection, &query)).await
    }

    async fn remove(&self, id: ExecutionId, version: Version) -> Result<bool, StoreError> {
        let is_removed =
            self.write(move |connection| write::remove(connection, id, version)).await?;
        if is_removed {
            self.open.reservations.forget_execution(id);
        }
        Ok(is_removed)
    }

    async fn release_key(&self, id: ExecutionId) -> Result<bool, StoreError> {
        self.write(move |connection| write::release_key(connection, id)).await
    }

    async fn dead_waits(&self, limit: u32) -> Result<Vec<ExecutionId>, StoreError> {
        self.read_for_people(move |connection| read::dead_waits(connection, limit)).await
    }

    async fn notify(&self, _queues: &[String]) {}

    fn notifications(&self) -> broadcast::Receiver<Arc<[String]>> {
        self.notifications.subscribe()
    }
}
