//! Fifty thousand schedules, the cases of old failures, and that a seed says everything.
use baton_simulator::author::{Allowed, case};
use baton_simulator::campaign::{Campaign, play};
use baton_simulator::case::{Action, Case, Fault};
use std::collections::BTreeSet;
use std::path::Path;

/// Goal: nothing that can be expressed here breaks a promise. Method: seeds 1 to 50,000. The counts
/// say that they were worth playing: each fault happened, and much was compared with the interpreter.
#[test]
fn fifty_thousand_schedules_keep_every_promise() {
    let campaign = Campaign {
        seed: 1,
        schedules: 50_000,
        threads: 2,
        allowed: Allowed::default(),
        planted: None,
        failures_max: 20,
    };
    let tally = play(&campaign);
    let failures: Vec<String> = tally
        .failures
        .iter()
        .map(|(case, broken)| format!("cargo simulate --seed {}: {broken:?}", case.seed))
        .collect();
    assert!(failures.is_empty(), "{failures:#?}");
    for fault in Allowed::default().faults {
        let times = tally.fired.get(&fault).copied().unwrap_or(0);
        // Two messages seldom wait in the store at once. Where a delivery fails, later messages overtake
        // it far more often, and that is counted as a commit that failed.
        let least = if fault == Fault::MessagesReordered { 5 } else { 100 };
        assert!(times >= least, "{fault:?} happened only {times} times");
    }
    let ends: BTreeSet<&str> = tally.ends.keys().copied().collect();
    let wanted = BTreeSet::from(["COMPLETED", "FAILED", "TERMINATED", "TIMED_OUT"]);
    assert!(ends.is_superset(&wanted), "{ends:?}");
    assert!(tally.predicted * 3 > tally.executions, "{tally:?}");
}

/// Goal: a printed seed is enough. Method: each of many is played twice, and the traces, which hold
/// every call, every commit and every message, are compared byte for byte.
#[test]
fn the_same_seed_gives_the_same_run() {
    let allowed =
        Allowed { faults: Fault::ALL.into_iter().collect(), actions: Action::ALL.to_vec() };
    for seed in 1..=300 {
        let case = case(seed, &allowed);
        let (first, second) =
            (baton_simulator::run(&case, true), baton_simulator::run(&case, true));
        assert!(!first.trace.is_empty());
        assert!(first.trace == second.trace, "two runs of seed {seed} differ");
    }
}

/// Every case that has failed once and is repaired.
#[test]
fn what_was_repaired_stays_repaired() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/fixed");
    let mut played = 0;
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let case: Case = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(baton_simulator::run(&case, false).broken, None, "{}", path.display());
        played += 1;
    }
    assert!(played > 0);
}

/// Half of the cases are small, so that what fails is easily read; the largest are large enough.
#[test]
fn half_of_the_cases_have_at_most_five_steps() {
    let allowed = Allowed::default();
    let mut steps: Vec<usize> = (1..=2_001).map(|seed| case(seed, &allowed).steps()).collect();
    steps.sort_unstable();
    assert!((3..=5).contains(&steps[1_000]), "{}", steps[1_000]);
    assert!(steps[2_000] >= 20, "{}", steps[2_000]);
}
