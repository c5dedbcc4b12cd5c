//! What happens when a time has come. **Source**: conductor-semantics §2.5.
use super::Decider;
use super::finish::Ending;
use crate::change::{Change, TaskEnd};
use crate::deadline::{self, Deadline};
use crate::state::{Delivery, Task};
use baton_common::definition::TimeoutPolicy;
use baton_common::planted::{Planted, is};
use baton_common::{TaskStatus, WorkflowStatus};
use std::sync::Arc;

impl Decider {
    /// Acts on every deadline that has passed.
    pub(super) fn check_deadlines(&mut self) {
        if self.execution.status.is_terminal() {
            return;
        }
        if self.execution.timeout_at().is_some_and(|at| at <= self.now()) {
            self.time_out();
            return;
        }
        while self.execution.status == WorkflowStatus::Running {
            let next = self.execution.deadlines.get_min().copied();
            let passed = self.now().plus_seconds(i64::from(is(Planted::TimersRunEarly)));
            let Some((at, seq)) = next.filter(|(at, _)| *at <= passed) else { return };
            let Some(task) = self.execution.task(seq).cloned() else { return };
            match deadline::next(self.execution.node_of(&task), &task) {
                Some((due, kind)) if due == at => self.meet(&task, kind),
                Some(_) | None => return,
            }
        }
    }

    fn time_out(&mut self) {
        let limit = self.execution.plan.definition.timeout_seconds;
        let since = self.execution.last_retried_at.unwrap_or(self.execution.created_at);
        let elapsed = self.now().millis_since(since) / 1000;
        self.finish(Ending {
            status: WorkflowStatus::TimedOut,
            reason: Some(format!(
                "Workflow timed out after {elapsed} seconds. Timeout configured as {limit} seconds. Timeout policy configured to TIME_OUT_WF"
            )),
            failed_task: None,
            output: None,
            runs_failure_workflow: true,
        });
    }

    fn meet(&mut self, task: &Arc<Task>, deadline: Deadline) {
        let seq = task.seq;
        match deadline {
            Deadline::Due => self.activate(seq),
            Deadline::WaitOver => self.end(seq, TaskStatus::Completed, None, None),
            Deadline::LeaseOver => {
                let (delivery, at) = (Delivery::Ready(self.now()), self.now());
                self.record(Change::TaskMoved { seq, delivery, at });
            }
            Deadline::Response if is(Planted::SkipLeaseExpiry) => {
                let at = self.now();
                self.record(Change::TaskRenewed { seq, at });
            }
            Deadline::Response => {
                let reason = self.response_reason(task);
                self.end(seq, TaskStatus::TimedOut, None, Some(&reason));
            }
            Deadline::Total | Deadline::Attempt | Deadline::Poll => self.by_policy(task, deadline),
        }
    }

    fn response_reason(&self, task: &Task) -> String {
        let node = self.execution.node_of(task);
        let id = self.execution.id().task(task.seq);
        let limit = node.task_def.response_timeout_seconds;
        format!(
            "responseTimeout: {limit} exceeded for the taskId: {id} with Task Definition: {}",
            node.name
        )
    }

    /// ALERT_ONLY notes it, RETRY times the task out, TIME_OUT_WF the execution at once.
    fn by_policy(&mut self, task: &Task, deadline: Deadline) {
        let node = self.execution.node_of(task);
        let policy = node.task_def.timeout_policy;
        let reason = self.policy_reason(task, deadline);
        match policy {
            TimeoutPolicy::AlertOnly => {
                let (seq, deadline) = (task.seq, deadline.bit());
                self.record(Change::TaskOverdue { seq, deadline });
            }
            TimeoutPolicy::Retry => {
                self.let_go(task, &reason);
                self.end(task.seq, TaskStatus::TimedOut, None, Some(&reason));
            }
            TimeoutPolicy::TimeOutWf => {
                self.let_go(task, &reason);
                let at = self.now();
                self.record(Change::TaskEnded(Box::new(TaskEnd {
                    seq: task.seq,
                    status: TaskStatus::TimedOut,
                    output: None,
                    reason: Some(reason.as_str().into()),
                    worker: None,
                    at,
                })));
                self.finish(Ending {
                    status: WorkflowStatus::TimedOut,
                    reason: Some(reason),
                    failed_task: Some(task.seq),
                    output: None,
                    runs_failure_workflow: true,
                });
            }
        }
    }

    fn policy_reason(&self, task: &Task, deadline: Deadline) -> String {
        let node = self.execution.node_of(task);
        let def = &node.task_def;
        let seconds_since = |at| self.now().millis_since(at) / 1000;
        let policy = match def.timeout_policy {
            TimeoutPolicy::Retry => "RETRY",
            TimeoutPolicy::TimeOutWf => "TIME_OUT_WF",
            TimeoutPolicy::AlertOnly => "ALERT_ONLY",
        };
        if deadline == Deadline::Total {
            return self.total_reason(task);
        }
        let (what, configured, since, limit) = if deadline == Deadline::Poll {
            let limit = def.poll_timeout_seconds.unwrap_or(0).into();
            ("Task poll timed out", "Poll timeout", task.scheduled_at, limit)
        } else {
            let since = task.started_at.unwrap_or(task.scheduled_at);
            ("Task timed out", "Timeout", since, def.timeout_seconds)
        };
        format!(
            "{what} after {} seconds. {configured} configured as {limit} seconds. Timeout policy configured to {policy}",
            seconds_since(since)
        )
    }

    /// Why no further attempt is made once the time of all together is over.
    pub(super) fn total_reason(&self, task: &Task) -> String {
        let node = self.execution.node_of(task);
        let id = self.execution.id().task(task.seq);
        let elapsed = self.now().millis_since(task.first_scheduled_at) / 1000;
        format!(
            "Task {id}/{} exceeded total timeout of {} seconds (elapsed {elapsed} seconds)",
            node.name, node.task_def.total_timeout_seconds
        )
    }
}
