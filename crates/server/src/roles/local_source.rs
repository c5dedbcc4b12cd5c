//! The engine of this process as a source of tasks: no network between it and its executor.
use async_trait::async_trait;
use baton_client::PollRequest;
use baton_common::api::{Task, TaskResult, TaskResultStatus};
use baton_executor::{SourceError, TaskSource};
use baton_orchestrator::{Orchestrator, OrchestratorError};

/// Takes tasks from the orchestrator of this process.
pub(crate) struct LocalSource {
    orchestrator: Orchestrator,
}

impl LocalSource {
    pub(crate) fn new(orchestrator: Orchestrator) -> Self {
        Self { orchestrator }
    }

    async fn update(&self, result: TaskResult) -> Result<(), SourceError> {
        self.orchestrator.update_task(result).await.map(|_| ()).map_err(source_error)
    }
}

#[async_trait]
impl TaskSource for LocalSource {
    async fn poll(&self, request: &PollRequest<'_>) -> Result<Vec<Task>, SourceError> {
        let request = baton_orchestrator::PollRequest {
            task_type: request.task_type.to_owned(),
            domain: request.domain.map(str::to_owned),
            worker: Some(request.worker_id.to_owned()),
            count: request.count,
            timeout: request.timeout,
        };
        let mut polled = self.orchestrator.poll(request).await.map_err(source_error)?;
        let tasks = std::mem::take(&mut polled.tasks);
        polled.delivered();
        Ok(tasks)
    }

    async fn heartbeat(&self, task: &Task, worker_id: &str) -> Result<(), SourceError> {
        self.update(TaskResult { extend_lease: true, ..about(task, worker_id) }).await
    }

    async fn report(&self, result: &TaskResult) -> Result<(), SourceError> {
        self.update(result.clone()).await
    }

    async fn hand_back(&self, task: &Task, _worker_id: &str) -> Result<(), SourceError> {
        self.orchestrator.return_task(task).await.map_err(source_error)
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

fn source_error(error: OrchestratorError) -> SourceError {
    match error {
        OrchestratorError::NotFound(message) | OrchestratorError::Conflict(message) => {
            SourceError::Gone(message)
        }
        OrchestratorError::Overloaded(message)
        | OrchestratorError::Unavailable(message)
        | OrchestratorError::TimedOut(message) => SourceError::Unavailable(message),
        other @ (OrchestratorError::Invalid(_)
        | OrchestratorError::Faulty(_)
        | OrchestratorError::IllegalState(_)
        | OrchestratorError::TooLarge(_)
        | OrchestratorError::Corrupt(_)) => SourceError::Refused(other.to_string()),
    }
}
