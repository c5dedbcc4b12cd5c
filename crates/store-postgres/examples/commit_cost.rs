//! What a transition costs PostgreSQL, by the size of the batch: transitions per second of one
//! lane, CPU of all server processes, WAL, and the share of updates that touched no index.
//!
//! `cargo run --release -p baton-store-postgres --example commit_cost -- [steps|queued] [seconds] [url]`
//! `steps`: a 300-byte journal entry and a lease's new end for each execution; `queued`: the same
//! with a ready row that comes and one that goes, as when no worker waits.
//! `url`: an empty database that is measured instead of a throw-away one. Of a cluster whose nodes are
//! all on this machine, each batch is one shard's, and 16 batches are under way at a time.
use anyhow::{Context, Result};
use baton_common::ids::SHARDS;
use baton_common::{ExecutionId, Payload, Timestamp, WorkflowStatus};
use baton_store::{
    Batch, CommitLane, ExecutionIndex, ExecutionWrite, PlanHash, ReadyKey, Scope, Store, Waits,
};
use baton_store_postgres::{PostgresConfig, PostgresStore};
use baton_test_support::Postgres;
use bytes::Bytes;
use std::io::Write;
use std::time::{Duration, Instant};

const SIZES: [usize; 5] = [1, 10, 30, 100, 300];
/// Open executions; each batch takes the next ones in turn.
const EXECUTIONS: usize = 20_000;
const JOURNAL: [u8; 300] = [b'j'; 300];
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// Linux counts CPU time in hundredths of a second.
const TICK_US: f64 = 10_000.0;

/// Batches of one turn where each shard has a commit of its own.
const TURN: usize = 16;

/// What is measured.
enum Subject {
    Own(Box<Postgres>, String),
    Given(String),
}

/// The executions, each with its version and the task that is ready.
struct Load {
    ids: Vec<ExecutionId>,
    versions: Vec<i64>,
    queued: bool,
    scope: Scope,
    next: usize,
}

/// The server's own counters.
struct Counters {
    cpu_ticks: f64,
    wal_bytes: f64,
    updates: f64,
    hot: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let queued = arguments.next().is_some_and(|kind| kind == "queued");
    let seconds: u64 = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let subject = match arguments.next() {
        Some(url) => Subject::Given(url),
        None => Subject::own()?,
    };
    PostgresStore::migrate(subject.url()).await?;
    let store = PostgresStore::connect(PostgresConfig::new(subject.url())).await?;
    let mut load = Load::new(queued, store.scope());
    let mut lane = store.open_lane().await?;
    lane.commit(&load.births()?).await?;
    drop(lane);
    writeln!(std::io::stdout(), "batch  transitions/s  pg CPU us  WAL bytes  HOT %  commits/s")?;
    for size in SIZES {
        let row = measure(&subject, &store, &mut load, (size, seconds)).await?;
        writeln!(std::io::stdout(), "{row}")?;
    }
    Ok(())
}

async fn measure(
    subject: &Subject,
    store: &PostgresStore,
    load: &mut Load,
    (size, seconds): (usize, u64),
) -> Result<String> {
    let mut lane = store.open_lane().await?;
    run(&mut *lane, load, size, Duration::from_millis(500)).await?;
    drop(lane);
    let before = subject.counters().await?;
    let mut lane = store.open_lane().await?;
    let (commits, took) = run(&mut *lane, load, size, Duration::from_secs(seconds)).await?;
    // The lane's server process reports its statistics when it ends.
    if let Subject::Own(..) = subject {
        drop(lane);
    }
    let after = subject.counters().await?;
    let commits = f64::from(commits);
    let transitions = commits * f64::from(u32::try_from(size)?);
    Ok(format!(
        "{size:5}  {:13.0}  {:9.1}  {:9.0}  {:5.1}  {:9.0}",
        transitions / took.as_secs_f64(),
        (after.cpu_ticks - before.cpu_ticks) * TICK_US / transitions,
        (after.wal_bytes - before.wal_bytes) / transitions,
        100.0 * (after.hot - before.hot) / (after.updates - before.updates),
        commits / took.as_secs_f64(),
    ))
}

async fn run(
    lane: &mut dyn CommitLane,
    load: &mut Load,
    size: usize,
    limit: Duration,
) -> Result<(u32, Duration)> {
    let begin = Instant::now();
    let mut commits: u32 = 0;
    while begin.elapsed() < limit {
        let batches = load.turn(size);
        for outcome in lane.commit_each(&batches).await {
            outcome?;
            commits += 1;
        }
    }
    Ok((commits, begin.elapsed()))
}

impl Load {
    fn new(queued: bool, scope: Scope) -> Self {
        let mut ids: Vec<ExecutionId> = (0..EXECUTIONS as u64)
            .map(|n| ExecutionId::new(START, n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .collect();
        ids.sort_by_key(|id| (id.shard(), *id));
        ids.dedup();
        Self { versions: vec![0; ids.len()], ids, queued, scope, next: 0 }
    }

    fn turn(&mut self, size: usize) -> Vec<Batch> {
        match self.scope {
            Scope::Database => vec![self.steps(size)],
            Scope::Shard => (0..TURN).map(|_| self.steps_of_one_shard(size)).collect(),
        }
    }

    /// A step of the first `size` executions of the next shard.
    fn steps_of_one_shard(&mut self, size: usize) -> Batch {
        self.next = (self.next + 1) % usize::from(SHARDS);
        let shard = self.next;
        let is_here = |place: &usize| usize::from(self.ids[*place].shard()) == shard;
        let places: Vec<usize> = (0..self.ids.len()).filter(is_here).take(size).collect();
        let writes = places.into_iter().map(|place| self.write(place)).collect();
        Batch { at: START, writes, ..Batch::default() }
    }

    fn births(&mut self) -> Result<Batch> {
        let input = Payload::parse(format!("{{\"order\":\"{}\"}}", "x".repeat(200)))?;
        let mut writes: Vec<ExecutionWrite> =
            (0..self.ids.len()).map(|place| self.write(place)).collect();
        for write in &mut writes {
            write.input = Some(input.clone());
            write.overview = Some(Bytes::from_static(&[b'o'; 60]));
            write.index = Some(ExecutionIndex {
                workflow_name: "ship".into(),
                workflow_version: 1,
                correlation_id: None,
                created_at: START,
                parent: None,
                plan: PlanHash([1; 32]),
            });
        }
        Ok(Batch { at: START, writes, ..Batch::default() })
    }

    /// A step of the next `size` executions, in the order of their keys.
    fn steps(&mut self, size: usize) -> Batch {
        let mut places: Vec<usize> =
            (0..size).map(|offset| (self.next + offset * 7) % self.ids.len()).collect();
        self.next = (self.next + size * 7 + 1) % self.ids.len();
        places.sort_unstable();
        places.dedup();
        let writes = places.into_iter().map(|place| self.write(place)).collect();
        Batch { at: START, writes, ..Batch::default() }
    }

    fn write(&mut self, place: usize) -> ExecutionWrite {
        let (id, version) = (self.ids[place], self.versions[place]);
        self.versions[place] += 1;
        let ready = |seq: i64| ReadyKey {
            queue: "simple_task".into(),
            priority: 0,
            ready_at: START.plus_millis(seq),
            task: id.task(u32::try_from(seq).unwrap_or(1)),
        };
        let (added, removed) = if self.queued {
            (vec![ready(version + 1)], (version > 0).then(|| ready(version)).into_iter().collect())
        } else {
            (vec![], vec![])
        };
        ExecutionWrite {
            id,
            expected_version: version,
            status: WorkflowStatus::Running,
            waits: Waits(Waits::LEASE),
            wake_at: Some(START.plus_millis(60_000 + version)),
            ended_at: None,
            index: None,
            input: None,
            overview: None,
            journal: Bytes::from_static(&JOURNAL),
            idempotency_key: None,
            ready_added: added,
            ready_removed: removed,
            sent: vec![],
        }
    }
}

impl Subject {
    fn own() -> Result<Self> {
        let settings = [("shared_buffers", "1GB"), ("max_wal_size", "8GB")];
        let server = Postgres::start_with(&settings)?;
        let url = server.database()?;
        Ok(Self::Own(Box::new(server), url))
    }

    fn url(&self) -> &str {
        let (Self::Own(_, url) | Self::Given(url)) = self;
        url
    }

    async fn counters(&self) -> Result<Counters> {
        match self {
            Self::Own(server, url) => counters(server, url),
            Self::Given(url) => given_counters(url).await,
        }
    }
}

fn counters(server: &Postgres, url: &str) -> Result<Counters> {
    let wal = server.sql(url, WAL)?;
    let updates = server.sql(url, UPDATES)?;
    let (all, hot) = updates.split_once('|').context("two columns")?;
    Ok(Counters {
        cpu_ticks: cpu_ticks(server)?,
        wal_bytes: wal.parse()?,
        updates: all.parse()?,
        hot: hot.parse()?,
    })
}

const WAL: &str = "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::text";
const UPDATES: &str = "select coalesce(sum(n_tup_upd), 0)::text, coalesce(sum(n_tup_hot_upd), 0)::text \
    from pg_stat_user_tables where relname ~ '^execution'";

/// Sums over the nodes of a cluster; its processes are those that serve a database of this name.
async fn given_counters(url: &str) -> Result<Counters> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    let sum = async |sql: &str| -> Result<f64> {
        let sql =
            format!("select sum(result::numeric)::text from run_command_on_all_nodes($q${sql}$q$)");
        let row = client.query_one(&sql, &[]).await?;
        Ok(row.get::<_, String>(0).parse()?)
    };
    let updates = |column: &str| {
        format!(
            "select coalesce(sum({column}), 0) from pg_stat_user_tables where relname ~ '^execution'"
        )
    };
    let database = url.rsplit('/').next().context("a name")?;
    Ok(Counters {
        cpu_ticks: cpu_ticks_of_servers(database),
        wal_bytes: sum("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn").await?,
        updates: sum(&updates("n_tup_upd")).await?.max(1.0),
        hot: sum(&updates("n_tup_hot_upd")).await?,
    })
}

fn cpu_ticks_of_servers(database: &str) -> f64 {
    let mut ticks = 0.0;
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(title) = std::fs::read_to_string(process.path().join("cmdline")) else { continue };
        let Ok(stat) = std::fs::read_to_string(process.path().join("stat")) else { continue };
        let Some((_, fields)) = stat.rsplit_once(") ") else { continue };
        if title.starts_with("postgres:") && title.contains(&format!(" {database} ")) {
            let fields = fields.split(' ').skip(11).take(2);
            ticks += fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>();
        }
    }
    ticks
}

/// User and system time of the server's first process, its children, and children that ended.
fn cpu_ticks(server: &Postgres) -> Result<f64> {
    let pid_file = std::fs::read_to_string(server.data().join("postmaster.pid"))?;
    let parent = pid_file.lines().next().context("a process id")?;
    let mut ticks = 0.0;
    for process in std::fs::read_dir("/proc")?.flatten() {
        let Ok(stat) = std::fs::read_to_string(process.path().join("stat")) else { continue };
        // After the name, which is in parentheses: state, parent, …
        let Some((_, fields)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<&str> = fields.split(' ').collect();
        let tick = |place: usize| fields[place].parse::<f64>().unwrap_or(0.0);
        let is_first = process.file_name().to_string_lossy() == parent;
        if is_first {
            ticks += tick(11) + tick(12) + tick(13) + tick(14);
        } else if fields[1] == parent {
            ticks += tick(11) + tick(12);
        }
    }
    Ok(ticks)
}
