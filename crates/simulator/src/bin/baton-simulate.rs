//! Plays seeds: `baton-simulate --seed 1 --schedules 50000`.
use baton_common::planted::Planted;
use baton_simulator::author::{Allowed, case};
use baton_simulator::campaign::{Campaign, Tally, fails, play};
use baton_simulator::case::Case;
use baton_simulator::check::Broken;
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
    /// Play the case in this file instead of seeds.
    #[arg(long)]
    case: Option<std::path::PathBuf>,
    /// Print a table of the planted faults, each with the first seed that sees it.
    #[arg(long)]
    table: bool,
    /// Print the case of the seed and its whole run.
    #[arg(long)]
    trace: bool,
}

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let mut allowed = Allowed::default();
    for (names, is_allowed) in [(&arguments.with, true), (&arguments.without, false)] {
        if let Some(name) = names.iter().find(|name| !allowed.set(name, is_allowed)) {
            println!("there is no fault and no operation {name}");
            return Ok(ExitCode::FAILURE);
        }
    }
    let wanted = arguments.planted.as_deref();
    let planted = Planted::ALL.iter().copied().find(|fault| Some(fault.name()) == wanted);
    if arguments.table {
        println!("{}", table(&allowed, arguments.threads));
        return Ok(ExitCode::SUCCESS);
    }
    let given = match &arguments.case {
        Some(path) => Some(serde_json::from_str::<Case>(&std::fs::read_to_string(path)?)?),
        None => None,
    };
    if arguments.trace {
        let case = given.unwrap_or_else(|| case(arguments.seed, &allowed));
        println!("{case:#?}");
        let report = baton_simulator::run(&case, true);
        println!("{}{:?}", report.trace, report.broken);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(case) = given {
        let Some(broken) = fails(&case, planted) else { return Ok(ExitCode::SUCCESS) };
        println!("{}", smaller(&case, broken, planted));
        return Ok(ExitCode::FAILURE);
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
        return Ok(ExitCode::SUCCESS);
    };
    println!("\n{}", smaller(&case, broken, planted));
    Ok(ExitCode::FAILURE)
}

/// A failing case made small, as a test.
fn smaller(case: &Case, broken: Broken, planted: Option<Planted>) -> String {
    let (small, broken) = shrink(case, broken, &|case| fails(case, planted));
    as_test(&format!("seed_{}", case.seed), &small, &broken)
}

/// Seeds within which each planted fault must be seen.
const SEEDS_MAX: u64 = 10_000;

fn table(allowed: &Allowed, threads: usize) -> String {
    let mut lines = vec!["| planted | seed | seen by |".to_owned(), "|---|---|---|".to_owned()];
    for fault in Planted::ALL {
        let campaign = Campaign {
            seed: 1,
            schedules: SEEDS_MAX,
            threads,
            allowed: allowed.clone(),
            planted: Some(*fault),
            failures_max: 1,
        };
        let first = play(&campaign).failures.into_iter().next();
        let seen = first.map_or("not seen | ".to_owned(), |(case, broken)| {
            format!("{} | {}", case.seed, broken.rule)
        });
        lines.push(format!("| {} | {seen} |", fault.name()));
    }
    lines.join("\n")
}

fn summary(tally: &Tally, seconds: f64) -> String {
    let Tally { schedules, executions, predicted, commits, calls, fired, ends, failures } = tally;
    format!(
        "{schedules} schedules in {seconds:.1} s: {executions} executions ({ends:?}), {predicted} of \
         them predicted, {commits} commits, {calls} calls; faults {fired:?}; {} failed",
        failures.len()
    )
}
