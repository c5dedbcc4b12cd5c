//! Reading and steering executions: `/api/workflow/{workflowId}…`.
use crate::error::{ApiError, Refusal};
use crate::extract::{Json, Params, Segments};
use crate::respond::{self, Answer};
use crate::start::start_workflow_by_name;
use crate::texts::CorrelationIds;
use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::{delete, get, post, put};
use baton_common::TaskStatus;
use baton_common::api::{RerunWorkflowRequest, Workflow};
use baton_common::limits::{BULK_IDS_MAX, TASKS_PER_EXECUTION_MAX};
use baton_orchestrator::{Orchestrator, OrchestratorError};
use indexmap::IndexMap;

/// Tasks of a page when no count is asked for.
const TASK_COUNT_DEFAULT: usize = 15;

pub(crate) fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Orchestrator: FromRef<S>,
{
    Router::new()
        .route(
            "/api/workflow/{id}",
            get(workflow).delete(terminate_workflow).post(start_workflow_by_name),
        )
        .route("/api/workflow/{id}/status", get(workflow_status))
        .route("/api/workflow/{id}/tasks", get(workflow_tasks))
        .route("/api/workflow/running/{name}", get(running_workflows))
        .route("/api/workflow/{name}/correlated/{correlationId}", get(correlated_workflows))
        .route("/api/workflow/{name}/correlated", post(workflows_by_correlation_ids))
        .route("/api/workflow/decide/{id}", put(decide_workflow))
        .route("/api/workflow/{id}/pause", put(pause_workflow))
        .route("/api/workflow/{id}/resume", put(resume_workflow))
        .route("/api/workflow/{id}/skiptask/{taskReferenceName}", put(skip_task))
        .route("/api/workflow/{id}/rerun", post(rerun_workflow))
        .route("/api/workflow/{id}/restart", post(restart_workflow))
        .route("/api/workflow/{id}/retry", post(retry_workflow))
        .route("/api/workflow/{id}/resetcallbacks", post(reset_callbacks))
        .route("/api/workflow/{id}/remove", delete(remove_workflow))
        .route("/api/workflow/{id}/terminate-remove", delete(terminate_and_remove_workflow))
}

/// One execution, with its tasks unless they are not wanted.
async fn workflow(
    State(orchestrator): State<Orchestrator>,
    Segments(id): Segments<String>,
    params: Params,
) -> Answer {
    let include_tasks = params.flag("includeTasks", true)?;
    respond::json(&orchestrator.workflow(&id, include_tasks).await?)
}

/// The state of one execution.
async fn workflow_status(
    State(orchestrator): State<Orchestrator>,
    Segments(id): Segments<String>,
    params: Params,
) -> Answer {
    let include_output = params.flag("includeOutput", false)?;
    let include_variables = params.flag("includeVariables", false)?;
    respond::json(&orchestrator.workflow_status(&id, include_output, include_variables).await?)
}

/// A page of one execution's tasks.
async fn workflow_tasks(
    State(orchestrator): State<Orchestrator>,
    Segments(id): Segments<String>,
    params: Params,
) -> Answer {
    let most = TASKS_PER_EXECUTION_MAX as usize;
    let start = params.bounded("start", 0, 0..=most)?;
    let count = params.bounded("count", TASK_COUNT_DEFAULT, 0..=most)?;
    let statuses = task_statuses(&params)?;
    respond::json(&orchestrator.workflow_tasks(&id, start, count, &statuses).await?)
}

fn task_statuses(params: &Params) -> Result<Vec<TaskStatus>, Refusal> {
    let read = |name: String| {
        TaskStatus::from_name(&name.to_ascii_uppercase()).ok_or(Refusal::MistypedParameter {
            name: "status",
            value: name.chars().take(100).collect(),
            expected: "the status of a task",
        })
    };
    params.list("status").into_iter().map(read).collect()
}

/// Ids of a workflow's open executions, or of all that started within a period.
async fn running_workflows(
    State(orchestrator): State<Orchestrator>,
    Segments(name): Segments<String>,
    params: Params,
) -> Answer {
    let version = params.number("version")?.unwrap_or(1);
    let time = |name| Ok::<i64, Refusal>(params.number(name)?.unwrap_or(0));
    let (start, end) = (time("startTime")?, time("endTime")?);
    let period = (start != 0 && end != 0).then_some((start, end));
    respond::json(&orchestrator.running_workflows(&name, version, period).await?)
}

/// Executions of a workflow with one correlation id.
async fn correlated_workflows(
    State(orchestrator): State<Orchestrator>,
    Segments((name, correlation_id)): Segments<(String, String)>,
    params: Params,
) -> Answer {
    let closed = params.flag("includeClosed", false)?;
    let tasks = params.flag("includeTasks", false)?;
    respond::json(&orchestrator.correlated_workflows(&name, &correlation_id, closed, tasks).await?)
}

/// Executions of a workflow by each of several correlation ids.
async fn workflows_by_correlation_ids(
    State(orchestrator): State<Orchestrator>,
    Segments(name): Segments<String>,
    params: Params,
    Json(CorrelationIds(correlation_ids)): Json<CorrelationIds>,
) -> Answer {
    if correlation_ids.len() > BULK_IDS_MAX {
        let message = format!("Cannot read more than {BULK_IDS_MAX} correlation ids at once.");
        return Err(OrchestratorError::Invalid(message).into());
    }
    let closed = params.flag("includeClosed", false)?;
    let tasks = params.flag("includeTasks", false)?;
    let mut found = IndexMap::<String, Vec<Workflow>>::new();
    for id in correlation_ids {
        let workflows = orchestrator.correlated_workflows(&name, &id, closed, tasks).await?;
        found.insert(id, workflows);
    }
    respond::json(&found)
}

/// Decides about an execution now.
async fn decide_workflow(
    State(orchestrator): State<Orchestrator>,
    Segments(id): Segments<String>,
) -> Answer {
    orchestrator.decide(&id).await?;
    Ok(respond::done())
}

/// Holds an execution.
async fn pause_workflow(
    State(orchestrator): State<Orchestrator>,
    Segments(id): Segments<String>,
) -> Answer {
    orchestrator.pause(&id).await?;
    Ok(respond::done())
}

/// Lets a held execution go on.
async fn resume_workflow(
    State(orchestrator): State<Orchestrator>,
    Segments(id): Segments<String>,
) -> Answer {
    orchestrator.resume(&id).await?;
    Ok(respond::done())
}

/// Passes over a step; a body is not read, as in Conductor.
async fn skip_task(
    State(orchestrator): State<Orchestrator>,
    Segments((id, reference)): Segments<(String, String)>,
) -> Answer {
    orchestrator.skip_task(&id, &reference).await?;
    Ok(respond::done())
}

/// Runs an ended execution again from a task, or whole.
async fn rerun_workflow(
    State(orchestrator): State<Orchestrator>,
    Segments(id): Segments<String>,
    Json(request): Json<RerunWorkflowRequest>,
) -> Answer {
    Ok(respond::text(orchestrator.rerun(&id, request).await?))
}

/// Begins an ended execution anew.
async fn restart_workflow(
    State(orchestrator): State<Orchestrator>,
    Segments(id): Segments<String>,
    params: Params,
) -> Answer {
    let use_latest_definitions = params.flag("useLatestDefinitions", false)?;
    orchestrator.restart(&id, use_latest_definitions).await?;
    Ok(respond::no_content())
}

/// Tries the failed steps of an ended execution again.
async fn retry_workflow(
    State(orchestrator): State<Orchestrator>,
    Segments(id): Segments<String>,
    params: Params,
) -> Answer {
    let resume_sub_workflow_tasks = params.flag("resumeSubworkflowTasks", false)?;
    orchestrator.retry(&id, resume_sub_workflow_tasks).await?;
    Ok(respond::no_content())
}

/// Makes delayed tasks pollable now.
async fn reset_callbacks(
    State(orchestrator): State<Orchestrator>,
    Segments(id): Segments<String>,
) -> Answer {
    orchestrator.reset_callbacks(&id).await?;
    Ok(respond::no_content())
}

/// Ends an execution.
async fn terminate_workflow(
    State(orchestrator): State<Orchestrator>,
    Segments(id): Segments<String>,
    params: Params,
) -> Answer {
    orchestrator.terminate(&id, params.text("reason")).await?;
    Ok(respond::done())
}

/// Deletes an execution.
async fn remove_workflow(
    State(orchestrator): State<Orchestrator>,
    Segments(id): Segments<String>,
    params: Params,
) -> Answer {
    orchestrator.remove(&id, archived(&params)?).await?;
    Ok(respond::done())
}

/// Ends an execution, then deletes it.
async fn terminate_and_remove_workflow(
    State(orchestrator): State<Orchestrator>,
    Segments(id): Segments<String>,
    params: Params,
) -> Answer {
    let archive = archived(&params)?;
    orchestrator.terminate(&id, params.text("reason")).await?;
    orchestrator.remove(&id, archive).await?;
    Ok(respond::done())
}

fn archived(params: &Params) -> Result<bool, ApiError> {
    Ok(params.flag("archiveWorkflow", true)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_statuses_are_read_in_any_case() {
        let params = Params::parse("status=completed,FAILED&status=In_Progress");
        let statuses = task_statuses(&params).unwrap();
        assert_eq!(statuses, [TaskStatus::Completed, TaskStatus::Failed, TaskStatus::InProgress]);
        assert!(task_statuses(&Params::parse("status=done")).is_err());
    }
}
