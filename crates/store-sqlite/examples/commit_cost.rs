//! What a commit costs in steady state: batches of 30 executions, each with 300 bytes of journal.
//!
//! `cargo run --release -p baton-store-sqlite --example commit_cost [directory]`
use baton_common::{ExecutionId, Payload, Timestamp, WorkflowStatus};
use baton_store::{
    Batch, ExecutionIndex, ExecutionWrite, PlanHash, QueueDemand, ReadyKey, Store, Waits,
};
use baton_store_sqlite::{Durability, Options, SqliteStore};
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const IN_A_BATCH: u64 = 30;
const BATCHES: u64 = 1_000;

#[derive(Clone, Copy)]
enum Shape {
    /// A row, input, overview, journal entry.
    Birth,
    /// The row and a journal entry.
    Update,
    /// The same, and a ready task replaced.
    UpdateAndReady,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    for durability in [Durability::Full, Durability::Normal] {
        let directory = tempfile::tempdir_in(&directory)?;
        let store = SqliteStore::open(&directory.path().join("cost.db"), &Options { durability })?;
        say(&format!("{durability:?}:"))?;
        measure(&store, Shape::Birth, "births", |batch| (batch * IN_A_BATCH, 0)).await?;
        let waves = |batch| (batch % 100 * IN_A_BATCH, 1 + batch / 100);
        measure(&store, Shape::Update, "updates", waves).await?;
        let later = |batch| (batch % 100 * IN_A_BATCH, 11 + batch / 100);
        measure(&store, Shape::UpdateAndReady, "updates, ready task replaced", later).await?;
        reserve(&store).await?;
        let log = std::fs::metadata(directory.path().join("cost.db-wal"))?.len();
        say(&format!("  log file {} KiB", log / 1024))?;
    }
    Ok(())
}

/// Commits batches whose first execution and expected version `place` tells.
async fn measure(
    store: &SqliteStore,
    shape: Shape,
    name: &str,
    place: impl Fn(u64) -> (u64, u64),
) -> Result<(), Box<dyn Error>> {
    let mut lane = store.open_lane().await?;
    let mut times = Vec::new();
    for batch in 0..BATCHES {
        let (first, version) = place(batch);
        let writes = (first..first + IN_A_BATCH).map(|n| write(shape, n, version));
        let batch = Batch { writes: writes.collect(), ..Batch::default() };
        let begin = Instant::now();
        lane.commit(&batch).await?;
        times.push(begin.elapsed());
    }
    report(name, times)
}

async fn reserve(store: &SqliteStore) -> Result<(), Box<dyn Error>> {
    let mut times = Vec::new();
    for _ in 0..100 {
        let demand = QueueDemand { queue: "queue".to_owned(), count: 30 };
        let begin = Instant::now();
        store.reserve_ready(&[demand], 60_000).await?;
        times.push(begin.elapsed());
    }
    report("reservations of 30 tasks", times)
}

fn report(name: &str, mut times: Vec<Duration>) -> Result<(), Box<dyn Error>> {
    times.sort();
    let sum: Duration = times.iter().sum();
    let mean = sum.as_micros() / times.len() as u128;
    let median = times[times.len() / 2].as_micros();
    let late = times[times.len() * 99 / 100].as_micros();
    say(&format!(
        "  {name}: mean {mean} µs a batch, {} µs an execution; p50 {median}, p99 {late}",
        mean / u128::from(IN_A_BATCH)
    ))
}

fn say(line: &str) -> Result<(), Box<dyn Error>> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

fn id(n: u64) -> ExecutionId {
    let entropy = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ExecutionId::new(Timestamp::from_millis(1_795_000_000_000 + n.cast_signed()), entropy)
}

fn ready(n: u64, version: u64) -> ReadyKey {
    ReadyKey {
        queue: "queue".to_owned(),
        priority: 0,
        ready_at: Timestamp::from_millis(version.cast_signed()),
        task: id(n).task(u32::try_from(version).unwrap_or(1)),
    }
}

fn write(shape: Shape, n: u64, version: u64) -> ExecutionWrite {
    let index = ExecutionIndex {
        workflow_name: "order_fulfilment".to_owned(),
        workflow_version: 1,
        correlation_id: None,
        created_at: Timestamp::from_millis(n.cast_signed()),
        parent: None,
        plan: PlanHash([7; 32]),
    };
    let born = matches!(shape, Shape::Birth);
    let replaces = matches!(shape, Shape::UpdateAndReady);
    ExecutionWrite {
        id: id(n),
        expected_version: version.cast_signed(),
        status: WorkflowStatus::Running,
        waits: Waits(Waits::READY),
        wake_at: None,
        ended_at: None,
        index: born.then_some(index),
        input: born.then(Payload::empty_object),
        overview: born.then(|| vec![1; 100].into()),
        journal: vec![u8::try_from(n % 251).unwrap_or(0); 300].into(),
        idempotency_key: None,
        ready_added: replaces.then(|| ready(n, version + 1)).into_iter().collect(),
        ready_removed: replaces.then(|| ready(n, version)).into_iter().collect(),
        sent: Vec::new(),
    }
}
