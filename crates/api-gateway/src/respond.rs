//! Answers: JSON, bare text, nothing, and tasks whose delivery counts.
use crate::delivery::DeliveryBody;
use crate::error::{ApiError, Refusal};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use baton_orchestrator::PolledTasks;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

/// What a handler gives back.
pub(crate) type Answer = Result<Response, ApiError>;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain;charset=UTF-8");

/// 200 with the value as JSON, written once.
///
/// # Errors
/// [`Refusal::Internal`] when the value cannot be written, which no type of the API can cause.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Answer {
    Ok(with_type(JSON, Body::from(bytes_of(value)?)))
}

/// 200 with a bare text, such as an id.
pub(crate) fn text(text: impl Into<Bytes>) -> Response {
    with_type(TEXT, Body::from(text.into()))
}

/// 200 without a body.
pub(crate) fn done() -> Response {
    StatusCode::OK.into_response()
}

/// 204.
pub(crate) fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// 200 with all the tasks, `[]` for none.
pub(crate) fn polled_batch(polled: PolledTasks) -> Answer {
    if polled.tasks.is_empty() {
        return Ok(with_type(JSON, Body::from(Bytes::from_static(b"[]"))));
    }
    Ok(delivering(bytes_of(&polled.tasks)?, polled))
}

/// 200 with the one task, 204 for none.
pub(crate) fn polled_one(polled: PolledTasks) -> Answer {
    let Some(task) = polled.tasks.first() else { return Ok(no_content()) };
    Ok(delivering(bytes_of(task)?, polled))
}

fn delivering(bytes: Bytes, polled: PolledTasks) -> Response {
    with_type(JSON, Body::new(DeliveryBody::new(bytes, move || polled.delivered())))
}

fn bytes_of<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, ApiError> {
    let bytes = serde_json::to_vec(value).map_err(|error| Refusal::Internal(error.to_string()))?;
    Ok(Bytes::from(bytes))
}

fn with_type(content_type: HeaderValue, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
