//! A gateway over an engine, and how to ask it.
use axum::Router;
use axum::body::Body;
use axum::extract::FromRef;
use axum::response::Response;
use baton_api_gateway::{BODIES_BYTES_MAX_DEFAULT, GatewayOptions, router};
use baton_common::api::ErrorBody;
use baton_orchestrator::Orchestrator;
use baton_telemetry::Telemetry;
use http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

pub(crate) fn options() -> GatewayOptions {
    GatewayOptions {
        instance: "host-1".to_owned(),
        version: "7.7.7".to_owned(),
        request_id_seed: 1,
        bodies_bytes_max: BODIES_BYTES_MAX_DEFAULT,
        telemetry: Telemetry::default(),
    }
}

/// A process without an engine: whatever reaches for it fails.
#[derive(Clone)]
pub(crate) struct NoEngine;

impl FromRef<NoEngine> for Orchestrator {
    fn from_ref(_: &NoEngine) -> Self {
        panic!("there is no engine in this test")
    }
}

/// A gateway whose handlers all fail when they reach for the engine: the call has come through.
pub(crate) fn gateway() -> Router {
    router(NoEngine, options())
}

pub(crate) async fn send(gateway: &Router, request: Request<Body>) -> Response {
    gateway.clone().oneshot(request).await.unwrap()
}

pub(crate) async fn text_of(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) async fn error_of(response: Response) -> ErrorBody {
    assert_eq!(response.headers()["content-type"], "application/json");
    let status = response.status().as_u16();
    let error: ErrorBody = serde_json::from_str(&text_of(response).await).unwrap();
    assert_eq!(error.status, status);
    error
}

pub(crate) fn json_request(method: &str, path: &str, body: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap()
}
