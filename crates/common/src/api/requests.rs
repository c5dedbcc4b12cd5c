//! What callers send to start and steer executions.
use crate::definition::lenient;
use crate::{Payload, Trace, WorkflowDef};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// What a start does when its idempotency key was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IdempotencyStrategy {
    /// Refuses with 409.
    Fail,
    /// Answers the id of the earlier execution.
    ReturnExisting,
    /// Refuses while the earlier execution is open, else starts.
    FailOnRunning,
}

/// Starts an execution, of a registered definition or of one sent along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StartWorkflowRequest {
    /// The definition's name.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub name: Option<String>,
    /// Its version; absent = the highest.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::optional_integer"
    )]
    pub version: Option<i32>,
    /// The caller's own name for the execution.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub correlation_id: Option<String>,
    /// The input; left out = `{}`, explicit null = `None`, which Conductor refuses with 400.
    #[serde(deserialize_with = "lenient::optional_object")]
    pub input: Option<Payload>,
    /// Task type → domains.
    #[serde(deserialize_with = "lenient::texts_by_name")]
    pub task_to_domain: IndexMap<String, String>,
    /// The definition itself, instead of a registered one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_def: Option<WorkflowDef>,
    /// Where the input is kept outside.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub external_input_payload_storage_path: Option<String>,
    /// 0 to 99; a higher one is handed out first among tasks due at the same time.
    #[serde(deserialize_with = "lenient::integer")]
    pub priority: i32,
    /// Accepted and ignored, as in Conductor.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub created_by: Option<String>,
    /// Starts at most one execution for this key.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub idempotency_key: Option<String>,
    /// What a used key does; without a key it is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_strategy: Option<IdempotencyStrategy>,
    /// The trace that the request belongs to; its headers say so, not its body.
    #[serde(skip)]
    pub trace: Option<Trace>,
}

impl Default for StartWorkflowRequest {
    fn default() -> Self {
        Self {
            name: None,
            version: None,
            correlation_id: None,
            input: Some(Payload::empty_object()),
            task_to_domain: IndexMap::new(),
            workflow_def: None,
            external_input_payload_storage_path: None,
            priority: 0,
            created_by: None,
            idempotency_key: None,
            idempotency_strategy: None,
            trace: None,
        }
    }
}

/// Runs an ended execution again from one of its tasks; absent members keep what was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RerunWorkflowRequest {
    /// Overwritten by the path.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub re_run_from_workflow_id: Option<String>,
    /// New input of the execution.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::optional_object"
    )]
    pub workflow_input: Option<Payload>,
    /// The task to begin with; absent = from scratch.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub re_run_from_task_id: Option<String>,
    /// New input of that task.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::optional_object"
    )]
    pub task_input: Option<Payload>,
    /// New correlation id.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub correlation_id: Option<String>,
}

/// Passes over a step that has not begun.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SkipTaskRequest {
    /// Input recorded for the skipped task.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::optional_object"
    )]
    pub task_input: Option<Payload>,
    /// Output recorded for the skipped task.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::optional_object"
    )]
    pub task_output: Option<Payload>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(json: &str) -> StartWorkflowRequest {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_start_without_input_differs_from_one_with_null() {
        assert_eq!(start(r#"{"name":"w"}"#).input, Some(Payload::empty_object()));
        assert_eq!(start(r#"{"name":"w","input":null}"#).input, None);
        for wrong in [r#"{"input":"text"}"#, r#"{"input":[1]}"#] {
            assert!(serde_json::from_str::<StartWorkflowRequest>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn primitives_are_read_as_conductor_reads_them() {
        let request =
            start(r#"{"version":"3","priority":null,"taskToDomain":null,"unknown":{"a":1}}"#);
        assert_eq!((request.version, request.priority), (Some(3), 0));
        assert_eq!(request.task_to_domain, IndexMap::<String, String>::new());
        assert_eq!(start(r#"{"priority":"7"}"#).priority, 7);
        assert_eq!(start(r#"{"version":null}"#).version, None);
    }

    #[test]
    fn an_input_keeps_its_bytes() {
        let json =
            r#"{"name":"w","input":{ "b":1.0,"a":[null, 1e3]},"taskToDomain":{},"priority":0}"#;
        assert_eq!(serde_json::to_string(&start(json)).unwrap(), json);
    }

    #[test]
    fn a_rerun_request_has_conductors_names() {
        let json = r#"{"reRunFromWorkflowId":"w","workflowInput":{},"reRunFromTaskId":"t"}"#;
        let request: RerunWorkflowRequest = serde_json::from_str(json).unwrap();
        assert_eq!(request.re_run_from_task_id.as_deref(), Some("t"));
        assert_eq!(serde_json::to_string(&request).unwrap(), json);
    }
}
