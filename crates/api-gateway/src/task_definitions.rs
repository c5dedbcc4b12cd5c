//! Task definitions: `/api/metadata/taskdefs`.
use crate::error::ApiError;
use crate::extract::{JsonWithText, Segments};
use crate::lint::{self, Body};
use crate::respond::{self, Answer};
use crate::workflow_definitions::unknown_is_illegal;
use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::{get, post};
use baton_common::TaskDef;
use baton_orchestrator::Orchestrator;

pub(crate) fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Orchestrator: FromRef<S>,
{
    Router::new()
        .route(
            "/api/metadata/taskdefs",
            post(register_tasks).put(update_task_definition).get(list_task_definitions),
        )
        .route(
            "/api/metadata/taskdefs/{tasktype}",
            get(task_definition).delete(delete_task_definition),
        )
}

/// Registers or replaces definitions.
async fn register_tasks(
    State(orchestrator): State<Orchestrator>,
    JsonWithText(definitions, text): JsonWithText<Vec<TaskDef>>,
) -> Answer {
    if definitions.is_empty() {
        let rule = "TaskDefList is empty";
        return Err(ApiError::broken_rule("registerTaskDef.arg0", rule, Some("[]".to_owned())));
    }
    orchestrator.register_tasks(definitions.clone()).await?;
    lint::answer(&lint::tasks(Body::of_list(definitions, text)).await)
}

/// Replaces a definition that exists.
async fn update_task_definition(
    State(orchestrator): State<Orchestrator>,
    JsonWithText(definition, text): JsonWithText<TaskDef>,
) -> Answer {
    orchestrator.update_task_definition(definition.clone()).await?;
    lint::answer(&lint::tasks(Body::of_one(definition, text)).await)
}

/// Every definition.
async fn list_task_definitions(State(orchestrator): State<Orchestrator>) -> Answer {
    respond::json(&orchestrator.task_definitions().await?)
}

/// One definition.
async fn task_definition(
    State(orchestrator): State<Orchestrator>,
    Segments(name): Segments<String>,
) -> Answer {
    respond::json(&orchestrator.task_definition(&name).await?)
}

/// Deletes a definition; tasks already scheduled keep theirs.
async fn delete_task_definition(
    State(orchestrator): State<Orchestrator>,
    Segments(name): Segments<String>,
) -> Answer {
    orchestrator.delete_task_definition(&name).await.map_err(unknown_is_illegal)?;
    Ok(respond::done())
}
