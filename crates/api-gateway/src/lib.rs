//! The public REST API, wire-compatible with Conductor OSS: reads requests, asks the orchestrator,
//! writes answers. It decides nothing about executions and keeps no state of them.
//!
//! Serve [`router`] with [`serve()`]. A user interface goes around it:
//! `ui.fallback_service(gateway)`.
mod bodies;
mod buffer;
mod bulk;
mod delivery;
mod envelope;
mod error;
mod explain;
mod extract;
mod health;
mod lint;
mod measured;
mod metrics;
mod options;
mod queues;
mod respond;
mod search;
mod serve;
mod slots;
mod stall;
mod start;
mod task_definitions;
mod tasks;
mod texts;
mod workflow;
mod workflow_definitions;

pub use delivery::DeliveryBody;
pub use error::{ApiError, Refusal};
pub use metrics::metrics_router;
pub use options::{BODIES_BYTES_MAX_DEFAULT, GatewayOptions};
pub use serve::{ConnectionLimits, serve, serve_within};

use axum::Router;
use axum::extract::FromRef;
use baton_orchestrator::Orchestrator;
use baton_telemetry::HttpMetrics;
use http::{Method, Uri};

/// Every path of the API, `/health` and `/metrics`; any other is a 404 with the error body. The state is the
/// engine, or something that holds it.
pub fn router<S>(state: S, options: GatewayOptions) -> Router
where
    S: Clone + Send + Sync + 'static,
    Orchestrator: FromRef<S>,
{
    let envelope = envelope::Envelope::new(&options);
    let http = HttpMetrics::default();
    options.telemetry.add(&http);
    Router::new()
        .merge(workflow_definitions::router())
        .merge(task_definitions::router())
        .merge(lint::router())
        .merge(start::router())
        .merge(workflow::router())
        .merge(explain::router())
        .merge(search::router())
        .merge(bulk::router())
        .merge(tasks::router())
        .merge(queues::router())
        .merge(health::router(options.version))
        .merge(metrics::router(options.telemetry))
        .with_state(state)
        .method_not_allowed_fallback(wrong_method)
        .fallback(unmapped_path)
        .layer((
            measured::MeasuredLayer::new(http),
            axum::middleware::from_fn_with_state(envelope, envelope::wrap),
        ))
}

async fn unmapped_path(uri: Uri) -> ApiError {
    Refusal::UnmappedPath(uri.path().trim_start_matches('/').to_owned()).into()
}

async fn wrong_method(method: Method) -> ApiError {
    Refusal::WrongMethod(method.to_string()).into()
}
