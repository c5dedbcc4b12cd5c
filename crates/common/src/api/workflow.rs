//! An execution as readers see it.
use super::Task;
use crate::{ExecutionId, Payload, TaskId, Timestamp, WorkflowStatus};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One execution with its tasks. Every member that Conductor always prints is always printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workflow {
    /// Empty, as in Conductor.
    #[serde(default)]
    pub owner_app: Arc<str>,
    /// When it was started.
    #[serde(default)]
    pub create_time: Timestamp,
    /// When it last changed.
    #[serde(default)]
    pub update_time: Timestamp,
    /// Who started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Arc<str>>,
    /// Who changed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<Arc<str>>,
    /// Its state.
    pub status: WorkflowStatus,
    /// When it ended.
    #[serde(default)]
    pub end_time: Timestamp,
    /// Its id.
    pub workflow_id: ExecutionId,
    /// The parent's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_workflow_id: Option<ExecutionId>,
    /// The parent's task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_workflow_task_id: Option<TaskId>,
    /// Its tasks by number; empty when they were not asked for.
    #[serde(default)]
    pub tasks: Vec<Task>,
    /// Its input.
    #[serde(default)]
    pub input: Payload,
    /// Its output.
    #[serde(default)]
    pub output: Payload,
    /// The caller's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Arc<str>>,
    /// The execution it runs again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re_run_from_workflow_id: Option<ExecutionId>,
    /// Why it did not end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_for_incompletion: Option<Arc<str>>,
    /// The event that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Arc<str>>,
    /// Task type → domains.
    #[serde(default)]
    pub task_to_domain: IndexMap<String, String>,
    /// Reference names of failed tasks.
    #[serde(default)]
    pub failed_reference_task_names: Vec<Arc<str>>,
    /// Names of failed tasks.
    #[serde(default)]
    pub failed_task_names: Vec<Arc<str>>,
    /// The definition, spliced in unparsed.
    #[serde(default)]
    pub workflow_definition: Payload,
    /// Where the input is kept outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_input_payload_storage_path: Option<Arc<str>>,
    /// Where the output is kept outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_output_payload_storage_path: Option<Arc<str>>,
    /// Its priority.
    #[serde(default)]
    pub priority: i32,
    /// Its variables.
    #[serde(default)]
    pub variables: Payload,
    /// When it was last retried.
    #[serde(default)]
    pub last_retried_time: Timestamp,
    /// Always empty, as in Conductor.
    #[serde(default)]
    pub history: Vec<Payload>,
    /// The key it was started with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<Arc<str>>,
    /// The key of its rate limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit_key: Option<Arc<str>>,
    /// Whether it is held by a rate limit.
    #[serde(default)]
    pub rate_limited: bool,
    /// When it was started, again.
    #[serde(default)]
    pub start_time: Timestamp,
    /// The definition's name.
    #[serde(default)]
    pub workflow_name: Arc<str>,
    /// The definition's version.
    #[serde(default)]
    pub workflow_version: i32,
}

impl Workflow {
    /// A running execution without tasks; a literal with `..Workflow::running(id, name)` gives the rest.
    pub fn running(workflow_id: ExecutionId, workflow_name: Arc<str>) -> Self {
        Self {
            owner_app: "".into(),
            create_time: Timestamp::default(),
            update_time: Timestamp::default(),
            created_by: None,
            updated_by: None,
            status: WorkflowStatus::Running,
            end_time: Timestamp::default(),
            workflow_id,
            parent_workflow_id: None,
            parent_workflow_task_id: None,
            tasks: Vec::new(),
            input: Payload::empty_object(),
            output: Payload::empty_object(),
            correlation_id: None,
            re_run_from_workflow_id: None,
            reason_for_incompletion: None,
            event: None,
            task_to_domain: IndexMap::new(),
            failed_reference_task_names: Vec::new(),
            failed_task_names: Vec::new(),
            workflow_definition: Payload::empty_object(),
            external_input_payload_storage_path: None,
            external_output_payload_storage_path: None,
            priority: 0,
            variables: Payload::empty_object(),
            last_retried_time: Timestamp::default(),
            history: Vec::new(),
            idempotency_key: None,
            rate_limit_key: None,
            rate_limited: false,
            start_time: Timestamp::default(),
            workflow_name,
            workflow_version: 1,
        }
    }
}

/// The answer of `GET /workflow/{id}/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowStatusView {
    /// The execution.
    pub workflow_id: ExecutionId,
    /// The caller's name for it, if not empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Arc<str>>,
    /// The output, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Payload>,
    /// The variables, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<Payload>,
    /// Its state.
    pub status: WorkflowStatus,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workflow() -> Workflow {
        let id = ExecutionId::new(Timestamp::from_millis(1_795_329_039_876), 1);
        Workflow {
            correlation_id: Some("order-7".into()),
            tasks: vec![Task::scheduled(id.task(1), "greet".into())],
            workflow_definition: Payload::parse(r#"{"name":"hello"}"#.to_owned()).unwrap(),
            ..Workflow::running(id, "hello".into())
        }
    }

    #[test]
    fn an_execution_prints_every_member_that_conductor_always_prints() {
        insta::assert_json_snapshot!(serde_json::to_value(workflow()).unwrap());
    }

    #[test]
    fn an_execution_survives_the_wire() {
        let json = serde_json::to_string(&workflow()).unwrap();
        assert_eq!(serde_json::from_str::<Workflow>(&json).unwrap(), workflow());
    }
}
