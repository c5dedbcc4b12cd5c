//! What a workflow comes to, read from its definition alone: an interpreter that knows nothing of
//! the engine. It goes step by step, each branch by itself, and knows no time.
//!
//! Where several branches can end an execution, which one does depends on the moment; then only the
//! set of possible ends is known, and the tasks are a part of those that could have run.
use crate::case::{By, Case, Does, Kind, LoopBy, ScriptKind, Source, Step};
use crate::definition::{PLAIN_LIMIT, branch_name, last_name};
use std::collections::{BTreeMap, BTreeSet};

/// What an execution comes to.
#[derive(Clone, Debug, Default)]
pub struct Prediction {
    /// Tasks by full reference name.
    pub tasks: BTreeMap<String, Task>,
    /// Tasks that a loop has forgotten, where it came so far.
    pub forgotten: BTreeSet<String>,
    /// Possible ends.
    pub ends: BTreeSet<&'static str>,
    /// The `n` of its output, when it completes by itself.
    pub output: Option<i64>,
    /// Whether every task that is predicted has run.
    pub is_exact: bool,
}

/// What a task comes to.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its last status.
    pub status: &'static str,
    /// The number that it puts out, and in which member.
    pub number: Option<(&'static str, i64)>,
    /// How many attempts fail before, at least.
    pub failures: u32,
    /// The execution it starts, and that execution's number.
    pub child: Option<(usize, i64)>,
}

enum Flow {
    GoesOn,
    Ends(BTreeSet<&'static str>),
}

/// Predicts a workflow with this input.
pub fn predict(case: &Case, workflow: usize, n: i64) -> Prediction {
    let mut reader = Reader {
        case,
        input: n,
        made: Prediction { is_exact: true, ..Prediction::default() },
        in_fork: 0,
        uncertain: BTreeSet::new(),
    };
    let mut numbers = BTreeMap::new();
    let steps = &case.workflows[workflow].steps;
    match reader.run(steps, "", &mut numbers) {
        Flow::GoesOn => {
            reader.made.ends = BTreeSet::from(["COMPLETED"]);
            let output = &case.workflows[workflow].output;
            reader.made.output = reader.value(output, &numbers);
        }
        Flow::Ends(ends) => reader.made.ends = ends,
    }
    reader.made.ends.append(&mut reader.uncertain);
    reader.made
}

type Numbers = BTreeMap<String, i64>;

struct Reader<'c> {
    case: &'c Case,
    input: i64,
    made: Prediction,
    in_fork: u32,
    /// Ends that a child may bring, or not.
    uncertain: BTreeSet<&'static str>,
}

impl Reader<'_> {
    fn value(&self, source: &Source, numbers: &Numbers) -> Option<i64> {
        match source {
            Source::Constant(n) => Some(*n),
            Source::Input => Some(self.input),
            Source::Output(name) | Source::Variable(name) => numbers.get(name).copied(),
        }
    }

    fn run(&mut self, steps: &[Step], suffix: &str, numbers: &mut Numbers) -> Flow {
        for step in steps {
            if let Flow::Ends(ends) = self.step(step, suffix, numbers) {
                return Flow::Ends(ends);
            }
        }
        Flow::GoesOn
    }

    fn note(&mut self, name: &str, suffix: &str, task: Task) {
        self.made.tasks.insert(format!("{name}{suffix}"), task);
    }

    fn step(&mut self, step: &Step, suffix: &str, numbers: &mut Numbers) -> Flow {
        let name = &step.name;
        let of = |source: &Source, reader: &Self| reader.value(source, numbers).unwrap_or(0);
        match &step.kind {
            Kind::Work { does, input, .. } => {
                let n = of(input, self);
                self.work(step, (*does, n), suffix, numbers)
            }
            Kind::Script { script, input } => {
                let n = of(input, self);
                self.script(step, (*script, n), suffix, numbers)
            }
            Kind::Set { input } => {
                let n = of(input, self);
                numbers.insert(name.clone(), n);
                self.good(name, suffix, None)
            }
            Kind::Switch { by, input, cases, default } => {
                let n = of(input, self);
                let count = i64::try_from(cases.len()).unwrap_or(0);
                let chosen = match by {
                    By::Value => n,
                    By::Plain => i64::from(n >= PLAIN_LIMIT),
                    By::Script => n.abs() % (count + 1),
                };
                self.good(name, suffix, None);
                let branch = usize::try_from(chosen).ok().and_then(|index| cases.get(index));
                self.run(branch.unwrap_or(default), suffix, &mut numbers.clone())
            }
            Kind::Loop { rounds, by, keep, body } => {
                self.repeat(step, (*rounds, *by, *keep, body), suffix, numbers)
            }
            Kind::Fork { branches } => self.fork(step, branches, suffix, numbers),
            Kind::Many { count, child, input } => {
                let n = of(input, self);
                self.many(step, (*count, *child, n), suffix)
            }
            Kind::Child { workflow, input } => {
                let n = of(input, self);
                self.child(name, step.optional, (*workflow, n), suffix)
            }
            Kind::Start { workflow, input } => {
                let child = Some((*workflow, of(input, self)));
                self.note(
                    name,
                    suffix,
                    Task { status: "COMPLETED", number: None, failures: 0, child },
                );
                Flow::GoesOn
            }
            Kind::Terminate { status } => {
                self.good(name, suffix, None);
                let end =
                    ["COMPLETED", "FAILED", "TERMINATED"].into_iter().find(|end| end == status);
                self.ends(end.into_iter().collect())
            }
            Kind::Wait { .. } | Kind::Signal | Kind::Human | Kind::Noop => {
                self.good(name, suffix, None)
            }
        }
    }

    fn good(&mut self, name: &str, suffix: &str, number: Option<(&'static str, i64)>) -> Flow {
        self.note(name, suffix, Task { status: "COMPLETED", number, failures: 0, child: None });
        Flow::GoesOn
    }

    fn ends(&mut self, ends: BTreeSet<&'static str>) -> Flow {
        self.made.is_exact &= self.in_fork == 0;
        Flow::Ends(ends)
    }

    fn bad(&mut self, step: &Step, suffix: &str, status: &'static str, failures: u32) -> Flow {
        let status = if step.optional { "COMPLETED_WITH_ERRORS" } else { status };
        self.note(&step.name, suffix, Task { status, number: None, failures, child: None });
        if step.optional { Flow::GoesOn } else { self.ends(BTreeSet::from(["FAILED"])) }
    }

    fn work(
        &mut self,
        step: &Step,
        (does, n): (Does, i64),
        suffix: &str,
        numbers: &mut Numbers,
    ) -> Flow {
        let failures = match does {
            Does::Succeeds => 0,
            Does::FailsFirst(times) => times,
            Does::Fails => {
                let Kind::Work { retries, .. } = &step.kind else { return Flow::GoesOn };
                return self.bad(step, suffix, "FAILED", *retries);
            }
            Does::FailsForGood => return self.bad(step, suffix, "FAILED_WITH_TERMINAL_ERROR", 0),
        };
        numbers.insert(step.name.clone(), n + 1);
        let task = Task { status: "COMPLETED", number: Some(("n", n + 1)), failures, child: None };
        self.note(&step.name, suffix, task);
        Flow::GoesOn
    }

    fn script(
        &mut self,
        step: &Step,
        (script, n): (ScriptKind, i64),
        suffix: &str,
        numbers: &mut Numbers,
    ) -> Flow {
        let result = match script {
            ScriptKind::Plain => n,
            ScriptKind::Inline => n.abs() + 2,
            ScriptKind::Lambda => n.abs() + 4,
            ScriptKind::Jq => n + 3,
            ScriptKind::Broken => return self.bad(step, suffix, "FAILED_WITH_TERMINAL_ERROR", 0),
        };
        numbers.insert(step.name.clone(), result);
        self.good(&step.name, suffix, Some(("result", result)))
    }

    fn repeat(
        &mut self,
        step: &Step,
        (rounds, by, keep, body): (u32, LoopBy, Option<u32>, &[Step]),
        suffix: &str,
        numbers: &Numbers,
    ) -> Flow {
        let rounds = if by == LoopBy::Items { rounds } else { rounds.max(1) };
        for round in 1..=rounds {
            let inner = format!("{suffix}__{round}");
            let before: BTreeSet<String> = self.made.tasks.keys().cloned().collect();
            if let Flow::Ends(ends) = self.run(body, &inner, &mut numbers.clone()) {
                self.note(
                    &step.name,
                    suffix,
                    Task { status: "CANCELED", number: None, failures: 0, child: None },
                );
                return Flow::Ends(ends);
            }
            if keep.is_some_and(|keep| round + keep <= rounds) {
                // Forgotten once a later iteration begins.
                let old: Vec<String> = self
                    .made
                    .tasks
                    .keys()
                    .filter(|name| !before.contains(*name))
                    .cloned()
                    .collect();
                self.made.tasks.retain(|name, _| before.contains(name));
                self.made.forgotten.extend(old);
            }
        }
        self.good(&step.name, suffix, None)
    }

    fn fork(
        &mut self,
        step: &Step,
        branches: &[Vec<Step>],
        suffix: &str,
        numbers: &Numbers,
    ) -> Flow {
        self.good(&step.name, suffix, None);
        let mut ends = BTreeSet::new();
        self.in_fork += 1;
        for branch in branches {
            if let Flow::Ends(more) = self.run(branch, suffix, &mut numbers.clone()) {
                ends.extend(more);
            }
        }
        self.in_fork -= 1;
        let last = branches.iter().filter_map(|branch| branch.last()).map(last_name);
        let last: Vec<String> = last.collect();
        self.join(&step.name, suffix, &last, ends)
    }

    fn many(
        &mut self,
        step: &Step,
        (count, child, n): (u32, Option<usize>, i64),
        suffix: &str,
    ) -> Flow {
        self.good(&step.name, suffix, None);
        let mut ends = BTreeSet::new();
        self.in_fork += 1;
        let names: Vec<String> = (0..count).map(|index| branch_name(&step.name, index)).collect();
        for name in &names {
            match child {
                None => {
                    self.good(name, suffix, Some(("n", n + 1)));
                }
                Some(workflow) => {
                    if let Flow::Ends(more) = self.child(name, false, (workflow, n), suffix) {
                        ends.extend(more);
                    }
                }
            }
        }
        self.in_fork -= 1;
        self.join(&step.name, suffix, &names, ends)
    }

    fn join(
        &mut self,
        name: &str,
        suffix: &str,
        on: &[String],
        ends: BTreeSet<&'static str>,
    ) -> Flow {
        let join = format!("{name}j");
        if !ends.is_empty() {
            self.note(
                &join,
                suffix,
                Task { status: "CANCELED", number: None, failures: 0, child: None },
            );
            self.made.is_exact = false;
            return Flow::Ends(ends);
        }
        let is_flawed = on.iter().any(|name| {
            let task = self.made.tasks.get(&format!("{name}{suffix}"));
            task.is_some_and(|task| task.status == "COMPLETED_WITH_ERRORS")
        });
        let status = if is_flawed { "COMPLETED_WITH_ERRORS" } else { "COMPLETED" };
        self.note(&join, suffix, Task { status, number: None, failures: 0, child: None });
        Flow::GoesOn
    }

    fn child(
        &mut self,
        name: &str,
        is_optional: bool,
        (workflow, n): (usize, i64),
        suffix: &str,
    ) -> Flow {
        let made = predict(self.case, workflow, n);
        let child = Some((workflow, n));
        let bad: BTreeSet<&'static str> =
            made.ends.iter().copied().filter(|end| *end != "COMPLETED").collect();
        if bad.is_empty() {
            let number = made.output.map(|n| ("n", n));
            self.note(name, suffix, Task { status: "COMPLETED", number, failures: 0, child });
            return Flow::GoesOn;
        }
        let may_complete = made.ends.contains("COMPLETED");
        self.made.is_exact &= !may_complete;
        let status = if may_complete {
            "?"
        } else if is_optional {
            "COMPLETED_WITH_ERRORS"
        } else if bad.contains("TERMINATED") {
            if bad.len() > 1 { "?" } else { "CANCELED" }
        } else {
            "FAILED"
        };
        self.note(name, suffix, Task { status, number: None, failures: 0, child });
        if is_optional {
            return Flow::GoesOn;
        }
        if may_complete {
            // What comes after it may run or not.
            self.uncertain.extend(bad);
            return Flow::GoesOn;
        }
        self.ends(bad)
    }
}
