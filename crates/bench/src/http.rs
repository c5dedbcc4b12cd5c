//! One keep-alive HTTP/1.1 connection, opened when it is first needed and again when it was closed.
use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, StatusCode, Uri};

use hyper_util::rt::TokioIo;
use std::fmt;
use tokio::net::TcpStream;

/// Characters of an answer that an error shows.
const ANSWER_CHARS_SHOWN: usize = 300;

/// Where the server is.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    authority: String,
    host: HeaderValue,
    base: String,
}

impl Target {
    pub(crate) fn parse(url: &str) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("`{url}` is not an address"))?;
        ensure!(uri.scheme_str() == Some("http"), "`{url}` must begin with http://");
        let authority = uri.authority().with_context(|| format!("`{url}` names no host"))?;
        let port = authority.port_u16().unwrap_or(80);
        Ok(Self {
            host: HeaderValue::from_str(authority.as_str())?,
            authority: format!("{}:{port}", authority.host()),
            base: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The same server, above its API: where it tells about itself.
    pub(crate) fn root(&self) -> Self {
        let base = self.base.strip_suffix("/api").unwrap_or(&self.base).to_owned();
        Self { base, ..self.clone() }
    }
}

/// The server answered, and did not do what was asked.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    says_when: bool,
    text: String,
}

impl Refusal {
    /// Whether the server has too much to do or cannot do it now, and says when to ask again.
    pub(crate) fn asks_to_wait(&self) -> bool {
        let is_for_now =
            [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&self.status);
        is_for_now && self.says_when
    }

    /// Whether the request itself is what the server will not take.
    pub(crate) fn is_of_request(&self) -> bool {
        self.status.is_client_error()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl std::error::Error for Refusal {}

/// Whether the server had too much to do and has not begun: the call can be sent again.
pub(crate) fn is_overload(error: &anyhow::Error) -> bool {
    refusal(error).is_some_and(|refusal| refusal.status == StatusCode::TOO_MANY_REQUESTS)
}

/// What the server answered, if it did.
pub(crate) fn refusal(error: &anyhow::Error) -> Option<&Refusal> {
    error.downcast_ref()
}

/// What the server answered.
struct Answer {
    status: StatusCode,
    says_when: bool,
    body: Bytes,
}

/// A connection; one call at a time.
pub(crate) struct Connection {
    target: Target,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    pub(crate) fn new(target: &Target) -> Self {
        Self { target: target.clone(), sender: None }
    }

    /// Another one to the same server.
    pub(crate) fn anew(&self) -> Self {
        Self::new(&self.target)
    }

    /// The body of a GET that must succeed.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Bytes> {
        self.call(Method::GET, path, Bytes::new()).await
    }

    /// The body of a call that must succeed. A connection that the server closed meanwhile is opened
    /// again once: then it has not read the request.
    pub(crate) async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<Bytes> {
        let is_reused = self.sender.is_some();
        let mut answer = self.call_once(method.clone(), path, body.clone()).await;
        if let Err(error) = &answer {
            self.sender = None;
            let was_closed = error.downcast_ref::<hyper::Error>().is_some_and(|error| {
                error.is_canceled() || error.is_closed() || error.is_incomplete_message()
            });
            if is_reused && was_closed {
                answer = self.call_once(method.clone(), path, body).await;
            }
        }
        let Answer { status, says_when, body } =
            answer.with_context(|| format!("{method} {path}"))?;
        if !status.is_success() {
            let text: String =
                String::from_utf8_lossy(&body).chars().take(ANSWER_CHARS_SHOWN).collect();
            let text = format!("{method} {path}: {} {text}", status.as_u16());
            bail!(Refusal { status, says_when, text });
        }
        Ok(body)
    }

    async fn call_once(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.target.base))
            .header(HOST, self.target.host.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(Full::new(body))?;
        let sender = self.connected().await?;
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let (status, says_when) = (response.status(), response.headers().contains_key(RETRY_AFTER));
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer { status, says_when, body })
    }

    async fn connected(&mut self) -> anyhow::Result<&mut SendRequest<Full<Bytes>>> {
        if self.sender.as_ref().is_some_and(SendRequest::is_closed) {
            self.sender = None;
        }
        let sender = match self.sender.take() {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        Ok(self.sender.insert(sender))
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&self.target.authority).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Its end is seen by the sender.
        tokio::task::spawn_local(async move { drop(connection.await) });
        Ok(sender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let target = Target::parse("http://127.0.0.1:8080/api/").unwrap();
        assert_eq!((target.authority.as_str(), target.base.as_str()), ("127.0.0.1:8080", "/api"));
        let target = Target::parse("http://engine").unwrap();
        assert_eq!((target.authority.as_str(), target.base.as_str()), ("engine:80", ""));
        for url in ["https://engine/api", "/api", "engine:8080", ""] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }
}
