//! What is watched beside the calls: CPU and memory of processes, the database's counters, the
//! server's own.
use crate::cpu;
use crate::http::Target;
use crate::metrics::{self, EngineCounts};
use crate::options::LoadOptions;
use crate::timeline::Gauges;
use crate::times::rounded;
use baton_store_postgres::{COUNTS_SETTLE, DatabaseCounts, Measure};
use serde::Serialize;
use std::time::Duration;

/// How the first process of PostgreSQL is named.
const POSTGRES: &str = "postgres";

/// What is looked at, and how.
pub(crate) struct Watch {
    database: Option<Measure>,
    server_pid: Vec<u32>,
    postgres_pid: Vec<u32>,
    /// Whether counters of connections that stay open are wanted: they come after a while only.
    settle: Duration,
}

/// Everything at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    cpu: cpu::Sample,
    database: Option<DatabaseCounts>,
    engine: Option<EngineCounts>,
}

/// What a run cost, by those who paid. Absent is what was not watched.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// CPU seconds for 1,000 tasks.
    pub cpu_seconds_per_1000_tasks: CpuPerThousand,
    /// Largest memory of the server so far, MiB.
    pub server_peak_mib: Option<f64>,
    /// For one task, by the database's counters.
    pub database_per_task: Option<DatabasePerTask>,
    /// For one task, by the server's counters.
    pub engine_per_task: Option<EnginePerTask>,
    /// Dead tuples in the database at the end.
    pub dead_tuples: Option<i64>,
    /// Updates that touched no index, of 100.
    pub hot_updates_percent: Option<f64>,
    /// Tasks that were leased to a waiting worker in the commit that scheduled them, of 100.
    pub handed_over_percent: Option<f64>,
}

/// CPU seconds for 1,000 tasks; absent where no process was named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CpuPerThousand {
    /// The benchmark itself.
    pub client: Option<f64>,
    /// The server and its children.
    pub server: Option<f64>,
    /// PostgreSQL's processes.
    pub postgres: Option<f64>,
}

/// What the database counted for one task.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabasePerTask {
    /// Transactions.
    pub transactions: f64,
    /// Statements, where pg_stat_statements counts them.
    pub statements: Option<f64>,
    /// Rows inserted, updated or deleted.
    pub rows: f64,
    /// Bytes of write-ahead log.
    pub wal_bytes: f64,
}

/// What the server counted for one task.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnginePerTask {
    /// Commits.
    pub commits: Option<f64>,
    /// Round trips to its database.
    pub round_trips: Option<f64>,
    /// Rows written.
    pub rows: Option<f64>,
    /// Bytes of write-ahead log.
    pub wal_bytes: Option<f64>,
}

impl Watch {
    /// Looks at what the options name.
    pub(crate) async fn new(load: &LoadOptions) -> anyhow::Result<Self> {
        let url = load.database_url.as_deref().filter(|url| is_postgres(url));
        let database = match url {
            Some(url) => Some(Measure::connect(url).await?),
            None => None,
        };
        let mut postgres_pid = load.postgres_pid.clone();
        if let Some(database) = database.as_ref().filter(|_| postgres_pid.is_empty()) {
            postgres_pid.extend(cpu::parent_named(database.counts().await?.process, POSTGRES));
        }
        let settle = if database.is_some() { COUNTS_SETTLE } else { Duration::ZERO };
        Ok(Self { database, server_pid: load.server_pid.clone(), postgres_pid, settle })
    }

    /// The same for a run whose connections end with it, and tell their counts as they do.
    pub(crate) fn of_ended_connections(self) -> Self {
        Self { settle: Duration::ZERO, ..self }
    }

    /// Everything as it stands.
    pub(crate) async fn look(&self, target: Option<&Target>) -> anyhow::Result<Seen> {
        let cpu = cpu::sample(&self.server_pid, &self.postgres_pid);
        let database = self.counts().await?;
        let engine = match target {
            Some(target) => metrics::read(target).await,
            None => None,
        };
        Ok(Seen { cpu, database, engine })
    }

    /// What the database knows now.
    pub(crate) async fn counts(&self) -> anyhow::Result<Option<DatabaseCounts>> {
        Ok(match &self.database {
            Some(database) => Some(database.counts().await?),
            None => None,
        })
    }

    /// The moment `seen` with the counters that came late; the log was exact at once.
    pub(crate) async fn settled(&self, seen: Seen) -> anyhow::Result<Seen> {
        let Some(then) = seen.database else { return Ok(seen) };
        tokio::time::sleep(self.settle).await;
        let counts = self.counts().await?;
        let database = counts.map(|counts| DatabaseCounts { wal_bytes: then.wal_bytes, ..counts });
        Ok(Seen { database, ..seen })
    }

    /// What changes all the time.
    pub(crate) async fn gauges(&self) -> Gauges {
        let counts = self.counts().await.ok().flatten();
        Gauges {
            server_mib: cpu::memory_mib(&self.server_pid),
            dead_tuples: counts.map(|counts| counts.dead),
        }
    }

    /// What `tasks` tasks cost between two moments.
    pub(crate) fn cost(&self, before: &Seen, after: &Seen, tasks: u64) -> Cost {
        #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 tasks")]
        let tasks = tasks as f64;
        let cpu = |is_known: bool, used: f64| {
            (is_known && tasks > 0.0).then(|| rounded(used / tasks * 1000.0))
        };
        let (used, had) = (after.cpu, before.cpu);
        let database = before.database.zip(after.database);
        let engine = before.engine.zip(after.engine);
        Cost {
            cpu_seconds_per_1000_tasks: CpuPerThousand {
                client: cpu(cfg!(target_os = "linux"), used.client - had.client),
                server: cpu(!self.server_pid.is_empty(), used.server - had.server),
                postgres: cpu(!self.postgres_pid.is_empty(), used.postgres - had.postgres),
            },
            server_peak_mib: cpu::peak_memory_mib(&self.server_pid).map(f64::round),
            database_per_task: database.and_then(|counts| database_per_task(counts, tasks)),
            engine_per_task: engine.and_then(|counts| engine_per_task(counts, tasks)),
            dead_tuples: after.database.map(|counts| counts.dead),
            hot_updates_percent: database.and_then(|(before, after)| {
                share(after.updated_hot - before.updated_hot, after.updated - before.updated)
            }),
            handed_over_percent: engine.and_then(handed_over_percent),
        }
    }
}

impl Seen {
    /// Transactions that the database has counted since an earlier moment; `None` when it is not
    /// watched.
    pub(crate) fn transactions_since(&self, earlier: &Self) -> Option<i64> {
        Some(self.database?.transactions - earlier.database?.transactions)
    }
}

/// Whether an address is one of PostgreSQL.
pub(crate) fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

#[expect(clippy::cast_precision_loss, reason = "no run counts to 2^52")]
fn database_per_task(
    (before, after): (DatabaseCounts, DatabaseCounts),
    tasks: f64,
) -> Option<DatabasePerTask> {
    let each = |count: i64| rounded(count as f64 / tasks);
    let written = |counts: DatabaseCounts| counts.inserted + counts.updated + counts.deleted;
    (tasks > 0.0).then(|| DatabasePerTask {
        transactions: each(after.transactions - before.transactions),
        statements: before.statements.zip(after.statements).map(|(had, has)| each(has - had)),
        rows: each(written(after) - written(before)),
        wal_bytes: each(after.wal_bytes - before.wal_bytes).round(),
    })
}

fn engine_per_task(
    (before, after): (EngineCounts, EngineCounts),
    tasks: f64,
) -> Option<EnginePerTask> {
    let each = |count: fn(&EngineCounts) -> Option<f64>| {
        let difference = count(&after)? - count(&before)?;
        difference.is_finite().then(|| rounded(difference / tasks))
    };
    (tasks > 0.0).then(|| EnginePerTask {
        commits: each(|counts| counts.commits),
        round_trips: each(|counts| counts.round_trips),
        rows: each(|counts| counts.rows_written),
        wal_bytes: each(|counts| counts.wal_bytes),
    })
}

fn handed_over_percent((before, after): (EngineCounts, EngineCounts)) -> Option<f64> {
    let handed_over = after.handed_over? - before.handed_over?;
    let all = handed_over + after.queued? - before.queued?;
    (all > 0.0).then(|| rounded(100.0 * handed_over / all))
}

#[expect(clippy::cast_precision_loss, reason = "no run counts to 2^52")]
fn share(part: i64, all: i64) -> Option<f64> {
    (all > 0).then(|| rounded(100.0 * part as f64 / all as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Watch {
        Watch { database: None, server_pid: vec![], postgres_pid: vec![1], settle: Duration::ZERO }
    }

    fn seen(factor: i64) -> Seen {
        let database = DatabaseCounts {
            transactions: 10 * factor,
            statements: None,
            inserted: 20 * factor,
            updated: 8 * factor,
            updated_hot: 6 * factor,
            deleted: 2 * factor,
            dead: factor,
            wal_bytes: 4000 * factor,
            process: 7,
        };
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let times = |count: f64| Some(count * factor as f64);
        let engine = EngineCounts {
            commits: times(5.0),
            round_trips: times(6.0),
            handed_over: times(3.0),
            queued: times(1.0),
            ..EngineCounts::default()
        };
        let cpu = cpu::Sample { client: 0.0, server: 1.0, postgres: times(0.5).unwrap() };
        Seen { cpu, database: Some(database), engine: Some(engine) }
    }

    #[test]
    fn cost_is_what_changed_for_each_task() {
        let cost = watch().cost(&seen(1), &seen(3), 10);
        let CpuPerThousand { server, postgres, .. } = cost.cpu_seconds_per_1000_tasks;
        assert_eq!((server, postgres), (None, Some(100.0)));
        let database =
            DatabasePerTask { transactions: 2.0, statements: None, rows: 6.0, wal_bytes: 800.0 };
        assert_eq!(cost.database_per_task, Some(database));
        let engine = EnginePerTask {
            commits: Some(1.0),
            round_trips: Some(1.2),
            rows: None,
            wal_bytes: None,
        };
        assert_eq!(cost.engine_per_task, Some(engine));
        assert_eq!((cost.hot_updates_percent, cost.handed_over_percent), (Some(75.0), Some(75.0)));
        assert_eq!(cost.dead_tuples, Some(3));
    }

    #[test]
    fn nothing_costs_nothing_for_no_tasks() {
        let cost = watch().cost(&seen(1), &seen(1), 0);
        assert_eq!((cost.database_per_task, cost.engine_per_task), (None, None));
        assert_eq!((cost.hot_updates_percent, cost.handed_over_percent), (None, None));
        assert_eq!(cost.cpu_seconds_per_1000_tasks.postgres, None);
    }
}
