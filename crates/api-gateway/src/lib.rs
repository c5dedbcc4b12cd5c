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
mod measured;
mod metrics;
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
pub use serve::{ConnectionLimits, serve, serve_within};

use axum::Router;
use axum::extract::FromRef;
use baton_orchestrator::Orchestrator;
use baton_telemetry::{HttpMetrics, Telemetry};
use http::{Method, Uri};

/// What [`GatewayOptions::bodies_bytes_max`] is unless it is set, bytes: eight of the largest bodies.
pub const BODIES_BYTES_MAX_DEFAULT: usize = 8 * baton_common::limits::BODY_BYTES_MAX;

/// What the gateway of one process is told about itself.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// The host's name, shown as `instance` in error bodies.
    pub instance: String,
    /// What `GET /api/version` answers.
    pub version: String,
    /// Seed of the request ids that this process makes; random, so that two processes differ.
    pub request_id_seed: u64,
    /// Most bytes of request bodies in memory at a time; above it requests are refused with 503.
    pub bodies_bytes_max: usize,
    /// What `GET /metrics` shows; the gateway adds what it records itself.
    pub telemetry: Telemetry,
}

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
