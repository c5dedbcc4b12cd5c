//! Whether this process lives, can work and may be sent callers, and which version it is.
use crate::respond::{self, Answer};
use axum::Router;
use axum::extract::{FromRef, State};
use axum::response::Response;
use axum::routing::get;
use baton_orchestrator::{HealthReport, Orchestrator};
use http::StatusCode;
use serde::Serialize;

pub(crate) fn router<S>(version: String) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Orchestrator: FromRef<S>,
{
    Router::new()
        .route("/health", get(health))
        .route("/api/health", get(health))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/api/version", get(async move || respond::text(version)))
}

/// The shape that Conductor's health checks read, and the facts behind it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checkup {
    health_results: [(); 0],
    suppressed_health_results: [(); 0],
    healthy: bool,
    reasons: Vec<&'static str>,
    engine: Engine,
    store: Store,
    background: Background,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Engine {
    turning: bool,
    last_batch_ms_ago: Option<u64>,
    last_commit_ms_ago: Option<u64>,
    waiting_requests: usize,
}

#[derive(Serialize)]
struct Store {
    writable: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Background {
    running: bool,
    last_round_ms_ago: Option<u64>,
}

impl From<HealthReport> for Checkup {
    fn from(report: HealthReport) -> Self {
        Self {
            health_results: [],
            suppressed_health_results: [],
            healthy: report.is_healthy(),
            reasons: report.reasons(),
            engine: Engine {
                turning: report.engine_turns,
                last_batch_ms_ago: report.last_batch_ms_ago,
                last_commit_ms_ago: report.last_commit_ms_ago,
                waiting_requests: report.waiting,
            },
            store: Store { writable: report.store_is_writable },
            background: Background {
                running: report.background_runs,
                last_round_ms_ago: report.last_round_ms_ago,
            },
        }
    }
}

/// What the process can do; 503 when its engine or its database cannot work.
async fn health(State(orchestrator): State<Orchestrator>) -> Answer {
    let report = orchestrator.health().await;
    Ok(with_status(respond::json(&Checkup::from(report))?, report.is_healthy()))
}

/// Whether the process can answer at all, which is so when it answers.
async fn live() -> Answer {
    #[derive(Serialize)]
    struct Live {
        live: bool,
    }
    respond::json(&Live { live: true })
}

/// Whether callers may be sent here; 503 with the reasons when not.
async fn ready(State(orchestrator): State<Orchestrator>) -> Answer {
    #[derive(Serialize)]
    struct Ready {
        ready: bool,
        reasons: Vec<&'static str>,
    }
    let report = orchestrator.health().await;
    let ready = Ready { ready: report.is_ready(), reasons: report.reasons() };
    Ok(with_status(respond::json(&ready)?, report.is_ready()))
}

fn with_status(mut response: Response, is_good: bool) -> Response {
    if !is_good {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}
