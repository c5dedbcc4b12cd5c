//! What is suspicious in definitions that the engine has accepted, for the answer's body.
use crate::respond::{self, Answer};
use crate::texts::escaped;
use axum::Router;
use axum::routing::get;
use baton_common::api::DefinitionWarnings;
use baton_common::{TaskDef, WorkflowDef};
use baton_lint::schema::{task_def_schema, workflow_schema};
use baton_lint::{Document, Known, lint_task_def, lint_workflow, misnamed_tasks};
use baton_orchestrator::{Fault, KnownNames, Orchestrator, OrchestratorError};
use bytes::Bytes;

pub(crate) fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/api/metadata/schema/workflow", get(workflow_definition_schema))
        .route("/api/metadata/schema/taskdef", get(task_definition_schema))
}

/// The JSON Schema of workflow definitions.
async fn workflow_definition_schema() -> Answer {
    respond::json(workflow_schema())
}

/// The JSON Schema of task definitions.
async fn task_definition_schema() -> Answer {
    respond::json(task_def_schema())
}

/// One body's definitions: pointers begin with `prefix` and lead through the text that they were
/// read from.
pub(crate) struct Body<T> {
    /// The definitions, each with its place in the text.
    pub(crate) definitions: Vec<(String, T)>,
    /// The text.
    pub(crate) text: Bytes,
}

impl<T> Body<T> {
    /// A body that is one definition.
    pub(crate) fn of_one(definition: T, text: Bytes) -> Self {
        Self { definitions: vec![(String::new(), definition)], text }
    }

    /// A body that is a list of definitions.
    pub(crate) fn of_list(definitions: impl IntoIterator<Item = T>, text: Bytes) -> Self {
        let numbered = definitions.into_iter().enumerate();
        let placed = numbered.map(|(index, definition)| (format!("/{index}"), definition));
        Self { definitions: placed.collect(), text }
    }
}

/// What is suspicious in workflow definitions, as of what is registered now.
pub(crate) async fn workflows(
    orchestrator: &Orchestrator,
    body: Body<WorkflowDef>,
) -> DefinitionWarnings {
    // The definitions are stored by now: what is not known is not judged.
    let registered = Registered(orchestrator.known_names().await.ok());
    warnings(body, move |definition, part| lint_workflow(definition, part, &registered).into())
        .await
}

/// What is suspicious in task definitions.
pub(crate) async fn tasks(body: Body<TaskDef>) -> DefinitionWarnings {
    warnings(body, |definition, part| lint_task_def(definition, part).into()).await
}

/// A refusal of definitions, with the member that was meant to be `tasks` where there is one.
pub(crate) fn refusal(error: OrchestratorError, text: &[u8], places: &[&str]) -> OrchestratorError {
    let OrchestratorError::Faulty(mut faults) = error else { return error };
    let document = Document::read(text).unwrap_or_default();
    for place in places {
        let part = document.part(place);
        let Some(member) = misnamed_tasks(part.value()) else { continue };
        let message = format!(
            "unknown member `{member}`: the steps of a workflow are in `tasks`; did you mean `tasks`?"
        );
        let (pointer, path) = (format!("{place}/{}", escaped(member)), member.to_owned());
        faults.push(Fault { pointer, path, message, invalid_value: None });
    }
    OrchestratorError::Faulty(faults)
}

/// 200 with the warnings, and without a body when there are none.
pub(crate) fn answer(warnings: &DefinitionWarnings) -> Answer {
    if warnings.warnings.is_empty() { Ok(respond::done()) } else { respond::json(warnings) }
}

/// Runs a check of each definition, on a thread that may take its time.
async fn warnings<T: Send + 'static>(
    body: Body<T>,
    check: impl Fn(&T, &Document) -> DefinitionWarnings + Send + 'static,
) -> DefinitionWarnings {
    let work = move || {
        let document = Document::read(&body.text).unwrap_or_default();
        let mut all = DefinitionWarnings::default();
        for (place, definition) in &body.definitions {
            let part = document.part(place);
            let mut found = check(definition, &part);
            for warning in &mut found.warnings {
                warning.pointer.insert_str(0, place);
            }
            all.warnings.append(&mut found.warnings);
            all.warnings_left_out += found.warnings_left_out;
        }
        all
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_default()
}

/// What the server knows; nothing when it cannot be asked.
struct Registered(Option<KnownNames>);

impl Known for Registered {
    fn has_workflow(&self, name: &str, version: Option<i32>) -> Option<bool> {
        self.0.as_ref().map(|known| known.has_workflow(name, version))
    }

    fn workflow_names(&self) -> Vec<&str> {
        self.0.iter().flat_map(KnownNames::workflow_names).collect()
    }

    fn has_task_def(&self, name: &str) -> Option<bool> {
        self.0.as_ref().map(|known| known.task_def(name).is_some())
    }

    fn task_names(&self) -> Vec<&str> {
        self.0.iter().flat_map(KnownNames::task_names).collect()
    }

    fn gives_input(&self, name: &str, member: &str) -> bool {
        let definition = self.0.as_ref().and_then(|known| known.task_def(name));
        definition.is_some_and(|def| def.input_template.to_value().get(member).is_some())
    }

    fn is_polled(&self, queue: &str) -> Option<bool> {
        self.0.as_ref().map(|known| known.is_polled(queue))
    }
}
