//! What came about because of a task: the steps behind it and inside it, and the joins and loops
//! around it that must wait again when it is done again.
use super::Decider;
use crate::json;
use crate::plan::{Kind, Next, Node, NodeId, Plan};
use crate::state::Task;
use crate::task_type::Joins;
use std::collections::HashSet;
use std::sync::Arc;

impl Decider {
    /// The task, then what it is part of, from the inside out: loops, and the JOIN of a dynamic
    /// branch.
    pub(super) fn origins(&self, target: &Arc<Task>) -> Vec<Arc<Task>> {
        let mut origins = vec![target.clone()];
        let mut current = target.clone();
        while let Some(around) = self.around(&current) {
            if origins.iter().any(|known| known.seq == around.seq) {
                break;
            }
            origins.push(around.clone());
            current = around;
        }
        origins
    }

    fn around(&self, task: &Task) -> Option<Arc<Task>> {
        let around = task.loop_task.and_then(|seq| self.execution.task(seq));
        let is_of_branch = around.is_some_and(|around| around.place.plan == task.place.plan);
        if task.place.plan == 0 || is_of_branch {
            return around.cloned();
        }
        self.join_of_branch(task).or_else(|| around.cloned())
    }

    /// The JOIN that waits for the dynamic branch a task belongs to.
    fn join_of_branch(&self, task: &Task) -> Option<Arc<Task>> {
        let tasks = || self.execution.tasks.values();
        let plan = task.place.plan;
        let names: HashSet<&Arc<str>> = tasks()
            .filter(|other| other.place.plan == plan && other.suffix() == task.suffix())
            .map(|other| &other.reference)
            .collect();
        let waits = |other: &&Arc<Task>| {
            other.join_on.iter().flat_map(|on| on.iter()).any(|name| names.contains(name))
        };
        let mut joins = tasks().filter(|other| other.place.plan != plan).filter(waits);
        joins.next().cloned()
    }

    /// Every task that came about because of the first origin: its later attempts, the steps behind
    /// it and behind what it is part of, later iterations, and all that stands inside of these.
    pub(super) fn consequences(&self, origins: &[Arc<Task>]) -> Vec<u32> {
        let Some(target) = origins.first() else { return Vec::new() };
        let mut doomed: HashSet<u32> = HashSet::new();
        let tasks = || self.execution.tasks.values();
        for (level, origin) in origins.iter().enumerate() {
            let after = nodes_after(&self.plan_of(origin.place), origin.place.node, level == 0);
            let is_after = |task: &&Arc<Task>| {
                let same_iteration = task.suffix() == origin.suffix();
                let is_behind = same_iteration
                    && task.place.plan == origin.place.plan
                    && after.contains(&task.place.node);
                let is_later = origin.loop_task.is_some()
                    && task.around_iteration() > origin.around_iteration();
                task.loop_task == origin.loop_task && (is_behind || is_later)
            };
            doomed.extend(tasks().filter(is_after).map(|task| task.seq));
        }
        let is_repeated =
            |task: &&Arc<Task>| task.reference == target.reference && task.seq > target.seq;
        doomed.extend(tasks().filter(is_repeated).map(|task| task.seq));
        for origin in origins {
            doomed.remove(&origin.seq);
        }
        self.with_insides(target, doomed)
    }

    /// Adds what stands inside of loops and dynamic forks, the target's own too.
    fn with_insides(&self, target: &Task, mut doomed: HashSet<u32>) -> Vec<u32> {
        let mut makers: HashSet<u32> = doomed.clone();
        makers.insert(target.seq);
        while !makers.is_empty() {
            let plans = self.branch_plans(&makers);
            let inside = |task: &&Arc<Task>| {
                let in_loop = task.loop_task.is_some_and(|around| makers.contains(&around));
                in_loop || plans.contains(&task.place.plan)
            };
            let inside = self.execution.tasks.values().filter(inside).map(|task| task.seq);
            makers = inside.filter(|seq| *seq != target.seq && !doomed.contains(seq)).collect();
            doomed.extend(&makers);
        }
        let mut seqs: Vec<u32> = doomed.into_iter().collect();
        seqs.sort_unstable();
        seqs
    }

    /// The plans of the branches that these dynamic forks have made.
    fn branch_plans(&self, forks: &HashSet<u32>) -> HashSet<u32> {
        let mut plans = HashSet::new();
        for fork in forks.iter().filter_map(|seq| self.execution.task(*seq)) {
            if !matches!(self.execution.node_of(fork).kind, Kind::RunTimeBranches { .. }) {
                continue;
            }
            let names = json::members(&fork.input).swap_remove("forkedTasks");
            let names = names.and_then(|names| json::elements(&names)).unwrap_or_default();
            for name in names.iter().filter_map(json::text) {
                let branch = self.execution.by_reference(&format!("{name}{}", fork.suffix()));
                plans.extend(branch.map(|task| task.place.plan).filter(|plan| *plan > 0));
            }
        }
        plans
    }

    /// Joins that stand behind any of these tasks, whose outcome they may change.
    pub(super) fn joins_behind(&self, origins: &[Arc<Task>]) -> HashSet<u32> {
        let mut found = HashSet::new();
        for origin in origins {
            let plan = self.plan_of(origin.place);
            let mut next = plan.node(origin.place.node).and_then(next_node);
            // The nodes of a plan form no circle, so that a walk has at most as many steps.
            let mut steps = plan.nodes.len();
            while let Some(id) = next.filter(|_| steps > 0) {
                steps -= 1;
                let Some(node) = plan.node(id) else { break };
                if node.facts.joins == Joins::All {
                    let full = format!("{}{}", node.reference, origin.suffix());
                    found.extend(self.execution.by_reference(&full).map(|task| task.seq));
                }
                next = next_node(node);
            }
        }
        found
    }
}

/// The nodes that can only come after a node. Joins that wait for other branches too are not among
/// them: those wait again instead.
fn nodes_after(plan: &Plan, start: NodeId, with_inside: bool) -> HashSet<NodeId> {
    let mut after = HashSet::new();
    let mut passed = HashSet::new();
    let mut own_joins: HashSet<NodeId> = HashSet::new();
    let mut open: Vec<NodeId> = Vec::new();
    if let Some(node) = plan.node(start) {
        if with_inside {
            open.extend(entered(node));
            own_joins.extend(join_of(node));
        }
        open.extend(next_node(node));
    }
    while let Some(id) = open.pop() {
        let Some(node) = plan.node(id).filter(|_| passed.insert(id)) else { continue };
        let waits_for_others = node.facts.joins == Joins::All && !own_joins.contains(&id);
        if !waits_for_others {
            after.insert(id);
            own_joins.extend(join_of(node));
        }
        open.extend(next_node(node));
        open.extend(entered(node));
    }
    after
}

fn next_node(node: &Node) -> Option<NodeId> {
    match node.next {
        Next::Node(id) => Some(id),
        Next::LoopEnd | Next::End => None,
    }
}

fn join_of(node: &Node) -> Option<NodeId> {
    match node.kind {
        Kind::Branches { join, .. } | Kind::RunTimeBranches { join } => join,
        Kind::Leaf | Kind::Named { .. } | Kind::Cases(_) | Kind::Body(_) => None,
    }
}

/// The first nodes inside a node.
fn entered(node: &Node) -> Vec<NodeId> {
    match &node.kind {
        Kind::Cases(cases) => {
            cases.cases.values().flatten().copied().chain(cases.default).collect()
        }
        Kind::Branches { branches, .. } => branches.clone(),
        Kind::Leaf | Kind::Named { .. } | Kind::RunTimeBranches { .. } | Kind::Body(_) => {
            Vec::new()
        }
    }
}
