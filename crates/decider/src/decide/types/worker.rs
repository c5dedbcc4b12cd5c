//! What holds for every type that workers run, where its own file says nothing else.
use super::super::decider::{Decider, Flow, TaskType};
use super::engine::ENGINE;
use crate::change::Change;
use crate::json;
use crate::plan::Node;
use crate::state::{Delivery, NodeKey, Task};
use crate::task_type::Facts;
use baton_common::TaskStatus;
use std::sync::Arc;

/// Any name that is not in the list: workers poll for the type itself.
pub(super) static OTHER: TaskType = WORKER;

/// A type whose tasks wait in a queue for a worker.
pub(super) const WORKER: TaskType = TaskType {
    facts: Facts::of_worker(""),
    schedule: Decider::schedule_worker,
    activate: Decider::hand_out,
    ..ENGINE
};

impl Decider {
    fn schedule_worker(&mut self, node: &Node, place: NodeKey, loop_task: Option<u32>) -> Flow {
        let mut task = self.new_task(node, place, loop_task);
        task.input = self.input_of(node, Some(task.seq))?;
        self.queue_task(node, task);
        Ok(())
    }

    /// Puts a new task into its queue, now or after the step's delay.
    pub(super) fn queue_task(&mut self, node: &Node, mut task: Task) {
        if node.is_system_worker {
            let flag = json::payload(&node.task.async_complete);
            if !json::members(&task.input).contains_key("asyncComplete") {
                task.input = json::with_member(&task.input, "asyncComplete", flag);
            }
        } else {
            task.domain = self.domain_of(&node.task_type);
        }
        if node.task_type.trim().is_empty() {
            let seq = task.seq;
            self.record(Change::TaskScheduled(Arc::new(task)));
            let reason = "the step has no name, so no worker can ask for its task";
            return self.end(seq, TaskStatus::FailedWithTerminalError, None, Some(reason));
        }
        let delay = i64::from(node.task.start_delay.max(0));
        task.status = TaskStatus::Scheduled;
        task.started_at = None;
        task.start_delay_seconds = delay;
        task.callback_after_seconds = delay;
        task.delivery = self.delivery_after(delay * 1000);
        self.record(Change::TaskScheduled(Arc::new(task)));
    }

    fn hand_out(&mut self, task: &Arc<Task>) {
        let (seq, at) = (task.seq, self.now());
        self.record(Change::TaskMoved { seq, delivery: Delivery::Ready(at), at });
    }

    /// The domain whose workers get tasks of this type: the first listed one that is active, else the
    /// last. **Source**: conductor-semantics §2.7.
    fn domain_of(&self, task_type: &str) -> Option<Arc<str>> {
        let domains = &self.execution.facts.task_to_domain;
        let list = domains.get(task_type).or_else(|| domains.get("*"))?;
        let names: Vec<&str> = list.split(',').map(str::trim).filter(|d| !d.is_empty()).collect();
        let surroundings = &self.context.surroundings;
        let active = names.iter().find(|name| {
            name.eq_ignore_ascii_case("NO_DOMAIN") || surroundings.is_domain_active(task_type, name)
        });
        let chosen: &str = active.or(names.last()).copied()?;
        (!chosen.eq_ignore_ascii_case("NO_DOMAIN")).then(|| Arc::from(chosen))
    }
}
