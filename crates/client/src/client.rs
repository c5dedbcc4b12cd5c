//! The client and its settings.
use crate::{ClientError, tls};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;
use std::time::Duration;

/// How to reach a server.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// `http://host:port`, with or without `/api`.
    pub url: String,
    /// Time to open a connection. Too short: a busy server looks dead.
    pub connect_timeout: Duration,
    /// Time for one whole exchange; long polls get their own time on top.
    pub request_timeout: Duration,
    /// Idle connections kept per server. Too few: a new handshake per call under load.
    pub idle_connections_max: usize,
    /// Sent as `X-Authorization` with every call.
    pub token: Option<String>,
}

impl ClientConfig {
    /// Settings fit for most programs: 5 s to connect, 30 s for an exchange, 64 idle connections.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            idle_connections_max: 64,
            token: None,
        }
    }
}

/// A pooled client of one server; cloning is cheap and shares the pool.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) http: reqwest::Client,
    /// The URL with `/api` and without a slash at the end.
    pub(crate) base: Arc<str>,
    pub(crate) request_timeout: Duration,
}

impl Client {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] when the URL is not http(s) or the token is no header value.
    pub fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        tls::install_provider();
        let base = base_of(&config.url)?;
        let http = reqwest::Client::builder()
            .user_agent(concat!("baton-client/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers(config.token.as_deref())?)
            .connect_timeout(config.connect_timeout)
            .pool_max_idle_per_host(config.idle_connections_max)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| invalid(format!("no HTTP client can be made: {error}")))?;
        Ok(Self { http, base: base.into(), request_timeout: config.request_timeout })
    }

    /// The server's base URL, with `/api`.
    pub fn base_url(&self) -> &str {
        &self.base
    }
}

fn invalid(message: String) -> ClientError {
    ClientError::Invalid { message, faults: Vec::new() }
}

/// The API's base: the URL without a slash at the end and with `/api`.
fn base_of(url: &str) -> Result<String, ClientError> {
    let trimmed = url.trim().trim_end_matches('/');
    let parsed = reqwest::Url::parse(trimmed).map_err(|error| {
        invalid(format!("`{url}` is not a URL ({error}); try http://host:8080"))
    })?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(invalid(format!("`{url}` is not an http or https URL; try http://host:8080")));
    }
    let stem = trimmed.strip_suffix("/api").unwrap_or(trimmed);
    Ok(format!("{stem}/api"))
}

fn headers(token: Option<&str>) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        let mut value = HeaderValue::from_str(token)
            .map_err(|_| invalid("the token has characters that no header can carry".to_owned()))?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static("x-authorization"), value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_found_with_and_without_api() {
        for url in ["http://h:8080", "http://h:8080/", "http://h:8080/api", "http://h:8080/api/"] {
            assert_eq!(base_of(url).unwrap(), "http://h:8080/api");
        }
        assert_eq!(base_of("https://h/x").unwrap(), "https://h/x/api");
        for url in ["", "h:8080", "ftp://h"] {
            assert!(matches!(base_of(url), Err(ClientError::Invalid { .. })), "{url}");
        }
    }
}
