//! Times every request by route, method and status.
//!
//! axum wraps each route in a service of its own, so each holds its route's metrics, looked up at
//! its first request: a request costs two readings of the clock and a few atomic additions.
use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use baton_telemetry::{HttpMetrics, RouteMetrics};
use http::Method;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tower::{Layer, Service};

/// Gives each route it is put around metrics of its own.
#[derive(Clone)]
pub(crate) struct MeasuredLayer(HttpMetrics);

impl MeasuredLayer {
    pub(crate) fn new(metrics: HttpMetrics) -> Self {
        Self(metrics)
    }
}

impl<S> Layer<S> for MeasuredLayer {
    type Service = Measured<S>;

    fn layer(&self, inner: S) -> Measured<S> {
        Measured { inner, route: self.0.route() }
    }
}

/// One route, timed.
#[derive(Clone)]
pub(crate) struct Measured<S> {
    inner: S,
    route: RouteMetrics,
}

impl<S> Service<Request> for Measured<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Timed<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let began = Instant::now();
        self.route.name(request.extensions().get::<MatchedPath>().map(MatchedPath::as_str));
        let method = request.method().clone();
        Timed { answer: self.inner.call(request), route: self.route.clone(), method, began }
    }
}

/// An answer under way.
pub(crate) struct Timed<F> {
    answer: F,
    route: RouteMetrics,
    method: Method,
    began: Instant,
}

impl<F> Future for Timed<F>
where
    F: Future<Output = Result<Response, Infallible>> + Unpin,
{
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(response) = ready!(Pin::new(&mut self.answer).poll(context));
        let status = response.status().as_u16();
        self.route.answered(self.method.as_str(), status, self.began.elapsed());
        Poll::Ready(Ok(response))
    }
}
