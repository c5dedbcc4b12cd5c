//! Every route of the contract is there, and nothing else is.
use crate::common::{error_of, gateway, send, text_of};
use axum::body::Body;
use http::{Method, Request};

const ROUTES: &str = "
POST /api/metadata/workflow
PUT /api/metadata/workflow
GET /api/metadata/workflow
POST /api/metadata/workflow/validate
GET /api/metadata/workflow/latest-versions
GET /api/metadata/workflow/names
GET /api/metadata/workflow/names-and-versions
GET /api/metadata/workflow/n
GET /api/metadata/workflow/n/versions
DELETE /api/metadata/workflow/n/1
POST /api/metadata/taskdefs
PUT /api/metadata/taskdefs
GET /api/metadata/taskdefs
GET /api/metadata/taskdefs/t
DELETE /api/metadata/taskdefs/t
POST /api/workflow
POST /api/workflow/n
POST /api/workflow/search
POST /api/workflow/execute/n/1
GET /api/workflow/w
GET /api/workflow/w/status
GET /api/workflow/w/tasks
GET /api/workflow/w/explain
GET /api/workflow/running/n
GET /api/workflow/n/correlated/c
POST /api/workflow/n/correlated
PUT /api/workflow/decide/w
PUT /api/workflow/w/pause
PUT /api/workflow/w/resume
PUT /api/workflow/w/skiptask/r
POST /api/workflow/w/rerun
POST /api/workflow/w/restart
POST /api/workflow/w/retry
POST /api/workflow/w/resetcallbacks
DELETE /api/workflow/w
DELETE /api/workflow/w/remove
DELETE /api/workflow/w/terminate-remove
GET /api/workflow/search
PUT /api/workflow/bulk/pause
PUT /api/workflow/bulk/resume
POST /api/workflow/bulk/retry
POST /api/workflow/bulk/restart
POST /api/workflow/bulk/terminate
DELETE /api/workflow/bulk/remove
DELETE /api/workflow/bulk/terminate-remove
GET /api/tasks/poll/t
GET /api/tasks/poll/batch/t
POST /api/tasks
POST /api/tasks/update-v2
POST /api/tasks/w/r/COMPLETED
POST /api/tasks/w/r/COMPLETED/sync
POST /api/tasks/w/COMPLETED/signal
POST /api/tasks/w/COMPLETED/signal/sync
POST /api/tasks/t/log
GET /api/tasks/t/log
GET /api/tasks/t
GET /api/tasks/t/explain
GET /api/tasks/queue/sizes
GET /api/tasks/queue/size
GET /api/tasks/queue/all
GET /api/tasks/queue/all/verbose
GET /api/tasks/queue/polldata
GET /api/tasks/queue/polldata/all
POST /api/tasks/queue/requeue/t
GET /health
GET /metrics
GET /api/health
GET /api/version
";

fn request(method: &str, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

/// Goal: no route of the contract is forgotten. Method: there is no engine, so a handler that is
/// reached fails with "internal"; the fallbacks would answer 404 or 405.
#[tokio::test]
async fn every_route_of_the_contract_is_there() {
    for route in ROUTES.trim().lines().filter(|route| !route.ends_with("/version")) {
        let (method, path) = route.split_once(' ').unwrap();
        let error = error_of(send(&gateway(), request(method, path)).await).await;
        assert_eq!((error.status, error.code.as_deref()), (500, Some("internal")), "{route}");
    }
}

#[tokio::test]
async fn an_unmapped_path_is_404_with_the_error_body() {
    for (method, path) in [
        ("POST", "/api/token"),
        ("GET", "/api/token/userInfo"),
        ("GET", "/"),
        ("GET", "/api"),
        ("GET", "/api/tasks/"),
        ("GET", "/api/workflow/w/"),
        ("POST", "/api/workflow/correlated/batch/x"),
        ("GET", "/api/schema"),
        ("PUT", "/nowhere"),
    ] {
        let response = send(&gateway(), request(method, path)).await;
        let error = error_of(response).await;
        assert_eq!((error.status, error.code.as_deref()), (404, Some("unmapped_path")), "{path}");
        let message = format!("No static resource {}.", path.trim_start_matches('/'));
        assert_eq!(error.message, Some(message));
    }
}

#[tokio::test]
async fn a_wrong_verb_is_405_with_the_error_body() {
    for (method, path) in [
        ("POST", "/api/workflow/w/pause"),
        ("GET", "/api/tasks/update-v2"),
        ("POST", "/api/tasks/queue/sizes"),
        ("DELETE", "/api/version"),
    ] {
        let response = send(&gateway(), request(method, path)).await;
        assert!(response.headers().contains_key("allow"));
        let error = error_of(response).await;
        assert_eq!((error.status, error.code.as_deref()), (405, Some("method_not_allowed")));
        assert_eq!(error.message, Some(format!("Request method '{method}' is not supported")));
    }
}

#[tokio::test]
async fn the_version_is_bare_text() {
    let response =
        send(&gateway(), Request::get("/api/version").body(Body::empty()).unwrap()).await;
    assert_eq!(response.headers()["content-type"], "text/plain;charset=UTF-8");
    assert_eq!(text_of(response).await, "7.7.7");
}

/// A method that is unknown to HTTP at large is refused like any other.
#[tokio::test]
async fn an_invented_verb_is_405() {
    let mut request = request("GET", "/api/workflow");
    *request.method_mut() = Method::from_bytes(b"BREW").unwrap();
    assert_eq!(error_of(send(&gateway(), request).await).await.status, 405);
}
