//! Path segments.
use super::excerpt;
use crate::error::{ApiError, Refusal};
use axum::extract::{FromRequestParts, Path};
use baton_common::TaskStatus;
use baton_common::api::TaskResultStatus;
use http::request::Parts;
use serde::de::DeserializeOwned;

/// The variable segments of the path, percent-decoded; an encoded slash stays inside its segment.
pub(crate) struct Segments<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for Segments<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(segments)) => Ok(Self(segments)),
            Err(rejection) => Err(Refusal::MalformedPath(rejection.body_text()).into()),
        }
    }
}

/// Reads a version out of a segment.
///
/// # Errors
/// [`Refusal::MistypedParameter`].
pub(crate) fn version(segment: &str) -> Result<i32, Refusal> {
    segment.trim().parse().map_err(|_| Refusal::MistypedParameter {
        name: "version",
        value: excerpt(segment),
        expected: "a whole number",
    })
}

/// Reads a status that a worker may report; names are case-sensitive.
///
/// # Errors
/// [`Refusal::MistypedParameter`].
pub(crate) fn result_status(segment: &str) -> Result<TaskStatus, Refusal> {
    TaskResultStatus::from_name(segment).map(TaskResultStatus::task_status).ok_or_else(|| {
        Refusal::MistypedParameter {
            name: "status",
            value: excerpt(segment),
            expected: "one of IN_PROGRESS, FAILED, FAILED_WITH_TERMINAL_ERROR, COMPLETED, CANCELED",
        }
    })
}
