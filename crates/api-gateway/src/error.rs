//! Every answer outside 2xx: what was refused, with which status and code, and how it is worded.
//!
//! [`ApiError`] travels as an extension of an empty response; the envelope writes its body, since
//! only the envelope knows the host's name and the request's id.
use axum::response::{IntoResponse, Response};
use baton_common::api::{ErrorBody, ValidationError};
use baton_orchestrator::{Fault, OrchestratorError};
use http::StatusCode;

/// A refused or failed request, as the caller is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// Our stable name of the error; the list is in `docs/reference/errors.md`.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Every fault of a definition or request; empty for other errors.
    pub faults: Vec<Fault>,
    /// What only the log may know.
    pub detail: Option<String>,
}

/// What the gateway itself refuses before the engine is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such resource; look at the path.
    #[error("No static resource {0}.")]
    UnmappedPath(String),
    /// The resource does not know this method; `Allow` lists those it knows.
    #[error("Request method '{0}' is not supported")]
    WrongMethod(String),
    /// Send the query parameter.
    #[error("Required request parameter '{0}' is not present")]
    MissingParameter(&'static str),
    /// Send the parameter in the form expected.
    #[error("Method parameter '{name}': '{value}' is not {expected}")]
    MistypedParameter {
        /// The parameter.
        name: &'static str,
        /// What was sent, cut to a readable length.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Send a number within bounds.
    #[error("'{name}' must be between {least} and {most}")]
    ParameterOutOfRange {
        /// The parameter.
        name: &'static str,
        /// Smallest accepted value.
        least: usize,
        /// Largest accepted value.
        most: usize,
    },
    /// Percent-encode the path as UTF-8.
    #[error("The path cannot be read: {0}")]
    MalformedPath(String),
    /// Use something else: this server does not have it yet.
    #[error("{0} is not implemented yet")]
    NotImplemented(&'static str),
    /// Leave NUL characters out of path and query.
    #[error("Path and query must not contain NUL characters")]
    NulCharacter,
    /// Send a body.
    #[error("Required request body is missing")]
    MissingBody,
    /// Send `Content-Type: application/json`.
    #[error("Content-Type '{0}' is not supported")]
    UnsupportedMediaType(String),
    /// Correct the JSON.
    #[error("JSON parse error: {0}")]
    UnreadableBody(String),
    /// Send JSON of fewer levels.
    #[error("The JSON is nested deeper than {0} levels")]
    JsonTooDeep(usize),
    /// Send a smaller body.
    #[error("The request body is larger than {0} bytes")]
    BodyTooLarge(usize),
    /// Send it again later: the bodies of other requests take all the memory there is for them.
    #[error("Too many bytes of request bodies are in flight; try again")]
    TooManyBodies,
    /// Send it again later, or close connections that are not needed.
    #[error("Too many connections are open; try again")]
    TooManyConnections,
    /// Send the body faster.
    #[error("The request body did not arrive in time")]
    BodyTooSlow,
    /// Send the whole body.
    #[error("The request body broke off")]
    BodyBrokenOff,
    /// A defect of the server; the log has it under the request's id.
    #[error("Internal error; the server's log has it under this answer's x-request-id")]
    Internal(String),
}

const DAMAGED: &str = "Stored data is damaged; the server's log has it under this answer's \
                       x-request-id";
const UNAVAILABLE: &str = "The engine or its database cannot answer now; try again";

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, code, message, retryable: false, faults: Vec::new(), detail: None }
    }

    /// A request that breaks one rule, named as Conductor names it: `operation.argN[.member]`.
    pub fn broken_rule(path: &str, message: &str, invalid_value: Option<String>) -> Self {
        let (path, message) = (path.to_owned(), message.to_owned());
        let fault = Fault { pointer: String::new(), path, message, invalid_value };
        OrchestratorError::Faulty(vec![fault]).into()
    }

    /// A value of a body that must not stand where it does: its JSON pointer and its path.
    pub fn misplaced(pointer: String, path: String, message: &str) -> Self {
        let fault = Fault { pointer, path, message: message.to_owned(), invalid_value: None };
        OrchestratorError::Faulty(vec![fault]).into()
    }

    /// The JSON body, as the host `instance` sends it.
    pub fn body(&self, instance: &str) -> Vec<u8> {
        let faults = (!self.faults.is_empty()).then_some(&self.faults);
        let body = ErrorBody {
            status: self.status.as_u16(),
            code: Some(self.code.to_owned()),
            message: Some(self.message.clone()),
            instance: faults.is_none().then(|| instance.to_owned()),
            retryable: self.retryable,
            validation_errors: faults.map(|faults| faults.iter().map(shown).collect()),
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

fn shown(fault: &Fault) -> ValidationError {
    let Fault { pointer, path, message, invalid_value } = fault.clone();
    ValidationError {
        path: Some(path),
        message: Some(message),
        invalid_value,
        pointer: Some(pointer),
    }
}

/// The one mapping of the engine's errors to HTTP.
impl From<OrchestratorError> for ApiError {
    fn from(error: OrchestratorError) -> Self {
        let message = error.to_string();
        match error {
            OrchestratorError::NotFound(_) => {
                Self::new(StatusCode::NOT_FOUND, "not_found", message)
            }
            OrchestratorError::Conflict(_) => Self::new(StatusCode::CONFLICT, "conflict", message),
            OrchestratorError::Invalid(_) => {
                Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
            }
            OrchestratorError::Faulty(faults) => {
                let error = Self::new(StatusCode::BAD_REQUEST, "validation_failed", message);
                Self { faults, ..error }
            }
            OrchestratorError::IllegalState(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "illegal_state", message)
            }
            OrchestratorError::TooLarge(_) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
            }
            OrchestratorError::Overloaded(_) => {
                let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "overloaded", message);
                Self { retryable: true, ..error }
            }
            OrchestratorError::Unavailable(_) => {
                let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", UNAVAILABLE);
                Self { retryable: true, detail: Some(message), ..error }
            }
            OrchestratorError::TimedOut(_) => {
                let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "time_limit", message);
                Self { retryable: true, ..error }
            }
            OrchestratorError::Corrupt(_) => {
                let error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "corrupt_data", DAMAGED);
                Self { detail: Some(message), ..error }
            }
        }
    }
}

/// What Conductor leaves to its framework: it answers most unreadable requests with 500.
impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        let (status, code, detail) = match refusal {
            Refusal::UnmappedPath(_) => (StatusCode::NOT_FOUND, "unmapped_path", None),
            Refusal::NotImplemented(_) => (StatusCode::NOT_IMPLEMENTED, "not_implemented", None),
            Refusal::WrongMethod(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", None),
            Refusal::MissingParameter(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "missing_parameter", None)
            }
            Refusal::MistypedParameter { .. } => {
                (StatusCode::INTERNAL_SERVER_ERROR, "mistyped_parameter", None)
            }
            Refusal::ParameterOutOfRange { .. } => {
                (StatusCode::BAD_REQUEST, "parameter_out_of_range", None)
            }
            Refusal::MalformedPath(_) => (StatusCode::BAD_REQUEST, "malformed_path", None),
            Refusal::NulCharacter => (StatusCode::BAD_REQUEST, "nul_character", None),
            Refusal::MissingBody => (StatusCode::INTERNAL_SERVER_ERROR, "missing_body", None),
            Refusal::UnsupportedMediaType(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "unsupported_media_type", None)
            }
            Refusal::UnreadableBody(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "unreadable_body", None)
            }
            Refusal::JsonTooDeep(_) => (StatusCode::BAD_REQUEST, "json_too_deep", None),
            Refusal::BodyTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", None),
            Refusal::TooManyBodies => (StatusCode::SERVICE_UNAVAILABLE, "too_many_bodies", None),
            Refusal::TooManyConnections => {
                (StatusCode::SERVICE_UNAVAILABLE, "too_many_connections", None)
            }
            Refusal::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, "body_too_slow", None),
            Refusal::BodyBrokenOff => (StatusCode::BAD_REQUEST, "body_broken_off", None),
            Refusal::Internal(detail) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal", Some(detail))
            }
        };
        let retryable = status == StatusCode::SERVICE_UNAVAILABLE;
        Self { retryable, detail, ..Self::new(status, code, message) }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
