//! The steps of a definition in one list, each with its place, and what the places of two steps say
//! about which of them runs first.
use crate::document::escaped;
use baton_common::{WorkflowDef, WorkflowTask};
use baton_decider::decide::types;
use baton_decider::task_type::{Facts, Inside};
use std::collections::HashMap;

/// A step and its place.
pub(crate) struct Step<'a> {
    pub(crate) task: &'a WorkflowTask,
    pub(crate) pointer: String,
    /// The facts of its type; `None` for a type of a worker's own.
    pub(crate) facts: Option<&'static Facts>,
    /// The step that it stands in.
    parent: Option<usize>,
    /// Which branch of that step.
    branch: usize,
    /// Its place in the list.
    index: usize,
    /// The step before it in the list.
    before: Option<usize>,
    /// How many steps stand around it.
    depth: usize,
}

impl Step<'_> {
    pub(crate) fn reference(&self) -> &str {
        self.task.task_reference_name.as_deref().unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.task.name.as_deref().unwrap_or_default()
    }

    pub(crate) fn task_type(&self) -> &str {
        &self.task.task_type
    }

    pub(crate) fn is(&self, task_type: &str) -> bool {
        self.task.task_type == task_type
    }

    pub(crate) fn inside(&self) -> Inside {
        self.facts.map_or(Inside::Nothing, |facts| facts.inside)
    }

    pub(crate) fn has_run_time_branches(&self) -> bool {
        self.inside() == Inside::RunTimeBranches
    }

    /// A static text among its input parameters.
    pub(crate) fn input_text(&self, member: &str) -> Option<String> {
        let input = self.task.input_parameters.to_value();
        input.get(member).and_then(serde_json::Value::as_str).map(str::to_owned)
    }
}

/// When a step runs, seen from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Before it, or perhaps in an earlier iteration.
    Before,
    /// It is the same step.
    Same,
    /// Only after it.
    Later,
    /// In another case of the same choice: only one of the two runs.
    OtherCase,
    /// At the same time, in another branch of the same fork.
    Parallel,
}

/// All steps of a definition, each before those inside it.
pub(crate) struct Steps<'a> {
    pub(crate) all: Vec<Step<'a>>,
    by_reference: HashMap<&'a str, usize>,
    has_run_time_branches: bool,
}

impl<'a> Steps<'a> {
    pub(crate) fn of(definition: &'a WorkflowDef) -> Self {
        let mut steps =
            Self { all: Vec::new(), by_reference: HashMap::new(), has_run_time_branches: false };
        steps.list(&definition.tasks, "/tasks", (None, 0));
        steps.has_run_time_branches = steps.all.iter().any(Step::has_run_time_branches);
        for (index, step) in steps.all.iter().enumerate() {
            if let Some(name) = step.task.task_reference_name.as_deref() {
                steps.by_reference.entry(name).or_insert(index);
            }
        }
        steps
    }

    fn list(
        &mut self,
        tasks: &'a [WorkflowTask],
        pointer: &str,
        (parent, branch): (Option<usize>, usize),
    ) {
        let mut before = None;
        for (index, task) in tasks.iter().enumerate() {
            let pointer = format!("{pointer}/{index}");
            let depth = parent.map_or(0, |parent| self.all[parent].depth + 1);
            let facts = types::all().find(|facts| facts.name == task.task_type);
            let place = self.all.len();
            let within = pointer.clone();
            self.all.push(Step { task, pointer, facts, parent, branch, index, before, depth });
            before = Some(place);
            for (branch, (name, tasks)) in branches(task).enumerate() {
                self.list(tasks, &format!("{within}/{name}"), (Some(place), branch));
            }
        }
    }

    pub(crate) fn find(&self, reference: &str) -> Option<usize> {
        self.by_reference.get(reference).copied()
    }

    pub(crate) fn references(&self) -> impl Iterator<Item = &'a str> {
        self.by_reference.keys().copied()
    }

    /// Whether names may come to be at run time.
    pub(crate) fn has_run_time_branches(&self) -> bool {
        self.has_run_time_branches
    }

    /// The step before another one in its list.
    pub(crate) fn before(&self, step: usize) -> Option<&Step<'a>> {
        self.all[step].before.map(|before| &self.all[before])
    }

    /// The steps around one, the innermost first.
    pub(crate) fn around(&self, step: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(self.all[step].parent, |step| self.all[*step].parent)
    }

    /// Whether a step stands in another one, at any depth.
    pub(crate) fn is_within(&self, inner: usize, outer: usize) -> bool {
        self.around(inner).any(|step| step == outer)
    }

    /// When `other` runs, seen from `step`.
    pub(crate) fn order(&self, other: usize, step: usize) -> Order {
        let order = self.order_in_one_pass(other, step);
        let mut common = self.around(step).filter(|loop_step| {
            self.all[*loop_step].inside() == Inside::Body && self.is_within(other, *loop_step)
        });
        if order != Order::Before && common.next().is_some() { Order::Before } else { order }
    }

    fn order_in_one_pass(&self, other: usize, step: usize) -> Order {
        if other == step {
            return Order::Same;
        }
        let (mut left, mut right) = (other, step);
        let up = |step: usize| self.all[step].parent;
        while self.all[left].depth > self.all[right].depth {
            left = up(left).unwrap_or(left);
        }
        while self.all[right].depth > self.all[left].depth {
            right = up(right).unwrap_or(right);
        }
        if left == right {
            // One stands in the other, whose input is resolved first, but for a loop's.
            let is_inner = left == step && self.all[step].inside() != Inside::Body;
            return if is_inner { Order::Later } else { Order::Before };
        }
        while up(left) != up(right) {
            left = up(left).unwrap_or(left);
            right = up(right).unwrap_or(right);
        }
        let (left, right) = (&self.all[left], &self.all[right]);
        if left.branch == right.branch {
            return if left.index < right.index { Order::Before } else { Order::Later };
        }
        match left.parent.map(|parent| self.all[parent].inside()) {
            Some(Inside::Cases) => Order::OtherCase,
            Some(Inside::Branches) => Order::Parallel,
            _ => Order::Before,
        }
    }
}

/// The lists of steps in a step, each by its pointer from there.
pub(crate) fn branches(task: &WorkflowTask) -> impl Iterator<Item = (String, &Vec<WorkflowTask>)> {
    let cases = task.decision_cases.iter();
    let cases = cases.map(|(case, list)| (format!("decisionCases/{}", escaped(case)), list));
    let forks = task.fork_tasks.iter().enumerate();
    let forks = forks.map(|(index, list)| (format!("forkTasks/{index}"), list));
    cases
        .chain([("defaultCase".to_owned(), &task.default_case)])
        .chain(forks)
        .chain([("loopOver".to_owned(), &task.loop_over)])
}
