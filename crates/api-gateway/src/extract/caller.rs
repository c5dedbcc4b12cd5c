//! What the headers say of the request as a whole: its id and the trace that it belongs to.
use crate::envelope::RequestId;
use axum::extract::FromRequestParts;
use baton_common::Trace;
use http::HeaderMap;
use http::request::Parts;
use std::convert::Infallible;

/// The request's id and trace.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The id that its log line and its answer carry.
    pub(crate) request_id: String,
    /// The caller's trace, if the headers name one.
    pub(crate) trace: Option<Trace>,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let id = parts.extensions.get::<RequestId>();
        let request_id = id.map(|id| id.as_str().to_owned()).unwrap_or_default();
        Ok(Self { request_id, trace: trace_of(&parts.headers) })
    }
}

/// `traceparent` must be there once; `tracestate` may be spread over several headers.
fn trace_of(headers: &HeaderMap) -> Option<Trace> {
    let mut parents = headers.get_all("traceparent").iter();
    let parent = parents.next()?.to_str().ok()?;
    if parents.next().is_some() {
        return None;
    }
    let states = headers.get_all("tracestate").iter();
    let states: Vec<&str> = states.filter_map(|state| state.to_str().ok()).collect();
    Trace::from_headers(parent, Some(states.join(",").as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (name.parse().unwrap(), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn one_traceparent_names_a_trace_and_states_are_joined() {
        let one = [("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")];
        let trace = trace_of(&headers(&one)).unwrap();
        assert_eq!(trace.state.as_deref(), Some("a=1,b=2"));
        assert_eq!(trace_of(&headers(&one[..1])).unwrap().state, None);
        assert_eq!(trace_of(&headers(&one[1..])), None);
        assert_eq!(trace_of(&headers(&[one[0], one[0]])), None);
    }
}
