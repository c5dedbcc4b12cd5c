//! Makes random cases from a seed.
use crate::case::{
    Action, By, Case, Does, Fault, Kind, LoopBy, Operation, ScriptKind, Source, Start, Step,
    Workflow,
};
use crate::dice::Dice;
use std::collections::BTreeSet;

/// Deepest nesting of steps in steps.
const DEPTH_MAX: usize = 6;
/// Most steps of a case; half of the cases have at most five.
const STEPS_MAX: usize = 24;
/// Attempts enough for any number of lost leases.
const RETRIES_ENOUGH: u32 = 100;
/// When the last start and the last operation happen, ms.
const LAST_MS: u64 = 20_000;

/// Which faults and operations a case may have.
#[derive(Clone, Debug)]
pub struct Allowed {
    /// Faults.
    pub faults: BTreeSet<Fault>,
    /// Operations.
    pub actions: Vec<Action>,
}

/// Faults and operations that break promises today. `docs/simulator.md` says which and why; they are
/// left out unless they are asked for by name.
pub const OPEN_FAULTS: &[Fault] = &[Fault::Corrupt];
/// See [`OPEN_FAULTS`].
pub const OPEN_ACTIONS: &[Action] = &[];

impl Default for Allowed {
    fn default() -> Self {
        let faults = Fault::ALL.into_iter().filter(|fault| !OPEN_FAULTS.contains(fault));
        let actions = Action::ALL.into_iter().filter(|action| !OPEN_ACTIONS.contains(action));
        Self { faults: faults.collect(), actions: actions.collect() }
    }
}

impl Allowed {
    /// Takes one more, or leaves one out, by its name; false when there is none of that name.
    pub fn set(&mut self, name: &str, is_allowed: bool) -> bool {
        let fault = Fault::ALL.into_iter().find(|fault| format!("{fault:?}") == name);
        let action = Action::ALL.into_iter().find(|action| format!("{action:?}") == name);
        if let Some(fault) = fault {
            self.faults.remove(&fault);
            self.faults.extend(is_allowed.then_some(fault));
        }
        if let Some(action) = action {
            self.actions.retain(|known| *known != action);
            self.actions.extend(is_allowed.then_some(action));
        }
        fault.is_some() || action.is_some()
    }
}

/// The case of a seed.
pub fn case(seed: u64, allowed: &Allowed) -> Case {
    let mut dice = Dice::new(seed ^ 0x5157_0000_0000_0001);
    let budget = 1
        + dice.roll(5)
        + dice.roll(5) * dice.roll(3).min(1)
        + dice.roll(STEPS_MAX - 9) * usize::from(dice.chance(200));
    let count = 1 + dice.roll(3).min(budget - 1);
    let mut workflows = Vec::new();
    for index in (0..count).rev() {
        let author =
            Author { dice: &mut dice, left: (budget / count).max(1), steps: 0, index, count };
        workflows.push(author.workflow());
    }
    workflows.reverse();
    let starts = (0..=dice.roll(2)).map(|n| start(&mut dice, n, count)).collect();
    let has_operations = !allowed.actions.is_empty() && dice.chance(450);
    let operations = (0..if has_operations { 1 + dice.roll(5) } else { 0 })
        .map(|_| Operation {
            at_ms: dice.between(20, LAST_MS),
            action: dice.pick(&allowed.actions),
            target: dice.roll(8),
        })
        .collect();
    let calm = dice.chance(150);
    let faults = allowed.faults.iter().copied().filter(|_| !calm && dice.chance(250)).collect();
    Case {
        seed,
        limit: limit_of(seed),
        processes: 1 + dice.roll(3),
        by_shard: dice.chance(250),
        workflows,
        starts,
        operations,
        faults,
    }
}

fn start(dice: &mut Dice, n: usize, count: usize) -> Start {
    Start {
        workflow: if n == 0 { 0 } else { dice.roll(count) },
        at_ms: dice.between(0, LAST_MS / 10) * n as u64,
        n: i64::try_from(dice.roll(6)).unwrap_or(0),
        callers: 1 + u32::from(dice.chance(300)),
    }
}

struct Author<'a> {
    dice: &'a mut Dice,
    left: usize,
    steps: usize,
    index: usize,
    count: usize,
}

/// The steps whose output, and the variables whose value, a step may read.
type Readable = Vec<Source>;

impl Author<'_> {
    fn workflow(mut self) -> Workflow {
        let mut readable = vec![Source::Input];
        let steps = self.sequence(0, &mut readable, false);
        let output = self.source(&readable);
        let failure = self.later().filter(|_| self.dice.chance(200));
        Workflow { steps, output, failure }
    }

    /// A workflow behind this one.
    fn later(&mut self) -> Option<usize> {
        let behind = self.count - self.index - 1;
        (behind > 0).then(|| self.index + 1 + self.dice.roll(behind))
    }

    fn source(&mut self, readable: &Readable) -> Source {
        if self.dice.chance(150) {
            return Source::Constant(i64::try_from(self.dice.roll(5)).unwrap_or(0));
        }
        let newest = readable.len() - 1 - self.dice.roll(readable.len().min(3));
        readable[newest].clone()
    }

    fn sequence(&mut self, depth: usize, readable: &mut Readable, in_fork: bool) -> Vec<Step> {
        let length = 1 + self.dice.roll(if depth == 0 { self.left.min(6) } else { 3 });
        let mut steps = Vec::new();
        for _ in 0..length {
            if self.left == 0 && !steps.is_empty() {
                break;
            }
            self.left = self.left.saturating_sub(1);
            steps.push(self.step(depth, readable, in_fork));
        }
        steps
    }

    fn step(&mut self, depth: usize, readable: &mut Readable, in_fork: bool) -> Step {
        self.steps += 1;
        let name = format!("s{}", self.steps);
        let may_nest = depth + 1 < DEPTH_MAX && self.left > 0;
        let kind = match self.dice.roll(if may_nest { 24 } else { 17 }) {
            0..=4 => self.work(readable),
            5..=7 => self.script(readable),
            8 => Kind::Set { input: self.source(readable) },
            9 | 10 => Kind::Wait { seconds: 1 + u32::try_from(self.dice.roll(4)).unwrap_or(0) },
            11 => {
                if self.dice.chance(500) {
                    Kind::Signal
                } else {
                    Kind::Human
                }
            }
            12 => Kind::Noop,
            13 => self.terminate(),
            14..=16 => self.child(readable),
            17..=19 => self.switch(depth, readable, in_fork),
            20 | 21 => self.repeat(depth, readable, in_fork),
            22 => self.fork(depth, readable),
            _ => Kind::Many {
                count: u32::try_from(self.dice.roll(4)).unwrap_or(0),
                child: self.later().filter(|_| self.dice.chance(400)),
                input: self.source(readable),
            },
        };
        let optional = self.dice.chance(150) && may_be_optional(&kind);
        let step = Step { name, optional, kind };
        readable.extend(readable_of(&step));
        step
    }

    fn work(&mut self, readable: &Readable) -> Kind {
        let does = match self.dice.roll(20) {
            0..=13 => Does::Succeeds,
            14..=16 => Does::FailsFirst(1 + u32::try_from(self.dice.roll(2)).unwrap_or(0)),
            17 | 18 => Does::Fails,
            _ => Does::FailsForGood,
        };
        let is_failing = matches!(does, Does::Fails | Does::FailsForGood);
        Kind::Work {
            does,
            retries: if is_failing {
                u32::try_from(self.dice.roll(3)).unwrap_or(0)
            } else {
                RETRIES_ENOUGH
            },
            delay_s: u32::try_from(self.dice.roll(3)).unwrap_or(0),
            start_delay_s: u32::from(self.dice.chance(100)) * 2,
            input: self.source(readable),
            is_dynamic: !is_failing && self.dice.chance(100),
        }
    }

    fn script(&mut self, readable: &Readable) -> Kind {
        let script = match self.dice.roll(12) {
            0..=2 => ScriptKind::Plain,
            3..=5 => ScriptKind::Inline,
            6 | 7 => ScriptKind::Lambda,
            8..=10 => ScriptKind::Jq,
            _ => ScriptKind::Broken,
        };
        Kind::Script { script, input: self.source(readable) }
    }

    fn terminate(&mut self) -> Kind {
        let status = self.dice.pick(&["COMPLETED", "FAILED", "TERMINATED"]).to_owned();
        if self.dice.chance(400) { Kind::Terminate { status } } else { Kind::Noop }
    }

    fn child(&mut self, readable: &Readable) -> Kind {
        let Some(workflow) = self.later() else { return self.work(readable) };
        let input = self.source(readable);
        if self.dice.chance(250) {
            Kind::Start { workflow, input }
        } else {
            Kind::Child { workflow, input }
        }
    }

    fn switch(&mut self, depth: usize, readable: &Readable, in_fork: bool) -> Kind {
        let count = 1 + self.dice.roll(2);
        let cases = (0..count)
            .map(|_| {
                if self.dice.chance(150) {
                    Vec::new()
                } else {
                    self.sequence(depth + 1, &mut readable.clone(), in_fork)
                }
            })
            .collect();
        let default = if self.dice.chance(300) {
            Vec::new()
        } else {
            self.sequence(depth + 1, &mut readable.clone(), in_fork)
        };
        let by = self.dice.pick(&[By::Value, By::Plain, By::Script]);
        Kind::Switch { by, input: self.source(readable), cases, default }
    }

    fn repeat(&mut self, depth: usize, readable: &Readable, in_fork: bool) -> Kind {
        let rounds = 1 + u32::try_from(self.dice.roll(3)).unwrap_or(0);
        let by = self.dice.pick(&[LoopBy::Plain, LoopBy::Script, LoopBy::Items]);
        let keep = self.dice.chance(150).then_some(1);
        Kind::Loop {
            rounds,
            by,
            keep,
            body: self.sequence(depth + 1, &mut readable.clone(), in_fork),
        }
    }

    fn fork(&mut self, depth: usize, readable: &Readable) -> Kind {
        let branches = 1 + self.dice.roll(3);
        let branches = (0..branches).map(|_| self.branch(depth, readable)).collect();
        Kind::Fork { branches }
    }

    /// A JOIN does not wait for what is inside a SWITCH, so none stands last.
    fn branch(&mut self, depth: usize, readable: &Readable) -> Vec<Step> {
        let mut steps = self.sequence(depth + 1, &mut readable.clone(), true);
        if matches!(steps.last(), Some(Step { kind: Kind::Switch { .. }, .. }) | None) {
            self.steps += 1;
            let name = format!("s{}", self.steps);
            steps.push(Step { name, optional: false, kind: Kind::Noop });
        }
        steps
    }
}

fn may_be_optional(kind: &Kind) -> bool {
    matches!(kind, Kind::Work { .. } | Kind::Script { .. } | Kind::Child { .. })
}

/// What later steps may read of a step.
fn readable_of(step: &Step) -> Option<Source> {
    let is_certain = match &step.kind {
        Kind::Work { does: Does::Succeeds | Does::FailsFirst(_), .. } => true,
        Kind::Script { script, .. } => *script != ScriptKind::Broken,
        Kind::Set { .. } => return Some(Source::Variable(step.name.clone())),
        Kind::Work { .. }
        | Kind::Switch { .. }
        | Kind::Loop { .. }
        | Kind::Fork { .. }
        | Kind::Many { .. }
        | Kind::Child { .. }
        | Kind::Start { .. }
        | Kind::Wait { .. }
        | Kind::Signal
        | Kind::Human
        | Kind::Terminate { .. }
        | Kind::Noop => false,
    };
    (is_certain && !step.optional).then(|| Source::Output(step.name.clone()))
}

/// A third of the seeds limit their tasks to one or two of a type at a time. No chance is drawn for it, so
/// that the rest of a seed's case does not depend on it.
fn limit_of(seed: u64) -> Option<u32> {
    (seed % 3 == 1).then_some(if seed.is_multiple_of(2) { 1 } else { 2 })
}
