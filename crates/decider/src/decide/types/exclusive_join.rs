//! EXCLUSIVE_JOIN: takes over the result of the first of its steps that ran.
//! **Source**: conductor-semantics §1.8.
use super::super::AgendaItem;
use super::super::decider::{Decider, Flow, TaskType};
use super::engine::ENGINE;
use crate::change::Change;
use crate::json::{self, Object};
use crate::plan::Node;
use crate::state::{NodeKey, Task};
use crate::task_type::{Again, Facts, Joins, Mark, Waits};
use baton_common::TaskStatus;
use std::sync::Arc;

pub(super) static EXCLUSIVE_JOIN: TaskType = TaskType {
    facts: Facts {
        joins: Joins::First,
        again: Again::Waiting,
        marks: &[Mark::NotRetried],
        waits: |_| Waits::Steps,
        ..Facts::of_engine("EXCLUSIVE_JOIN")
    },
    schedule: Decider::schedule_exclusive_join,
    run: Decider::run_exclusive_join,
    ..ENGINE
};

impl Decider {
    fn schedule_exclusive_join(
        &mut self,
        node: &Node,
        place: NodeKey,
        loop_task: Option<u32>,
    ) -> Flow {
        let mut task = self.new_task(node, place, loop_task);
        let (on, or) = (&node.task.join_on, &node.task.default_exclusive_join_task);
        task.input = json::payload(&Object::from([
            ("joinOn".to_owned(), json::payload(on)),
            ("defaultExclusiveJoinTask".to_owned(), json::payload(or)),
        ]));
        let names = on.iter().chain(or).map(|name| Arc::from(name.as_str()));
        task.join_on = Some(names.map(|name| self.full_reference(&name, loop_task)).collect());
        let seq = task.seq;
        self.record(Change::TaskScheduled(Arc::new(task)));
        self.put(AgendaItem::Run(seq));
        Ok(())
    }

    /// Takes over the first of its steps that has begun, or the first of the default steps while that
    /// one runs; waits when neither has ended.
    fn run_exclusive_join(&mut self, task: &Arc<Task>, node: &Node) -> Flow {
        let find = |names: &[String]| {
            names.iter().find_map(|name| {
                let full = self.full_reference(&Arc::from(name.as_str()), task.loop_task);
                let found = self.execution.by_reference(&full)?;
                (found.status != TaskStatus::Skipped).then(|| found.clone())
            })
        };
        let has_ended = |found: &Arc<Task>| found.status.is_terminal();
        let found = find(&node.task.join_on)
            .filter(has_ended)
            .or_else(|| find(&node.task.default_exclusive_join_task).filter(has_ended));
        match found {
            Some(found) if found.status.is_successful() => {
                self.end_well(task.seq, Some(found.output.json()))
            }
            Some(found) => {
                let reason = found.reason.as_deref().unwrap_or_default();
                self.end(task.seq, TaskStatus::Failed, Some(found.output.json()), Some(reason));
                Ok(())
            }
            None => Ok(()),
        }
    }
}
