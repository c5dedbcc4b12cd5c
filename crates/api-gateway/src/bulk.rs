//! One request for many executions: `/api/workflow/bulk/…`. Each id succeeds or fails by itself.
use crate::error::ApiError;
use crate::extract::{Json, Params};
use crate::respond::{self, Answer};
use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::{delete, post, put};
use baton_common::api::BulkResponse;
use baton_common::limits::BULK_IDS_MAX;
use baton_orchestrator::{Orchestrator, OrchestratorError};
use futures::{Stream, StreamExt, stream};
use std::cmp::Reverse;
use std::pin::pin;

/// Executions of one request that are worked on at the same time.
const CONCURRENCY: usize = 8;

type ItemResult = Result<(), OrchestratorError>;

pub(crate) fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Orchestrator: FromRef<S>,
{
    Router::new()
        .route("/api/workflow/bulk/pause", put(pause_workflows))
        .route("/api/workflow/bulk/resume", put(resume_workflows))
        .route("/api/workflow/bulk/retry", post(retry_workflows))
        .route("/api/workflow/bulk/restart", post(restart_workflows))
        .route("/api/workflow/bulk/terminate", post(terminate_workflows))
        .route("/api/workflow/bulk/remove", delete(remove_workflows))
        .route("/api/workflow/bulk/terminate-remove", delete(terminate_and_remove_workflows))
}

async fn pause_workflows(state: State<Orchestrator>, ids: Json<Vec<String>>) -> Answer {
    each("pauseWorkflow", state, ids, Operation::Pause).await
}

async fn resume_workflows(state: State<Orchestrator>, ids: Json<Vec<String>>) -> Answer {
    each("resumeWorkflow", state, ids, Operation::Resume).await
}

async fn retry_workflows(state: State<Orchestrator>, ids: Json<Vec<String>>) -> Answer {
    let State(orchestrator) = state;
    let ids = bounded("retry", ids.0)?;
    respond::json(&gathered(stream::iter(retried(&orchestrator, ids).await)).await)
}

/// Retries children before their parents, which they take along: of several levels of one family the
/// work is done once. The results are in the order asked.
async fn retried(orchestrator: &Orchestrator, ids: Vec<String>) -> Vec<(String, Vec<ItemResult>)> {
    let with_depth = async |(place, id): (usize, String)| {
        let depth = orchestrator.depth(&id).await.unwrap_or(0);
        (depth, place, id)
    };
    let asked = stream::iter(ids.into_iter().enumerate()).map(with_depth);
    let mut asked: Vec<_> = asked.buffered(CONCURRENCY).collect().await;
    asked.sort_by_key(|(depth, ..)| Reverse(*depth));
    let mut results = Vec::with_capacity(asked.len());
    for level in asked.chunk_by(|one, next| one.0 == next.0) {
        let retry = async |(_, place, id): (u32, usize, String)| {
            let result = orchestrator.retry(&id, false).await;
            (place, (id, vec![result]))
        };
        let level = stream::iter(level.to_vec()).map(retry).buffered(CONCURRENCY);
        results.extend(level.collect::<Vec<_>>().await);
    }
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}

async fn restart_workflows(
    state: State<Orchestrator>,
    params: Params,
    ids: Json<Vec<String>>,
) -> Answer {
    let use_latest_definitions = params.flag("useLatestDefinitions", false)?;
    each("restart", state, ids, Operation::Restart { use_latest_definitions }).await
}

async fn terminate_workflows(
    state: State<Orchestrator>,
    params: Params,
    ids: Json<Vec<String>>,
) -> Answer {
    let reason = params.text("reason");
    each("terminate", state, ids, Operation::Terminate { reason }).await
}

async fn remove_workflows(
    state: State<Orchestrator>,
    params: Params,
    ids: Json<Vec<String>>,
) -> Answer {
    let archive = params.flag("archiveWorkflow", true)?;
    each("deleteWorkflow", state, ids, Operation::Remove { archive }).await
}

/// Ends and deletes; an id is listed once for each of the two, as in Conductor.
async fn terminate_and_remove_workflows(
    state: State<Orchestrator>,
    params: Params,
    ids: Json<Vec<String>>,
) -> Answer {
    let (reason, archive) = (params.text("reason"), params.flag("archiveWorkflow", true)?);
    each("terminateRemove", state, ids, Operation::TerminateAndRemove { reason, archive }).await
}

/// What is done to each execution.
enum Operation {
    Pause,
    Resume,
    Restart { use_latest_definitions: bool },
    Terminate { reason: Option<String> },
    Remove { archive: bool },
    TerminateAndRemove { reason: Option<String>, archive: bool },
}

impl Operation {
    async fn apply(&self, orchestrator: &Orchestrator, id: String) -> (String, Vec<ItemResult>) {
        let results = match self {
            Self::Pause => vec![orchestrator.pause(&id).await],
            Self::Resume => vec![orchestrator.resume(&id).await],
            Self::Restart { use_latest_definitions } => {
                vec![orchestrator.restart(&id, *use_latest_definitions).await]
            }
            Self::Terminate { reason } => vec![orchestrator.terminate(&id, reason.clone()).await],
            Self::Remove { archive } => vec![orchestrator.remove(&id, *archive).await],
            Self::TerminateAndRemove { reason, archive } => {
                let terminated = orchestrator.terminate(&id, reason.clone()).await;
                vec![terminated, orchestrator.remove(&id, *archive).await]
            }
        };
        (id, results)
    }
}

/// Works on a few ids at a time.
async fn each(
    name: &str,
    State(orchestrator): State<Orchestrator>,
    Json(ids): Json<Vec<String>>,
    operation: Operation,
) -> Answer {
    let ids = bounded(name, ids)?;
    let results = stream::iter(ids).map(|id| operation.apply(&orchestrator, id));
    respond::json(&gathered(results.buffered(CONCURRENCY)).await)
}

/// Between one id and [`BULK_IDS_MAX`].
fn bounded(operation: &str, ids: Vec<String>) -> Result<Vec<String>, ApiError> {
    let rule = match ids.len() {
        0 => "WorkflowIds list cannot be null.",
        1..=BULK_IDS_MAX => return Ok(ids),
        _ => "Cannot process more than 1000 workflows. Please use multiple requests.",
    };
    Err(ApiError::broken_rule(&format!("{operation}.arg0"), rule, None))
}

/// The results in the order asked.
async fn gathered(answers: impl Stream<Item = (String, Vec<ItemResult>)>) -> BulkResponse {
    let mut answers = pin!(answers);
    let mut response = BulkResponse::default();
    while let Some((id, results)) = answers.next().await {
        for result in results {
            record(&mut response, &id, result);
        }
    }
    response
}

fn record(response: &mut BulkResponse, id: &str, result: ItemResult) {
    match result {
        Ok(()) => response.bulk_successful_results.push(id.to_owned()),
        Err(error) => {
            let message = ApiError::from(error).message;
            response.bulk_error_results.insert(id.to_owned(), Some(message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two results of one id are listed twice, and every failure keeps its message.
    #[tokio::test]
    async fn results_are_listed_in_the_order_asked() {
        let gone = || OrchestratorError::NotFound("No such workflow found by id: b".to_owned());
        let results = [
            ("a".to_owned(), vec![Ok(()), Ok(())]),
            ("b".to_owned(), vec![Ok(()), Err(gone())]),
            ("c".to_owned(), vec![Ok(())]),
        ];
        let response = gathered(stream::iter(results)).await;
        assert_eq!(response.bulk_successful_results, ["a", "a", "b", "c"]);
        assert_eq!(response.bulk_error_results["b"], Some(gone().to_string()));
    }

    #[test]
    fn a_request_has_one_to_a_thousand_ids() {
        assert_eq!(bounded("retry", Vec::new()).unwrap_err().faults[0].path, "retry.arg0");
        assert!(bounded("retry", vec![String::new(); 1000]).is_ok());
        assert!(bounded("retry", vec![String::new(); 1001]).is_err());
    }
}
