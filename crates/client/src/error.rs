//! What can go wrong, by what the caller can do about it.
use baton_common::api::{ErrorBody, ValidationError};
use reqwest::StatusCode;

/// A call that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The thing named does not exist (404): check the name or id.
    #[error("{message}")]
    NotFound {
        /// The server's words.
        message: String,
    },
    /// The state forbids it (409): look again, then decide.
    #[error("{message}")]
    Conflict {
        /// The server's words.
        message: String,
    },
    /// The request is wrong (400, 413): correct it; repeating it is useless.
    #[error("{message}")]
    Invalid {
        /// The server's words.
        message: String,
        /// Each fault, where the server names them.
        faults: Vec<ValidationError>,
    },
    /// The caller may not do this (401, 403): check the token.
    #[error("the server refuses access: {message}")]
    Denied {
        /// The server's words.
        message: String,
    },
    /// The server cannot be reached or cannot answer now: retry later. The request may have been
    /// carried out if `sent`.
    #[error("{reason}")]
    Unavailable {
        /// What happened, with the address.
        reason: String,
        /// Whether the request may have reached the server.
        sent: bool,
    },
    /// An answer that this client does not understand: a defect, or not our server.
    #[error("unexpected answer (HTTP {status}): {message}")]
    Unexpected {
        /// The HTTP status.
        status: u16,
        /// The server's words, or what is wrong with its answer.
        message: String,
    },
}

/// Characters of a foreign body quoted in a message.
const QUOTE_CHARS_MAX: usize = 300;

impl ClientError {
    /// The error that an answer outside 2xx means.
    pub(crate) fn of_answer(status: StatusCode, body: &[u8]) -> Self {
        let parsed: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
        let message = parsed.message.unwrap_or_else(|| quote(status, body));
        match status {
            StatusCode::NOT_FOUND => Self::NotFound { message },
            StatusCode::CONFLICT => Self::Conflict { message },
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => {
                Self::Invalid { message, faults: parsed.validation_errors.unwrap_or_default() }
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::Denied { message },
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Self::Unavailable { reason: message, sent: true },
            _ if parsed.retryable => Self::Unavailable { reason: message, sent: true },
            other => Self::Unexpected { status: other.as_u16(), message },
        }
    }

    /// The error that a failed exchange means.
    pub(crate) fn of_exchange(error: &reqwest::Error, base: &str) -> Self {
        let sent = !(error.is_connect() || error.is_builder());
        let what = match (error.is_timeout(), sent) {
            (true, _) => "no answer in time from",
            (false, true) => "the connection broke to",
            (false, false) => "cannot connect to",
        };
        Self::Unavailable { reason: format!("{what} {base}: {}", innermost(error)), sent }
    }

    /// Whether the same call may succeed later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// The start of a body that is not our envelope.
fn quote(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text: String = text.trim().chars().take(QUOTE_CHARS_MAX).collect();
    if text.is_empty() { status.to_string() } else { text }
}

/// The message at the end of the chain of causes, which names the fault itself.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_becomes_what_the_caller_can_do() {
        let of = |status: u16, body: &str| {
            ClientError::of_answer(StatusCode::from_u16(status).unwrap(), body.as_bytes())
        };
        assert!(matches!(of(404, r#"{"message":"No such"}"#),
            ClientError::NotFound { message } if message == "No such"));
        assert!(matches!(of(409, "{}"), ClientError::Conflict { .. }));
        assert!(matches!(of(403, ""), ClientError::Denied { .. }));
        assert!(of(503, "busy").is_retryable());
        assert!(of(500, r#"{"retryable":true}"#).is_retryable());
        assert!(matches!(of(500, "<html>"),
            ClientError::Unexpected { status: 500, message } if message == "<html>"));
        let body =
            r#"{"message":"Validation failed","validationErrors":[{"path":"a","message":"b"}]}"#;
        assert!(matches!(of(400, body), ClientError::Invalid { faults, .. } if faults.len() == 1));
    }
}
