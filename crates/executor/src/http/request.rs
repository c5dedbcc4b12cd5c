//! The request that an HTTP task's input describes.
use super::{charset, form};
use baton_common::Payload;
use baton_common::api::Task;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// Time to open a connection, and time without a byte, where the input names none.
const TIMEOUT_DEFAULT_MS: u64 = 3000;
/// The headers of W3C Trace Context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// The methods that exist, by their exact names.
const METHODS: [Method; 8] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::TRACE,
];

/// What is wrong with the input.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestFault {
    #[error("Missing HTTP URI.  See documentation for HttpTask for required input parameters")]
    NoUri,
    #[error("No HTTP method specified")]
    NoMethod,
    #[error("{0}")]
    Wrong(String),
}

/// A request ready to be sent.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    /// The address as written, for messages.
    pub(super) uri: String,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Vec<u8>>,
    pub(super) connect_timeout: Duration,
    pub(super) read_timeout: Duration,
    pub(super) async_complete: bool,
}

/// The members that matter; the others are ignored, as in Conductor.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Input {
    uri: Option<Value>,
    method: Option<Value>,
    headers: Option<Value>,
    body: Option<Payload>,
    accept: Option<Value>,
    content_type: Option<Value>,
    #[serde(rename = "connectionTimeOut")]
    connection_time_out: Option<Value>,
    #[serde(rename = "readTimeOut")]
    read_time_out: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Outer {
    http_request: Option<Payload>,
    #[serde(rename = "asyncComplete")]
    async_complete: Option<Value>,
}

impl Request {
    /// Reads a task's input: nested in `http_request`, or flat.
    pub(super) fn parse(input: &Payload) -> Result<Self, RequestFault> {
        let outer: Outer = from_json(input)?;
        let fields: Input = from_json(outer.http_request.as_ref().unwrap_or(input))?;
        let uri = fields.uri.as_ref().and_then(text).ok_or(RequestFault::NoUri)?;
        let method = fields.method.as_ref().and_then(text).ok_or(RequestFault::NoMethod)?;
        let method = METHODS
            .into_iter()
            .find(|known| known.as_str() == method)
            .ok_or_else(|| RequestFault::Wrong(format!("Invalid HTTP method: {method}")))?;
        let headers = headers_of(&fields)?;
        Ok(Self {
            method,
            url: url_of(&uri)?,
            uri,
            body: fields.body.as_ref().map(|body| body_of(body, &headers)).transpose()?,
            headers,
            connect_timeout: timeout_of("connectionTimeOut", fields.connection_time_out.as_ref())?,
            read_timeout: timeout_of("readTimeOut", fields.read_time_out.as_ref())?,
            async_complete: outer.async_complete.is_some_and(|flag| is_true(&flag)),
        })
    }
}

impl Request {
    /// In the trace of the task, unless the definition names one of its own.
    pub(super) fn within_trace_of(mut self, task: &Task) -> Self {
        if self.headers.contains_key(TRACEPARENT) {
            return self;
        }
        let traced = [(TRACEPARENT, &task.traceparent), (TRACESTATE, &task.tracestate)];
        for (name, value) in traced {
            if let Some(value) = value.as_deref().and_then(|value| value.parse().ok()) {
                self.headers.insert(name, value);
            }
        }
        self
    }
}

fn is_true(flag: &Value) -> bool {
    flag.as_bool().unwrap_or(flag.as_str() == Some("true"))
}

fn from_json<'json, T: Deserialize<'json>>(json: &'json Payload) -> Result<T, RequestFault> {
    if !json.is_object() {
        return Err(RequestFault::Wrong("http_request is not an object".to_owned()));
    }
    serde_json::from_str(json.get()).map_err(|error| RequestFault::Wrong(error.to_string()))
}

/// A scalar as text; nothing for null.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some(other.to_string())
        }
    }
}

/// The address: braces are a template whose values nobody gave; percent-encoded text stays.
fn url_of(uri: &str) -> Result<Url, RequestFault> {
    if let Some((_, rest)) = uri.split_once('{')
        && let Some((name, _)) = rest.split_once('}')
    {
        let message = format!("Not enough variable values available to expand '{name}'");
        return Err(RequestFault::Wrong(message));
    }
    let url = Url::parse(uri)
        .map_err(|error| RequestFault::Wrong(format!("\"{uri}\" is not an address: {error}")))?;
    if matches!(url.scheme(), "http" | "https") {
        Ok(url)
    } else {
        Err(RequestFault::Wrong(format!("\"{uri}\" is neither http nor https")))
    }
}

fn headers_of(fields: &Input) -> Result<HeaderMap, RequestFault> {
    let mut headers = HeaderMap::new();
    let accept = match fields.accept.as_ref() {
        Some(Value::Array(types)) => {
            Some(types.iter().filter_map(text).collect::<Vec<_>>().join(", "))
        }
        Some(other) => text(other),
        None => None,
    };
    let json = || "application/json".to_owned();
    headers.insert(ACCEPT, header_value("accept", &accept.unwrap_or_else(json))?);
    let content_type = fields.content_type.as_ref().and_then(text).unwrap_or_else(json);
    headers.insert(CONTENT_TYPE, header_value("contentType", &content_type)?);
    let given = match &fields.headers {
        None | Some(Value::Null) => return Ok(headers),
        Some(Value::Object(given)) => given,
        Some(_) => return Err(RequestFault::Wrong("headers is not an object".to_owned())),
    };
    for (name, value) in given {
        if let Some(value) = text(value) {
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| RequestFault::Wrong(format!("`{name}` is not a header name")))?;
            headers.insert(header, header_value(name, &value)?);
        }
    }
    Ok(headers)
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, RequestFault> {
    HeaderValue::from_str(value)
        .map_err(|_| RequestFault::Wrong(format!("the value of header `{name}` is not allowed")))
}

/// Text is sent as it is, an object under a form's content type as a form, any other value as JSON
/// without spaces between its parts; all in the charset of the content type.
fn body_of(body: &Payload, headers: &HeaderMap) -> Result<Vec<u8>, RequestFault> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default();
    let text = match serde_json::from_str::<String>(body.get()) {
        Ok(text) => text,
        Err(_) if form::is_form(content_type) => {
            return form::encode(body).map(String::into_bytes).map_err(RequestFault::Wrong);
        }
        Err(_) if form::is_multipart(content_type) => {
            let message = "a multipart body must be given as a text with its boundaries";
            return Err(RequestFault::Wrong(message.to_owned()));
        }
        Err(_) => compact(body.get()),
    };
    charset::encode(content_type, &text).map_err(|fault| RequestFault::Wrong(fault.to_string()))
}

/// JSON without the white space outside of strings; numbers keep their spelling.
fn compact(json: &str) -> String {
    let mut compacted = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for character in json.chars() {
        if in_string || !character.is_ascii_whitespace() {
            compacted.push(character);
        }
        let opens_or_closes = character == '"' && !escaped;
        escaped = in_string && character == '\\' && !escaped;
        in_string ^= opens_or_closes;
    }
    compacted
}

fn timeout_of(name: &str, value: Option<&Value>) -> Result<Duration, RequestFault> {
    let Some(written) = value.and_then(text) else {
        return Ok(Duration::from_millis(TIMEOUT_DEFAULT_MS));
    };
    let number: f64 = written
        .trim()
        .parse()
        .map_err(|_| RequestFault::Wrong(format!("{name} `{written}` is not a number")))?;
    // Java's client takes 0 for "no limit"; our limit of the whole call remains.
    let millis = if number > 0.0 { number.min(86_400_000.0) } else { 86_400_000.0 };
    Ok(Duration::from_secs_f64(millis / 1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton_common::{ExecutionId, Timestamp};
    use serde_json::json;

    fn parse(json: &str) -> Result<Request, RequestFault> {
        Request::parse(&Payload::parse(json.to_owned()).unwrap())
    }

    fn wrong(json: &str) -> String {
        parse(json).unwrap_err().to_string()
    }

    #[test]
    fn a_request_is_found_nested_and_flat() {
        let nested = parse(r#"{"http_request":{"uri":"http://h/x","method":"GET"}}"#).unwrap();
        let flat = parse(r#"{"uri":"http://h/x","method":"GET","asyncComplete":true}"#).unwrap();
        assert_eq!(nested.url, flat.url);
        assert_eq!((nested.async_complete, flat.async_complete), (false, true));
        assert_eq!(nested.read_timeout, Duration::from_secs(3));
        assert_eq!(nested.headers[ACCEPT], "application/json");
        assert_eq!(nested.headers[CONTENT_TYPE], "application/json");
        assert_eq!(nested.body, None);
    }

    #[test]
    fn a_missing_address_and_method_have_conductors_reasons() {
        let no_uri =
            "Missing HTTP URI.  See documentation for HttpTask for required input parameters";
        assert_eq!(wrong(r#"{"http_request":{"method":"GET"}}"#), no_uri);
        assert_eq!(wrong(r#"{"http_request":{"uri":null,"method":"GET"}}"#), no_uri);
        assert_eq!(wrong(r#"{"uri":"http://h"}"#), "No HTTP method specified");
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        let with =
            |uri: &str, method: &str| wrong(&format!(r#"{{"uri":"{uri}","method":"{method}"}}"#));
        assert_eq!(with("http://h", "get"), "Invalid HTTP method: get");
        assert_eq!(with("http://h", "FETCH"), "Invalid HTTP method: FETCH");
        assert_eq!(
            with("http://h/a{b}", "GET"),
            "Not enough variable values available to expand 'b'"
        );
        assert_eq!(with("gopher://h/x", "GET"), "\"gopher://h/x\" is neither http nor https");
        assert!(with("nowhere", "GET").contains("is not an address"));
        assert_eq!(wrong(r#"{"http_request":"x"}"#), "http_request is not an object");
    }

    #[test]
    fn percent_encoded_text_is_not_encoded_again() {
        let request = parse(r#"{"uri":"http://h/a%20b/ü?q=%C3%BC&r=[1]","method":"GET"}"#).unwrap();
        assert_eq!(request.url.as_str(), "http://h/a%20b/%C3%BC?q=%C3%BC&r=[1]");
    }

    #[test]
    fn headers_are_text_and_null_leaves_one_out() {
        let request = parse(
            r#"{"uri":"http://h","method":"GET","accept":["text/plain","text/html"],
                "headers":{"X-Custom":5,"X-Other":null,"Content-Type":"text/xml"}}"#,
        )
        .unwrap();
        assert_eq!(request.headers["x-custom"], "5");
        assert!(!request.headers.contains_key("x-other"));
        assert_eq!(request.headers[CONTENT_TYPE], "text/xml");
        assert_eq!(request.headers[ACCEPT], "text/plain, text/html");
    }

    #[test]
    fn a_request_is_in_the_trace_of_its_task_unless_it_names_another() {
        let id = ExecutionId::new(Timestamp::from_millis(1_795_329_039_876), 1).task(1);
        let task = Task {
            traceparent: Some("00-ours".into()),
            tracestate: Some("a=1".into()),
            ..Task::scheduled(id, "HTTP".into())
        };
        let plain = || parse(r#"{"uri":"http://h","method":"GET"}"#).unwrap();
        let traced = plain().within_trace_of(&task);
        assert_eq!(traced.headers["traceparent"], "00-ours");
        assert_eq!(traced.headers["tracestate"], "a=1");
        let own = r#"{"uri":"http://h","method":"GET","headers":{"Traceparent":"00-own"}}"#;
        let own = parse(own).unwrap().within_trace_of(&task);
        assert_eq!(own.headers["traceparent"], "00-own");
        assert!(!own.headers.contains_key("tracestate"));
        let outside = plain().within_trace_of(&Task::scheduled(id, "HTTP".into()));
        assert!(!outside.headers.contains_key("traceparent"));
    }

    #[test]
    fn a_body_is_text_as_it_is_or_compact_json() {
        let body = |json: &str| {
            let input = format!(r#"{{"uri":"http://h","method":"POST","body":{json}}}"#);
            parse(&input).unwrap().body.map(|body| String::from_utf8(body).unwrap())
        };
        assert_eq!(body(r#""a b""#).as_deref(), Some("a b"));
        let json = r#"{ "a" : [1, 2.50, null], "b": "x \" y\\" , "c": 1e3 }"#;
        assert_eq!(body(json).as_deref(), Some(r#"{"a":[1,2.50,null],"b":"x \" y\\","c":1e3}"#));
        assert_eq!(body("null"), None);
        assert_eq!(body("7").as_deref(), Some("7"));
    }

    #[test]
    fn a_body_is_what_its_content_type_says() {
        let body = |kind: &str, json: &str| {
            let input = json!({"uri": "http://h", "method": "POST", "contentType": kind});
            let input = input.to_string().replacen('{', &format!("{{\"body\":{json},"), 1);
            parse(&input).map(|request| request.body.unwrap())
        };
        let form = "application/x-www-form-urlencoded";
        assert_eq!(body(form, r#"{"a":"b c","n":5}"#).unwrap(), b"a=b+c&n=5");
        assert_eq!(body(form, r#""a=1&b=2""#).unwrap(), b"a=1&b=2");
        assert_eq!(body("text/plain; charset=latin1", r#""caf\u00e9""#).unwrap(), b"caf\xe9");
        let refused = |kind, json| body(kind, json).unwrap_err().to_string();
        assert!(refused(form, "[1]").contains("must be a text or an object"));
        assert!(refused("multipart/form-data", r#"{"a":1}"#).contains("multipart"));
        assert!(refused("text/plain; charset=none", r#""a""#).contains("`none` is not known"));
    }

    #[test]
    fn timeouts_are_milliseconds_and_zero_means_long() {
        let request =
            parse(r#"{"uri":"http://h","method":"GET","readTimeOut":"300","connectionTimeOut":0}"#)
                .unwrap();
        assert_eq!(request.read_timeout, Duration::from_millis(300));
        assert_eq!(request.connect_timeout, Duration::from_hours(24));
    }
}
