//! What happens when connections or bodies take all there is for them: health is answered, the idle
//! give way, and every refusal reaches its client.
use crate::common::{NoEngine, error_of, gateway, json_request, options, send};
use crate::connections::{GET, Server, answer, patient, rest_of, router};
use axum::body::Body;
use baton_api_gateway::{ConnectionLimits, GatewayOptions};
use baton_common::limits::BODY_BYTES_MAX;
use bytes::Bytes;
use futures::channel::mpsc;
use futures::{SinkExt, stream};
use http::Request;
use std::convert::Infallible;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn limits(connections_max: usize, kept_for_health: usize) -> ConnectionLimits {
    ConnectionLimits { connections_max, kept_for_health, ..patient() }
}

fn get(path: &str) -> String {
    GET.replace("GET /", &format!("GET {path}"))
}

/// Goal: connections that do nothing lock nobody out. Method: five times as many as there may be are
/// opened and left alone; then one asks.
#[tokio::test]
async fn idle_connections_give_way_the_longest_idle_first() {
    let server = Server::start(router(), limits(20, 2)).await;
    let mut first = server.connect().await;
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(server.connect().await);
    }
    for path in ["/health", "/"] {
        let answer = answer(&mut server.connect().await, &get(path)).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    assert_eq!(rest_of(&mut first).await, "");
}

#[tokio::test]
async fn a_kept_alive_connection_that_is_idle_for_longest_is_closed() {
    let server = Server::start(router(), limits(2, 3)).await;
    let (mut older, mut newer) = (server.connect().await, server.connect().await);
    assert!(answer(&mut newer, GET).await.starts_with("HTTP/1.1 200"));
    assert!(answer(&mut older, GET).await.starts_with("HTTP/1.1 200"));
    assert!(answer(&mut newer, GET).await.starts_with("HTTP/1.1 200"));
    let mut third = server.connect().await;
    assert!(answer(&mut third, GET).await.starts_with("HTTP/1.1 200"));
    assert_eq!(rest_of(&mut older).await, "");
    assert!(answer(&mut newer, GET).await.starts_with("HTTP/1.1 200"));
}

/// Goal: health is answered while every connection is busy, and others are told to come again.
#[tokio::test]
async fn a_share_is_kept_for_health_when_all_connections_are_busy() {
    let server = Server::start(router(), limits(3, 1)).await;
    let mut busy = Vec::new();
    for _ in 0..3 {
        let mut stream = server.connect().await;
        stream.write_all(get("/never").as_bytes()).await.unwrap();
        busy.push(stream);
    }
    for _ in 0..3 {
        let mut asking = server.connect().await;
        assert!(answer(&mut asking, &get("/health")).await.starts_with("HTTP/1.1 200"));
        let refused = answer(&mut asking, GET).await;
        assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
        assert!(refused.contains("retry-after: 1") && refused.contains("too_many_connections"));
        assert_eq!(rest_of(&mut asking).await, "");
    }
    drop(busy);
    let mut later = server.connect().await;
    while !answer(&mut later, GET).await.starts_with("HTTP/1.1 200") {
        later = server.connect().await;
    }
}

/// Goal: a client that sends all it has before it reads gets the answer, not a reset.
#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let server = Server::start(gateway(), patient()).await;
    let body = vec![b'x'; BODY_BYTES_MAX + 1];
    let length = body.len();
    let announced = format!("content-length: {length}\r\n\r\n");
    let chunked = format!("transfer-encoding: chunked\r\n\r\n{length:x}\r\n");
    for framing in [announced, chunked] {
        let mut stream = server.connect().await;
        let head = format!("POST /api/workflow HTTP/1.1\r\nhost: h\r\n{framing}");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.starts_with("HTTP/1.1 413") && answer.contains("body_too_large"),
            "{answer}"
        );
    }
    let mut stream = server.connect().await;
    let head = format!("GET / HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n", "y".repeat(1024 * 1024));
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 431"));
}

/// A request whose body is what the sender sends.
fn open_request() -> (mpsc::Sender<Result<Bytes, Infallible>>, Request<Body>) {
    let (sender, receiver) = mpsc::channel(0);
    let request = Request::post("/api/token").body(Body::from_stream(receiver)).unwrap();
    (sender, request)
}

/// Goal: bodies share one budget, and what one held is free when it is gone. Method: a half-sent
/// body fills the budget; another is refused until the first one's caller has left.
#[tokio::test]
async fn bodies_in_flight_have_one_budget() {
    let bodies_bytes_max = 1024 * 1024;
    let gateway =
        baton_api_gateway::router(NoEngine, GatewayOptions { bodies_bytes_max, ..options() });
    let large = "x".repeat(bodies_bytes_max / 2);
    let (mut sender, request) = open_request();
    let served = gateway.clone();
    let held = tokio::spawn(async move { send(&served, request).await });
    sender.send(Ok(Bytes::from(large.clone()))).await.unwrap();
    // Taken only after the piece before has been counted.
    sender.send(Ok(Bytes::from_static(b"x"))).await.unwrap();
    sender.send(Ok(Bytes::from_static(b"x"))).await.unwrap();

    let response = send(&gateway, json_request("POST", "/api/token", &large)).await;
    assert_eq!(response.headers()["retry-after"], "1");
    let error = error_of(response).await;
    assert_eq!((error.status, error.code.as_deref()), (503, Some("too_many_bodies")));
    assert!(error.retryable);
    let small = send(&gateway, json_request("POST", "/api/token", "{}")).await;
    assert_eq!(small.status(), 404, "small bodies have a part of their own");

    held.abort();
    assert!(held.await.unwrap_err().is_cancelled());
    let response = send(&gateway, json_request("POST", "/api/token", &large)).await;
    assert_eq!(response.status(), 404);
}

/// Goal: a body that trickles in is not waited for. Method: a byte every second, in paused time.
#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_in_is_refused() {
    let every_second = tokio::time::interval(std::time::Duration::from_secs(1));
    let byte = async |mut every_second: tokio::time::Interval| {
        every_second.tick().await;
        Some((Ok::<_, Infallible>(Bytes::from_static(b" ")), every_second))
    };
    let body = Body::from_stream(stream::unfold(every_second, byte));
    let request = Request::post("/api/token").body(body).unwrap();
    let began = tokio::time::Instant::now();
    let error = error_of(send(&gateway(), request).await).await;
    assert_eq!((error.status, error.code.as_deref()), (408, Some("body_too_slow")));
    assert!(began.elapsed().as_secs() < 15);
}
