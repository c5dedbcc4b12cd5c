//! What surrounds every request.
use crate::common::{error_of, gateway, json_request, send};
use axum::body::Body;
use baton_common::limits::BODY_BYTES_MAX;
use bytes::Bytes;
use futures::stream;
use http::{Request, StatusCode};
use std::convert::Infallible;
use std::io;

#[tokio::test]
async fn a_panic_is_answered_500_and_the_next_request_is_served() {
    let gateway = gateway();
    let request = Request::get("/api/tasks/t").header("x-request-id", "abc-1");
    let response = send(&gateway, request.body(Body::empty()).unwrap()).await;
    assert_eq!(response.headers()["x-request-id"], "abc-1");
    let error = error_of(response).await;
    assert_eq!((error.status, error.code.as_deref()), (500, Some("internal")));
    assert_eq!((error.instance.as_deref(), error.retryable), (Some("host-1"), false));
    assert!(!error.message.unwrap().contains("engine"), "the panic's text is for the log");
    let request = Request::get("/api/version").body(Body::empty()).unwrap();
    assert_eq!(send(&gateway, request).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_request_gets_an_id_of_its_own() {
    let gateway = gateway();
    let mut ids = Vec::new();
    for sent in ["", "with blank", &"x".repeat(129)] {
        let request = Request::get("/api/version").header("x-request-id", sent);
        let response = send(&gateway, request.body(Body::empty()).unwrap()).await;
        ids.push(response.headers()["x-request-id"].to_str().unwrap().to_owned());
    }
    assert!(ids.iter().all(|id| id.len() == 36), "{ids:?}");
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn a_nul_character_is_refused_before_any_handler() {
    for path in ["/api/workflow/a%00b", "/api/workflow/search?query=%00"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let error = error_of(send(&gateway(), request).await).await;
        assert_eq!((error.status, error.code.as_deref()), (400, Some("nul_character")));
    }
}

/// Bodies where none is expected do no harm; the SDKs send `{}` and `null`.
#[tokio::test]
async fn an_unexpected_body_is_read_and_ignored() {
    for body in ["{}", "null", "garbage"] {
        let request = json_request("PUT", "/api/workflow/w/pause", body);
        assert_eq!(error_of(send(&gateway(), request).await).await.code.unwrap(), "internal");
        let request = json_request("POST", "/api/token", body);
        assert_eq!(error_of(send(&gateway(), request).await).await.status, 404);
    }
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_not_read() {
    let body = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
    let request = Request::post("/api/workflow").header("content-length", BODY_BYTES_MAX + 1);
    let error = error_of(send(&gateway(), request.body(body).unwrap()).await).await;
    assert_eq!((error.status, error.code.as_deref()), (413, Some("body_too_large")));
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_refused() {
    let piece = Bytes::from(vec![b' '; BODY_BYTES_MAX / 4]);
    let pieces = std::iter::repeat_n(Ok::<_, Infallible>(piece), 5);
    let body = Body::from_stream(stream::iter(pieces));
    let request = Request::post("/api/workflow").body(body).unwrap();
    assert_eq!(error_of(send(&gateway(), request).await).await.status, 413);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for_without_end() {
    let body = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
    let request = Request::post("/api/tasks").body(body).unwrap();
    let error = error_of(send(&gateway(), request).await).await;
    assert_eq!((error.status, error.code.as_deref()), (408, Some("body_too_slow")));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_callers_fault() {
    let pieces = [Ok(Bytes::from_static(b"{")), Err(io::ErrorKind::ConnectionReset.into())];
    let body = Body::from_stream(stream::iter::<[io::Result<Bytes>; 2]>(pieces));
    let request = Request::post("/api/tasks").body(body).unwrap();
    let error = error_of(send(&gateway(), request).await).await;
    assert_eq!((error.status, error.code.as_deref()), (400, Some("body_broken_off")));
}
