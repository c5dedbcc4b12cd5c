//! Workers' calls: `/api/tasks…`.
use crate::error::{ApiError, Refusal};
use crate::extract::{Json, JsonObject, Params, Segments, Text, result_status};
use crate::respond::{self, Answer};
use crate::start::{WAIT_SECONDS_MAX, return_strategy};
use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::{get, post};
use baton_common::api::TaskResult;
use baton_common::limits::{POLL_COUNT_MAX, POLL_TIMEOUT_MS_MAX};
use baton_orchestrator::{Fault, Orchestrator, OrchestratorError, PollRequest};
use http::StatusCode;
use std::time::Duration;

/// Wait of a poll that names none, and of every single poll, milliseconds.
const POLL_TIMEOUT_MS_DEFAULT: u64 = 100;
/// Wait of a signal that names none, milliseconds.
const SIGNAL_TIMEOUT_MS_DEFAULT: u64 = 5_000;

pub(crate) fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Orchestrator: FromRef<S>,
{
    Router::new()
        .route("/api/tasks/poll/{tasktype}", get(poll_task))
        .route("/api/tasks/poll/batch/{tasktype}", get(poll_tasks))
        .route("/api/tasks", post(update_task))
        .route("/api/tasks/update-v2", post(update_task_and_poll))
        .route("/api/tasks/{id}/{taskRefName}/{status}", post(update_task_by_reference))
        .route("/api/tasks/{id}/{taskRefName}/{status}/sync", post(update_task_sync))
        .route("/api/tasks/{id}/{status}/signal", post(signal_workflow))
        .route("/api/tasks/{id}/{status}/signal/sync", post(signal_workflow_sync))
        .route("/api/tasks/{id}/log", post(log_task).get(task_logs))
        .route("/api/tasks/{id}", get(task))
}

/// Leases one task; 204 when there is none.
async fn poll_task(
    State(orchestrator): State<Orchestrator>,
    Segments(task_type): Segments<String>,
    params: Params,
) -> Answer {
    let request = poll_request(task_type, &params, (1, POLL_TIMEOUT_MS_DEFAULT));
    respond::polled_one(orchestrator.poll(request).await?)
}

/// Leases up to `count` tasks, waiting for the first.
async fn poll_tasks(
    State(orchestrator): State<Orchestrator>,
    Segments(task_type): Segments<String>,
    params: Params,
) -> Answer {
    let size = batch_size(&params)?;
    if size.0 == 0 {
        return respond::json(&[(); 0]);
    }
    let request = poll_request(task_type, &params, size);
    respond::polled_batch(orchestrator.poll(request).await?)
}

/// How many tasks, and how many milliseconds to wait.
fn batch_size(params: &Params) -> Result<(usize, u64), ApiError> {
    let count = params.number::<i64>("count")?.unwrap_or(1).max(0);
    let timeout = params
        .number::<i64>("timeout")?
        .map_or(POLL_TIMEOUT_MS_DEFAULT, |timeout| u64::try_from(timeout).unwrap_or(0));
    if timeout > POLL_TIMEOUT_MS_MAX {
        let message = "Long Poll Timeout value cannot be more than 5 seconds";
        return Err(OrchestratorError::Invalid(message.to_owned()).into());
    }
    Ok((usize::try_from(count).unwrap_or(POLL_COUNT_MAX).min(POLL_COUNT_MAX), timeout))
}

fn poll_request(task_type: String, params: &Params, size: (usize, u64)) -> PollRequest {
    PollRequest {
        task_type,
        domain: params.text("domain"),
        worker: params.text("workerid"),
        count: size.0,
        timeout: Duration::from_millis(size.1),
    }
}

/// Applies a worker's result.
async fn update_task(
    State(orchestrator): State<Orchestrator>,
    Json(result): Json<TaskResult>,
) -> Answer {
    Ok(respond::text(orchestrator.update_task(complete(result)?).await?))
}

/// Applies a worker's result and leases its next task.
async fn update_task_and_poll(
    State(orchestrator): State<Orchestrator>,
    Json(result): Json<TaskResult>,
) -> Answer {
    let result = complete(result).map_err(as_unreadable)?;
    respond::polled_one(orchestrator.update_task_and_poll(result).await?)
}

/// A result with both its ids and, unless it only extends a lease, a status.
fn complete(result: TaskResult) -> Result<TaskResult, ApiError> {
    let ids = [
        (result.workflow_instance_id.as_ref(), "workflowInstanceId", "Workflow Id"),
        (result.task_id.as_ref(), "taskId", "Task ID"),
    ];
    let missing = ids.into_iter().filter(|(id, ..)| id.is_none_or(String::is_empty));
    let faults: Vec<Fault> = missing.map(|(id, member, name)| empty_id(id, member, name)).collect();
    if !faults.is_empty() {
        return Err(OrchestratorError::Faulty(faults).into());
    }
    if result.status.is_none() && !result.extend_lease {
        return Err(Refusal::UnreadableBody("status: a value is missing".to_owned()).into());
    }
    Ok(result)
}

fn empty_id(id: Option<&String>, member: &str, name: &str) -> Fault {
    Fault {
        pointer: format!("/{member}"),
        path: format!("updateTask.arg0.{member}"),
        message: format!("{name} cannot be null or empty"),
        invalid_value: id.cloned(),
    }
}

/// Conductor checks this body in another layer, which answers 500.
fn as_unreadable(error: ApiError) -> ApiError {
    ApiError { status: StatusCode::INTERNAL_SERVER_ERROR, ..error }
}

/// Gives a result to the open task of a step; an empty answer when there is none.
async fn update_task_by_reference(
    State(orchestrator): State<Orchestrator>,
    Segments((id, reference, status)): Segments<(String, String, String)>,
    params: Params,
    JsonObject(output): JsonObject,
) -> Answer {
    let (status, worker) = (result_status(&status)?, params.text("workerid"));
    let task =
        orchestrator.update_task_by_reference(&id, &reference, status, output, worker).await?;
    Ok(respond::text(task.unwrap_or_default()))
}

/// Gives a result to the open task of a step and answers the execution.
async fn update_task_sync(
    State(orchestrator): State<Orchestrator>,
    Segments((id, reference, status)): Segments<(String, String, String)>,
    params: Params,
    JsonObject(output): JsonObject,
) -> Answer {
    let (status, worker) = (result_status(&status)?, params.text("workerid"));
    let task =
        orchestrator.update_task_by_reference(&id, &reference, status, output, worker).await?;
    if task.is_none() {
        let message = format!("Found no running task {reference} of workflow {id} to update");
        return Err(OrchestratorError::NotFound(message).into());
    }
    respond::json(&orchestrator.workflow(&id, true).await?)
}

/// Gives a result to the first open WAIT; silent when there is none.
async fn signal_workflow(
    State(orchestrator): State<Orchestrator>,
    Segments((id, status)): Segments<(String, String)>,
    JsonObject(output): JsonObject,
) -> Answer {
    orchestrator.signal(&id, result_status(&status)?, output).await?;
    Ok(respond::done())
}

/// Gives a result to the first open WAIT and waits for what it leads to.
async fn signal_workflow_sync(
    State(orchestrator): State<Orchestrator>,
    Segments((id, status)): Segments<(String, String)>,
    params: Params,
    JsonObject(output): JsonObject,
) -> Answer {
    let (status, strategy) = (result_status(&status)?, return_strategy(&params)?);
    let wait_for = signal_wait(&params)?;
    let response = orchestrator.signal_and_wait(&id, status, output, &strategy, wait_for).await?;
    respond::json(&response)
}

fn signal_wait(params: &Params) -> Result<Duration, Refusal> {
    let millis = params.number::<i64>("timeoutMillis")?;
    let millis = millis.map_or(SIGNAL_TIMEOUT_MS_DEFAULT, |millis| {
        u64::try_from(millis).unwrap_or(0).min(WAIT_SECONDS_MAX * 1000)
    });
    Ok(Duration::from_millis(millis))
}

/// Adds a line to a task's log.
async fn log_task(
    State(orchestrator): State<Orchestrator>,
    Segments(id): Segments<String>,
    Text(line): Text,
) -> Answer {
    orchestrator.log_task(&id, line).await?;
    Ok(respond::done())
}

/// A task's log, oldest line first; 204 when it is empty.
async fn task_logs(
    State(orchestrator): State<Orchestrator>,
    Segments(id): Segments<String>,
) -> Answer {
    let lines = orchestrator.task_logs(&id).await?;
    if lines.is_empty() { Ok(respond::no_content()) } else { respond::json(&lines) }
}

/// One task.
async fn task(State(orchestrator): State<Orchestrator>, Segments(id): Segments<String>) -> Answer {
    respond::json(&orchestrator.task(&id).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton_common::api::TaskResultStatus;

    #[test]
    fn a_poll_is_bounded() {
        let size = |query: &str| batch_size(&Params::parse(query)).unwrap();
        assert_eq!(size(""), (1, 100));
        assert_eq!(size("count=5&timeout=5000"), (5, 5000));
        assert_eq!(size("count=100000&timeout=-3"), (POLL_COUNT_MAX, 0));
        assert_eq!(size("count=-1&timeout="), (0, 100));
        let error = batch_size(&Params::parse("timeout=5001")).unwrap_err();
        assert_eq!(error.status.as_u16(), 400);
        assert_eq!(error.message, "Long Poll Timeout value cannot be more than 5 seconds");
        assert_eq!(batch_size(&Params::parse("count=many")).unwrap_err().status.as_u16(), 500);
    }

    #[test]
    fn a_result_needs_its_ids_and_a_status() {
        let error = complete(TaskResult::default()).unwrap_err();
        let messages: Vec<_> = error.faults.iter().map(|fault| fault.message.as_str()).collect();
        let expected = ["Workflow Id cannot be null or empty", "Task ID cannot be null or empty"];
        assert_eq!((error.status.as_u16(), messages), (400, expected.to_vec()));
        assert_eq!(as_unreadable(error).status.as_u16(), 500);

        let id = Some("i".to_owned());
        let bare =
            TaskResult { workflow_instance_id: id.clone(), task_id: id, ..TaskResult::default() };
        assert_eq!(complete(bare.clone()).unwrap_err().status.as_u16(), 500);
        assert!(complete(TaskResult { extend_lease: true, ..bare.clone() }).is_ok());
        let status = Some(TaskResultStatus::Completed);
        assert!(complete(TaskResult { status, ..bare }).is_ok());
    }
}
