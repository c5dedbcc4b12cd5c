//! What workers report, and what is known about workers.
use crate::definition::lenient;
use crate::{Payload, TaskStatus, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// How an attempt went, as its worker may say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskResultStatus {
    /// Not done; the task comes back after `callbackAfterSeconds`.
    InProgress,
    /// Failed; may be tried again.
    Failed,
    /// Failed for good.
    FailedWithTerminalError,
    /// Done.
    Completed,
    /// Given up by the worker.
    Canceled,
}

impl TaskResultStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [
        Self::InProgress,
        Self::Failed,
        Self::FailedWithTerminalError,
        Self::Completed,
        Self::Canceled,
    ];

    /// The task status of the same name.
    pub const fn task_status(self) -> TaskStatus {
        match self {
            Self::InProgress => TaskStatus::InProgress,
            Self::Failed => TaskStatus::Failed,
            Self::FailedWithTerminalError => TaskStatus::FailedWithTerminalError,
            Self::Completed => TaskStatus::Completed,
            Self::Canceled => TaskStatus::Canceled,
        }
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        self.task_status().name()
    }

    /// The status with this name on the wire; names are case-sensitive.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

impl fmt::Display for TaskResultStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A worker's report about one task, or its wish to keep it longer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskResult {
    /// The execution.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub workflow_instance_id: Option<String>,
    /// The task.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub task_id: Option<String>,
    /// How it went; needed unless `extendLease`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<TaskResultStatus>,
    /// Replaces the task's output.
    #[serde(deserialize_with = "lenient::object")]
    pub output_data: Payload,
    /// Why it did not end well; cut to 500 characters.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub reason_for_incompletion: Option<String>,
    /// IN_PROGRESS: seconds until the task is handed out again.
    #[serde(deserialize_with = "lenient::integer")]
    pub callback_after_seconds: i64,
    /// Who reports.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub worker_id: Option<String>,
    /// Lines for the task's log.
    #[serde(deserialize_with = "lenient::null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<TaskExecLog>,
    /// Where the output is kept outside.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub external_output_payload_storage_path: Option<String>,
    /// The child that the worker started.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub sub_workflow_id: Option<String>,
    /// Only renews the lease; everything else is ignored.
    #[serde(deserialize_with = "lenient::boolean")]
    pub extend_lease: bool,
}

/// One line of a task's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskExecLog {
    /// The line.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub log: Option<String>,
    /// The task; overwritten on arrival.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub task_id: Option<String>,
    /// When it was written, as the writer says.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub created_time: Timestamp,
}

/// Who polled a queue last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PollData {
    /// The task type.
    pub queue_name: Arc<str>,
    /// The domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Arc<str>>,
    /// The worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<Arc<str>>,
    /// When.
    pub last_poll_time: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_an_old_client_is_read_leniently() {
        let json = r#"{"taskId":"t","status":"COMPLETED","outputData":null,"callbackAfterSeconds":"5",
            "logs":[{"log":"a","createdTime":null}],"extendLease":null,"supportsCancellation":true}"#;
        let result: TaskResult = serde_json::from_str(json).unwrap();
        assert_eq!(result.status, Some(TaskResultStatus::Completed));
        assert_eq!(result.output_data, Payload::empty_object());
        assert_eq!((result.callback_after_seconds, result.extend_lease), (5, false));
        assert_eq!(result.logs[0].created_time, Timestamp::default());
    }

    #[test]
    fn statuses_that_only_the_engine_gives_are_refused() {
        for name in ["SCHEDULED", "TIMED_OUT", "completed", ""] {
            assert_eq!(TaskResultStatus::from_name(name), None);
            let json = format!(r#"{{"status":"{name}"}}"#);
            assert!(serde_json::from_str::<TaskResult>(&json).is_err());
        }
    }
}
