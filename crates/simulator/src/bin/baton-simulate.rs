//! Plays seeds: `baton-simulate --seed 1 --schedules 50000`.
#![allow(clippy::pedantic, reason = "a tool for developers")]
use baton_common::planted::Planted;
use baton_simulator::author::{Allowed, case};
use baton_simulator::campaign::{Campaign, Tally, fails, play};
use baton_simulator::shrink::{as_test, shrink};
use clap::Parser;
use std::process::ExitCode;
use std::time::Instant;

/// Plays random schedules, checks every commit of them, and shrinks the first that fails.
#[derive(Parser)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1)]
    schedules: u64,
    /// Threads, each with seeds of its own.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Faults and operations to add, by name.
    #[arg(long)]
    with: Vec<String>,
    /// Faults and operations to leave out, by name.
    #[arg(long)]
    without: Vec<String>,
    /// A fault to plant, by name.
    #[arg(long)]
    planted: Option<String>,
    /// After how many failures to stop.
    #[arg(long, default_value_t = 1)]
    failures: usize,
    /// Print the case of the seed and its whole run.
    #[arg(long)]
    trace: bool,
}

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut allowed = Allowed::default();
    for (names, is_allowed) in [(&arguments.with, true), (&arguments.without, false)] {
        if let Some(name) = names.iter().find(|name| !allowed.set(name, is_allowed)) {
            println!("there is no fault and no operation {name}");
            return ExitCode::FAILURE;
        }
    }
    let wanted = arguments.planted.as_deref();
    let planted = Planted::ALL.iter().copied().find(|fault| Some(fault.name()) == wanted);
    if arguments.trace {
        let case = case(arguments.seed, &allowed);
        let report = baton_simulator::run(&case, true);
        println!("{case:#?}\n{}{:?}", report.trace, report.broken);
        return ExitCode::SUCCESS;
    }
    let campaign = Campaign {
        seed: arguments.seed,
        schedules: arguments.schedules,
        threads: arguments.threads,
        allowed,
        planted,
        failures_max: arguments.failures,
    };
    let began = Instant::now();
    let tally = play(&campaign);
    println!("{}", summary(&tally, began.elapsed().as_secs_f64()));
    for (case, broken) in &tally.failures {
        println!("seed {}: {}: {}", case.seed, broken.rule, broken.text);
    }
    let Some((case, broken)) = tally.failures.into_iter().next() else {
        return ExitCode::SUCCESS;
    };
    let (small, broken) = shrink(&case, broken, &|case| fails(case, planted));
    println!("\n{}", as_test(&format!("seed_{}", case.seed), &small, &broken));
    ExitCode::FAILURE
}

fn summary(tally: &Tally, seconds: f64) -> String {
    let Tally { schedules, executions, predicted, commits, calls, fired, ends, failures } = tally;
    format!(
        "{schedules} schedules in {seconds:.1} s: {executions} executions ({ends:?}), {predicted} of \
         them predicted, {commits} commits, {calls} calls; faults {fired:?}; {} failed",
        failures.len()
    )
}
