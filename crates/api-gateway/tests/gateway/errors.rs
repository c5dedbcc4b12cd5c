//! The error table: every variant, its status, and its body word for word.
use baton_api_gateway::{ApiError, Refusal};
use baton_orchestrator::{Fault, OrchestratorError};
use std::fmt::Write as _;

fn shown(errors: Vec<ApiError>) -> String {
    let mut table = String::new();
    for error in errors {
        let body = String::from_utf8(error.body("host-1")).unwrap();
        writeln!(table, "{body}\n    log: {:?}", error.detail).unwrap();
    }
    table
}

#[test]
fn every_error_of_the_engine_has_its_status_and_code() {
    let text = |text: &str| text.to_owned();
    let fault = Fault {
        pointer: text("/tasks/2/name"),
        path: text("registerWorkflowDef.arg0.tasks[2].name"),
        message: text("WorkflowTask name cannot be empty or null"),
        invalid_value: Some(String::new()),
    };
    let errors = [
        OrchestratorError::NotFound(text("No such workflow found by id: w")),
        OrchestratorError::Conflict(text("Workflow w.1 already exists!")),
        OrchestratorError::Invalid(text("NULL input passed when starting workflow")),
        OrchestratorError::Faulty(vec![Fault { invalid_value: None, ..fault.clone() }, fault]),
        OrchestratorError::IllegalState(text("The workflow w is not PAUSED so cannot resume.")),
        OrchestratorError::TooLarge(text("The input has 9 bytes, more than 8")),
        OrchestratorError::Unavailable(text("connection to 10.0.0.1 refused")),
        OrchestratorError::Corrupt(text("row 7 has no plan")),
    ];
    insta::assert_snapshot!(shown(errors.into_iter().map(ApiError::from).collect()));
}

#[test]
fn every_refusal_of_the_gateway_has_its_status_and_code() {
    let text = |text: &str| text.to_owned();
    let refusals = [
        Refusal::UnmappedPath(text("api/token")),
        Refusal::WrongMethod(text("PATCH")),
        Refusal::MissingParameter("taskType"),
        Refusal::MistypedParameter {
            name: "version",
            value: text("abc"),
            expected: "a whole number",
        },
        Refusal::ParameterOutOfRange { name: "start", least: 0, most: 9 },
        Refusal::MalformedPath(text("not UTF-8")),
        Refusal::NulCharacter,
        Refusal::MissingBody,
        Refusal::UnsupportedMediaType(text("text/plain")),
        Refusal::UnreadableBody(text("tasks[0].type: invalid type")),
        Refusal::BodyTooLarge(7),
        Refusal::BodyTooSlow,
        Refusal::BodyBrokenOff,
        Refusal::Internal(text("a handler panicked: oh")),
    ];
    insta::assert_snapshot!(shown(refusals.into_iter().map(ApiError::from).collect()));
}
