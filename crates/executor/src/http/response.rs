//! The answer, and the output it becomes.
use super::charset;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use baton_common::Payload;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Characters of the body quoted in a reason.
const BEGINNING_CHARS_MAX: usize = 300;
/// Header names that are not simply written with capitals after each dash.
const ODD_NAMES: [&str; 5] = ["ETag", "WWW-Authenticate", "X-XSS-Protection", "TE", "DNT"];

/// What the other side said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

#[derive(Serialize)]
struct Output<'answer> {
    response: Response<'answer>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'answer> {
    headers: Map<String, Value>,
    reason_phrase: &'static str,
    body: Body<'answer>,
    /// `base64` where the body is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_encoding: Option<&'static str>,
    status_code: u16,
}

/// A body as Conductor's mapper sees it.
#[derive(Serialize)]
#[serde(untagged)]
enum Body<'answer> {
    /// An object or a list, spliced in as it came.
    Tree(&'answer RawValue),
    /// Any number, as a double.
    Number(f64),
    /// Text, other JSON scalars as text, or what is no JSON.
    Text(String),
    /// Nothing.
    Empty(()),
}

impl Answer {
    /// `{"response": {headers, reasonPhrase, body, statusCode}}`; what is no text in its charset is in
    /// Base64, and `bodyEncoding` says so.
    ///
    /// # Errors
    /// Why it cannot be kept.
    pub(super) fn output(&self) -> Result<Payload, String> {
        let content_type = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let text = charset::decode(content_type, &self.body).map_err(|fault| fault.to_string())?;
        let (body, body_encoding) = match &text {
            Some(text) => (body(text), None),
            None => (Body::Text(STANDARD.encode(&self.body)), Some("base64")),
        };
        let output = Payload::of(&Output {
            response: Response {
                headers: headers(&self.headers),
                reason_phrase: self.status.canonical_reason().unwrap_or_default(),
                body,
                body_encoding,
                status_code: self.status.as_u16(),
            },
        });
        output.map_err(|error| error.to_string())
    }

    /// The body's start, for a reason.
    pub(super) fn beginning(&self) -> String {
        let end = self.body.len().min(BEGINNING_CHARS_MAX * 4);
        String::from_utf8_lossy(&self.body[..end]).chars().take(BEGINNING_CHARS_MAX).collect()
    }
}

/// Objects and lists are parsed, numbers become doubles, the rest is text.
fn body(text: &str) -> Body<'_> {
    if text.is_empty() {
        return Body::Empty(());
    }
    let Ok(raw) = serde_json::from_str::<&RawValue>(text) else {
        return Body::Text(text.to_owned());
    };
    match raw.get().as_bytes().first() {
        Some(b'{' | b'[') => Body::Tree(raw),
        Some(b'"') => Body::Text(serde_json::from_str(raw.get()).unwrap_or_default()),
        Some(b't' | b'f' | b'n') => Body::Text(raw.get().to_owned()),
        _ => match raw.get().parse::<f64>() {
            Ok(number) if number.is_finite() => Body::Number(number),
            _ => Body::Text(raw.get().to_owned()),
        },
    }
}

/// Header names with all their values. The client has names in lower case; servers mostly send
/// them with capitals, and expressions name them so.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let values = |name| {
        let texts = headers.get_all(name).iter();
        texts.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned().into()).collect()
    };
    headers.keys().map(|name| (capitals(name.as_str()), Value::Array(values(name)))).collect()
}

fn capitals(name: &str) -> String {
    if let Some(odd) = ODD_NAMES.iter().find(|odd| odd.eq_ignore_ascii_case(name)) {
        return (*odd).to_owned();
    }
    let mut at_start = true;
    name.chars()
        .map(|character| {
            let written = if at_start { character.to_ascii_uppercase() } else { character };
            at_start = character == '-';
            written
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(status: u16, body: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.append("set-cookie", "a=1".parse().unwrap());
        headers.append("set-cookie", "b=2".parse().unwrap());
        headers.append("etag", "x".parse().unwrap());
        let status = StatusCode::from_u16(status).unwrap();
        let answer = Answer { status, headers, body: body.as_bytes().to_vec() };
        answer.output().unwrap().get().to_owned()
    }

    #[test]
    fn an_answer_is_kept_whole() {
        assert_eq!(
            output(201, r#"{"a": 1}"#),
            r#"{"response":{"headers":{"Set-Cookie":["a=1","b=2"],"ETag":["x"]},"reasonPhrase":"Created","body":{"a": 1},"statusCode":201}}"#
        );
    }

    #[test]
    fn a_body_becomes_what_conductor_makes_of_it() {
        for (sent, kept) in [
            ("", "null"),
            ("plain words", "\"plain words\""),
            ("\"word\"", "\"word\""),
            ("42", "42.0"),
            ("42.0", "42.0"),
            ("-1.5e3", "-1500.0"),
            ("true", "\"true\""),
            ("null", "\"null\""),
            ("[1, 2.5, null]", "[1, 2.5, null]"),
            ("{broken", "\"{broken\""),
            ("1e999", "\"1e999\""),
        ] {
            assert!(output(200, sent).contains(&format!("\"body\":{kept},")), "{sent}");
        }
    }

    #[test]
    fn what_is_no_text_is_kept_in_base64() {
        let (headers, body) = (HeaderMap::new(), vec![0x89, b'P', b'N', b'G', 0]);
        let answer = Answer { status: StatusCode::OK, headers, body };
        let kept = r#""body":"iVBORwA=","bodyEncoding":"base64","#;
        assert!(answer.output().unwrap().get().contains(kept));
    }

    #[test]
    fn a_number_without_a_phrase_is_no_fault() {
        assert!(output(599, "").contains(r#""reasonPhrase":"","#));
    }
}
