//! TERMINATE: ends the execution from within. **Source**: conductor-semantics §1.16.
use super::finish::Ending;
use super::{Decider, Flow};
use crate::change::{Change, TaskEnd};
use crate::json;
use crate::state::Task;
use baton_common::{Payload, TaskStatus, WorkflowStatus};

impl Decider {
    pub(super) fn run_terminate(&mut self, task: &Task) -> Flow {
        let members = json::members(&task.input);
        let status = members.get("terminationStatus").and_then(json::text);
        let status = match status.as_deref() {
            Some("COMPLETED") => WorkflowStatus::Completed,
            Some("FAILED") => WorkflowStatus::Failed,
            Some("TERMINATED") => WorkflowStatus::Terminated,
            _ => {
                let reason = "terminationStatus must be COMPLETED, FAILED or TERMINATED";
                self.end(task.seq, TaskStatus::FailedWithTerminalError, None, Some(reason));
                return Ok(());
            }
        };
        let output = members.get("workflowOutput").map_or_else(Payload::empty_object, as_object);
        self.note_open_iterations();
        let at = self.now();
        let end = TaskEnd {
            seq: task.seq,
            status: TaskStatus::Completed,
            output: Some(output.clone()),
            reason: None,
            worker: None,
            at,
        };
        self.record(Change::TaskEnded(Box::new(end)));
        let id = self.execution.id().task(task.seq);
        let reason = members.get("terminationReason").and_then(json::text);
        let reason =
            reason.unwrap_or_else(|| format!("Workflow is {status} by TERMINATE task: {id}"));
        self.finish(Ending {
            status,
            reason: Some(reason),
            failed_task: (status != WorkflowStatus::Completed).then_some(task.seq),
            output: Some(output),
            runs_failure_workflow: status != WorkflowStatus::Completed,
        });
        Ok(())
    }
}

/// A map as it is; anything else under `output`; null as nothing.
fn as_object(value: &Payload) -> Payload {
    if value.is_object() {
        value.clone()
    } else if value.is_null() {
        Payload::empty_object()
    } else {
        Payload::parse(format!("{{\"output\":{}}}", value.get())).unwrap_or_default()
    }
}
