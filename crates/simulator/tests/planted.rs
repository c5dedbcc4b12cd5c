//! The simulator finds every planted fault.
use baton_common::planted::Planted;
use baton_simulator::author::Allowed;
use baton_simulator::campaign::{Campaign, fails, play};
use baton_simulator::shrink::{as_test, shrink};

/// Seeds within which each fault must be seen.
const SEEDS_MAX: u64 = 10_000;

fn campaign(planted: Planted) -> Campaign {
    Campaign {
        seed: 1,
        schedules: SEEDS_MAX,
        threads: 2,
        allowed: Allowed::default(),
        planted: Some(planted),
        failures_max: 1,
    }
}

/// Goal: none of the checks is asleep. Method: each planted fault, alone, from seed 1 on. What fails
/// with it does not fail without it.
#[test]
fn every_planted_fault_is_seen() {
    assert!(Planted::ALL.len() >= 24);
    for planted in Planted::ALL.iter().copied() {
        let tally = play(&campaign(planted));
        let (case, _) = tally.failures.first().unwrap_or_else(|| panic!("{planted:?}"));
        assert_eq!(fails(case, None), None, "{planted:?} was not what seed {} saw", case.seed);
    }
}

/// Goal: who reads a failure reads little. Method: what a lost message breaks is broken by a parent
/// and a child alone, and the printed test holds the case.
#[test]
fn a_failure_is_shrunk_to_what_it_needs() {
    let planted = Planted::ForgetAMessage;
    let (case, broken) = play(&campaign(planted)).failures.into_iter().next().unwrap();
    let (small, broken) = shrink(&case, broken, &|case| fails(case, Some(planted)));
    assert!(small.steps() <= 3 && small.faults.is_empty(), "{small:?}");
    assert_eq!((small.processes, small.starts.len()), (1, 1));
    let printed = as_test("a_name", &small, &broken);
    let json = printed.split("r#\"").nth(1).and_then(|text| text.split("\"#").next()).unwrap();
    assert_eq!(serde_json::from_str::<baton_simulator::case::Case>(json).unwrap(), small);
}
