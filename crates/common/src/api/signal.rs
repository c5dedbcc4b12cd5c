//! Answers of `/execute` and of `signal/sync`.
use super::Task;
use crate::{ExecutionId, Payload, TaskId, Timestamp, WorkflowStatus};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which execution or task the answer describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReturnStrategy {
    /// The execution that was started or signaled.
    #[default]
    TargetWorkflow,
    /// The execution, perhaps a child, that now waits.
    BlockingWorkflow,
    /// The task that now waits.
    BlockingTask,
    /// The input of the task that now waits.
    BlockingTaskInput,
}

/// The state reached; flat, with the members that the strategy calls for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignalResponse {
    /// What the rest describes.
    pub response_type: ReturnStrategy,
    /// The execution that was started or signaled.
    pub target_workflow_id: ExecutionId,
    /// Its state.
    pub target_workflow_status: WorkflowStatus,
    /// The caller's name for the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The execution described, or the described task's.
    pub workflow_id: ExecutionId,
    /// Its correlation id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Arc<str>>,
    /// Input of what is described.
    #[serde(default)]
    pub input: Payload,
    /// Output of what is described.
    #[serde(default)]
    pub output: Payload,
    /// Whether the wait ended before the state was reached.
    #[serde(default)]
    pub signal_timeout: bool,
    /// State of the execution or of the task, by strategy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Arc<str>>,
    /// Its priority.
    #[serde(default)]
    pub priority: i32,
    /// Workflow strategies: the variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<Payload>,
    /// Workflow strategies: the tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<Vec<Task>>,
    /// The creator, or the task's worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Arc<str>>,
    /// When it began.
    #[serde(default)]
    pub create_time: Timestamp,
    /// When it last changed.
    #[serde(default)]
    pub update_time: Timestamp,
    /// Task strategies: what runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_type: Option<Arc<str>>,
    /// Task strategies: its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<TaskId>,
    /// Task strategies: its reference name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_task_name: Option<Arc<str>>,
    /// Task strategies: attempts before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_count: Option<i32>,
    /// Task strategies: its definition's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_def_name: Option<Arc<str>>,
    /// Task strategies: the attempt before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried_task_id: Option<TaskId>,
    /// Task strategies: the workflow definition's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_type: Option<Arc<str>>,
    /// Task strategies: why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_for_incompletion: Option<Arc<str>>,
}
