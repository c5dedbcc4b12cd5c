//! Whether an answer was written decides who has the tasks in it.
use crate::connections::{Server, patient};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use baton_api_gateway::{ConnectionLimits, DeliveryBody};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// What happened to leased tasks.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Delivered,
    Returned,
}

/// Stands for leased tasks: dropped undelivered, they return.
struct Lease {
    fates: UnboundedSender<Fate>,
    delivered: bool,
}

impl Lease {
    fn delivered(mut self) {
        self.delivered = true;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let fate = if self.delivered { Fate::Delivered } else { Fate::Returned };
        let _ = self.fates.send(fate);
    }
}

/// Answers `/poll` with this many bytes and `/wait` never, each holding a lease.
async fn server(
    answer_bytes: usize,
    limits: ConnectionLimits,
) -> (Server, UnboundedReceiver<Fate>) {
    let (fates, seen) = mpsc::unbounded_channel();
    let lease = Arc::new(move || Lease { fates: fates.clone(), delivered: false });
    let bytes = Bytes::from(vec![b'x'; answer_bytes]);
    let waiting = Arc::clone(&lease);
    let poll = async move || {
        let lease = lease();
        Response::new(Body::new(DeliveryBody::new(bytes, move || lease.delivered())))
    };
    let wait = async move || {
        let _lease = waiting();
        std::future::pending::<()>().await;
    };
    let router = Router::new().route("/poll", get(poll)).route("/wait", get(wait));
    (Server::start(router, limits).await, seen)
}

async fn ask(server: &Server, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("{request} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

const HUGE: usize = 64 * 1024 * 1024;

#[tokio::test]
async fn an_answer_that_is_read_is_delivered() {
    for size in [1, 64 * 1024, 64 * 1024 + 1, 3_000_000] {
        let (server, mut fates) = server(size, patient()).await;
        let mut answer = Vec::new();
        ask(&server, "GET /poll").await.read_to_end(&mut answer).await.unwrap();
        assert_eq!(fates.recv().await, Some(Fate::Delivered), "{size}");
        let length = format!("content-length: {size}\r\n");
        assert!(String::from_utf8_lossy(&answer).contains(&length));
        assert!(answer.ends_with(&vec![b'x'; size]));
    }
}

#[tokio::test]
async fn an_answer_to_a_connection_that_goes_away_is_returned() {
    let (server, mut fates) = server(HUGE, patient()).await;
    let mut stream = ask(&server, "GET /poll").await;
    stream.read_exact(&mut [0; 1024]).await.unwrap();
    drop(stream);
    assert_eq!(fates.recv().await, Some(Fate::Returned));
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_returned() {
    let limits = ConnectionLimits { write_stall_max: Duration::from_millis(200), ..patient() };
    let (server, mut fates) = server(HUGE, limits).await;
    let _stream = ask(&server, "GET /poll").await;
    assert_eq!(fates.recv().await, Some(Fate::Returned));
}

#[tokio::test]
async fn a_poll_that_is_given_up_returns_its_lease() {
    let (server, mut fates) = server(1, patient()).await;
    drop(ask(&server, "GET /wait").await);
    assert_eq!(fates.recv().await, Some(Fate::Returned));
}

#[tokio::test]
async fn a_head_request_takes_no_tasks() {
    let (server, mut fates) = server(10, patient()).await;
    let mut answer = Vec::new();
    ask(&server, "HEAD /poll").await.read_to_end(&mut answer).await.unwrap();
    assert_eq!(fates.recv().await, Some(Fate::Returned));
}
