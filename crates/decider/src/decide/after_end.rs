//! The consequences of a task's end: what follows, another attempt, or the execution's failure.
use super::finish::Ending;
use super::{AgendaItem, Decider, Flow};
use crate::change::{Change, TaskReport};
use crate::json;
use crate::plan::{Kind, Node};
use crate::retry;
use crate::state::{Delivery, Output, Task};
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
        let next = self.execution.node(task.place).next;
        let chose = matches!(self.execution.node(task.place).kind, Kind::Switch(_));
        if !(chose && task.status == TaskStatus::Completed) {
            self.follow(next, task.place.plan, task.loop_task);
        }
        self.check_joins(&task.reference);
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

    /// Begins a task of the engine's own types that was held back.
    pub(super) fn activate(&mut self, seq: u32) {
        let Some(task) = self.execution.task(seq).cloned() else { return };
        let plan = self.plan_of(task.runs.unwrap_or(task.place));
        let Some(node) = plan.node(task.runs.unwrap_or(task.place).node) else { return };
        match node.kind {
            Kind::Worker | Kind::Dynamic { .. } => {
                let (delivery, at) = (Delivery::Ready(self.now()), self.now());
                self.record(Change::TaskMoved { seq, delivery, at });
            }
            Kind::SubWorkflow => self.launch_child(&task, node),
            Kind::StartWorkflow => self.launch_other(&task),
            Kind::Wait => self.begin_wait(&task),
            Kind::Switch(_)
            | Kind::Fork { .. }
            | Kind::DynamicFork { .. }
            | Kind::Join
            | Kind::ExclusiveJoin
            | Kind::DoWhile { .. }
            | Kind::Human
            | Kind::SetVariable
            | Kind::Inline
            | Kind::Lambda
            | Kind::Jq
            | Kind::Terminate
            | Kind::Noop => {
                self.report_in_progress(seq);
                self.put(AgendaItem::Run(seq));
            }
        }
    }

    /// Marks a task of the engine's own as begun.
    pub(super) fn report_in_progress(&mut self, seq: u32) {
        let at = self.now();
        self.record(Change::TaskReported(Box::new(TaskReport::new(seq, at))));
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
