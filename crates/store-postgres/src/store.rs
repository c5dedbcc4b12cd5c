//! The store's methods: parameters in, one statement, rows out.
use crate::batch::{Column, seq, shard};
use crate::config::{IN_FLIGHT_MAX, PostgresConfig};
use crate::database::{Bounds, Database, Failure, PoolMeter};
use crate::definitions::{self, Definitions};
use crate::lane::{Lane, LaneSetting, Lanes};
use crate::liveness::Prober;
use crate::migrate::{self, MIGRATIONS, MigrationReport};
use crate::notifier::Notifier;
use crate::rows::{execution_id, get, loaded_executions, payload, text_of};
use crate::search;
use crate::share::Share;
use crate::text::text;
use async_trait::async_trait;
use baton_common::{ExecutionId, Payload, TaskId, Timestamp};
use baton_store::{
    CommitLane, CommitScope, DefinitionChanges, DefinitionWrite, HISTORY_DROPPED_MAX,
    JournalHistory, LimitState, LoadRequest, LoadedExecution, MessageId, PlanHash, PollRecord,
    QueueDemand, QueueSize, ReadyKey, Revision, SearchPage, SearchQuery, Snapshot, SnapshotWrite,
    Store, StoreError, StoredMessage, TaskLog, Version, WaitFacts, WaitQuery,
};
use baton_telemetry::PostgresMetrics;
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use tokio::sync::broadcast;
use tokio_postgres::Row;

/// Executions in a PostgreSQL database. Cheap to share behind an `Arc`.
pub struct PostgresStore {
    config: PostgresConfig,
    pub(crate) engine: Database,
    pub(crate) searches: Database,
    prober: Arc<Prober>,
    notifier: Notifier,
    metrics: PostgresMetrics,
    pub(crate) scope: CommitScope,
    /// The shard that is asked first for ready tasks next time.
    pub(crate) turn: AtomicU8,
}

impl PostgresStore {
    /// Opens a migrated database. Its listening task runs on the runtime that calls this, pooled
    /// connections on those that first need them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: no connection, or the database is not migrated for this build.
    pub async fn connect(config: PostgresConfig) -> Result<Self, StoreError> {
        let metrics = PostgresMetrics::default();
        let [engine, searches] =
            ["engine", "search"].map(|pool| PoolMeter::new(&metrics.store, pool));
        let prober = Arc::new(Prober::new(config.probes()?, config.patience()));
        let bounds = |connections, statement_ms| Bounds {
            connections,
            wait_ms: config.pool_wait_ms,
            statement_ms,
        };
        let limits = bounds(config.search_pool_size, config.search_timeout_ms);
        let searches = Database::new(config.searches()?, &limits, searches, Arc::clone(&prober))?;
        check_schema(&searches).await?;
        let scope = scope_of(&searches).await?;
        let connector = config.engine(scope)?;
        let limits = bounds(config.pool_size, config.statement_timeout_ms);
        let engine = Database::new(connector.clone(), &limits, engine, Arc::clone(&prober))?;
        let notifier = Notifier::start(connector).await?;
        let turn = AtomicU8::new(0);
        Ok(Self { config, engine, searches, prober, notifier, metrics, scope, turn })
    }

    /// What this store records of itself.
    pub fn metrics(&self) -> &PostgresMetrics {
        &self.metrics
    }

    /// Brings the database at `url` to the schema of this build; safe to call from many processes
    /// at once, and again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: earlier files stay applied, the failed one leaves no trace.
    /// [`StoreError::Corrupt`]: an applied migration is not the one this build knows.
    pub async fn migrate(url: &str) -> Result<MigrationReport, StoreError> {
        migrate::migrate(url).await
    }

    /// This process's part of the wake-ups.
    async fn share(&self) -> Result<Share, StoreError> {
        let rows = self.engine.query(include_str!("sql/share.sql"), &[]).await?;
        let row = rows.first().ok_or_else(|| StoreError::Corrupt("no clock".into()))?;
        let (now, processes) = (get(row, "now")?, get::<Vec<i64>>(row, "processes")?);
        Ok(Share::new(self.notifier.number, &processes, Timestamp::from_millis(now)))
    }
}

/// A database without our tables, or with too few, would fail at the first request anyway: say so.
async fn check_schema(database: &Database) -> Result<(), StoreError> {
    let wanted = MIGRATIONS.iter().map(|(number, ..)| *number).max().unwrap_or(0);
    let found = database.query(include_str!("sql/migrations_applied.sql"), &[]).await;
    let newest = found.and_then(|rows| rows.last().map_or(Ok(0), |row| get(row, "number")));
    match newest {
        Ok(newest) if newest >= wanted => Ok(()),
        Ok(newest) => Err(StoreError::Unavailable(format!(
            "the database is at migration {newest} of {wanted}: migrate it first"
        ))),
        Err(StoreError::Unavailable(text)) if text.contains("42P01") => {
            Err(StoreError::Unavailable("the database is empty: migrate it first".into()))
        }
        Err(error) => Err(error),
    }
}

/// Whether the tables lie on many nodes, cut by shard.
async fn scope_of(database: &Database) -> Result<CommitScope, StoreError> {
    let rows = database.query(include_str!("sql/citus_present.sql"), &[]).await?;
    let is_present = rows.first().map_or(Ok(false), |row| get(row, "present"))?;
    Ok(if is_present { CommitScope::Shard } else { CommitScope::Database })
}

#[async_trait]
impl Store for PostgresStore {
    async fn open_lane(&self) -> Result<Box<dyn CommitLane>, StoreError> {
        let setting = LaneSetting {
            connector: self.config.engine(self.scope)?,
            scope: self.scope,
            statement_timeout_ms: self.config.statement_timeout_ms,
            metrics: self.metrics.store.clone(),
            prober: Arc::clone(&self.prober),
        };
        match self.scope {
            CommitScope::Database => Ok(Box::new(Lane::open(setting).await?)),
            CommitScope::Shard => Ok(Box::new(Lanes::open(&setting).await?)),
        }
    }

    fn scope(&self) -> CommitScope {
        self.scope
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        let rows = self.engine.query(include_str!("sql/now.sql"), &[]).await?;
        let row = rows.first().ok_or_else(|| StoreError::Corrupt("no clock".into()))?;
        self.metrics.wal_is_at(get::<i64>(row, "wal_bytes")?.unsigned_abs());
        Ok(Timestamp::from_millis(row.get(0)))
    }

    async fn load(
        &self,
        requests: &[LoadRequest],
    ) -> Result<Vec<Option<LoadedExecution>>, StoreError> {
        let rows = self.load_rows(requests).await?;
        loaded_executions(requests, &rows)
    }

    async fn put_snapshot(&self, write: &SnapshotWrite) -> Result<bool, StoreError> {
        let SnapshotWrite { id, snapshot: Snapshot { version, body }, history } = write;
        let dropped_max = match history {
            JournalHistory::Keep => 0,
            JournalHistory::Drop => i64::from(HISTORY_DROPPED_MAX),
        };
        let sql = include_str!("sql/put_snapshot.sql");
        let body = &body[..];
        let rows = self
            .engine
            .query(sql, &[&shard(*id), &id.uuid(), version, &body, &dropped_max])
            .await?;
        rows.first().map_or(Ok(false), |row| get(row, "is_put"))
    }

    async fn reserve_ready(
        &self,
        demands: &[QueueDemand],
        reserve_ms: u32,
    ) -> Result<Vec<ReadyKey>, StoreError> {
        let mut wanted: BTreeMap<_, i64> = BTreeMap::new();
        for QueueDemand { queue, count } in demands {
            *wanted.entry(text(queue)).or_default() += i64::from(*count);
        }
        let (queues, counts): (Vec<_>, Vec<i64>) = wanted.into_iter().unzip();
        match self.scope {
            CommitScope::Database => self.reserve_in(None, &queues, counts, reserve_ms).await,
            CommitScope::Shard => self.reserve_by_turns(&queues, counts, reserve_ms).await,
        }
    }

    async fn due_wake_ups(
        &self,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<(ExecutionId, Timestamp)>, StoreError> {
        let share = self.share().await?;
        let due = self.parts().into_iter().map(|part| self.due_in(part, until, limit));
        let due: Vec<_> = stream::iter(due).buffer_unordered(IN_FLIGHT_MAX).try_collect().await?;
        let mut due = due.concat();
        due.retain(|(id, at)| share.holds(*id, *at));
        due.sort_unstable_by_key(|(id, at)| (*at, *id));
        due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(due)
    }

    async fn undelivered(
        &self,
        sent_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        let sql = include_str!("sql/undelivered.sql");
        let rows = self.engine.query(sql, &[&sent_before.millis(), &i64::from(limit)]).await?;
        rows.iter().map(message).collect()
    }

    async fn write_definitions(&self, writes: &[DefinitionWrite]) -> Result<Revision, StoreError> {
        let definitions = Definitions::of(writes);
        let sql = include_str!("sql/write_definitions.sql");
        let written = self.engine.write(sql, &definitions.params()).await;
        let rows = written.map_err(|failure| match failure {
            Failure::Server(error) => definitions::refusal(writes, &error),
            failure @ (Failure::Store(_) | Failure::Silent(_)) => failure.into(),
        })?;
        let row = rows.first().ok_or_else(|| StoreError::Corrupt("no revision".into()))?;
        Ok(row.get(0))
    }

    async fn read_definitions(&self, since: Revision) -> Result<DefinitionChanges, StoreError> {
        let rows = self.engine.query(include_str!("sql/read_definitions.sql"), &[&since]).await?;
        definitions::changes(&rows)
    }

    async fn load_plan(&self, hash: PlanHash) -> Result<Payload, StoreError> {
        let rows = self.engine.query(include_str!("sql/load_plan.sql"), &[&&hash.0[..]]).await?;
        let row = rows.first().ok_or_else(|| StoreError::NotFound("the plan".into()))?;
        payload(get(row, "body")?)
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError> {
        search::search(&self.searches, query).await
    }

    async fn queue_sizes(&self) -> Result<Vec<QueueSize>, StoreError> {
        let rows = self.searches.query(include_str!("sql/queue_sizes.sql"), &[]).await?;
        let size = |row: &Row| {
            let oldest = Timestamp::from_millis(get(row, "oldest")?);
            let ready = get::<i64>(row, "count")?.unsigned_abs();
            Ok(QueueSize { queue: text_of(row, "queue")?, ready, oldest })
        };
        rows.iter().map(size).collect()
    }

    async fn limits(&self, names: &[String]) -> Result<Vec<LimitState>, StoreError> {
        self.read_limits(names).await
    }

    async fn slot_holders(&self, limit: &str, most: u32) -> Result<Vec<TaskId>, StoreError> {
        self.read_holders(limit, most).await
    }

    async fn append_task_logs(&self, lines: &[TaskLog]) -> Result<(), StoreError> {
        let shards: Vec<i16> = lines.iter().map(|line| shard(line.task.execution())).collect();
        let ids: Vec<_> = lines.iter().map(|line| line.task.execution().uuid()).collect();
        let numbers: Vec<i32> = lines.iter().map(|line| seq(line.task)).collect();
        let times: Vec<i64> = lines.iter().map(|line| line.at.millis()).collect();
        let texts: Vec<_> = lines.iter().map(|line| text(&line.line)).collect();
        let sql = include_str!("sql/append_task_logs.sql");
        let written = self.engine.write(sql, &[&shards, &ids, &numbers, &times, &texts]).await;
        Ok(written.map(drop)?)
    }

    async fn task_logs(&self, task: TaskId, limit: u32) -> Result<Vec<TaskLog>, StoreError> {
        let id = task.execution();
        let sql = include_str!("sql/task_logs.sql");
        let (uuid, limit) = (id.uuid(), i64::from(limit));
        let rows = self.searches.query(sql, &[&shard(id), &uuid, &seq(task), &limit]).await?;
        let line = |row: &Row| {
            let at = Timestamp::from_millis(get(row, "at")?);
            Ok(TaskLog { task, at, line: text_of(row, "line")? })
        };
        rows.iter().map(line).collect()
    }

    async fn record_polls(&self, polls: &[PollRecord]) -> Result<(), StoreError> {
        let mut newest: BTreeMap<(&str, &str), &PollRecord> = BTreeMap::new();
        for poll in polls {
            let held = newest.entry((&poll.task_type, &poll.domain)).or_insert(poll);
            if held.at <= poll.at {
                *held = poll;
            }
        }
        let newest = newest.into_values();
        let [mut types, mut domains, mut workers] =
            [Column::default(), Column::default(), Column::default()];
        let mut times = Column::default();
        for poll in newest {
            types.push(text(&poll.task_type));
            domains.push(text(&poll.domain));
            workers.push(text(&poll.worker));
            times.push(poll.at.millis());
        }
        let sql = include_str!("sql/record_polls.sql");
        self.engine.query(sql, &[&types, &domains, &workers, &times]).await.map(drop)
    }

    async fn load_waits(&self, query: &WaitQuery) -> Result<WaitFacts, StoreError> {
        self.read_waits(query).await
    }

    async fn remove(&self, id: ExecutionId, version: Version) -> Result<bool, StoreError> {
        let sql = include_str!("sql/remove.sql");
        let rows = self.engine.query(sql, &[&shard(id), &id.uuid(), &version]).await?;
        rows.first().map_or(Ok(false), |row| get(row, "is_removed"))
    }

    async fn release_key(&self, id: ExecutionId) -> Result<bool, StoreError> {
        let sql = include_str!("sql/release_key.sql");
        let rows = self.engine.query(sql, &[&shard(id), &id.uuid()]).await?;
        rows.first().map_or(Ok(false), |row| get(row, "is_ended"))
    }

    async fn dead_waits(&self, limit: u32) -> Result<Vec<ExecutionId>, StoreError> {
        let sql = include_str!("sql/dead_waits.sql");
        let rows = self.searches.query(sql, &[&i64::from(limit)]).await?;
        rows.iter().map(|row| execution_id(get(row, "id")?)).collect()
    }

    async fn notify(&self, queues: &[String]) {
        self.notifier.notify(queues);
    }

    fn notifications(&self) -> broadcast::Receiver<Arc<[String]>> {
        self.notifier.notifications()
    }
}

fn message(row: &Row) -> Result<StoredMessage, StoreError> {
    let id = MessageId {
        from: execution_id(get(row, "from_id")?)?,
        version: get(row, "version")?,
        number: get(row, "number")?,
    };
    let body = Bytes::copy_from_slice(get(row, "body")?);
    Ok(StoredMessage { id, to: execution_id(get(row, "to_id")?)?, body })
}

pub(crate) fn poll(row: &Row) -> Result<PollRecord, StoreError> {
    Ok(PollRecord {
        task_type: text_of(row, "task_type")?,
        domain: text_of(row, "domain")?,
        worker: text_of(row, "worker")?,
        at: Timestamp::from_millis(get(row, "at")?),
    })
}
