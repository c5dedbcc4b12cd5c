//! Why executions and tasks are where they are: `/api/workflow/{id}/explain`, `/api/tasks/{id}/explain`.
use crate::extract::Segments;
use crate::respond::{self, Answer};
use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::get;
use baton_orchestrator::Orchestrator;

pub(crate) fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Orchestrator: FromRef<S>,
{
    Router::new()
        .route("/api/workflow/{id}/explain", get(explain_workflow))
        .route("/api/tasks/{id}/explain", get(explain_task))
}

/// Why an execution is where it is, to the leaves of its children.
async fn explain_workflow(
    State(orchestrator): State<Orchestrator>,
    Segments(id): Segments<String>,
) -> Answer {
    respond::json(&orchestrator.explain_workflow(&id).await?)
}

/// Why a task is where it is.
async fn explain_task(
    State(orchestrator): State<Orchestrator>,
    Segments(id): Segments<String>,
) -> Answer {
    respond::json(&orchestrator.explain_task(&id).await?)
}
