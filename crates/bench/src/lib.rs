//! `baton bench`: starts workflows on any server that speaks Conductor's API, works their tasks over
//! HTTP, reads every end back, and reports throughput, latencies and CPU.
//!
//! The command line embeds [`BenchOptions`], calls [`run`] for each of its scenarios and prints the [`Report`], which is a table
//! as text and serializable.
mod cpu;
mod drive;
mod http;
mod options;
mod report;
mod scenario;
mod tracker;
mod verify;
mod work;

pub use options::{BenchOptions, LoadOptions, Scenario, ScenarioOptions};
pub use report::{CpuPerThousand, Report, Spread};

use anyhow::Context;

/// Runs one scenario against the API at `url` to its end, or until the time limit, and verifies what came of it.
///
/// Runs on a thread and a runtime of its own, so that the caller's runtime adds no hops and no CPU.
///
/// # Errors
/// When the address is none, the server refuses the definitions, or an execution cannot be read
/// back. Executions that end wrongly or not at all are no error: [`Report::is_sound`] tells.
pub async fn run(scenario: Scenario, url: String, load: LoadOptions) -> anyhow::Result<Report> {
    let task = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, drive::run(scenario, &url, load))
    });
    task.await.context("the benchmark stopped")?
}
