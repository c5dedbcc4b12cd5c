//! Connections over real sockets: limits on heads, idleness, number and drain.
use axum::Router;
use axum::routing::get;
use baton_api_gateway::{ConnectionLimits, serve_within};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than any test may take.
const LONG: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_millis(100);

const PATIENT: ConnectionLimits = ConnectionLimits {
    connections_max: 100,
    kept_for_health: 2,
    head_bytes_max: 32 * 1024,
    head_read_max: LONG,
    idle_max: LONG,
    write_stall_max: LONG,
    drain_max: LONG,
};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(router: Router, limits: ConnectionLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async { stopped.await.unwrap_or_default() };
        let running = tokio::spawn(serve_within(listener, router, limits, shutdown));
        Self { address, stop, running }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

pub(crate) fn patient() -> ConnectionLimits {
    PATIENT
}

pub(crate) fn router() -> Router {
    let slow = async || {
        // Answers when it gives up waiting for what never comes.
        let _ = tokio::time::timeout(SHORT * 3, std::future::pending::<()>()).await;
    };
    Router::new()
        .route("/", get(async || "here"))
        .route("/slow", get(slow))
        .route("/health", get(async || "healthy"))
        .route("/never", get(std::future::pending::<()>))
}

pub(crate) async fn rest_of(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset counts as an end.
    let _ = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) async fn answer(stream: &mut TcpStream, head: &str) -> String {
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 4096];
    let length = stream.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";

#[tokio::test]
async fn too_many_or_too_large_headers_are_answered_431() {
    let server = Server::start(router(), PATIENT).await;
    let mut many = "GET / HTTP/1.1\r\n".to_owned();
    (0..101).for_each(|number| write!(many, "x-{number}: y\r\n").unwrap());
    let large = format!("GET / HTTP/1.1\r\nx: {}\r\n", "y".repeat(33 * 1024));
    for head in [many + "\r\n", large + "\r\n"] {
        let mut stream = server.connect().await;
        let _ = stream.write_all(head.as_bytes()).await;
        let answer = rest_of(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

/// The SDKs send bodies where none is read, some of them in chunks, and reuse the connection.
#[tokio::test]
async fn a_chunked_body_that_nobody_wants_leaves_the_connection_usable() {
    let server = Server::start(crate::common::gateway(), PATIENT).await;
    let mut stream = server.connect().await;
    let head = "POST /api/token HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let refused = answer(&mut stream, "2\r\n{}\r\n0\r\n\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 404") && refused.contains("unmapped_path"), "{refused}");
    let version = answer(&mut stream, &GET.replace("GET /", "GET /api/version")).await;
    assert!(version.starts_with("HTTP/1.1 200"), "{version}");
}

#[tokio::test]
async fn a_head_that_trickles_in_ends_the_connection() {
    let server =
        Server::start(router(), ConnectionLimits { head_read_max: SHORT, ..PATIENT }).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    assert_eq!(rest_of(&mut stream).await, "");
}

/// Goal: the short bound on heads hits neither a slow handler nor the pause between two requests.
#[tokio::test]
async fn a_slow_handler_and_a_kept_connection_are_not_a_slow_head() {
    let server =
        Server::start(router(), ConnectionLimits { head_read_max: SHORT, ..PATIENT }).await;
    let mut stream = server.connect().await;
    assert!(answer(&mut stream, GET).await.starts_with("HTTP/1.1 200"));
    let slow = GET.replace("GET /", "GET /slow");
    assert!(answer(&mut stream, &slow).await.starts_with("HTTP/1.1 200"));
    let other = &mut server.connect().await;
    assert!(answer(other, &slow).await.starts_with("HTTP/1.1 200"));
    assert!(answer(&mut stream, GET).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = Server::start(router(), ConnectionLimits { idle_max: SHORT, ..PATIENT }).await;
    let mut stream = server.connect().await;
    assert!(answer(&mut stream, GET).await.starts_with("HTTP/1.1 200"));
    assert_eq!(rest_of(&mut stream).await, "");
}

#[tokio::test]
async fn a_shutdown_lets_requests_finish_and_closes_idle_connections() {
    let server = Server::start(router(), PATIENT).await;
    let (mut idle, mut busy) = (server.connect().await, server.connect().await);
    assert!(answer(&mut idle, GET).await.starts_with("HTTP/1.1 200"));
    busy.write_all(GET.replace("GET /", "GET /slow").as_bytes()).await.unwrap();
    // One more answer on a third connection: the request before it has been taken up.
    assert!(answer(&mut server.connect().await, GET).await.starts_with("HTTP/1.1 200"));
    server.stop.send(()).unwrap();
    assert_eq!(rest_of(&mut idle).await, "");
    let answer = rest_of(&mut busy).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    server.running.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_drain_has_an_end() {
    let server = Server::start(router(), ConnectionLimits { drain_max: SHORT, ..PATIENT }).await;
    let mut stuck = server.connect().await;
    stuck.write_all(GET.replace("GET /", "GET /never").as_bytes()).await.unwrap();
    assert!(answer(&mut server.connect().await, GET).await.starts_with("HTTP/1.1 200"));
    server.stop.send(()).unwrap();
    server.running.await.unwrap();
    assert_eq!(rest_of(&mut stuck).await, "");
}
