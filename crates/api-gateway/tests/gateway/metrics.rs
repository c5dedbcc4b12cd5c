//! `/metrics`, and what the gateway adds to it.
use crate::common::{NoEngine, gateway, json_request, options, send, text_of};
use axum::body::Body;
use baton_api_gateway::{metrics_router, router};
use http::Request;

/// Goal: requests are counted under their route's template, never under their path. Method: routes
/// that need no engine, one whose handler fails without it, one that is not there.
#[tokio::test]
async fn requests_are_counted_by_template_method_and_status() {
    let options = options();
    let telemetry = options.telemetry.clone();
    let gateway = router(NoEngine, options);
    for call in
        ["GET /api/version", "GET /api/version", "GET /api/workflow/w1/status", "GET /nowhere"]
    {
        let (method, path) = call.split_once(' ').unwrap();
        send(&gateway, json_request(method, path, "")).await;
    }
    let text = telemetry.text();
    for (route, status, count) in
        [("/api/version", "200", 2), ("/api/workflow/{id}/status", "500", 1), ("none", "404", 1)]
    {
        let labels = format!("route=\"{route}\",method=\"GET\",status=\"{status}\"");
        let line = format!("baton_http_request_duration_seconds_count{{{labels}}} {count}\n");
        assert!(text.contains(&line), "{line} in {text}");
    }
    assert!(!text.contains("w1"), "{text}");
}

/// A process without an engine shows what it has, as Prometheus wants it.
#[tokio::test]
async fn metrics_are_text_of_a_known_version() {
    let telemetry = options().telemetry;
    let worker = baton_telemetry::WorkerMetrics::default();
    worker.of("HTTP").began();
    telemetry.add(&worker);
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let response = send(&metrics_router(telemetry), request).await;
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = text_of(response).await;
    assert!(text.contains("\nbaton_worker_running{task_type=\"HTTP\"} 1\n"), "{text}");
    let request = Request::get("/api/metrics").body(Body::empty()).unwrap();
    assert_eq!(send(&gateway(), request).await.status(), 404);
}
