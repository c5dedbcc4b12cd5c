//! TERMINATE: ends the execution from within. **Source**: conductor-semantics §1.16.
use super::super::decider::{Decider, Flow, TaskType};
use super::super::finish::Ending;
use super::engine::ENGINE;
use crate::change::{Change, TaskEnd};
use crate::json;
use crate::plan::Node;
use crate::state::Task;
use crate::task_type::Facts;
use crate::validation::Fault;
use crate::validation::steps::{Step, TaskDefs};
use baton_common::{Payload, TaskStatus, WorkflowStatus};
use std::sync::Arc;

pub(super) static TERMINATE: TaskType = TaskType {
    facts: Facts { faults, ..Facts::of_engine("TERMINATE") },
    run: Decider::run_terminate,
    // It has ended the execution that continues now.
    follow_again: |_, _, _| {},
    ..ENGINE
};

impl Decider {
    fn run_terminate(&mut self, task: &Arc<Task>, _: &Node) -> Flow {
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

fn faults(step: &Step<'_>, _: TaskDefs<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    if step.task.optional {
        let message = format!("terminate task cannot be optional, taskName: {}", step.name());
        faults.push(step.fault("/optional", message));
    }
    let input = step.task.input_parameters.to_value();
    let status = input.get("terminationStatus").and_then(serde_json::Value::as_str);
    if !matches!(status, Some("COMPLETED" | "FAILED" | "TERMINATED")) {
        let message = format!(
            "terminate task must have an terminationStatus parameter and must be set to \
             COMPLETED or FAILED, taskName: {}",
            step.name()
        );
        faults.push(step.fault("/inputParameters/terminationStatus", message));
    }
    faults
}
