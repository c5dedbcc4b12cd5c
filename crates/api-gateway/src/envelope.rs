//! What surrounds every request: its id, its body read within limits, the error body, and the wall
//! that a panic does not pass.
use crate::bodies::{self, Budget, Share};
use crate::error::{ApiError, Refusal};
use crate::options::GatewayOptions;
use crate::respond::JSON;
use crate::texts;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use baton_common::limits::BODY_BYTES_MAX;
use futures::FutureExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Longest request id of a caller that is taken over, bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;
/// Longest part of a path that is logged, bytes: any route with ids and names of common lengths.
const PATH_BYTES_LOGGED_MAX: usize = 256;
/// When a caller should try again, seconds: a failover's or a restart's order of magnitude.
pub(crate) const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");

/// Names one request in the log and in its answer.
#[derive(Clone)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// The envelope's own state.
#[derive(Clone)]
pub(crate) struct Envelope(Arc<Inner>);

struct Inner {
    instance: String,
    seed: u64,
    made: AtomicU64,
    bodies: Arc<Budget>,
}

impl Envelope {
    pub(crate) fn new(options: &GatewayOptions) -> Self {
        let (instance, seed) = (options.instance.clone(), options.request_id_seed);
        let bodies = Budget::new(options.bodies_bytes_max);
        Self(Arc::new(Inner { instance, seed, made: AtomicU64::new(0), bodies }))
    }

    /// The caller's id when it is short and visible, else a new one.
    fn request_id(&self, headers: &HeaderMap) -> RequestId {
        let sent = headers.get(&X_REQUEST_ID).filter(|value| {
            let bytes = value.as_bytes();
            (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len())
                && bytes.iter().all(u8::is_ascii_graphic)
        });
        sent.cloned().map_or_else(|| self.new_request_id(), RequestId)
    }

    fn new_request_id(&self) -> RequestId {
        let number = self.0.made.fetch_add(1, Ordering::Relaxed);
        let high = mixed(self.0.seed ^ mixed(number));
        let bits = (u128::from(high) << 64) | u128::from(mixed(high ^ self.0.seed));
        let id = uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string();
        RequestId(HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("-")))
    }
}

/// SplitMix64.
/// **Source**: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Carries a request to its handler and its answer back.
pub(crate) async fn wrap(
    State(envelope): State<Envelope>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = envelope.request_id(request.headers());
    request.extensions_mut().insert(id.clone());
    let (method, uri) = (request.method().clone(), request.uri().clone());
    // Given back when the request is done.
    let mut share = envelope.0.bodies.share();
    let mut response = match readable(request, &mut share).await {
        Ok(request) => handled(request, next).await,
        Err(error) => error.into_response(),
    };
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        log(&error, &id, &method, &uri);
        write_error(&mut response, &error, &envelope.0.instance);
    }
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id.0);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn handled(request: Request, next: Next) -> Response {
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answer.unwrap_or_else(|panic| {
        ApiError::from(Refusal::Internal(panic_text(panic.as_ref()))).into_response()
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a handler panicked: {}", text.unwrap_or("no message"))
}

/// The request with its body in memory, so that a body nobody wants does not cost the connection, and
/// with no text above its limit.
async fn readable(request: Request, share: &mut Share) -> Result<Request, ApiError> {
    texts::bounded(with_its_body(request, share).await?).await
}

async fn with_its_body(request: Request, share: &mut Share) -> Result<Request, Refusal> {
    let target = request.uri().path_and_query().map(http::uri::PathAndQuery::as_str);
    if target.is_some_and(|target| target.contains("%00")) {
        return Err(Refusal::NulCharacter);
    }
    if request.body().is_end_stream() {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if announced
        .and_then(|length| length.parse().ok())
        .is_some_and(|length: usize| length > BODY_BYTES_MAX)
    {
        return Err(Refusal::BodyTooLarge(BODY_BYTES_MAX));
    }
    let bytes = bodies::read(body, share).await?;
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// One line for each request that fails, whoever is at fault; never with its query, body or message,
/// which may hold what is nobody's business.
fn log(error: &ApiError, id: &RequestId, method: &Method, uri: &Uri) {
    let (id, status, code) = (id.as_str(), error.status.as_u16(), error.code);
    let path = uri.path();
    let path = path.get(..PATH_BYTES_LOGGED_MAX).unwrap_or(path);
    let Some(detail) = &error.detail else {
        tracing::info!(request.id = id, %method, path, status, code, "request refused");
        return;
    };
    if error.retryable {
        let message = "request must be repeated";
        tracing::warn!(request.id = id, %method, path, status, code, detail, "{message}");
    } else {
        tracing::error!(request.id = id, %method, path, status, code, detail, "request failed");
    }
}

/// Replaces the body by the error's; other headers stay.
fn write_error(response: &mut Response, error: &ApiError, instance: &str) {
    *response.status_mut() = error.status;
    *response.body_mut() = Body::from(error.body(instance));
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, JSON);
    if error.retryable {
        headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
}
