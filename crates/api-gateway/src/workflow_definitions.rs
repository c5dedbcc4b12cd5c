//! Workflow definitions: `/api/metadata/workflow`.
use crate::error::ApiError;
use crate::extract::{JsonWithText, Params, Segments, version};
use crate::lint::{self, Body};
use crate::respond::{self, Answer};
use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::{delete, get, post};
use baton_common::api::{WorkflowDefSummary, WorkflowsUpdated};
use baton_common::{Payload, WorkflowDef};
use baton_orchestrator::{Orchestrator, OrchestratorError};
use serde::Deserialize;

pub(crate) fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Orchestrator: FromRef<S>,
{
    Router::new()
        .route(
            "/api/metadata/workflow",
            post(register_workflow).put(update_workflows).get(list_workflow_definitions),
        )
        .route("/api/metadata/workflow/validate", post(validate_workflow))
        .route("/api/metadata/workflow/latest-versions", get(latest_workflow_definitions))
        .route("/api/metadata/workflow/names", get(workflow_names))
        .route("/api/metadata/workflow/names-and-versions", get(workflow_names_and_versions))
        .route("/api/metadata/workflow/{name}", get(workflow_definition))
        .route("/api/metadata/workflow/{name}/versions", get(workflow_versions))
        .route("/api/metadata/workflow/{name}/{version}", delete(delete_workflow))
}

/// Registers one definition; a version that exists is replaced only on demand.
async fn register_workflow(
    State(orchestrator): State<Orchestrator>,
    params: Params,
    JsonWithText(definition, text): JsonWithText<WorkflowDef>,
) -> Answer {
    let overwrite = params.flag("overwrite", false)?;
    let registered = orchestrator.register_workflow(definition.clone(), overwrite).await;
    registered.map_err(|error| lint::refusal(error, &text, &[""]))?;
    lint::answer(&lint::workflows(&orchestrator, Body::of_one(definition, text)).await)
}

/// Registers or replaces definitions, all of them or none.
async fn update_workflows(
    State(orchestrator): State<Orchestrator>,
    JsonWithText(definitions, text): JsonWithText<Vec<WorkflowDef>>,
) -> Answer {
    if definitions.is_empty() {
        let rule = "WorkflowDefList is empty";
        return Err(ApiError::broken_rule("updateWorkflowDef.arg0", rule, Some("[]".to_owned())));
    }
    let places: Vec<String> = (0..definitions.len()).map(|index| format!("/{index}")).collect();
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    let updated = orchestrator.update_workflows(definitions.clone()).await;
    let names = updated.map_err(|error| lint::refusal(error, &text, &places))?;
    let warnings = lint::workflows(&orchestrator, Body::of_list(definitions, text)).await;
    respond::json(&WorkflowsUpdated { names, warnings })
}

/// Checks a definition and keeps nothing.
async fn validate_workflow(
    State(orchestrator): State<Orchestrator>,
    JsonWithText(definition, text): JsonWithText<WorkflowDef>,
) -> Answer {
    let checked = orchestrator.validate_workflow(definition.clone()).await;
    checked.map_err(|error| lint::refusal(error, &text, &[""]))?;
    lint::answer(&lint::workflows(&orchestrator, Body::of_one(definition, text)).await)
}

/// One definition, its highest version when none is asked for.
async fn workflow_definition(
    State(orchestrator): State<Orchestrator>,
    Segments(name): Segments<String>,
    params: Params,
) -> Answer {
    let version = params.number("version")?;
    respond::json(&orchestrator.workflow_definition(&name, version).await?)
}

/// Every version of every definition, perhaps of one classifier.
async fn list_workflow_definitions(
    State(orchestrator): State<Orchestrator>,
    params: Params,
) -> Answer {
    let mut definitions = orchestrator.workflow_definitions().await?;
    if let Some(classifier) = params.text("classifier") {
        definitions.retain(|definition| is_classified(definition, &classifier));
    }
    respond::json(&definitions)
}

/// The highest version of every definition.
async fn latest_workflow_definitions(State(orchestrator): State<Orchestrator>) -> Answer {
    respond::json(&orchestrator.latest_workflow_definitions().await?)
}

/// The names, sorted.
async fn workflow_names(State(orchestrator): State<Orchestrator>) -> Answer {
    let versions = orchestrator.workflow_versions().await?;
    respond::json(&versions.keys().collect::<Vec<_>>())
}

/// The names with their versions.
async fn workflow_names_and_versions(State(orchestrator): State<Orchestrator>) -> Answer {
    respond::json(&orchestrator.workflow_versions().await?)
}

/// The versions of one name; none for an unknown one.
async fn workflow_versions(
    State(orchestrator): State<Orchestrator>,
    Segments(name): Segments<String>,
) -> Answer {
    let mut versions = orchestrator.workflow_versions().await?;
    let versions: Vec<WorkflowDefSummary> = versions.remove(&name).unwrap_or_default();
    respond::json(&versions)
}

/// Deletes one version; executions of it go on.
async fn delete_workflow(
    State(orchestrator): State<Orchestrator>,
    Segments((name, number)): Segments<(String, String)>,
) -> Answer {
    let number = version(&number)?;
    orchestrator.delete_workflow(&name, number).await.map_err(unknown_is_illegal)?;
    Ok(respond::done())
}

/// Conductor over SQL answers 500 when what should be deleted is not there (recorded).
pub(crate) fn unknown_is_illegal(error: OrchestratorError) -> OrchestratorError {
    if let OrchestratorError::NotFound(message) = error {
        return OrchestratorError::IllegalState(message);
    }
    error
}

/// Whether a definition has this classifier: `workflow` for those without any, `agent` for agents,
/// else what its metadata says; in any case of letters.
fn is_classified(definition: &Payload, classifier: &str) -> bool {
    #[derive(Deserialize, Default)]
    struct Classified {
        #[serde(default)]
        metadata: Option<Metadata>,
    }
    #[derive(Deserialize, Default)]
    struct Metadata {
        classifier: Option<serde_json::Value>,
        agent_sdk: Option<serde_json::Value>,
        #[serde(rename = "agentDef")]
        agent_def: Option<serde_json::Value>,
    }
    let definition: Classified = serde_json::from_str(definition.get()).unwrap_or_default();
    let metadata = definition.metadata.unwrap_or_default();
    let is_agent = metadata.agent_sdk.is_some() || metadata.agent_def.is_some();
    let tag = metadata.classifier.as_ref().and_then(serde_json::Value::as_str);
    let tag = tag.unwrap_or(if is_agent { "agent" } else { "workflow" });
    tag.eq_ignore_ascii_case(classifier.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_classifier_is_read_from_the_metadata() {
        let classified = |json: &str, classifier: &str| {
            is_classified(&Payload::parse(json.to_owned()).unwrap(), classifier)
        };
        assert!(classified(r#"{"name":"w"}"#, "Workflow"));
        assert!(classified(r#"{"metadata":{}}"#, "workflow"));
        assert!(classified(r#"{"metadata":{"agent_sdk":"x"}}"#, "AGENT"));
        assert!(classified(r#"{"metadata":{"classifier":"etl"}}"#, "etl"));
        assert!(!classified(r#"{"metadata":{"classifier":"etl"}}"#, "workflow"));
        assert!(!classified(r#"{"metadata":null}"#, "agent"));
    }
}
