//! FORK_JOIN: all branches at once, and their JOIN. **Source**: conductor-semantics §1.5.
use super::super::AgendaItem;
use super::super::decider::{Decider, Flow, TaskType};
use super::engine::ENGINE;
use super::join::JOIN;
use crate::plan::{Kind, Node, NodeId};
use crate::state::NodeKey;
use crate::task_type::{Again, Facts, Inside, Joins, Mark, Shown};
use crate::validation::Fault;
use crate::validation::demands::{join_missing, without_tasks};
use crate::validation::steps::{Names, Step, TaskDefs};
use baton_common::TaskStatus;

pub(super) static FORK_JOIN: TaskType = TaskType {
    facts: Facts {
        shown: Shown::As("FORK"),
        inside: Inside::Branches,
        again: Again::WithItsBranches,
        marks: &[Mark::NotRetried, Mark::NeedsNoTaskDef],
        faults,
        flow_faults,
        ..Facts::of_engine("FORK_JOIN")
    },
    schedule: Decider::schedule_fork,
    ..ENGINE
};

impl Decider {
    fn schedule_fork(&mut self, node: &Node, place: NodeKey, loop_task: Option<u32>) -> Flow {
        let Kind::Branches { branches, join } = &node.kind else { return Ok(()) };
        let Some(join) = self.join_behind(place, *join) else { return Ok(()) };
        let task = self.new_task(node, place, loop_task);
        self.record_ended(task, TaskStatus::Completed);
        let branches = branches.iter().map(|node| NodeKey { plan: place.plan, node: *node });
        let places: Vec<NodeKey> = branches.chain([join]).collect();
        let schedule = |place: NodeKey| AgendaItem::Schedule { place, loop_task };
        self.agenda.push_first(places.into_iter().map(schedule));
        Ok(())
    }

    /// The JOIN that must stand behind a fork; fails the execution when there is none.
    pub(super) fn join_behind(&mut self, fork: NodeKey, join: Option<NodeId>) -> Option<NodeKey> {
        let join = join.map(|node| NodeKey { plan: fork.plan, node });
        let is_join = |key: &NodeKey| self.execution.node(*key).facts.joins == Joins::All;
        let found = join.filter(is_join);
        if found.is_none() {
            self.fail_for_good(
                "Fork task definition is not followed by a join task.  Check the blueprint",
            );
        }
        found
    }
}

fn faults(step: &Step<'_>, _: TaskDefs<'_>) -> Vec<Fault> {
    let is_empty = step.task.fork_tasks.is_empty();
    is_empty.then(|| without_tasks(step, "forkTasks")).into_iter().collect()
}

fn flow_faults(step: &Step<'_>, _: &Names<'_>) -> Vec<Fault> {
    let mut faults = empty_branches(step);
    faults.extend(join_missing(step, JOIN.facts.name));
    faults
}

fn empty_branches(step: &Step<'_>) -> Vec<Fault> {
    let branches = step.task.fork_tasks.iter().enumerate();
    let empty = branches.filter(|(_, branch)| branch.is_empty());
    empty
        .map(|(index, _)| {
            let message = format!(
                "forkTasks[{index}] should have atleast one task for taskType: FORK_JOIN \
                 taskName: {}",
                step.name()
            );
            step.fault(&format!("/forkTasks/{index}"), message)
        })
        .collect()
}
