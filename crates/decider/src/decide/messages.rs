//! What other executions tell this one. A message may come twice, and before one that was sent
//! earlier: those of a pair are numbered, and each takes effect once, in order.
use super::Decider;
use super::finish::refused;
use super::types::child_output;
use crate::change::{Change, TaskReopening};
use crate::command::{MessageBody, Rejection};
use crate::json;
use crate::state::{Delivery, Task};
use baton_common::{ExecutionId, Payload, TaskId, TaskStatus, WorkflowStatus};
use std::cmp::Ordering;
use std::sync::Arc;

impl Decider {
    pub(super) fn receive(
        &mut self,
        from: ExecutionId,
        number: u32,
        body: MessageBody,
    ) -> Result<(), Rejection> {
        match body {
            // An execution that can receive this has started already.
            MessageBody::Start(_) | MessageBody::StartFor { .. } => Err(Rejection::Late),
            MessageBody::Started { task, child } => self.receive_started(task, child),
            MessageBody::ChildEnded { task, status, output, reason, saw_outside } => {
                let task = self.next_of_child(task, from, number, saw_outside)?;
                if task.status.is_terminal() || self.execution.status.is_terminal() {
                    return Ok(());
                }
                let reason = reason.as_deref().unwrap_or_default();
                let reason = (status != WorkflowStatus::Completed)
                    .then(|| describe_failure(&task, from, reason));
                let output = output_with_id(&output, from);
                self.end(task.seq, status_of_task(status), Some(output), reason.as_deref());
                Ok(())
            }
            MessageBody::ChildRefused { task, reason } => {
                let task = self.known(task.seq())?;
                if task.status.is_terminal() {
                    return Err(Rejection::Late);
                }
                self.end_without_child(&task, &reason);
                Ok(())
            }
            MessageBody::FailureRefused { name, reason } => {
                let text = refused(&name, &reason);
                let output = json::with_member(
                    &self.execution.output,
                    "conductor.failure_workflow",
                    json::payload(&text),
                );
                self.record(Change::OutputAmended { output });
                Ok(())
            }
            MessageBody::ChildReopened { task } => self.receive_reopened(task, from, number),
            MessageBody::ParentEnded { reason } => {
                self.next_of_parent(number)?;
                // What has ended keeps its own end.
                let has_ended = self.execution.status.is_terminal();
                if has_ended { Ok(()) } else { self.terminate(Some(reason)) }
            }
            MessageBody::ParentRetried => {
                self.next_of_parent(number)?;
                match self.retry_for_parent() {
                    // It runs: there is nothing to retry, but the message has come.
                    Err(Rejection::StillRunning(_)) => Ok(()),
                    result => result,
                }
            }
        }
    }

    fn receive_started(&mut self, task: TaskId, child: ExecutionId) -> Result<(), Rejection> {
        let task = self.known(task.seq())?;
        if task.status.is_terminal() || self.execution.status.is_terminal() {
            return Err(Rejection::Late);
        }
        let output = Payload::parse(format!("{{\"workflowId\":\"{child}\"}}")).ok();
        self.end(task.seq, TaskStatus::Completed, output, None);
        Ok(())
    }

    /// The task whose child sent this; notes that it came.
    ///
    /// # Errors
    /// [`Rejection::TooEarly`] before an earlier message of the child, [`Rejection::Late`] after its
    /// twin, or when the task has another child by now.
    fn next_of_child(
        &mut self,
        task: TaskId,
        from: ExecutionId,
        number: u32,
        saw_outside: bool,
    ) -> Result<Arc<Task>, Rejection> {
        let task = self.known(task.seq())?;
        if task.child != Some(from) {
            return Err(Rejection::Late);
        }
        check_order(number, task.received)?;
        self.record(Change::MessageReceived { seq: Some(task.seq), number, saw_outside });
        Ok(task)
    }

    fn next_of_parent(&mut self, number: u32) -> Result<(), Rejection> {
        check_order(number, self.execution.received_from_parent)?;
        self.record(Change::MessageReceived { seq: None, number, saw_outside: false });
        Ok(())
    }

    /// The task that waits for a removed child waits no longer; another attempt starts a new one.
    pub(super) fn child_is_gone(&mut self, child: ExecutionId) -> Result<(), Rejection> {
        let waiting = self.execution.open_tasks().find(|task| task.child == Some(child)).cloned();
        let task = waiting.ok_or(Rejection::Late)?;
        let reason = describe_failure(&task, child, "it has been removed");
        self.end_without_child(&task, &reason);
        Ok(())
    }

    /// Fails a task whose child never started, or was removed; it names none then.
    fn end_without_child(&mut self, task: &Task, reason: &str) {
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
        self.end(task.seq, TaskStatus::Failed, Some(Payload::empty_object()), Some(reason));
    }

    /// A child continues after its end: its task waits again, and so does this execution.
    fn receive_reopened(
        &mut self,
        task: TaskId,
        from: ExecutionId,
        number: u32,
    ) -> Result<(), Rejection> {
        // Whoever reopens a child is outside.
        let task = self.next_of_child(task, from, number, true)?;
        let is_waiting = !task.status.is_terminal();
        let is_optional = self.execution.node_of(&task).task.optional;
        // After an optional one the flow has continued without it for good.
        if task.retried || is_waiting || is_optional {
            return Ok(());
        }
        let was_ended = self.execution.status.is_terminal();
        if was_ended {
            self.reopen();
        }
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
            self.reconsider();
        }
        Ok(())
    }
}

/// Whether a message of this number is the next one after as many as came.
fn check_order(number: u32, received: u32) -> Result<(), Rejection> {
    match number.cmp(&(received + 1)) {
        Ordering::Less => Err(Rejection::Late),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(Rejection::TooEarly),
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
