//! Connections: accepting, bounding and draining them.
use crate::envelope::RETRY_AFTER_SECONDS;
use crate::error::{ApiError, Refusal};
use crate::respond::JSON;
use crate::slots::{Slot, Slots};
use crate::stall::{Phase, StallGuard, Watched};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt;

/// What one listener allows its peers.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections at a time. For each above it, the one that is idle for longest is closed; where
    /// none is idle, it is answered 503.
    pub connections_max: usize,
    /// Further connections, on which health and metrics are answered when all others are busy; what
    /// comes above these waits in the kernel's backlog.
    pub kept_for_health: usize,
    /// Request line and headers, bytes; more is answered 431. So are more than 100 headers.
    pub head_bytes_max: usize,
    /// Time for a request's head once its first byte is there.
    pub head_read_max: Duration,
    /// Time without a request before a connection is closed; longer than clients keep theirs.
    pub idle_max: Duration,
    /// Time in which a peer takes nothing of its answer.
    pub write_stall_max: Duration,
    /// Time for requests under way after the shutdown began; then they are cut off.
    pub drain_max: Duration,
}

impl ConnectionLimits {
    /// The limits of [`serve()`].
    pub const STANDARD: Self = Self {
        connections_max: 10_000,
        kept_for_health: 100,
        head_bytes_max: 32 * 1024,
        head_read_max: Duration::from_secs(10),
        idle_max: Duration::from_mins(2),
        write_stall_max: Duration::from_secs(30),
        drain_max: Duration::from_secs(10),
    };
}

/// Pause after a failed accept: out of file descriptors, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Buffer of a connection, bytes; a head must fit in it.
const BUFFER_BYTES_LEAST: usize = 64 * 1024;

/// Serves `router` within [`ConnectionLimits::STANDARD`] until `shutdown`, then drains.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    serve_within(listener, router, ConnectionLimits::STANDARD, shutdown).await;
}

/// Serves `router` until `shutdown`; then accepts nothing more, lets requests under way finish for
/// `drain_max` and cuts the rest off.
pub async fn serve_within(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    shutdown: impl Future<Output = ()>,
) {
    let slots = Slots::new(limits.connections_max, limits.kept_for_health);
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let event = tokio::select! {
            biased;
            () = &mut shutdown => Event::Shutdown,
            accepted = accept(&listener, &slots) => Event::Accepted(accepted),
        };
        match event {
            Event::Shutdown => break,
            Event::Accepted(Ok((stream, slot))) => {
                let service = router.clone();
                connections.spawn(connection(stream, service, limits, stopping.clone(), slot));
            }
            Event::Accepted(Err(error)) => {
                tracing::warn!(%error, "connection not accepted");
                slots.close_longest_idle();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop((listener, stop));
    drain(connections, limits.drain_max).await;
}

/// What wakes the accepting loop.
enum Event {
    Shutdown,
    Accepted(io::Result<(TcpStream, Arc<Slot>)>),
}

/// The next connection, once there is room for it.
async fn accept(listener: &TcpListener, slots: &Arc<Slots>) -> io::Result<(TcpStream, Arc<Slot>)> {
    let slot = slots.take().await?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, slot))
}

async fn drain(mut connections: JoinSet<()>, drain_max: Duration) {
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(drain_max, all).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections cut off at the drain's end");
        connections.shutdown().await;
    }
}

/// Serves one connection to its end. Its slot is free again then.
async fn connection(
    stream: TcpStream,
    router: Router,
    limits: ConnectionLimits,
    mut stopping: watch::Receiver<()>,
    slot: Arc<Slot>,
) {
    let phase = Phase::default();
    let socket =
        StallGuard::new(stream, phase.clone(), limits.head_read_max, limits.write_stall_max);
    slot.opened();
    let (requests, of_requests) = (slot.clone(), phase.clone());
    let service = service_fn(move |request: http::Request<Incoming>| {
        one_request(router.clone(), request, of_requests.clone(), requests.clone())
    });
    let mut serving = pin!(protocol(limits).serve_connection(TokioIo::new(socket), service));
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        _ = stopping.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
        // Nothing of a request has been answered or lost: hyper would wait for the first one.
        () = slot.closing() => {
            if phase.is_first() {
                return;
            }
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
}

async fn one_request(
    router: Router,
    request: http::Request<Incoming>,
    phase: Phase,
    slot: Arc<Slot>,
) -> Result<Response, Infallible> {
    phase.turn();
    slot.becomes_busy();
    let response = answered(router, request.map(|body| phase.watched(body)), &slot).await;
    slot.becomes_idle();
    phase.turn();
    response
}

async fn answered(
    router: Router,
    request: http::Request<Watched>,
    slot: &Slot,
) -> Result<Response, Infallible> {
    if slot.admits(request.uri().path()).await {
        return router.oneshot(request.map(Body::new)).await;
    }
    let error = ApiError::from(Refusal::TooManyConnections);
    let mut response = Response::new(Body::from(error.body("")));
    *response.status_mut() = error.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(response)
}

fn protocol(limits: ConnectionLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_max)
        .max_header_size(limits.head_bytes_max)
        .max_buf_size(limits.head_bytes_max.max(BUFFER_BYTES_LEAST));
    builder
}
