//! The exchange: pooled connections, timeouts, redirects, limits.
use super::config::HttpConfig;
use super::request::Request;
use super::response::Answer;
use super::rules::{Access, GuardedResolver, Rules};
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, LOCATION, PROXY_AUTHORIZATION,
};
use reqwest::{Client, Method, Response, StatusCode, Url};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Most redirects followed in one call.
const REDIRECTS_MAX: usize = 20;
/// Most connection pools kept; one is needed for each connect timeout that definitions name, and
/// for each way in which addresses are judged.
const POOLS_MAX: usize = 16;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallFault {
    #[error("I/O error on {method} request for \"{uri}\": {cause}")]
    Exchange { method: String, uri: String, cause: String },
    #[error("{0}")]
    Refused(String),
    #[error("the answer is larger than {limit} bytes ({what})")]
    TooLarge { what: &'static str, limit: usize },
}

/// Sends requests over pooled connections.
#[derive(Debug)]
pub(super) struct Sender {
    config: HttpConfig,
    rules: Rules,
    /// By connect timeout and resolver, which reqwest knows per client only.
    pools: Mutex<HashMap<(Duration, Access), Client>>,
}

/// Where the next request of a call goes.
struct Hop {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

impl Sender {
    pub(super) fn new(config: HttpConfig) -> Self {
        baton_client::tls::install_provider();
        let rules = Rules::new(&config);
        Self { config, rules, pools: Mutex::default() }
    }

    /// The answer at the end of all redirects.
    pub(super) async fn send(&self, request: &Request) -> Result<Answer, CallFault> {
        let call = self.follow(request);
        let late = |_| {
            let limit = self.config.call_time_max.as_secs();
            Err(exchange_fault(request, format!("the call took longer than {limit} s")))
        };
        tokio::time::timeout(self.config.call_time_max, call).await.unwrap_or_else(late)
    }

    async fn follow(&self, request: &Request) -> Result<Answer, CallFault> {
        let mut hop = Hop {
            method: request.method.clone(),
            url: request.url.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
        };
        for _ in 0..=REDIRECTS_MAX {
            let response = self.one(request, &hop).await?;
            match next_hop(&hop, response.status(), response.headers()) {
                Some(next) => hop = next,
                None => return self.read(request, response).await,
            }
        }
        Err(exchange_fault(request, format!("more than {REDIRECTS_MAX} redirects")))
    }

    async fn one(&self, request: &Request, hop: &Hop) -> Result<Response, CallFault> {
        let access = self.rules.judge(&hop.url).await.map_err(CallFault::Refused)?;
        let client = self.pool(request.connect_timeout, access)?;
        let send = || {
            let mut builder =
                client.request(hop.method.clone(), hop.url.clone()).headers(hop.headers.clone());
            if let Some(body) = &hop.body {
                builder = builder.body(body.clone());
            }
            builder.send()
        };
        let twice = async {
            match send().await {
                // The other side had closed an idle connection; the method allows to ask again.
                Err(error) if hop.method.is_idempotent() && was_dropped(&error) => send().await,
                answered => answered,
            }
        };
        // Connecting counts as reading here: whether a pooled connection was used is not known.
        let response = timely(request, request.read_timeout, twice).await?;
        let header_bytes: usize =
            response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let limit = self.config.header_bytes_max;
        if header_bytes > limit {
            return Err(CallFault::TooLarge { what: "headers", limit });
        }
        Ok(response)
    }

    async fn read(&self, request: &Request, mut response: Response) -> Result<Answer, CallFault> {
        let limit = self.config.response_bytes_max;
        let mut body = Vec::new();
        while let Some(chunk) = timely(request, request.read_timeout, response.chunk()).await? {
            if body.len() + chunk.len() > limit {
                return Err(CallFault::TooLarge { what: "body", limit });
            }
            body.extend_from_slice(&chunk);
        }
        let headers = std::mem::take(response.headers_mut());
        Ok(Answer { status: response.status(), headers, body })
    }

    fn pool(&self, connect_timeout: Duration, access: Access) -> Result<Client, CallFault> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = pools.get(&(connect_timeout, access)) {
            return Ok(client.clone());
        }
        let client = Client::builder()
            .connect_timeout(connect_timeout)
            .pool_max_idle_per_host(self.config.idle_connections_max)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .dns_resolver(Arc::new(GuardedResolver { rules: self.rules.clone(), access }))
            // A proxy would resolve names out of the guard's sight.
            .no_proxy()
            .user_agent(concat!("baton/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| CallFault::Refused(format!("no HTTP client can be made: {error}")))?;
        if pools.len() >= POOLS_MAX {
            pools.clear();
        }
        pools.insert((connect_timeout, access), client.clone());
        Ok(client)
    }
}

/// The next request, if the answer is a redirect: 303 becomes a GET, and so does a POST at 301 and
/// 302; credentials stay with their host.
///
/// **Source**: Apache HttpClient 5 `RedirectExec`, which Conductor uses.
fn next_hop(hop: &Hop, status: StatusCode, answered: &HeaderMap) -> Option<Hop> {
    let to_get = match status {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => hop.method == Method::POST,
        StatusCode::SEE_OTHER => hop.method != Method::GET && hop.method != Method::HEAD,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => false,
        _ => return None,
    };
    let url = hop.url.join(answered.get(LOCATION)?.to_str().ok()?).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let mut headers = hop.headers.clone();
    if url.origin() != hop.url.origin() {
        for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
            headers.remove(name);
        }
    }
    if to_get {
        headers.remove(CONTENT_TYPE);
        return Some(Hop { method: Method::GET, url, headers, body: None });
    }
    Some(Hop { method: hop.method.clone(), url, headers, body: hop.body.clone() })
}

/// What `step` gives, if it comes in time.
async fn timely<T>(
    request: &Request,
    limit: Duration,
    step: impl Future<Output = Result<T, reqwest::Error>>,
) -> Result<T, CallFault> {
    match tokio::time::timeout(limit, step).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(exchange_fault(request, innermost(&error))),
        Err(_) => Err(exchange_fault(request, "Read timed out".to_owned())),
    }
}

fn exchange_fault(request: &Request, cause: String) -> CallFault {
    let (method, uri) = (request.method.to_string(), request.uri.clone());
    CallFault::Exchange { method, uri, cause }
}

/// Whether a connection ended before there was an answer; not whether none could be opened.
fn was_dropped(error: &reqwest::Error) -> bool {
    const DROPPED: [ErrorKind; 4] = [
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionAborted,
        ErrorKind::BrokenPipe,
        ErrorKind::UnexpectedEof,
    ];
    if error.is_connect() || error.is_timeout() || error.is_body() || error.is_decode() {
        return false;
    }
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(fault) = cause {
        let kind = fault.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        // The connection's own word for an end without an answer.
        if kind.is_some_and(|kind| DROPPED.contains(&kind))
            || fault.to_string() == "connection closed before message completed"
        {
            return true;
        }
        cause = fault.source();
    }
    false
}

fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "Connect timed out".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
