//! FORK_JOIN: all branches at once, and their JOIN. **Source**: conductor-semantics §1.5.
use super::{AgendaItem, Decider, Flow};
use crate::change::Change;
use crate::plan::{Kind, Node, NodeId};
use crate::state::{NodeKey, Task};
use baton_common::TaskStatus;
use baton_common::planted::{Planted, is};
use std::sync::Arc;

impl Decider {
    pub(super) fn schedule_fork(
        &mut self,
        node: &Node,
        place: NodeKey,
        loop_task: Option<u32>,
        (branches, join): (&[NodeId], Option<NodeId>),
    ) -> Flow {
        let Some(join) = self.join_behind(place, join) else { return Ok(()) };
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
        let is_join = |key: &NodeKey| matches!(self.execution.node(*key).kind, Kind::Join);
        let found = join.filter(is_join);
        if found.is_none() {
            self.fail_for_good(
                "Fork task definition is not followed by a join task.  Check the blueprint",
            );
        }
        found
    }

    /// Records a task that has ended already and has no consequences of its own.
    pub(super) fn record_ended(&mut self, mut task: Task, status: TaskStatus) {
        task.status = status;
        task.ended_at = Some(self.now());
        self.record(Change::TaskScheduled(Arc::new(task)));
    }

    /// Puts open joins that wait for this step on the agenda once they have nothing to wait for;
    /// exclusive ones at once.
    pub(super) fn check_joins(&mut self, reference: &str) {
        let Some(joins) = self.execution.joins.get(reference) else { return };
        let ready: Vec<u32> = joins
            .iter()
            .copied()
            .filter(|join| {
                let most = u32::from(is(Planted::CountAJoinWrong));
                let is_free = self.execution.join_open.get(join).copied().unwrap_or(0) <= most;
                is_free || self.is_exclusive(*join)
            })
            .collect();
        for join in ready {
            self.put(AgendaItem::Run(join));
        }
    }
    fn is_exclusive(&self, join: u32) -> bool {
        let task = self.execution.task(join);
        task.is_some_and(|task| matches!(self.execution.node_of(task).kind, Kind::ExclusiveJoin))
    }
}
