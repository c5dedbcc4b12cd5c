//! Tasks: poll, report, log, look up.
use crate::target::Target;
use crate::{Client, ClientError};
use baton_common::api::{
    PollData, QueueState, SearchResult, Task, TaskExecLog, TaskExplanation, TaskResult,
    TaskResultStatus, TaskSummary,
};
use baton_common::{ExecutionId, Payload, TaskId};
use indexmap::IndexMap;
use reqwest::Method;
use std::time::Duration;

/// A worker's wish for work.
#[derive(Clone, Debug)]
pub struct PollRequest<'text> {
    /// What the worker can run.
    pub task_type: &'text str,
    /// Who asks.
    pub worker_id: &'text str,
    /// A named sub-queue.
    pub domain: Option<&'text str>,
    /// Most tasks to hand out.
    pub count: usize,
    /// How long the server may wait for the first task; at most 5 s.
    pub timeout: Duration,
}

impl Client {
    /// Leases up to `count` tasks, waiting up to `timeout` for the first. Never repeated here.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] when the timeout is above 5 s; [`ClientError::Unavailable`], and
    /// tasks whose answer was lost come back when their lease runs out.
    pub async fn poll(&self, request: &PollRequest<'_>) -> Result<Vec<Task>, ClientError> {
        let target = Target::new("/tasks/poll/batch")
            .segment(request.task_type)
            .query("workerid", request.worker_id)
            .query("count", request.count)
            .query("timeout", request.timeout.as_millis())
            .query_if("domain", request.domain);
        self.once(Method::GET, target).patient(request.timeout).into_json().await
    }

    /// Reports about a task. Late and doubled reports are accepted and change nothing, so the
    /// caller may repeat this; this method does not.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] when the task is unknown; [`ClientError::Invalid`].
    pub async fn update_task(&self, result: &TaskResult) -> Result<(), ClientError> {
        self.once(Method::POST, Target::new("/tasks")).json(result)?.done().await
    }

    /// Reports about a task and takes the next one of the same type and domain, if one is due.
    ///
    /// # Errors
    /// As [`Client::update_task`].
    pub async fn update_task_v2(&self, result: &TaskResult) -> Result<Option<Task>, ClientError> {
        let target = Target::new("/tasks/update-v2");
        self.once(Method::POST, target).json(result)?.into_json_if_any().await
    }

    /// Ends the open task of a step; answers its id, or nothing when no such task was open.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] when the output is no object.
    pub async fn update_task_by_ref(
        &self,
        workflow_id: ExecutionId,
        reference_name: &str,
        status: TaskResultStatus,
        output: &Payload,
    ) -> Result<Option<TaskId>, ClientError> {
        let target =
            Target::new("/tasks").segment(workflow_id).segment(reference_name).segment(status);
        let answer = self.change(Method::POST, target).json(output)?.into_text().await?;
        Ok(answer.parse().ok())
    }

    /// One task.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] when there is none.
    pub async fn task(&self, id: TaskId) -> Result<Task, ClientError> {
        self.read(Target::new("/tasks").segment(id)).into_json().await
    }

    /// Why a task is where it is, and what would move it.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] when there is none.
    pub async fn explain_task(&self, id: TaskId) -> Result<TaskExplanation, ClientError> {
        self.read(Target::new("/tasks").segment(id).literal("/explain")).into_json().await
    }

    /// Adds a line to a task's log.
    ///
    /// # Errors
    /// [`ClientError::Unavailable`]; the line may be there then.
    pub async fn add_task_log(&self, id: TaskId, line: &str) -> Result<(), ClientError> {
        let target = Target::new("/tasks").segment(id).literal("/log");
        self.change(Method::POST, target).text(line).done().await
    }

    /// A task's log, oldest line first.
    ///
    /// # Errors
    /// [`ClientError::Unavailable`].
    pub async fn task_logs(&self, id: TaskId) -> Result<Vec<TaskExecLog>, ClientError> {
        let target = Target::new("/tasks").segment(id).literal("/log");
        Ok(self.read(target).into_json_if_any().await?.unwrap_or_default())
    }

    /// How many tasks wait, by task type.
    ///
    /// # Errors
    /// [`ClientError::Unavailable`].
    pub async fn queue_sizes(
        &self,
        task_types: &[&str],
    ) -> Result<IndexMap<String, i64>, ClientError> {
        let target = Target::new("/tasks/queue/sizes");
        let target = task_types.iter().fold(target, |target, name| target.query("taskType", name));
        self.read(target).into_json().await
    }

    /// How many tasks wait in every queue.
    ///
    /// # Errors
    /// [`ClientError::Unavailable`].
    pub async fn queues(&self) -> Result<IndexMap<String, i64>, ClientError> {
        self.read(Target::new("/tasks/queue/all")).into_json().await
    }

    /// Every queue that has ready tasks or a limit in use, with what limits it.
    ///
    /// # Errors
    /// [`ClientError::Unavailable`].
    pub async fn queue_states(&self) -> Result<Vec<QueueState>, ClientError> {
        self.read(Target::new("/tasks/queue/states")).into_json().await
    }

    /// Who polled for a task type last, one entry for each domain.
    ///
    /// # Errors
    /// [`ClientError::Unavailable`].
    pub async fn poll_data(&self, task_type: &str) -> Result<Vec<PollData>, ClientError> {
        let target = Target::new("/tasks/queue/polldata").query("taskType", task_type);
        self.read(target).into_json().await
    }

    /// Searches tasks.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] when the query is malformed.
    pub async fn search_tasks(
        &self,
        request: &crate::SearchRequest,
    ) -> Result<SearchResult<TaskSummary>, ClientError> {
        self.read(request.target(Target::new("/tasks/search"))).into_json().await
    }
}
