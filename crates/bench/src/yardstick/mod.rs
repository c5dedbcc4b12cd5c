//! What the store alone takes: one client commits what `steps` would, in batches, through the
//! store's own lane. No engine, no HTTP, no worker.
mod rows;

use crate::options::{LoadOptions, YardstickOptions};
use crate::report::Report;
use crate::timeline::Timeline;
use crate::times::Times;
use crate::watch::{Seen, Watch, is_postgres};
use anyhow::{Context, ensure};
use baton_common::ExecutionId;
use baton_store::{LoadRequest, SearchQuery, Store};
use baton_store_postgres::{PostgresConfig, PostgresStore};
use baton_store_sqlite::{Durability, Options, SqliteStore};
use rows::Rows;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Most executions of a run: they are removed at its end, so their ids are kept.
const EXECUTIONS_MAX: usize = 2_000_000;
/// Executions whose versions are read by one statement, to remove them.
const LOADED_AT_ONCE: usize = 1_000;
/// How long the database may take to count the commits of a connection that has ended.
const COUNTED_WITHIN: Duration = Duration::from_secs(10);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// Commits for as long as asked, and removes what it wrote.
pub(crate) async fn run(options: YardstickOptions, load: &LoadOptions) -> anyhow::Result<Report> {
    let url = load.database_url.as_deref().context("give an empty database: --database-url")?;
    let store = open(url).await?;
    let found = store.search(&SearchQuery { size: 1, ..SearchQuery::default() }).await?.total_hits;
    ensure!(found == 0, "{url} has {found} executions: give the yardstick an empty database");
    let watch = Watch::new(load).await?.of_ended_connections();
    let mut rows = Rows::new(store.now().await?, options.queued, store.scope())?;
    let measured = measure(&*store, &watch, &mut rows, options).await;
    for ids in rows.made.chunks(LOADED_AT_ONCE) {
        remove(&*store, ids).await?;
    }
    measured
}

async fn remove(store: &dyn Store, ids: &[ExecutionId]) -> anyhow::Result<()> {
    let requests: Vec<LoadRequest> =
        ids.iter().map(|id| LoadRequest { id: *id, journal_after: None }).collect();
    for loaded in store.load(&requests).await?.into_iter().flatten() {
        store.remove(loaded.row.id, loaded.row.version).await?;
    }
    Ok(())
}

async fn open(url: &str) -> anyhow::Result<Box<dyn Store>> {
    if is_postgres(url) {
        PostgresStore::migrate(url).await?;
        return Ok(Box::new(PostgresStore::connect(PostgresConfig::new(url)).await?));
    }
    let path = url.strip_prefix("sqlite:").context("an address as postgres://… or sqlite:FILE")?;
    let options = Options { durability: Durability::Full };
    Ok(Box::new(SqliteStore::open(&PathBuf::from(path), &options)?))
}

async fn measure(
    store: &dyn Store,
    watch: &Watch,
    rows: &mut Rows,
    options: YardstickOptions,
) -> anyhow::Result<Report> {
    let mut lane = store.open_lane().await?;
    rows.stagger(&mut *lane, options.rows as usize).await?;
    drop(lane);
    let before = watch.look(None).await?;
    let mut lane = store.open_lane().await?;
    let (begin, before_ended) = (Instant::now(), rows.tasks);
    let (mut times, mut timeline) = (Times::default(), Timeline::new(begin));
    let limit = Duration::from_secs(options.seconds);
    let mut commits = 0;
    while begin.elapsed() < limit && rows.made.len() < EXECUTIONS_MAX {
        let tasks = rows.tasks;
        let turn = rows.turn(options.rows as usize);
        let called = Instant::now();
        for outcome in lane.commit_each(&turn).await {
            outcome?;
            commits += 1;
        }
        let now = Instant::now();
        times.record(now - called);
        timeline.latency(now, now - called);
        (tasks..rows.tasks).for_each(|_| timeline.task(now));
    }
    let took = begin.elapsed();
    // The database counts what a connection did when it ends.
    drop(lane);
    let after = counted(watch, &before, commits).await?;
    let tasks = rows.tasks - before_ended;
    let report = Report {
        scenario: "yardstick",
        commit_ms: times.spread(),
        latency_of: "commit",
        timeline: timeline.points(),
        ..Report::default()
    };
    Ok(report.with_tasks(tasks, took).with(watch.cost(&before, &after, tasks)))
}

/// The moment after, once the database has counted all commits.
async fn counted(watch: &Watch, before: &Seen, commits: i64) -> anyhow::Result<Seen> {
    let seen = watch.look(None).await?;
    let give_up_at = Instant::now() + COUNTED_WITHIN;
    loop {
        let now = watch.settled(seen).await?;
        if now.transactions_since(before).is_none_or(|counted| counted >= commits) {
            return Ok(now);
        }
        ensure!(Instant::now() < give_up_at, "the database does not count its transactions");
        tokio::time::sleep(PAUSE).await;
    }
}
