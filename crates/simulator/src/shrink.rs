//! Makes a failing case smaller, as long as it fails in the same way.
use crate::case::{Case, Step, inner_mut};
use crate::check::Broken;
use crate::dice::Dice;

/// Runs that one shrinking may take.
const RUNS_MAX: usize = 1_500;
/// Seeds that each smaller case is tried with: its run is another, so the moment may be missed.
const SEEDS: usize = 6;

/// The smallest failing case that was found, and how it fails.
pub fn shrink(
    case: &Case,
    broken: Broken,
    fails: &dyn Fn(&Case) -> Option<Broken>,
) -> (Case, Broken) {
    let mut search =
        Search { best: case.clone(), broken, fails, runs: 0, dice: Dice::new(case.seed) };
    while search.runs < RUNS_MAX && search.round() {}
    (search.best, search.broken)
}

struct Search<'f> {
    best: Case,
    broken: Broken,
    fails: &'f dyn Fn(&Case) -> Option<Broken>,
    runs: usize,
    dice: Dice,
}

impl Search<'_> {
    /// Tries every simplification once; whether one of them held.
    fn round(&mut self) -> bool {
        let mut has_held = false;
        for candidate in simpler(&self.best.clone()) {
            if self.runs >= RUNS_MAX {
                break;
            }
            // An earlier one of the round may have held: only what is still smaller is of use.
            if size(&candidate) < size(&self.best) {
                has_held |= self.try_one(candidate);
            }
        }
        has_held
    }

    fn try_one(&mut self, mut candidate: Case) -> bool {
        for attempt in 0..SEEDS {
            if attempt > 0 {
                candidate.seed = self.dice.bits() >> 32;
            }
            self.runs += 1;
            if let Some(broken) =
                (self.fails)(&candidate).filter(|new| new.rule == self.broken.rule)
            {
                (self.best, self.broken) = (candidate, broken);
                return true;
            }
        }
        false
    }
}

/// What counts as small: few faults and operations, few steps, few executions.
fn size(case: &Case) -> usize {
    let callers: usize = case.starts.iter().map(|start| start.callers as usize).sum();
    case.faults.len() * 4
        + case.operations.len() * 4
        + case.steps() * 2
        + case.workflows.len()
        + callers
        + case.processes
        + usize::from(case.by_shard)
        + usize::from(case.limit.is_some())
}

/// Every case that is one simplification away.
fn simpler(case: &Case) -> Vec<Case> {
    let mut all = Vec::new();
    let mut add = |change: &dyn Fn(&mut Case)| {
        let mut smaller = case.clone();
        change(&mut smaller);
        all.push(smaller);
    };
    add(&|case| case.faults.clear());
    add(&|case| case.operations.clear());
    for fault in case.faults.clone() {
        add(&|case: &mut Case| {
            case.faults.remove(&fault);
        });
    }
    for index in 0..case.operations.len() {
        add(&|case: &mut Case| {
            case.operations.remove(index);
        });
    }
    for index in 1..case.starts.len() {
        add(&|case: &mut Case| {
            case.starts.remove(index);
        });
    }
    add(&|case| case.starts.iter_mut().for_each(|start| start.callers = 1));
    add(&|case| case.processes = 1);
    add(&|case| case.processes = 2);
    add(&|case| case.by_shard = false);
    add(&|case| case.limit = None);
    for workflow in 0..case.workflows.len() {
        for place in 0..case.steps() {
            add(&|case: &mut Case| {
                let mut left = place;
                drop_step(&mut case.workflows[workflow].steps, &mut left);
            });
            add(&|case: &mut Case| {
                let mut left = place;
                unwrap_step(&mut case.workflows[workflow].steps, &mut left);
            });
        }
    }
    all
}

/// Removes the step with this number, counted depth first; a list keeps its last step.
fn drop_step(steps: &mut Vec<Step>, left: &mut usize) -> bool {
    for index in 0..steps.len() {
        if *left == 0 {
            if steps.len() > 1 {
                steps.remove(index);
            }
            return true;
        }
        *left -= 1;
        if inner_mut(&mut steps[index].kind).any(|inner| drop_step(inner, left)) {
            return true;
        }
    }
    false
}

/// Puts the steps inside the step with this number in its place.
fn unwrap_step(steps: &mut Vec<Step>, left: &mut usize) -> bool {
    for index in 0..steps.len() {
        if *left == 0 {
            let inner: Vec<Step> =
                inner_mut(&mut steps[index].kind).flat_map(std::mem::take).collect();
            if !inner.is_empty() {
                steps.splice(index..=index, inner);
            }
            return true;
        }
        *left -= 1;
        if inner_mut(&mut steps[index].kind).any(|inner| unwrap_step(inner, left)) {
            return true;
        }
    }
    false
}

/// The case as a test that can be pasted into `tests/schedules.rs`; its JSON is a file of `cases`.
pub fn as_test(name: &str, case: &Case, broken: &Broken) -> String {
    let json = serde_json::to_string(case).unwrap_or_default();
    let Broken { rule, text, at_ms } = broken;
    let text = text.replace('\n', " ");
    format!(
        "/// {rule}, after {at_ms} ms: {text}\n#[test]\nfn {name}() {{\n    let case = serde_json::from_str(r#\"{json}\"#).unwrap();\n    assert_eq!(baton_simulator::run(&case, false).broken, None);\n}}\n"
    )
}
