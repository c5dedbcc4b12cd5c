//! Starting executions: `POST /api/workflow…`.
use crate::error::{ApiError, Refusal};
use crate::extract::{Caller, Json, JsonObject, Params, Segments, version};
use crate::respond::{self, Answer};
use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::post;
use baton_common::Payload;
use baton_common::api::StartWorkflowRequest;
use baton_orchestrator::{ExecuteRequest, Orchestrator, OrchestratorError};
use std::time::Duration;

/// Longest wait for an execution or signal, seconds; after it the state reached is answered.
pub(crate) const WAIT_SECONDS_MAX: u64 = 60;
const WAIT_SECONDS_DEFAULT: u64 = 10;
const RETURN_STRATEGIES: [&str; 4] =
    ["TARGET_WORKFLOW", "BLOCKING_WORKFLOW", "BLOCKING_TASK", "BLOCKING_TASK_INPUT"];

pub(crate) fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Orchestrator: FromRef<S>,
{
    Router::new()
        .route("/api/workflow", post(start_workflow))
        .route("/api/workflow/test", post(test_workflow))
        .route("/api/workflow/execute/{name}/{version}", post(execute_workflow))
}

/// Starts an execution of a registered definition or of the one sent along.
async fn start_workflow(
    State(orchestrator): State<Orchestrator>,
    caller: Caller,
    Json(request): Json<StartWorkflowRequest>,
) -> Answer {
    named_or_inline(&request)?;
    let request = StartWorkflowRequest { trace: caller.trace, ..with_input(request)? };
    Ok(respond::text(orchestrator.start_workflow(request).await?))
}

/// Starts an execution of the named definition; the body is its input.
pub(crate) async fn start_workflow_by_name(
    State(orchestrator): State<Orchestrator>,
    Segments(name): Segments<String>,
    params: Params,
    caller: Caller,
    JsonObject(input): JsonObject,
) -> Answer {
    let request = StartWorkflowRequest { trace: caller.trace, ..named(&name, &params, input)? };
    let version = request.version;
    let started = orchestrator.start_workflow(request).await;
    Ok(respond::text(started.map_err(|error| unknown_by_name(error, &name, version))?))
}

/// Runs a definition against mocks in Conductor. Without this route, it would start the workflow `test`.
async fn test_workflow() -> ApiError {
    Refusal::NotImplemented("POST /api/workflow/test").into()
}

/// Starts an execution and waits for its end or for a task that blocks it.
async fn execute_workflow(
    State(orchestrator): State<Orchestrator>,
    Segments((name, number)): Segments<(String, String)>,
    params: Params,
    caller: Caller,
    Json(request): Json<StartWorkflowRequest>,
) -> Answer {
    let number = Some(version(&number)?).filter(|number| *number != 0);
    prioritized(&request)?;
    let request = with_input(request)?;
    let (name, trace) = (Some(name), caller.trace);
    let start = StartWorkflowRequest { name, version: number, trace, ..request };
    let request = ExecuteRequest {
        start,
        request_id: params.text("requestId").unwrap_or(caller.request_id),
        wait_until_task_refs: params.list("waitUntilTaskRef"),
        wait_for: wait_for(&params)?,
        return_strategy: return_strategy(&params)?,
    };
    respond::json(&orchestrator.execute_workflow(request).await?)
}

/// A start must say of what.
fn named_or_inline(request: &StartWorkflowRequest) -> Result<(), ApiError> {
    if request.name.is_none() && request.workflow_def.is_none() {
        let rule = "Workflow name cannot be null or empty";
        return Err(ApiError::broken_rule("startWorkflow.arg0.name", rule, None));
    }
    prioritized(request)
}

/// A priority in a body has its own wording.
fn prioritized(request: &StartWorkflowRequest) -> Result<(), ApiError> {
    let priority = request.priority;
    let bound = match priority {
        ..0 => "minimum 0",
        0..=99 => return Ok(()),
        100.. => "maximum 99",
    };
    let rule = format!("priority: {priority} should be {bound}");
    Err(ApiError::broken_rule("startWorkflow.arg0.priority", &rule, Some(priority.to_string())))
}

/// An explicit null as input is refused; input left out is `{}`.
fn with_input(request: StartWorkflowRequest) -> Result<StartWorkflowRequest, OrchestratorError> {
    if request.input.is_none() && request.external_input_payload_storage_path.is_none() {
        let message = "NULL input passed when starting workflow";
        return Err(OrchestratorError::Invalid(message.to_owned()));
    }
    Ok(request)
}

fn named(name: &str, params: &Params, input: Payload) -> Result<StartWorkflowRequest, ApiError> {
    Ok(StartWorkflowRequest {
        name: Some(name.to_owned()),
        version: params.number("version")?,
        correlation_id: params.text("correlationId"),
        priority: priority(params)?,
        input: Some(input),
        ..StartWorkflowRequest::default()
    })
}

fn priority(params: &Params) -> Result<i32, ApiError> {
    let priority = params.number("priority")?.unwrap_or(0);
    let rule = match priority {
        ..0 => "0 is the minimum priority value",
        0..=99 => return Ok(priority),
        100.. => "99 is the maximum priority value",
    };
    Err(ApiError::broken_rule("startWorkflow.arg3", rule, Some(priority.to_string())))
}

/// The start by name words an unknown definition in its own way.
fn unknown_by_name(
    error: OrchestratorError,
    name: &str,
    version: Option<i32>,
) -> OrchestratorError {
    let OrchestratorError::NotFound(_) = error else { return error };
    let version = version.map_or_else(|| "null".to_owned(), |version| version.to_string());
    let message = format!("No such workflow found by name: {name}, version: {version}");
    OrchestratorError::NotFound(message)
}

/// 0, or less, is no wait.
fn wait_for(params: &Params) -> Result<Duration, Refusal> {
    let seconds = params.number::<i64>("waitForSeconds")?;
    let seconds =
        seconds.map_or(WAIT_SECONDS_DEFAULT, |seconds| u64::try_from(seconds).unwrap_or(0));
    Ok(Duration::from_secs(seconds.min(WAIT_SECONDS_MAX)))
}

/// What the answer describes; case-sensitive.
pub(crate) fn return_strategy(params: &Params) -> Result<String, Refusal> {
    let strategy = params.text("returnStrategy").unwrap_or_else(|| RETURN_STRATEGIES[0].to_owned());
    if RETURN_STRATEGIES.contains(&strategy.as_str()) {
        return Ok(strategy);
    }
    Err(Refusal::MistypedParameter {
        name: "returnStrategy",
        value: strategy.chars().take(100).collect(),
        expected: "one of TARGET_WORKFLOW, BLOCKING_WORKFLOW, BLOCKING_TASK, BLOCKING_TASK_INPUT",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_bounded_and_zero_is_none() {
        for (query, seconds) in [
            ("", 10),
            ("waitForSeconds=", 10),
            ("waitForSeconds=0", 0),
            ("waitForSeconds=-1", 0),
            ("waitForSeconds=1", 1),
            ("waitForSeconds=60", 60),
            ("waitForSeconds=61", 60),
            ("waitForSeconds=3", 3),
            ("waitForSeconds=900", 60),
        ] {
            assert_eq!(wait_for(&Params::parse(query)), Ok(Duration::from_secs(seconds)));
        }
    }

    #[test]
    fn a_priority_is_between_0_and_99() {
        assert_eq!(priority(&Params::parse("priority=99")), Ok(99));
        for (query, rule) in [
            ("priority=-1", "0 is the minimum priority value"),
            ("priority=100", "99 is the maximum priority value"),
        ] {
            assert_eq!(priority(&Params::parse(query)).unwrap_err().faults[0].message, rule);
        }
    }

    #[test]
    fn only_conductors_strategies_are_known() {
        assert_eq!(return_strategy(&Params::default()).unwrap(), "TARGET_WORKFLOW");
        let known = return_strategy(&Params::parse("returnStrategy=BLOCKING_TASK"));
        assert_eq!(known.unwrap(), "BLOCKING_TASK");
        assert!(return_strategy(&Params::parse("returnStrategy=blocking_task")).is_err());
    }
}
