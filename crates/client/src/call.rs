//! One exchange: build, send, repeat if safe, read within a limit.
use crate::target::Target;
use crate::{Client, ClientError};
use bytes::{Bytes, BytesMut};
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Largest answer read, bytes: an execution of 100,000 small tasks fits.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Tries of a call that is safe to repeat; the pauses add up to 0.7 s.
const TRIES_MAX: u32 = 4;
/// First pause before a repetition; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// When a call that did not get through may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeat {
    /// It changes nothing.
    Always,
    /// Only if it never left this machine.
    IfNotSent,
    /// Never: the caller has a loop of its own.
    Never,
}

/// One request on its way to becoming an answer.
pub(crate) struct Call<'client> {
    client: &'client Client,
    method: Method,
    target: Target,
    body: Option<(Bytes, &'static str)>,
    repeat: Repeat,
    timeout: Duration,
}

impl Client {
    /// A read: repeated when it does not get through.
    pub(crate) fn read(&self, target: Target) -> Call<'_> {
        self.call(Method::GET, target, Repeat::Always)
    }

    /// A change: repeated only if it never left this machine.
    pub(crate) fn change(&self, method: Method, target: Target) -> Call<'_> {
        self.call(method, target, Repeat::IfNotSent)
    }

    /// A step of a caller's own loop: never repeated here.
    pub(crate) fn once(&self, method: Method, target: Target) -> Call<'_> {
        self.call(method, target, Repeat::Never)
    }

    fn call(&self, method: Method, target: Target, repeat: Repeat) -> Call<'_> {
        Call { client: self, method, target, body: None, repeat, timeout: self.request_timeout }
    }
}

impl Call<'_> {
    /// Adds a JSON body.
    pub(crate) fn json<T: Serialize + ?Sized>(mut self, body: &T) -> Result<Self, ClientError> {
        let text = serde_json::to_vec(body).map_err(|error| ClientError::Invalid {
            message: format!("the request is not JSON: {error}"),
            faults: Vec::new(),
        })?;
        self.body = Some((text.into(), "application/json"));
        Ok(self)
    }

    /// Adds a text body, taken raw by the server.
    pub(crate) fn text(mut self, body: &str) -> Self {
        self.body = Some((Bytes::copy_from_slice(body.as_bytes()), "text/plain;charset=UTF-8"));
        self
    }

    /// Gives the server `extra` time on top: it may hold a long poll that long.
    pub(crate) fn patient(mut self, extra: Duration) -> Self {
        self.timeout += extra;
        self
    }

    /// The answer parsed as JSON.
    pub(crate) async fn into_json<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let (status, body) = self.send().await?;
        parse(status, &body)
    }

    /// The answer parsed as JSON, or nothing for 204.
    pub(crate) async fn into_json_if_any<T: DeserializeOwned>(
        self,
    ) -> Result<Option<T>, ClientError> {
        let (status, body) = self.send().await?;
        if status == StatusCode::NO_CONTENT || body.is_empty() {
            return Ok(None);
        }
        parse(status, &body).map(Some)
    }

    /// The answer as text; one pair of JSON quotes is taken off.
    pub(crate) async fn into_text(self) -> Result<String, ClientError> {
        let (status, body) = self.send().await?;
        if body.first() == Some(&b'"') {
            return parse(status, &body);
        }
        String::from_utf8(body.to_vec()).map_err(|_| ClientError::Unexpected {
            status: status.as_u16(),
            message: "the answer is not UTF-8".to_owned(),
        })
    }

    /// Success, whatever the answer says.
    pub(crate) async fn done(self) -> Result<(), ClientError> {
        self.send().await.map(drop)
    }

    async fn send(self) -> Result<(StatusCode, Bytes), ClientError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..TRIES_MAX {
            match self.try_once().await {
                Err(ClientError::Unavailable { sent, .. }) if self.may_repeat(sent) => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                settled => return settled,
            }
        }
        self.try_once().await
    }

    fn may_repeat(&self, sent: bool) -> bool {
        match self.repeat {
            Repeat::Always => true,
            Repeat::IfNotSent => !sent,
            Repeat::Never => false,
        }
    }

    /// The answer parsed as JSON whatever its status, asked for once: a health check's says why.
    pub(crate) async fn into_json_of_any_status<T: DeserializeOwned>(
        self,
    ) -> Result<T, ClientError> {
        let (status, body) = self.exchange().await?;
        let is_success = status.is_success();
        let refused =
            |error| if is_success { error } else { ClientError::of_answer(status, &body) };
        parse(status, &body).map_err(refused)
    }

    async fn try_once(&self) -> Result<(StatusCode, Bytes), ClientError> {
        let (status, body) = self.exchange().await?;
        if status.is_success() {
            Ok((status, body))
        } else {
            Err(ClientError::of_answer(status, &body))
        }
    }

    async fn exchange(&self) -> Result<(StatusCode, Bytes), ClientError> {
        let url = format!("{}{}", self.client.base, self.target.as_str());
        let mut request = self.client.http.request(self.method.clone(), url).timeout(self.timeout);
        if let Some((body, content_type)) = &self.body {
            request =
                request.header(reqwest::header::CONTENT_TYPE, *content_type).body(body.clone());
        }
        let broken = |error| ClientError::of_exchange(&error, &self.client.base);
        let response = request.send().await.map_err(broken)?;
        let status = response.status();
        Ok((status, read_within_limit(response, broken).await?))
    }
}

async fn read_within_limit(
    mut response: Response,
    broken: impl Fn(reqwest::Error) -> ClientError,
) -> Result<Bytes, ClientError> {
    let status = response.status().as_u16();
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(&broken)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            let message = format!("the answer is larger than {ANSWER_BYTES_MAX} bytes");
            return Err(ClientError::Unexpected { status, message });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn parse<T: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|error| ClientError::Unexpected {
        status: status.as_u16(),
        message: format!("the answer is not the JSON expected: {error}"),
    })
}
