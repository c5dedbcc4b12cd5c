//! Plays seeds: `baton-simulate --seed 1 --schedules 50000`.
use baton_simulator::author::{Allowed, case};
use baton_simulator::case::{Action, Fault};
use clap::Parser;

/// Plays random schedules and checks every commit of them.
#[derive(Parser)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1)]
    schedules: u64,
    /// Print the whole run.
    #[arg(long)]
    trace: bool,
}

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
fn main() {
    let arguments = Arguments::parse();
    let allowed = Allowed { faults: Fault::ALL.into_iter().collect(), actions: Action::ALL.to_vec() };
    for seed in arguments.seed..arguments.seed + arguments.schedules {
        let case = case(seed, &allowed);
        let report = baton_simulator::run(&case, arguments.trace);
        if arguments.trace {
            println!("{case:#?}\n{}", report.trace);
        }
        if let Some(broken) = report.broken {
            println!("seed {seed}: {broken:?} faults {:?} ops {:?} steps {}", case.faults, case.operations.len(), case.steps());
        }
    }
}
