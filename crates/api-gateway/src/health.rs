//! Whether this process can work, and which version it is.
use crate::respond::{self, Answer};
use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::get;
use baton_orchestrator::Orchestrator;
use http::StatusCode;
use serde::Serialize;
use std::time::Duration;

/// Longest wait for the database before the process calls itself unhealthy.
const HEALTH_MAX: Duration = Duration::from_secs(3);

pub(crate) fn router<S>(version: String) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Orchestrator: FromRef<S>,
{
    Router::new()
        .route("/health", get(health))
        .route("/api/health", get(health))
        .route("/api/version", get(async move || respond::text(version)))
}

/// The shape that Conductor's health checks read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checkup {
    health_results: [(); 0],
    suppressed_health_results: [(); 0],
    healthy: bool,
}

/// Asks the database; 503 when it does not answer.
async fn health(State(orchestrator): State<Orchestrator>) -> Answer {
    let healthy = tokio::time::timeout(HEALTH_MAX, orchestrator.is_healthy()).await == Ok(true);
    let checkup = Checkup { health_results: [], suppressed_health_results: [], healthy };
    let mut response = respond::json(&checkup)?;
    if !healthy {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}
