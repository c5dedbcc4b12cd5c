//! What other executions tell this one. Every piece of news may come twice or late.
use super::Decider;
use super::sub_workflow::child_output;
use crate::change::{Change, TaskReopening};
use crate::command::{News, Rejection};
use crate::json;
use crate::state::{Delivery, Task};
use baton_common::{ExecutionId, Payload, TaskId, TaskStatus, WorkflowStatus};
use std::sync::Arc;

impl Decider {
    pub(super) fn hear(
        &mut self,
        from: ExecutionId,
        version: i64,
        news: News,
    ) -> Result<(), Rejection> {
        match news {
            // An execution that can hear this is born already.
            News::Start(_) | News::StartFor { .. } => Err(Rejection::Late),
            News::Started { task, child } => self.hear_of_birth(task, child),
            News::ChildEnded { task, status, output, reason } => {
                let task = self.awaiting(task, from, version)?;
                self.record(Change::ChildHeard { seq: task.seq, version });
                let reason = reason.as_deref().unwrap_or_default();
                let reason = (status != WorkflowStatus::Completed)
                    .then(|| describe_failure(&task, from, reason));
                let output = output_with_id(&output, from);
                self.end(task.seq, status_of_task(status), Some(output), reason.as_deref());
                Ok(())
            }
            News::ChildRefused { task, reason } => {
                let task = self.known(task.seq())?;
                if task.status.is_terminal() {
                    return Err(Rejection::Late);
                }
                let output = Some(Payload::empty_object());
                self.forget_child(&task);
                self.end(task.seq, TaskStatus::Failed, output, Some(&reason));
                Ok(())
            }
            News::FailureRefused { name, reason } => {
                let text = format!("Error workflow {name} failed to start.  reason: {reason}");
                let output = json::with_member(
                    &self.execution.output,
                    "conductor.failure_workflow",
                    json::payload(&text),
                );
                self.record(Change::OutputAmended { output });
                Ok(())
            }
            News::ChildReopened { task } => self.hear_of_reopening(task, from, version),
            // What has ended keeps its own end.
            News::ParentEnded { .. } if self.execution.status.is_terminal() => Err(Rejection::Late),
            News::ParentEnded { reason } => self.terminate(Some(reason)),
            News::ParentRetried => self.retry_for_parent(),
        }
    }

    fn hear_of_birth(&mut self, task: TaskId, child: ExecutionId) -> Result<(), Rejection> {
        let task = self.known(task.seq())?;
        if task.status.is_terminal() || self.execution.status.is_terminal() {
            return Err(Rejection::Late);
        }
        let output = Payload::parse(format!("{{\"workflowId\":\"{child}\"}}")).ok();
        self.end(task.seq, TaskStatus::Completed, output, None);
        Ok(())
    }

    /// The open task that waits for this child and has not heard this yet.
    fn awaiting(
        &self,
        task: TaskId,
        from: ExecutionId,
        version: i64,
    ) -> Result<Arc<Task>, Rejection> {
        let task = self.known(task.seq())?;
        let is_news = task.child == Some(from) && version > task.child_version;
        if task.status.is_terminal() || self.execution.status.is_terminal() || !is_news {
            return Err(Rejection::Late);
        }
        Ok(task)
    }

    /// A task whose child was never born names none.
    fn forget_child(&mut self, task: &Task) {
        self.record(Change::TaskReopened(Box::new(TaskReopening {
            seq: task.seq,
            status: task.status,
            delivery: Delivery::None,
            input: None,
            output: crate::state::Output::default(),
            retry_count: task.retry_count,
            wait_until: None,
            child: None,
            at: self.now(),
        })));
    }

    /// A child goes on after its end: its task waits again, and so does this execution.
    fn hear_of_reopening(
        &mut self,
        task: TaskId,
        from: ExecutionId,
        version: i64,
    ) -> Result<(), Rejection> {
        let task = self.known(task.seq())?;
        if task.child != Some(from) || version <= task.child_version || task.retried {
            return Err(Rejection::Late);
        }
        if !task.status.is_terminal() {
            self.record(Change::ChildHeard { seq: task.seq, version });
            return Ok(());
        }
        if self.execution.node_of(&task).task.optional {
            // The flow has gone on without it for good.
            return Err(Rejection::Late);
        }
        let was_ended = self.execution.status.is_terminal();
        if was_ended {
            self.reopen();
        }
        self.record(Change::ChildHeard { seq: task.seq, version });
        self.record(Change::TaskReopened(Box::new(TaskReopening {
            seq: task.seq,
            status: TaskStatus::InProgress,
            delivery: Delivery::None,
            input: None,
            output: child_output(from),
            retry_count: task.retry_count,
            wait_until: None,
            child: Some(from),
            at: self.now(),
        })));
        if was_ended {
            self.revive_siblings(task.seq);
            self.settle_again();
        }
        Ok(())
    }
}

/// How a task ends whose child ended so.
fn status_of_task(status: WorkflowStatus) -> TaskStatus {
    match status {
        WorkflowStatus::Completed => TaskStatus::Completed,
        WorkflowStatus::TimedOut => TaskStatus::TimedOut,
        WorkflowStatus::Terminated => TaskStatus::Canceled,
        WorkflowStatus::Failed | WorkflowStatus::Running | WorkflowStatus::Paused => {
            TaskStatus::Failed
        }
    }
}

fn output_with_id(output: &Payload, child: ExecutionId) -> Payload {
    let mut members = json::members(output);
    members.shift_insert(0, "subWorkflowId".into(), json::payload(&child.to_string()));
    json::payload(&members)
}

fn describe_failure(task: &Task, child: ExecutionId, why: &str) -> String {
    let input = json::members(&task.input);
    let name = input.get("subWorkflowName").and_then(json::text).unwrap_or_default();
    let version = input.get("subWorkflowVersion").map_or("null", |value| value.get());
    format!("Sub workflow {name}.{version}/{child} failure reason: {why}")
}
