//! What a process counts and measures, for Prometheus: `GET /metrics`.
use axum::Router;
use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use baton_orchestrator::Orchestrator;
use baton_telemetry::{CONTENT_TYPE, Telemetry};
use http::HeaderValue;
use http::header::CONTENT_TYPE as CONTENT_TYPE_HEADER;

const TEXT: HeaderValue = HeaderValue::from_static(CONTENT_TYPE);

/// The metrics of a process with an engine, which looks at its queues first.
pub(crate) fn router<S>(telemetry: Telemetry) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Orchestrator: FromRef<S>,
{
    let metrics = async move |State(orchestrator): State<Orchestrator>| {
        orchestrator.sample().await;
        answer(&telemetry)
    };
    Router::new().route("/metrics", get(metrics))
}

/// Only the metrics, for a process without an API.
pub fn metrics_router(telemetry: Telemetry) -> Router {
    Router::new().route("/metrics", get(async move || answer(&telemetry)))
}

fn answer(telemetry: &Telemetry) -> Response {
    ([(CONTENT_TYPE_HEADER, TEXT)], telemetry.text()).into_response()
}
