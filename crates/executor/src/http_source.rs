//! The engine over its public REST API.
use crate::{PollRequest, SourceError, TaskSource};
use async_trait::async_trait;
use baton_client::{Client, ClientError};
use baton_common::api::{Task, TaskResult, TaskResultStatus};

/// Types for which IN_PROGRESS means "an outside call completes it", so that it cannot give a task
/// back; theirs come back when the lease runs out.
const NOT_HANDED_BACK: [&str; 1] = [crate::http::TASK_TYPE];

/// A [`TaskSource`] that calls a server.
#[derive(Clone, Debug)]
pub struct HttpSource {
    client: Client,
}

impl HttpSource {
    /// Takes tasks from the server that `client` calls.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

/// A report that says nothing but whose task it is.
fn about(task: &Task, worker_id: &str) -> TaskResult {
    TaskResult {
        workflow_instance_id: Some(task.workflow_instance_id.to_string()),
        task_id: Some(task.task_id.to_string()),
        worker_id: Some(worker_id.to_owned()),
        status: Some(TaskResultStatus::InProgress),
        ..TaskResult::default()
    }
}

#[async_trait]
impl TaskSource for HttpSource {
    async fn poll(&self, request: &PollRequest<'_>) -> Result<Vec<Task>, SourceError> {
        self.client.poll(request).await.map_err(source_error)
    }

    async fn heartbeat(&self, task: &Task, worker_id: &str) -> Result<(), SourceError> {
        let wish = TaskResult { extend_lease: true, ..about(task, worker_id) };
        self.client.update_task(&wish).await.map_err(source_error)
    }

    async fn report(&self, result: &TaskResult) -> Result<(), SourceError> {
        self.client.update_task(result).await.map_err(source_error)
    }

    async fn hand_back(&self, task: &Task, worker_id: &str) -> Result<(), SourceError> {
        if NOT_HANDED_BACK.contains(&&*task.task_type) {
            return Ok(());
        }
        self.client.update_task(&about(task, worker_id)).await.map_err(source_error)
    }
}

fn source_error(error: ClientError) -> SourceError {
    match error {
        ClientError::NotFound { message } | ClientError::Conflict { message } => {
            SourceError::Gone(message)
        }
        ClientError::Unavailable { reason, .. } => SourceError::Unavailable(reason),
        // A 500 of unknown cause may pass; tries are bounded.
        ClientError::Unexpected { status: 500.., message } => SourceError::Unavailable(message),
        other @ (ClientError::Invalid { .. }
        | ClientError::Denied { .. }
        | ClientError::Unexpected { .. }) => SourceError::Refused(other.to_string()),
    }
}
