//! The consequences of a task's end: what follows, another attempt, or the execution's failure.
use super::AgendaItem;
use super::decider::{Decider, Flow};
use super::finish::Ending;
use crate::change::Change;
use crate::json;
use crate::plan::Node;
use crate::retry;
use crate::state::{Delivery, Output, Task};
use crate::task_type::{Joins, Mark};
use baton_common::planted::{Planted, is};
use baton_common::{TaskStatus, WorkflowStatus};
use std::sync::Arc;

impl Decider {
    pub(super) fn after_end(&mut self, seq: u32) -> Flow {
        let Some(task) = self.execution.task(seq).cloned() else { return Ok(()) };
        if task.retried || !task.status.is_terminal() {
            return Ok(());
        }
        let plan = self.plan_of(task.runs.unwrap_or(task.place));
        let Some(node) = plan.node(task.runs.unwrap_or(task.place).node) else { return Ok(()) };
        if task.status.is_successful() {
            self.continue_after(&task);
        } else if retry::is_due(node, &task, self.now()) {
            let delay = retry::delay_seconds(&node.task_def, task.retry_count)
                * i64::from(!is(Planted::DropTheBackoff));
            let jitter_ms = retry::jitter_ms(&node.task_def, self.execution.id().task(seq));
            self.try_again(&task, node, delay, jitter_ms);
            if is(Planted::DoubleTheRetry) {
                self.try_again(&task, node, delay, jitter_ms);
            }
        } else if retry::total_time_is_over(node, &task, self.now()) {
            let reason = self.total_reason(&task);
            self.fail_by(&task, reason);
        } else if node.task.optional && !is(Planted::ForgetOptional) {
            self.record(Change::TaskForgiven { seq });
            self.continue_after(&task);
        } else if node.task.permissive {
            self.continue_after(&task);
        } else {
            self.fail_by(&task, self.describe_end(&task));
        }
        Ok(())
    }

    /// Schedules what follows a task and tells the joins that wait for it.
    fn continue_after(&mut self, task: &Arc<Task>) {
        let node = self.execution.node(task.place);
        let (next, chooses) = (node.next, node.facts.has(Mark::ChoosesNext));
        if !(chooses && task.status == TaskStatus::Completed) {
            self.follow(next, task.place.plan, task.loop_task);
        }
        self.check_joins(&task.reference);
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
        task.is_some_and(|task| self.execution.node_of(task).facts.joins == Joins::First)
    }

    /// Another attempt: a new task with a new id.
    pub(super) fn try_again(
        &mut self,
        task: &Task,
        node: &Node,
        delay_seconds: i64,
        jitter_ms: i64,
    ) {
        let now = self.now();
        let seq = self.execution.last_seq + 1;
        let delay_ms = delay_seconds * 1000 + jitter_ms;
        let fresh = if node.reference.is_empty() {
            task.input.clone()
        } else {
            match self.input_of(node, Some(seq)) {
                Ok(input) => json::overlay(&task.input, &input),
                Err(stop) => return self.fail_for_good(&stop.reason()),
            }
        };
        let attempt = Task {
            seq,
            status: TaskStatus::Scheduled,
            input: fresh,
            output: Output::default(),
            retry_count: task.retry_count + 1,
            retried_task: Some(task.seq),
            retried: false,
            scheduled_at: now,
            started_at: None,
            ended_at: None,
            updated_at: now,
            start_delay_seconds: delay_seconds,
            callback_after_seconds: delay_seconds,
            poll_count: 0,
            worker: None,
            child: None,
            sent: 0,
            received: 0,
            wait_until: None,
            is_external: false,
            alerted: 0,
            was_ended: false,
            slots: None,
            delivery: if delay_ms > 0 || node.is_worker() {
                self.delivery_after(delay_ms)
            } else {
                Delivery::None
            },
            ..task.clone()
        };
        self.record(Change::TaskScheduled(Arc::new(attempt)));
        if delay_ms <= 0 && !node.is_worker() {
            self.activate(seq);
        }
    }

    /// Ends the execution because of a task.
    fn fail_by(&mut self, task: &Task, reason: String) {
        self.finish(Ending {
            status: status_after(task.status),
            reason: Some(reason),
            failed_task: Some(task.seq),
            output: None,
            runs_failure_workflow: true,
        });
    }

    fn describe_end(&self, task: &Task) -> String {
        let id = self.execution.id().task(task.seq);
        let (status, reason) = (status_after(task.status), task.reason.as_deref());
        let reason = reason.unwrap_or_default();
        format!("Task {id} failed with status: {status} and reason: '{reason}'")
    }
}

/// How an execution ends by a task that ended so.
fn status_after(status: TaskStatus) -> WorkflowStatus {
    match status {
        TaskStatus::Canceled => WorkflowStatus::Terminated,
        TaskStatus::TimedOut => WorkflowStatus::TimedOut,
        TaskStatus::Scheduled
        | TaskStatus::InProgress
        | TaskStatus::Completed
        | TaskStatus::CompletedWithErrors
        | TaskStatus::Failed
        | TaskStatus::FailedWithTerminalError
        | TaskStatus::Skipped => WorkflowStatus::Failed,
    }
}
