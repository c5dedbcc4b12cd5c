//! Rerun: the target and everything causally after it is done again, siblings are kept.
//! **Source**: conductor-semantics §5.2 and §10 no. 12, where Conductor deletes unrelated branches.
use super::{Decider, Step};
use crate::change::{Change, Restart, TaskReopening};
use crate::command::{Rejection, Rerun};
use crate::plan::{Kind, Next, Node, NodeId};
use crate::state::{Delivery, Output, Task};
use baton_common::{Payload, TaskStatus};
use std::collections::HashSet;
use std::sync::Arc;

impl Decider {
    pub(super) fn rerun(&mut self, rerun: Rerun) -> Result<(), Rejection> {
        let status = self.execution.status;
        if !status.is_terminal() {
            return Err(Rejection::NotEnded(status));
        }
        let Some(seq) = rerun.from else { return self.rerun_whole(rerun.correlation_id) };
        let Some(target) = self.execution.task(seq).cloned() else {
            let id = self.execution.id().task(seq);
            return Err(Rejection::NoTaskToRerun(id.to_string()));
        };
        self.reopen();
        self.forget_after(&target);
        self.revive_around(&target);
        let plan = self.plan_of(target.runs.unwrap_or(target.place));
        if let Some(node) = plan.node(target.runs.unwrap_or(target.place).node) {
            self.redo(&target, node, rerun.task_input);
        }
        self.tell_parent_of_reopening();
        Ok(())
    }

    fn rerun_whole(&mut self, correlation_id: Option<String>) -> Result<(), Rejection> {
        self.record(Change::ExecutionRestarted(Box::new(Restart {
            at: self.now(),
            variables: Some(self.execution.variables.clone()),
            is_new_start: false,
            correlation_id,
            workflow_version: None,
            last_seq: self.execution.last_seq,
            failed_references: self.execution.failed_references.iter().cloned().collect(),
        })));
        self.tell_parent_of_reopening();
        self.begin()
    }

    /// Forgets every task that came about because of the target: its later attempts, the steps behind
    /// it, and what stands inside it.
    fn forget_after(&mut self, target: &Task) {
        let after = self.nodes_after(target);
        let execution = &self.execution;
        let is_after = |task: &Task| {
            let same_step = task.reference == target.reference && task.seq != target.seq;
            let behind = task.loop_task == target.loop_task
                && task.iteration >= target.iteration
                && task.place.plan == target.place.plan
                && after.contains(&task.place.node);
            let inside = task.loop_task == Some(target.seq);
            let later_iteration =
                target.loop_task.is_some() && task.loop_task == target.loop_task
                    && task.iteration > target.iteration;
            let branch_of_fork = task.place.plan > 0 && after.contains(&BRANCHES);
            (same_step || behind || inside || later_iteration || branch_of_fork)
                && task.seq != target.seq
                && task.seq > target.seq
        };
        let mut doomed: HashSet<u32> =
            execution.tasks.values().filter(|task| is_after(task)).map(|task| task.seq).collect();
        let nested = |task: &Task| task.loop_task.is_some_and(|around| doomed.contains(&around));
        let inner: Vec<u32> =
            execution.tasks.values().filter(|task| nested(task)).map(|task| task.seq).collect();
        doomed.extend(inner);
        if !doomed.is_empty() {
            let mut seqs: Vec<u32> = doomed.into_iter().collect();
            seqs.sort_unstable();
            self.record(Change::TasksRemoved { seqs });
        }
    }

    /// The nodes that can only come after the target's, joins excepted: those wait again instead.
    fn nodes_after(&self, target: &Task) -> HashSet<NodeId> {
        let plan = self.plan_of(target.place);
        let mut after = HashSet::new();
        let mut open: Vec<NodeId> = Vec::new();
        if let Some(node) = plan.node(target.place.node) {
            open.extend(entered(node));
            open.extend(next_node(node));
            if matches!(node.kind, Kind::DynamicFork { .. }) {
                after.insert(BRANCHES);
            }
        }
        let own_join = plan.node(target.place.node).and_then(join_of);
        while let Some(id) = open.pop() {
            let Some(node) = plan.node(id) else { continue };
            let waits_for_others = matches!(node.kind, Kind::Join) && own_join != Some(id);
            if !after.contains(&id) && !waits_for_others {
                after.insert(id);
                open.extend(entered(node));
            } else if !waits_for_others {
                continue;
            }
            open.extend(next_node(node).filter(|next| !after.contains(next)));
        }
        after
    }

    /// Joins and loops around the target wait again; other unsuccessful tasks are begun anew.
    fn revive_around(&mut self, target: &Task) {
        let ended: Vec<Arc<Task>> = self.execution.tasks.values().cloned().collect();
        let depends = self.joins_behind(target);
        for task in ended.iter().filter(|task| task.seq != target.seq && !task.retried) {
            let plan = self.plan_of(task.runs.unwrap_or(task.place));
            let Some(node) = plan.node(task.runs.unwrap_or(task.place).node) else { continue };
            let is_around = target.loop_task == Some(task.seq) || depends.contains(&task.seq);
            if is_around {
                self.reopen_in_place(task, node);
            } else if !task.status.is_successful() {
                match node.kind {
                    Kind::Join | Kind::ExclusiveJoin | Kind::DoWhile { .. } => {
                        self.reopen_in_place(task, node);
                    }
                    _ => self.begin_anew(task, node, None, task.retry_count),
                }
            }
        }
    }

    /// Ended joins that stand behind the target, whose outcome it may change.
    fn joins_behind(&self, target: &Task) -> HashSet<u32> {
        let plan = self.plan_of(target.place);
        let mut found = HashSet::new();
        let mut next = plan.node(target.place.node).and_then(next_node);
        let mut steps = plan.nodes.len();
        while let Some(id) = next.filter(|_| steps > 0) {
            steps -= 1;
            let Some(node) = plan.node(id) else { break };
            if matches!(node.kind, Kind::Join) {
                let full = self.full_reference(&node.reference, target.loop_task);
                found.extend(self.execution.by_reference(&full).map(|task| task.seq));
            }
            next = next_node(node);
        }
        if target.place.plan > 0 {
            let joins = self.execution.tasks.values().filter(|task| {
                task.join_on.as_ref().is_some_and(|names| names.contains(&target.reference))
            });
            found.extend(joins.map(|task| task.seq));
        }
        found
    }

    /// Does the target again, under its own id.
    fn redo(&mut self, target: &Task, node: &Node, input: Option<Payload>) {
        match node.kind {
            Kind::Fork { .. } | Kind::DynamicFork { .. } | Kind::DoWhile { .. } => {
                self.record(Change::TasksRemoved { seqs: vec![target.seq] });
                let (place, loop_task) = (target.place, target.loop_task);
                self.put(Step::Schedule { place, loop_task });
            }
            Kind::Join | Kind::ExclusiveJoin => self.reopen_in_place(target, node),
            Kind::Worker
            | Kind::Dynamic { .. }
            | Kind::Switch(_)
            | Kind::SubWorkflow
            | Kind::StartWorkflow
            | Kind::Wait
            | Kind::Human
            | Kind::SetVariable
            | Kind::Inline
            | Kind::Lambda
            | Kind::Jq
            | Kind::Terminate
            | Kind::Noop => self.begin_anew(target, node, input, target.retry_count),
        }
    }

    /// Makes a task anew in place and begins it.
    pub(super) fn begin_anew(
        &mut self,
        task: &Task,
        node: &Node,
        input: Option<Payload>,
        retry_count: u32,
    ) {
        let input = input.unwrap_or_else(|| self.fresh_input(task, node));
        let is_worker = node.is_worker();
        let at = self.now();
        self.record(Change::TaskReopened(Box::new(TaskReopening {
            seq: task.seq,
            status: if is_worker { TaskStatus::Scheduled } else { TaskStatus::InProgress },
            delivery: if is_worker { Delivery::Ready(at) } else { Delivery::None },
            input: Some(input),
            output: Output::default(),
            retry_count,
            wait_until: None,
            child: None,
            at,
        })));
        if !is_worker {
            self.activate(task.seq);
        }
    }

    /// The input resolved again, except where it is data of its own.
    fn fresh_input(&self, task: &Task, node: &Node) -> Payload {
        match node.kind {
            Kind::SubWorkflow => task.input.clone(),
            _ if node.reference.is_empty() => task.input.clone(),
            Kind::Worker => {
                let fresh = self.input_of(node, Some(task.seq));
                crate::json::put_absent(&fresh, &task.input)
            }
            _ => self.input_of(node, Some(task.seq)),
        }
    }
}

/// Stands for the branches of a dynamic fork in a set of nodes.
const BRANCHES: NodeId = NodeId::MAX;

fn next_node(node: &Node) -> Option<NodeId> {
    match node.next {
        Next::Node(id) => Some(id),
        Next::LoopEnd | Next::End => None,
    }
}

fn join_of(node: &Node) -> Option<NodeId> {
    match node.kind {
        Kind::Fork { join, .. } | Kind::DynamicFork { join } => join,
        _ => None,
    }
}

/// The first nodes inside a node.
fn entered(node: &Node) -> Vec<NodeId> {
    match &node.kind {
        Kind::Switch(switch) => switch.cases.values().flatten().copied().chain(switch.default).collect(),
        Kind::Fork { branches, .. } => branches.clone(),
        Kind::DoWhile { first, .. } => first.iter().copied().collect(),
        _ => Vec::new(),
    }
}
