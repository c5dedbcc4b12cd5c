//! A few hundred seeds, on every run of the tests; `cargo simulate` plays as many as one likes.
#![allow(clippy::unwrap_used, reason = "a test")]
use baton_simulator::author::{Allowed, case};
use baton_simulator::campaign::{Campaign, play};
use baton_simulator::run;

/// Half of them decide in slices of a few changes; the failing seed is what `cargo simulate --seed`
/// takes.
#[test]
fn random_schedules_keep_every_invariant() {
    let tally = play(&Campaign {
        seed: 1,
        schedules: 400,
        threads: 2,
        allowed: Allowed::default(),
        planted: None,
        failures_max: 1,
    });
    let broken: Vec<String> = tally
        .failures
        .iter()
        .map(|(case, broken)| format!("seed {}: {}: {}", case.seed, broken.rule, broken.text))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert_eq!(tally.schedules, 400);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 1..=20 {
        let case = case(seed, &Allowed::default());
        assert_eq!(run(&case, true).trace, run(&case, true).trace, "seed {seed}");
    }
}
