//! Bringing an ended execution back: retry, and what a reopened child means for its parents.
//! **Source**: conductor-semantics §5.1.
use super::finish::Ending;
use super::types::child_output;
use super::{AgendaItem, Decider};
use crate::change::{Change, TaskReopening};
use crate::command::{MessageBody, Rejection};
use crate::plan::Node;
use crate::state::{Delivery, Output, Task};
use crate::task_type::Again;
use baton_common::{TaskStatus, WorkflowStatus};
use std::sync::Arc;

impl Decider {
    pub(super) fn retry(&mut self, resume_children: bool) -> Result<(), Rejection> {
        self.retry_tasks(resume_children)?;
        self.tell_parent_of_reopening();
        Ok(())
    }

    fn retry_tasks(&mut self, resume_children: bool) -> Result<(), Rejection> {
        let status = self.execution.status;
        if !status.is_terminal() {
            return Err(Rejection::StillRunning(status));
        }
        if self.execution.tasks.is_empty() {
            return Err(Rejection::NotStarted);
        }
        let candidates = self.retry_candidates();
        if candidates.is_empty() && status != WorkflowStatus::TimedOut {
            return Err(Rejection::NothingToRetry);
        }
        self.reopen();
        for task in candidates {
            self.retry_task(&task, resume_children);
        }
        self.reconsider();
        Ok(())
    }

    /// Its parent waits for it again: where nothing can be retried, it tells its end again. The parent
    /// need not receive that it continues. A parent that has ended meanwhile would take that for body and
    /// have its other children retried, whose answers would have this one retried, without end.
    pub(super) fn retry_for_parent(&mut self) -> Result<(), Rejection> {
        match self.retry_tasks(true) {
            Err(Rejection::NothingToRetry | Rejection::NotStarted) => {
                let execution = &self.execution;
                let ending = Ending {
                    status: execution.status,
                    reason: execution.reason.as_deref().map(str::to_owned),
                    failed_task: execution.failed_task,
                    output: Some(execution.output.clone()),
                    runs_failure_workflow: false,
                };
                self.reopen();
                self.finish(ending);
                Ok(())
            }
            result => result,
        }
    }

    /// Draws the consequences of every good end once more: where the execution had ended in the same
    /// decision or while it was paused, what follows was never scheduled. What was, is not touched.
    pub(super) fn reconsider(&mut self) {
        let seqs = self.execution.tasks.keys().copied();
        let seqs: Vec<u32> = seqs.filter(|seq| self.execution.is_settled_well(*seq)).collect();
        for seq in seqs {
            let Some(task) = self.execution.task(seq).cloned() else { continue };
            let around = task.loop_task.and_then(|around| self.execution.task(around));
            let is_past = task.loop_task.is_some()
                && around.is_none_or(|around| {
                    around.status.is_terminal() || around.iteration != task.around_iteration()
                });
            let plan = self.plan_of(task.place);
            let Some(node) = plan.node(task.place.node).filter(|_| !is_past) else { continue };
            (self.type_of(node).follow_again)(self, &task, node);
        }
    }

    /// The newest attempt of each step, where it did not end well.
    fn retry_candidates(&self) -> Vec<Arc<Task>> {
        let execution = &self.execution;
        let newest = |task: &&Arc<Task>| {
            execution.by_reference(&task.reference).is_some_and(|other| other.seq == task.seq)
        };
        let tasks = execution.tasks.values().filter(newest);
        tasks.filter(|task| !task.status.is_successful()).cloned().collect()
    }

    fn retry_task(&mut self, task: &Arc<Task>, resume_children: bool) {
        let plan = self.plan_of(task.runs.unwrap_or(task.place));
        let Some(node) = plan.node(task.runs.unwrap_or(task.place).node) else { return };
        match node.facts.again {
            Again::Waiting | Again::InItsIteration | Again::WithItsBranches => {
                self.reopen_in_place(task, node);
            }
            Again::AsIfNew => self.schedule_again(task),
            Again::FromItsBeginning if resume_children && task.child.is_some() => {
                self.resume_child(task);
            }
            Again::FromItsBeginning => {
                // By hand: at once, and with the old reason forgotten.
                let task = Task { reason: None, ..(**task).clone() };
                self.try_again(&task, node, 0, 0);
            }
        }
    }

    /// A task that directs the flow goes on where it was.
    pub(super) fn reopen_in_place(&mut self, task: &Task, node: &Node) {
        let was_canceled = task.status == TaskStatus::Canceled;
        let retry_count = task.retry_count + u32::from(!was_canceled);
        let again = node.facts.again;
        let is_loop = again == Again::InItsIteration;
        let output = if is_loop { Output::Loop(task.loop_progress()) } else { Output::default() };
        self.record(Change::TaskReopened(Box::new(TaskReopening {
            seq: task.seq,
            status: TaskStatus::InProgress,
            delivery: Delivery::None,
            input: None,
            output,
            retry_count,
            wait_until: None,
            child: None,
            at: self.now(),
        })));
        if again == Again::Waiting
            && self.execution.join_open.get(&task.seq).copied().unwrap_or(0) == 0
        {
            self.put(AgendaItem::Run(task.seq));
        }
    }

    /// Lets the failed child of a task go on instead of starting a new one.
    fn resume_child(&mut self, task: &Task) {
        let Some(child) = task.child else { return };
        self.record(Change::TaskReopened(Box::new(TaskReopening {
            seq: task.seq,
            status: TaskStatus::InProgress,
            delivery: Delivery::None,
            input: None,
            output: child_output(child),
            retry_count: task.retry_count,
            wait_until: None,
            child: Some(child),
            at: self.now(),
        })));
        self.send_to_child(task.seq, MessageBody::ParentRetried);
    }

    /// The execution goes on.
    pub(super) fn reopen(&mut self) {
        let at = self.now();
        self.record(Change::ExecutionReopened { at });
    }

    /// Its parent must wait again.
    pub(super) fn tell_parent_of_reopening(&mut self) {
        self.send_to_parent(|task| MessageBody::ChildReopened { task });
    }

    /// A child was reopened: what its parent had cancelled goes on too, and so do the parent's parents.
    pub(super) fn revive_siblings(&mut self, reopened: u32) {
        let candidates = self.retry_candidates();
        for task in candidates.iter().filter(|task| task.seq != reopened) {
            let plan = self.plan_of(task.runs.unwrap_or(task.place));
            let Some(node) = plan.node(task.runs.unwrap_or(task.place).node) else { continue };
            match node.facts.again {
                Again::Waiting | Again::InItsIteration => self.reopen_in_place(task, node),
                Again::FromItsBeginning if task.child.is_some() => self.resume_child(task),
                Again::AsIfNew => {
                    if task.status == TaskStatus::Canceled {
                        self.schedule_again(task);
                    }
                }
                Again::FromItsBeginning | Again::WithItsBranches => {
                    if task.status == TaskStatus::Canceled {
                        self.begin_anew(task, node, None, task.retry_count + 1);
                    }
                }
            }
        }
        self.tell_parent_of_reopening();
    }
}
