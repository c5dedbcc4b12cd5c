//! Where `${…}` tokens find an execution's documents.
//! **Source**: conductor-semantics §3.4 (roots and fields).
#![expect(
    clippy::unnecessary_wraps,
    reason = "fields that may be absent and fields that may not are made alike"
)]
use crate::json;
use crate::state::{Execution, Output, Task};
use baton_common::{Payload, Timestamp};
use baton_expression::template::{Document, Scope, Word};

/// An execution as templates see it.
pub(crate) struct ExecutionScope<'a> {
    pub(crate) execution: &'a Execution,
    /// The id that `CPEWF_TASK_ID` stands for, for types whose input may name it.
    pub(crate) task_id: Option<String>,
    pub(crate) environment: &'a dyn Fn(&str) -> Option<String>,
}

/// What `${workflow.…}` reads; `env` and `secrets` are no documents of the execution.
pub const WORKFLOW_FIELDS: &[&str] = &[
    "input",
    "output",
    "status",
    "workflowId",
    "parentWorkflowId",
    "parentWorkflowTaskId",
    "workflowType",
    "version",
    "correlationId",
    "reasonForIncompletion",
    "schemaVersion",
    "variables",
];

/// What `${reference.…}` reads of a task.
pub const TASK_FIELDS: &[&str] = &[
    "input",
    "output",
    "status",
    "taskType",
    "taskDefName",
    "referenceTaskName",
    "retryCount",
    "correlationId",
    "pollCount",
    "scheduledTime",
    "startTime",
    "endTime",
    "workflowInstanceId",
    "taskId",
    "reasonForIncompletion",
    "callbackAfterSeconds",
    "workerId",
    "iteration",
];

type Text<'a> = Option<Document<'a>>;

impl Scope for ExecutionScope<'_> {
    fn field(&self, root: &str, field: &str) -> Option<Document<'_>> {
        if root == "workflow" {
            return self.workflow_field(field);
        }
        let task = self.execution.by_base(root)?;
        self.task_field(task, field)
    }

    fn fields(&self, root: &str) -> Option<&'static [&'static str]> {
        if root == "workflow" {
            return Some(WORKFLOW_FIELDS);
        }
        self.execution.by_base(root).map(|_| TASK_FIELDS)
    }

    fn word(&self, word: &str) -> Word {
        match (word, &self.task_id) {
            ("CPEWF_TASK_ID", Some(id)) => Word::Value(id.clone()),
            ("CPEWF_TASK_ID", None) => Word::Literal,
            _ => Word::Unknown,
        }
    }

    fn environment(&self, name: &str) -> Option<String> {
        (self.environment)(name)
    }
}

impl ExecutionScope<'_> {
    fn workflow_field(&self, field: &str) -> Text<'_> {
        let execution = self.execution;
        let facts = &execution.facts;
        match field {
            "input" => raw(&execution.input),
            "output" => raw(&execution.output),
            "status" => quoted(execution.status.name()),
            "workflowId" => quoted(&execution.id().to_string()),
            "parentWorkflowId" => quoted(&facts.parent.as_ref()?.task.execution().to_string()),
            "parentWorkflowTaskId" => quoted(&facts.parent.as_ref()?.task.to_string()),
            "workflowType" => quoted(&facts.workflow_name),
            "version" => number(facts.workflow_version.into()),
            "correlationId" => quoted(facts.correlation_id.as_deref()?),
            "reasonForIncompletion" => quoted(execution.reason.as_deref()?),
            "schemaVersion" => number(execution.plan.definition.schema_version.into()),
            "variables" => raw(&execution.variables),
            _ => None,
        }
    }

    fn task_field<'a>(&'a self, task: &'a Task, field: &str) -> Text<'a> {
        let node = self.execution.node_of(task);
        let time = |at: Option<Timestamp>| number(at.map_or(0, Timestamp::millis));
        match field {
            "input" => raw(&task.input),
            "output" => match &task.output {
                Output::Plain(payload) => raw(payload),
                Output::Loop(_) => Some(task.output.json().get().to_owned().into()),
            },
            "status" => quoted(task.status.name()),
            "taskType" => quoted(&node.task_type),
            "taskDefName" => quoted(node.def_name()),
            "referenceTaskName" => quoted(&task.reference),
            "retryCount" => number(task.retry_count.into()),
            "correlationId" => quoted(self.execution.facts.correlation_id.as_deref()?),
            "pollCount" => number(task.poll_count.into()),
            "scheduledTime" => time(Some(task.scheduled_at)),
            "startTime" => time(task.started_at),
            "endTime" => time(task.ended_at),
            "workflowInstanceId" => quoted(&self.execution.id().to_string()),
            "taskId" => quoted(&self.execution.id().task(task.seq).to_string()),
            "reasonForIncompletion" => quoted(task.reason.as_deref()?),
            "callbackAfterSeconds" => number(task.callback_after_seconds),
            "workerId" => quoted(task.worker.as_deref()?),
            "iteration" => number(task.iteration.into()),
            _ => None,
        }
    }
}

fn raw(payload: &Payload) -> Text<'_> {
    Some(payload.into())
}

fn quoted<'a>(text: &str) -> Text<'a> {
    Some(json::payload(text).get().to_owned().into())
}

fn number<'a>(value: i64) -> Text<'a> {
    Some(value.to_string().into())
}
