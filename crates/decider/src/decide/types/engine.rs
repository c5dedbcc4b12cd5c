//! What holds for every type that the engine itself runs, where its own file says nothing else.
use super::super::AgendaItem;
use super::super::decider::{Decider, Flow, TaskType};
use crate::change::Change;
use crate::plan::Node;
use crate::state::{NodeKey, Task};
use crate::task_type::{Facts, Mark};
use std::sync::Arc;

/// A type whose task is created with its input and then run, which does nothing here: the task
/// stays open until somebody reports on it.
pub(super) const ENGINE: TaskType = TaskType {
    facts: Facts::of_engine(""),
    schedule: Decider::schedule_at_once,
    run: |_, _, _| Ok(()),
    activate: Decider::begin_at_once,
    follow_again: |decider, task, _| decider.put(AgendaItem::AfterEnd(task.seq)),
};

impl Decider {
    /// Creates a task that the engine runs at once, or that waits for somebody.
    fn schedule_at_once(&mut self, node: &Node, place: NodeKey, loop_task: Option<u32>) -> Flow {
        let mut task = self.new_task(node, place, loop_task);
        let names_its_id = !node.facts.has(Mark::HasNoTaskIdInInput);
        task.input = self.input_of(node, names_its_id.then_some(task.seq))?;
        let seq = task.seq;
        self.record(Change::TaskScheduled(Arc::new(task)));
        // One that needs a script is taken up again by the agenda, not with this step.
        self.put(AgendaItem::Run(seq));
        Ok(())
    }

    fn begin_at_once(&mut self, task: &Arc<Task>) {
        self.report_in_progress(task.seq);
        self.put(AgendaItem::Run(task.seq));
    }
}
