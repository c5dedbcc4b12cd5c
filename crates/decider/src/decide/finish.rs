//! The end of an execution: its status, its output, what is cancelled and who is told.
//! **Source**: conductor-semantics §2.9.
use super::{Decider, Flow};
use crate::change::{Change, ExecutionEnd, TaskEnd};
use crate::command::{ChildStart, MessageBody};
use crate::json::{self, Object};
use crate::state::Task;
use baton_common::limits::WORKFLOW_PAYLOAD_BYTES_MAX;
use baton_common::planted::{Planted, is};
use baton_common::{ExecutionId, Payload, SpanId, TaskStatus, WorkflowStatus};
use baton_expression::template::{ResolveLimits, Template};
use std::sync::Arc;

/// How an execution is to end.
pub(crate) struct Ending {
    pub(crate) status: WorkflowStatus,
    pub(crate) reason: Option<String>,
    pub(crate) failed_task: Option<u32>,
    /// The output, when a TERMINATE task gives one.
    pub(crate) output: Option<Payload>,
    pub(crate) runs_failure_workflow: bool,
}

impl Decider {
    /// Completes the execution when nothing is open any more; permissive failures fail it then.
    pub(super) fn complete_if_done(&mut self) {
        if !self.execution.open.is_empty() {
            return;
        }
        let failures = self.permissive_failures();
        let failed_task = failures.first().map(|task| task.seq);
        let reasons: Vec<String> = failures.iter().map(|task| self.describe(task)).collect();
        let is_failed = !reasons.is_empty();
        self.finish(Ending {
            status: if is_failed { WorkflowStatus::Failed } else { WorkflowStatus::Completed },
            reason: is_failed.then(|| reasons.join(". ")),
            failed_task,
            output: None,
            runs_failure_workflow: is_failed,
        });
    }

    fn permissive_failures(&self) -> Vec<Arc<Task>> {
        let tasks = self.execution.tasks.values();
        let is_failure = |task: &&Arc<Task>| {
            !task.retried
                && !task.status.is_successful()
                && !self.execution.node_of(task).task.optional
        };
        tasks.filter(is_failure).cloned().collect()
    }

    fn describe(&self, task: &Task) -> String {
        let id = self.execution.id().task(task.seq);
        let reason = task.reason.as_deref().unwrap_or_default();
        format!("Task {id} failed with status: {} and reason: '{reason}'", task.status)
    }

    /// Fails the execution for a fault of its definition.
    pub(super) fn fail_for_good(&mut self, reason: &str) {
        self.finish(Ending {
            status: WorkflowStatus::Failed,
            reason: Some(reason.to_owned()),
            failed_task: None,
            output: None,
            runs_failure_workflow: true,
        });
    }

    /// Ends the execution.
    pub(super) fn finish(&mut self, ending: Ending) {
        self.drop_agenda();
        if ending.output.is_none() {
            self.note_open_iterations();
        }
        self.cancel_open_tasks(ending.reason.as_deref().unwrap_or_default());
        // Output templates see the end as it will be.
        Arc::make_mut(&mut self.execution).status = ending.status;
        let (own_output, ending) = self.output_of(ending);
        let mut output = own_output.clone();
        if ending.runs_failure_workflow {
            output = self.start_failure_workflow(
                ending.reason.as_deref(),
                ending.status,
                output,
                ending.failed_task,
            );
        }
        let reason: Option<Arc<str>> = ending.reason.map(Arc::from);
        self.record(Change::ExecutionEnded(Box::new(ExecutionEnd {
            status: ending.status,
            output,
            reason: reason.clone(),
            failed_task: ending.failed_task,
            at: self.now(),
        })));
        let saw_outside = self.execution.saw_outside;
        self.send_to_parent(|task| MessageBody::ChildEnded {
            task,
            status: ending.status,
            output: own_output,
            reason: reason.map(|reason| reason.to_string()),
            saw_outside,
        });
    }

    /// The output of an execution that ends so. One whose output is too large fails.
    fn output_of(&mut self, ending: Ending) -> (Payload, Ending) {
        let output = ending.output.clone().map_or_else(|| self.default_output(), Ok);
        let fault = match output {
            Ok(output) if output.len_bytes() <= WORKFLOW_PAYLOAD_BYTES_MAX => {
                return (output, ending);
            }
            Ok(output) => format!(
                "the output of {} bytes is larger than the limit of {WORKFLOW_PAYLOAD_BYTES_MAX}",
                output.len_bytes()
            ),
            Err(stop) => stop.reason(),
        };
        let reason = match &ending.reason {
            Some(reason) => format!("{reason}; {fault}"),
            None => fault,
        };
        let has_completed = ending.status == WorkflowStatus::Completed;
        let status = if has_completed { WorkflowStatus::Failed } else { ending.status };
        Arc::make_mut(&mut self.execution).status = status;
        let runs_failure_workflow = ending.runs_failure_workflow || has_completed;
        let reason = Some(reason);
        (Payload::empty_object(), Ending { status, reason, runs_failure_workflow, ..ending })
    }

    fn cancel_open_tasks(&mut self, why: &str) {
        let open: Vec<Arc<Task>> = self.execution.open_tasks().cloned().collect();
        for task in open {
            let at = self.now();
            self.record(Change::TaskEnded(Box::new(TaskEnd {
                seq: task.seq,
                status: TaskStatus::Canceled,
                output: None,
                reason: task.reason.clone(),
                worker: None,
                at,
            })));
            let reason = format!("Parent workflow has been terminated with reason: {why}");
            self.let_go(&task, &reason);
        }
    }

    /// Ends the child of a task that waits for it no longer.
    pub(super) fn let_go(&mut self, task: &Task, reason: &str) {
        if task.child.is_some() && !is(Planted::ForgetTheChildren) {
            self.send_to_child(task.seq, MessageBody::ParentEnded { reason: reason.to_owned() });
        }
    }

    /// The definition's output, else that of the last task.
    pub(super) fn default_output(&self) -> Flow<Payload> {
        if let Some(template) = &self.execution.plan.output {
            let limits = ResolveLimits {
                bytes_max: WORKFLOW_PAYLOAD_BYTES_MAX,
                ..ResolveLimits::TASK_INPUT
            };
            return self.resolve_within(template, None, &limits);
        }
        let ran = |task: &&Arc<Task>| task.status != TaskStatus::Skipped;
        let last = self.execution.tasks.values().rev().find(ran);
        Ok(last.map_or_else(Payload::empty_object, |task| task.output.json()))
    }

    /// Asks for the failure workflow, if there is one; its id goes into the output.
    fn start_failure_workflow(
        &mut self,
        reason: Option<&str>,
        status: WorkflowStatus,
        output: Payload,
        failed_task: Option<u32>,
    ) -> Payload {
        let definition = self.execution.plan.definition.clone();
        let Some(name) = definition.failure_workflow.as_deref() else { return output };
        if name.is_empty() || is(Planted::ForgetTheFailureWorkflow) {
            return output;
        }
        let Some(name) = self.failure_workflow_name(name) else { return output };
        let seq = failed_task.unwrap_or(self.execution.last_seq);
        let salt = self.execution.id().task(seq.max(1));
        let id = ExecutionId::child_of(salt, self.now().plus_millis(1));
        let own_id = self.execution.id();
        let mut input = json::members(&self.execution.input);
        input.insert("workflowId".into(), json::payload(&own_id.to_string()));
        input.insert("reason".into(), json::payload(&reason));
        input.insert("failureStatus".into(), json::payload(status.name()));
        if let Some(seq) = failed_task {
            input.insert("failureTaskId".into(), json::payload(&own_id.task(seq).to_string()));
        }
        input.insert("failedWorkflow".into(), Payload::null());
        let facts = &self.execution.facts;
        let start = ChildStart {
            name: name.clone(),
            version: definition.failure_workflow_version,
            input: json::payload(&input),
            correlation_id: facts.correlation_id.clone(),
            task_to_domain: facts.task_to_domain.clone(),
            trace: facts.trace_within(SpanId::of_execution(own_id)),
            ..ChildStart::default()
        };
        let mut members: Object = json::members(&output);
        let shown = match self.with_lineage(start) {
            Ok(start) => {
                self.send_start(id, MessageBody::Start(Box::new(start)));
                id.to_string()
            }
            Err(reason) => refused(&name, &reason),
        };
        members.insert("conductor.failure_workflow".into(), json::payload(&shown));
        json::payload(&members)
    }

    /// The failure workflow's name: literal, `$workflow.input.x`, or a token.
    fn failure_workflow_name(&self, name: &str) -> Option<String> {
        let path =
            name.strip_prefix("$workflow.input.").map(|key| format!("${{workflow.input.{key}}}"));
        let text = path.as_deref().unwrap_or(name);
        if !text.contains("${") {
            return Some(text.to_owned());
        }
        json::text(&self.resolve(&Template::compile_text(text), None).ok()?)
    }
}

/// What an execution's output says in place of the failure workflow's id.
pub(super) fn refused(name: &str, reason: &str) -> String {
    format!("Error workflow {name} failed to start.  reason: {reason}")
}
