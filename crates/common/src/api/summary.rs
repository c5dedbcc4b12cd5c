//! Results of searches.
use super::IsoTimestamp;
use crate::{ExecutionId, TaskId, TaskStatus, WorkflowStatus};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One page of what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchResult<T> {
    /// How many there are in all.
    pub total_hits: i64,
    /// This page.
    pub results: Vec<T>,
}

/// One execution as a search shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowSummary {
    /// The definition's name.
    pub workflow_type: Arc<str>,
    /// The definition's version.
    pub version: i32,
    /// The execution.
    pub workflow_id: ExecutionId,
    /// The caller's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Arc<str>>,
    /// When it began.
    #[serde(default)]
    pub start_time: IsoTimestamp,
    /// When it last changed.
    #[serde(default)]
    pub update_time: IsoTimestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<IsoTimestamp>,
    /// Its state.
    pub status: WorkflowStatus,
    /// Its input as JSON text.
    #[serde(default)]
    pub input: String,
    /// Its output as JSON text.
    #[serde(default)]
    pub output: String,
    /// Characters of `input`.
    #[serde(default)]
    pub input_size: i64,
    /// Characters of `output`.
    #[serde(default)]
    pub output_size: i64,
    /// Why it did not end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_for_incompletion: Option<Arc<str>>,
    /// Milliseconds from start to end; 0 while it is open.
    #[serde(default)]
    pub execution_time: i64,
    /// The event that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Arc<str>>,
    /// Reference names of failed tasks, joined by commas.
    #[serde(default)]
    pub failed_reference_task_names: String,
    /// Names of failed tasks.
    #[serde(default)]
    pub failed_task_names: Vec<Arc<str>>,
    /// Where the input is kept outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_input_payload_storage_path: Option<Arc<str>>,
    /// Where the output is kept outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_output_payload_storage_path: Option<Arc<str>>,
    /// Its priority.
    #[serde(default)]
    pub priority: i32,
    /// Who started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Arc<str>>,
    /// Task type → domains.
    #[serde(default)]
    pub task_to_domain: IndexMap<String, String>,
    /// The key it was started with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<Arc<str>>,
    /// The parent's id; empty for a top-level execution.
    #[serde(default)]
    pub parent_workflow_id: String,
    /// The definition's classifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier: Option<Arc<str>>,
}

/// One task as a search shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskSummary {
    /// Its execution.
    pub workflow_id: ExecutionId,
    /// The workflow definition's name.
    #[serde(default)]
    pub workflow_type: Arc<str>,
    /// The execution's correlation id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Arc<str>>,
    /// When it was scheduled.
    #[serde(default)]
    pub scheduled_time: IsoTimestamp,
    /// When it was first handed out.
    #[serde(default)]
    pub start_time: IsoTimestamp,
    /// When it last changed.
    #[serde(default)]
    pub update_time: IsoTimestamp,
    /// When it ended.
    #[serde(default)]
    pub end_time: IsoTimestamp,
    /// Its state.
    pub status: TaskStatus,
    /// Why it did not end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_for_incompletion: Option<Arc<str>>,
    /// Milliseconds from start to end.
    #[serde(default)]
    pub execution_time: i64,
    /// Milliseconds it waited for a worker.
    #[serde(default)]
    pub queue_wait_time: i64,
    /// Its definition's name.
    #[serde(default)]
    pub task_def_name: Arc<str>,
    /// What runs it.
    #[serde(default)]
    pub task_type: Arc<str>,
    /// Its input as JSON text.
    #[serde(default)]
    pub input: String,
    /// Its output as JSON text.
    #[serde(default)]
    pub output: String,
    /// The task.
    pub task_id: TaskId,
    /// Where the input is kept outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_input_payload_storage_path: Option<Arc<str>>,
    /// Where the output is kept outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_output_payload_storage_path: Option<Arc<str>>,
    /// The execution's priority.
    #[serde(default)]
    pub workflow_priority: i32,
    /// Its domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Arc<str>>,
}
