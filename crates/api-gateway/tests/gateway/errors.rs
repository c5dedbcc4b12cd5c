//! The error table: every variant, its status, and its body word for word.
use baton_api_gateway::{ApiError, Refusal};
use baton_orchestrator::{Fault, OrchestratorError};
use std::collections::BTreeSet;
use std::fmt::Write as _;

fn shown(errors: Vec<ApiError>) -> String {
    let mut table = String::new();
    for error in errors {
        let body = String::from_utf8(error.body("host-1")).unwrap();
        writeln!(table, "{body}\n    log: {:?}", error.detail).unwrap();
    }
    table
}

fn of_the_engine() -> Vec<ApiError> {
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
        OrchestratorError::TimedOut(text("the database stopped the work at its time limit")),
        OrchestratorError::Corrupt(text("row 7 has no plan")),
        OrchestratorError::Overloaded(text("256 starts are waiting already")),
    ];
    errors.into_iter().map(ApiError::from).collect()
}

#[test]
fn every_error_of_the_engine_has_its_status_and_code() {
    insta::assert_snapshot!(shown(of_the_engine()));
}

fn of_the_gateway() -> Vec<ApiError> {
    let text = |text: &str| text.to_owned();
    let refusals = [
        Refusal::UnmappedPath(text("api/token")),
        Refusal::NotImplemented("POST /api/workflow/test"),
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
        Refusal::JsonTooDeep(7),
        Refusal::BodyTooLarge(7),
        Refusal::TooManyBodies,
        Refusal::TooManyConnections,
        Refusal::BodyTooSlow,
        Refusal::BodyBrokenOff,
        Refusal::Internal(text("a handler panicked: oh")),
    ];
    refusals.into_iter().map(ApiError::from).collect()
}

#[test]
fn every_refusal_of_the_gateway_has_its_status_and_code() {
    insta::assert_snapshot!(shown(of_the_gateway()));
}

const PAGE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/errors.md"));
const MAPPING: &str = include_str!("../../src/error.rs");
const LIMITS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../common/src/limits.rs"));

/// The rows of the table that has this first column, their cells without blanks around.
fn table(first_column: &str) -> Vec<Vec<&'static str>> {
    let from = PAGE.find(&format!("| {first_column} |")).unwrap();
    let rows = PAGE[from..].lines().take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// Goal: the manual has every code, with what the mapping says of it, and no other. Method: its table
/// is compared with one error of each kind, and these with the codes that the mapping's source names.
#[test]
fn the_manual_has_every_code() {
    let mut errors = of_the_engine();
    errors.extend(of_the_gateway());
    let row = |error: &ApiError| {
        let retryable = if error.retryable { "yes" } else { "no" };
        [format!("`{}`", error.code), error.status.as_u16().to_string(), retryable.to_owned()]
    };
    let known: BTreeSet<_> = errors.iter().map(row).collect();
    let told = table("code").into_iter();
    let told: Vec<[String; 3]> =
        told.map(|cells| [cells[0].to_owned(), cells[1].to_owned(), cells[2].to_owned()]).collect();
    assert_eq!(told.len(), known.len(), "a code stands in the manual twice or not at all");
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), known);
    let codes: BTreeSet<&str> = errors.iter().map(|error| error.code).collect();
    let named = MAPPING.split("StatusCode::").filter_map(|rest| {
        let (_, after) = rest.split_once(',')?;
        after.trim_start().strip_prefix('"')?.split('"').next()
    });
    assert_eq!(named.collect::<BTreeSet<&str>>(), codes, "a code of the mapping is not tried here");
}

/// Goal: the manual has every limit with its value and reason, and no other. Method: its table is
/// compared with the one that the limits' source makes.
#[test]
fn the_manual_has_every_limit() {
    let mut doc = Vec::new();
    let mut limits = Vec::new();
    for line in LIMITS.lines() {
        if let Some(line) = line.strip_prefix("/// ") {
            doc.push(line);
        } else if let Some(constant) = line.strip_prefix("pub const ") {
            let (name, rest) = constant.split_once(':').unwrap();
            let (_, value) = rest.trim_end_matches(';').split_once('=').unwrap();
            let factors = value.split('*').map(|factor| factor.trim().replace('_', ""));
            let value: u64 = factors.map(|factor| factor.parse::<u64>().unwrap()).product();
            limits.push(vec![format!("`{name}`"), value.to_string(), doc.join(" ")]);
            doc.clear();
        }
    }
    assert_eq!(table("limit"), limits);
}
