//! `baton bench`: starts workflows on any server that speaks Conductor's API, works their tasks over
//! HTTP, reads every end back, and reports throughput, latencies and cost.
//!
//! The command line embeds [`BenchOptions`], calls [`run`] for each of its scenarios and prints the
//! [`Report`]s, which are tables as text, serializable, and drawn by [`plot`].
mod aside;
mod cpu;
mod drive;
mod flood;
mod hostile;
mod http;
mod metrics;
mod options;
mod parts;
mod plan;
mod plot;
mod report;
mod sample;
mod table;
mod timeline;
mod times;
mod tracker;
mod verify;
mod watch;
mod work;
mod yardstick;

pub use options::{
    Attack, BenchOptions, HostileOptions, LoadOptions, Rate, RowOptions, Scenario, YardstickOptions,
};
pub use parts::{AttackEnds, Hostile, Overload, Part, Parts};
pub use plot::plot;
pub use report::Report;
pub use timeline::Point;
pub use times::Spread;
pub use watch::{Cost, CpuPerThousand, DatabasePerTask, EnginePerTask};

use anyhow::Context;

/// Runs one scenario against the API at `url` to its end, or until the time limit, and verifies what
/// came of it. Most scenarios give one report.
///
/// Runs on a thread and a runtime of its own, so that the caller's runtime adds no hops and no CPU.
///
/// # Errors
/// When an address is none, the server refuses the definitions, an execution cannot be read back, or
/// the database that is to be watched cannot be reached. Executions that end wrongly or not at all
/// are no error: [`Report::is_sound`] tells.
pub async fn run(
    scenario: Scenario,
    url: String,
    load: LoadOptions,
) -> anyhow::Result<Vec<Report>> {
    let task = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, drive::run(&scenario, &url, load))
    });
    task.await.context("the benchmark stopped")?
}
