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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    async fn read(path: &str) -> (u16, String) {
        let handler = async |Segments((first, second)): Segments<(String, String)>| {
            format!("{first}|{second}")
        };
        let router: Router = Router::new().route("/x/{first}/{second}", get(handler));
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn segments_are_decoded_after_the_path_is_split() {
        for (path, segments) in [
            ("/x/a%20b/c:d", "a b|c:d"),
            ("/x/a%2Fb/c%3Fd", "a/b|c?d"),
            ("/x/a+b/%C3%A9", "a+b|é"),
            ("/x/%2e%2e/%25", "..|%"),
        ] {
            assert_eq!(read(path).await, (200, segments.to_owned()), "{path}");
        }
        assert_eq!(read("/x/a%FF/b").await.0, 400);
    }

    #[test]
    fn statuses_and_versions_are_strict() {
        assert_eq!(result_status("COMPLETED"), Ok(TaskStatus::Completed));
        assert!(result_status("completed").is_err() && result_status("TIMED_OUT").is_err());
        assert_eq!(version("3"), Ok(3));
        assert!(version("abc").is_err() && version("99999999999").is_err());
    }
}
