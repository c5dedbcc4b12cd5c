//! The outputs that a loop keeps of each iteration.
use super::decider::Decider;
use crate::change::Change;
use crate::json::{self, Object};
use crate::plan::Kind;
use crate::state::{Output, Task};
use std::sync::Arc;

impl Decider {
    pub(super) fn tasks_of_iteration(&self, task: &Task, body: &[Arc<str>]) -> Vec<Arc<Task>> {
        let full = body.iter().map(|name| self.full_reference(name, Some(task.seq)));
        full.filter_map(|name| self.execution.by_reference(&name).cloned()).collect()
    }

    /// Notes the outputs so far of loops that are about to be ended from outside.
    pub(super) fn note_open_iterations(&mut self) {
        let loops: Vec<u32> = self.execution.open_loops.iter().copied().collect();
        for seq in loops {
            let Some(task) = self.execution.task(seq).cloned() else { continue };
            let plan = self.plan_of(task.place);
            let node = plan.node(task.place.node);
            if let Some(Kind::Body(body)) = node.map(|node| &node.kind) {
                let tasks = self.tasks_of_iteration(&task, &body.names);
                self.note_iteration(&task, &tasks);
            }
        }
    }

    pub(super) fn note_iteration(&mut self, task: &Task, tasks: &[Arc<Task>]) {
        let outputs = tasks.iter().map(|t| (t.base_reference().to_owned(), t.output.json()));
        let outputs = json::payload(&outputs.collect::<Object>());
        // Noted already where the condition's script has interrupted the decision.
        if let Output::Loop(progress) = &task.output
            && progress.iterations.get(task.iteration) == Some(&outputs)
        {
            return;
        }
        let (seq, iteration) = (task.seq, task.iteration);
        self.record(Change::LoopIterated { seq, iteration, outputs });
    }
}
