//! Several engines on one thread and one seed.
//!
//! A seed gives a [`case::Case`]: random workflows, starts, operations and faults. [`run`] plays it
//! with real engines over the store in memory: clock, answers of the store, notifications, scripts,
//! workers and the order of all of them follow from the seed, so the same seed gives the same run,
//! byte for byte. Every commit is checked against the invariants ([`rules`], [`check`]), and what no
//! person has disturbed against an interpreter of its definition ([`oracle`]).
//!
//! `docs/simulator.md` has the list of faults and invariants, and what this cannot see.
pub mod author;
pub mod campaign;
pub mod case;
pub mod check;
mod definition;
pub mod dice;
mod gate;
mod lock;
pub mod oracle;
mod panics;
mod people;
mod play;
pub mod rules;
mod scripts;
mod shared;
pub mod shrink;
mod store;
mod verdict;
mod workers;
mod world;

pub use verdict::Report;

use case::Case;

/// Plays a case on this thread.
///
/// # Panics
/// Where the code under test does, or when no runtime can be made.
pub fn run(case: &Case, is_traced: bool) -> Report {
    panics::keep();
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = match builder.enable_time().start_paused(true).build() {
        Ok(runtime) => runtime,
        Err(error) => unreachable!("a runtime on this thread needs nothing: {error}"),
    };
    let tasks = tokio::task::LocalSet::new();
    let report = tasks.block_on(&runtime, play::play(case, is_traced));
    drop(tasks);
    report
}
