//! A gateway over a real engine in memory, and answers as snapshots without what differs from run to
//! run.
use crate::common::{json_request, options, send, text_of};
use axum::Router;
use baton_api_gateway::router;
use baton_common::Timestamp;
use baton_orchestrator::Orchestrator;
use baton_store::memory::MemoryStore;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::sync::Arc;

/// Milliseconds of an epoch that a time is after, and no other number of these tests.
const TIMES_BEGIN: u64 = 1_700_000_000_000;

/// The gateway, and the ids seen so far.
pub(crate) struct Api {
    gateway: Router,
    ids: RefCell<Vec<String>>,
}

/// No definition of these tests has a script.
fn no_scripts<Script, Outcome>(_: &Script) -> Outcome {
    panic!("these tests run no scripts")
}

impl Api {
    pub(crate) async fn start() -> Self {
        let now = Timestamp::from_millis(1_795_329_039_876);
        let store = MemoryStore::new(Arc::new(move || now));
        let engine = Orchestrator::start(Arc::new(store), Arc::new(no_scripts)).await.unwrap();
        Self { gateway: router(engine, options()), ids: RefCell::default() }
    }

    /// Sends a call such as `PUT /api/tasks`; its status, media type and body.
    pub(crate) async fn call(&self, call: &str, body: &str) -> (u16, String, String) {
        let (method, path) = call.split_once(' ').unwrap();
        let response = send(&self.gateway, json_request(method, path, body)).await;
        let status = response.status().as_u16();
        let media_type = response.headers().get("content-type");
        let media_type = media_type.map(|value| value.to_str().unwrap().to_owned());
        (status, media_type.unwrap_or_default(), text_of(response).await)
    }

    /// The body of a call that must succeed.
    pub(crate) async fn ok(&self, call: &str, body: &str) -> String {
        let (status, _, text) = self.call(call, body).await;
        assert!(status < 300, "{call}: {status} {text}");
        text
    }

    /// Starts an execution of this workflow with an empty input; its id.
    pub(crate) async fn started(&self, name: &str) -> String {
        self.ok(&format!("POST /api/workflow/{name}"), "{}").await
    }

    /// Compares the whole answer with the snapshot of this name.
    pub(crate) async fn shows(&self, name: &str, call: &str, body: &str) {
        let (status, media_type, text) = self.call(call, body).await;
        let body = match serde_json::from_str(&text) {
            Ok(value) if media_type == "application/json" => self.redacted(value),
            _ => self.redacted(Value::String(text)),
        };
        let answer = json!({ "status": status, "type": media_type, "body": body });
        insta::assert_json_snapshot!(name, answer);
    }

    /// The value with ids numbered in the order they are seen in, and without times.
    fn redacted(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.without_ids(&text)),
            Value::Number(number) if number.as_u64().is_some_and(|number| number > TIMES_BEGIN) => {
                json!("[time]")
            }
            Value::Array(elements) => {
                elements.into_iter().map(|element| self.redacted(element)).collect()
            }
            Value::Object(members) => {
                let members = members.into_iter();
                let members = members.map(|(name, value)| match name.as_str() {
                    "queueWaitTime" | "executionTime" | "lastBatchMsAgo" | "lastCommitMsAgo"
                    | "lastRoundMsAgo" => (name, json!("[ms]")),
                    _ => (self.without_ids(&name), self.redacted(value)),
                });
                Value::Object(members.collect())
            }
            scalar @ (Value::Null | Value::Bool(_) | Value::Number(_)) => scalar,
        }
    }

    fn without_ids(&self, text: &str) -> String {
        const ID_CHARS: usize = 36;
        const TIME_CHARS: usize = 20;
        let mut rest = text;
        let mut shown = String::new();
        while !rest.is_empty() {
            if let Some(id) = rest.get(..ID_CHARS).filter(|id| is_id(id)) {
                shown.push_str(&self.number_of(id));
                rest = &rest[ID_CHARS..];
            } else if rest.get(..TIME_CHARS).is_some_and(is_time_to_the_second) {
                shown.push_str("[time]");
                rest = &rest[TIME_CHARS..];
            } else {
                let first = rest.chars().next().map_or(0, char::len_utf8);
                shown.push_str(&rest[..first]);
                rest = &rest[first..];
            }
        }
        if is_iso_time(&shown) { "[time]".to_owned() } else { shown }
    }

    fn number_of(&self, id: &str) -> String {
        let mut ids = self.ids.borrow_mut();
        let known = ids.iter().position(|known| known == id);
        let number = known.unwrap_or_else(|| {
            ids.push(id.to_owned());
            ids.len() - 1
        });
        format!("[id {}]", number + 1)
    }
}

fn is_id(text: &str) -> bool {
    text.char_indices().all(|(index, character)| match index {
        8 | 13 | 18 | 23 => character == '-',
        _ => character.is_ascii_hexdigit(),
    })
}

/// As 2026-11-22T06:30:39Z.
fn is_time_to_the_second(text: &str) -> bool {
    text.as_bytes()[10] == b'T' && text.starts_with("20") && text.ends_with('Z')
}

/// As 2026-11-22T06:30:39.876Z.
fn is_iso_time(text: &str) -> bool {
    text.len() == 24 && text.as_bytes()[10] == b'T' && text.ends_with('Z')
}
