//! Request bodies. The envelope has read them whole before a handler runs.
use crate::error::{ApiError, Refusal};
use crate::texts::{Bounded, Texts, escaped};
use axum::extract::{FromRequest, Request};
use baton_common::limits::JSON_DEPTH_MAX;
use baton_common::{Payload, strict};
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};
use std::fmt::Write as _;

/// A body that must be there and be JSON of this shape, with no text above its limit.
pub(crate) struct Json<T>(pub(crate) T);

/// As [`Json`], with the text that it was read from.
pub(crate) struct JsonWithText<T>(pub(crate) T, pub(crate) Bytes);

/// A body that must be a JSON object, kept as the text it is.
pub(crate) struct JsonObject(pub(crate) Payload);

/// A body taken as text whatever its content type; one pair of JSON quotes is taken off.
pub(crate) struct Text(pub(crate) String);

impl<T: DeserializeOwned + Bounded, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let JsonWithText(body, _) = JsonWithText::from_request(request, state).await?;
        Ok(Self(body))
    }
}

impl<T: DeserializeOwned + Bounded, S: Send + Sync> FromRequest<S> for JsonWithText<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let bytes = json_bytes(request).await?;
        let body: T = parsed(&bytes)?;
        let mut texts = Texts::default();
        body.bound(&mut texts);
        texts.answer()?;
        Ok(Self(body, bytes))
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonObject {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let payload: Payload = parsed(&json_bytes(request).await?)?;
        if payload.is_null() {
            Err(Refusal::MissingBody.into())
        } else if payload.is_object() {
            Ok(Self(payload))
        } else if payload.get().starts_with('[') {
            Err(ApiError::misplaced(String::new(), String::new(), strict::LIST_REFUSED))
        } else {
            Err(Refusal::UnreadableBody("an object is expected".to_owned()).into())
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Text {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let bytes = some_bytes(request).await?;
        let text = unquoted(&String::from_utf8_lossy(&bytes));
        let mut texts = Texts::default();
        texts.check("", &text, usize::MAX);
        texts.answer()?;
        Ok(Self(text))
    }
}

fn unquoted(text: &str) -> String {
    let quoted = text.starts_with('"').then(|| serde_json::from_str(text).ok()).flatten();
    quoted.unwrap_or_else(|| text.to_owned())
}

async fn some_bytes(request: Request) -> Result<Bytes, Refusal> {
    let whole = request.into_body().collect().await.map_err(|_| Refusal::BodyBrokenOff)?;
    let bytes = whole.to_bytes();
    if bytes.is_empty() { Err(Refusal::MissingBody) } else { Ok(bytes) }
}

async fn json_bytes(request: Request) -> Result<Bytes, Refusal> {
    let media_type = media_type(request.headers());
    let bytes = some_bytes(request).await?;
    if is_json(&media_type) { Ok(bytes) } else { Err(Refusal::UnsupportedMediaType(media_type)) }
}

fn media_type(headers: &HeaderMap) -> String {
    let header = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    header.unwrap_or("application/octet-stream").to_ascii_lowercase()
}

/// `application/json` or `application/*+json`. Browsers send neither across sites unasked.
fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let subtype = essence.strip_prefix("application/");
    subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

/// Reads JSON; only when that fails, reads it again to find the place of the fault.
fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if strict::is_deeper_than(bytes, JSON_DEPTH_MAX) {
        return Err(Refusal::JsonTooDeep(JSON_DEPTH_MAX).into());
    }
    strict::read(bytes).map_err(|error| {
        let mut again = strict::unbounded(bytes);
        match serde_path_to_error::deserialize::<_, T>(strict::Strict(&mut again)) {
            Ok(_) => Refusal::UnreadableBody(error.to_string()).into(),
            Err(located) => unreadable(&located),
        }
    })
}

fn unreadable(located: &serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    let (path, reason) = (located.path().to_string(), located.inner().to_string());
    let path = if path == "." || path == "?" { String::new() } else { path };
    // Conductor answers 500 to a list as a start's input, and its clients' recordings hold that.
    if reason.starts_with(strict::LIST_REFUSED) && path != "input" {
        return ApiError::misplaced(pointer(located.path()), path, strict::LIST_REFUSED);
    }
    let reason = if path.is_empty() { reason } else { format!("{path}: {reason}") };
    Refusal::UnreadableBody(reason).into()
}

/// The place as a JSON pointer.
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        let written = match segment {
            Segment::Seq { index } => write!(pointer, "/{index}"),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                write!(pointer, "/{}", escaped(key))
            }
            Segment::Unknown => Ok(()),
        };
        if written.is_err() {
            unreachable!("a string takes all that is written");
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton_common::api::StartWorkflowRequest;
    use baton_common::{TaskDef, WorkflowDef};

    fn refusal<T: DeserializeOwned>(json: &str) -> String {
        parsed::<T>(json.as_bytes()).err().map(|error| error.message).unwrap_or_default()
    }

    #[test]
    fn the_message_names_the_field() {
        let answers = [
            refusal::<WorkflowDef>(r#"{"name":"w","timeoutPolicy":"RETRY"}"#),
            refusal::<WorkflowDef>(r#"{"tasks":[{"name":"a"},{"name":"b","retryCount":"x"}]}"#),
            refusal::<WorkflowDef>(
                r#"{"name":"w","tasks":[{"decisionCases":{"c":[{"type":[]}]}}]}"#,
            ),
            refusal::<Vec<TaskDef>>(r#"{"name":"single"}"#),
            refusal::<StartWorkflowRequest>(r#"{"name":"w","input":"text"}"#),
            refusal::<StartWorkflowRequest>(r#"{"name":"w","#),
            refusal::<StartWorkflowRequest>(r#"{"name":"w"} x"#),
            refusal::<Vec<String>>(r#"["a",null]"#),
        ];
        insta::assert_snapshot!(answers.join("\n"));
    }

    #[test]
    fn media_types_of_json() {
        for json in ["application/json", "application/json;charset=utf-8", "application/x+json"] {
            assert!(is_json(json), "{json}");
        }
        for other in ["text/plain", "application/x-www-form-urlencoded", "text/json", ""] {
            assert!(!is_json(other), "{other}");
        }
    }

    #[test]
    fn one_pair_of_quotes_is_taken_off_a_json_text() {
        for (sent, kept) in [
            ("a log line", "a log line"),
            (r#""a log line""#, "a log line"),
            (r#""a\nb""#, "a\nb"),
            (r#""""#, ""),
            (r#"""x"""#, r#"""x"""#),
            (r#"{"a":1}"#, r#"{"a":1}"#),
            (r#""open"#, r#""open"#),
        ] {
            assert_eq!(unquoted(sent), kept);
        }
    }

    async fn refused<T: FromRequest<(), Rejection = ApiError>>(kind: &str, body: &str) -> String {
        let request = http::Request::post("/").header(CONTENT_TYPE, kind);
        let request = request.body(axum::body::Body::from(body.to_owned())).unwrap();
        T::from_request(request, &()).await.err().map_or_else(String::new, |error| {
            let is_misplaced = error.code == "validation_failed";
            assert_eq!(error.status.as_u16(), if is_misplaced { 400 } else { 500 });
            error.code.to_owned()
        })
    }

    #[tokio::test]
    async fn a_body_must_be_there_and_be_json() {
        for (kind, body, code) in [
            ("application/json", "{}", ""),
            ("application/json; charset=UTF-8", r#" {"a": 1} "#, ""),
            ("application/json", "", "missing_body"),
            ("text/plain", "", "missing_body"),
            ("application/json", "null", "missing_body"),
            ("application/json", "[1]", "validation_failed"),
            ("application/json", r#""text""#, "unreadable_body"),
            ("application/x-www-form-urlencoded", "a=1", "unsupported_media_type"),
        ] {
            assert_eq!(refused::<JsonObject>(kind, body).await, code, "{kind} {body}");
        }
        assert_eq!(refused::<Text>("text/plain", "a line").await, "");
        assert_eq!(refused::<Text>("text/plain", "").await, "missing_body");
    }
}
