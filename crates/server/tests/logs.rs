//! The log of a real server: JSON lines, no payload, one line for each request that fails.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests unwrap as tests do")]
mod support;

use serde_json::{Value, json};
use support::Server;

/// Marks everything that a log must not hold.
const SECRET: &str = "SECRET";
/// `GET` and `POST` of what is not there or cannot be read, and what is answered.
const FAILING: [(&str, &str, u16); 5] = [
    ("GET /api/workflow/nobody?note=SECRET-query", "", 404),
    ("POST /api/workflow", r#"{"name":"SECRET-name","input":{"a":"SECRET-input"}}"#, 404),
    ("POST /api/workflow", r#"{"name":{"SECRET-member":1}}"#, 500),
    ("GET /api/tasks/poll/batch/x?count=SECRET", "", 500),
    ("GET /nowhere", "", 404),
];

/// Everything a line holds besides its time, so that a name that changes is seen.
fn keys(line: &Value) -> Vec<&str> {
    let members = line.as_object().unwrap().keys().map(String::as_str);
    members.filter(|key| *key != "timestamp").collect()
}

/// Goal: whoever has the id of a failed request finds its one line. Method: failing calls with ids
/// of their own, at the default level.
#[tokio::test]
async fn each_failed_request_has_one_line_with_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    for (number, (call, body, status)) in FAILING.iter().enumerate() {
        let id = format!("failing-{number}");
        let answered = server.call_with(call, body, &[("x-request-id", &id)]).await;
        assert_eq!(answered.0, *status, "{call}: {}", answered.1);
    }
    let good = server.call_with("GET /health", "", &[("x-request-id", "good")]).await;
    assert_eq!(good.0, 200);
    let (_, log) = server.stop();
    for (number, (call, _, status)) in FAILING.iter().enumerate() {
        let id = format!("failing-{number}");
        let lines: Vec<_> = log.iter().filter(|line| line["request.id"] == *id).collect();
        let [line] = lines[..] else { panic!("{call}: {lines:?}") };
        assert_eq!((&line["status"], &line["level"]), (&json!(status), &json!("INFO")));
        let expected =
            ["level", "message", "request.id", "method", "path", "status", "code", "target"];
        assert_eq!(keys(line), expected);
    }
    assert!(!log.iter().any(|line| line["request.id"] == "good"));
}

/// Goal: no payload in any log, at any level. Method: an execution with marked input, output,
/// reason, variables, log line and broken requests, at level trace.
#[tokio::test]
async fn no_payload_is_ever_logged() {
    let folder = tempfile::tempdir().unwrap();
    let level = "trace,hyper=info,hyper_util=info,reqwest=info,h2=info,rustls=info";
    let server = Server::start(folder.path(), &["--log", level]);
    let definition = json!([{ "name": "quiet", "version": 1, "ownerEmail": "a@b.c",
        "variables": { "v": "SECRET-variable" },
        "tasks": [{ "name": "hush", "taskReferenceName": "hush", "type": "SIMPLE",
            "inputParameters": { "word": "${workflow.input.word}" } },
            { "name": "code", "taskReferenceName": "code", "type": "INLINE", "inputParameters":
            { "evaluatorType": "javascript", "expression": "throw 'SECRET-script'" } }] }]);
    server.ok("PUT /api/metadata/workflow", &definition.to_string()).await;
    let started = json!({ "name": "quiet", "input": { "word": "SECRET-input" } });
    let id = server.ok("POST /api/workflow", &started.to_string()).await;
    let id = id.as_str().unwrap();
    let task = server.poll("hush").await;
    assert_eq!(task["inputData"]["word"], "SECRET-input");
    let log_line = format!("POST /api/tasks/{}/log", task["taskId"].as_str().unwrap());
    server.ok(&log_line, "SECRET-line").await;
    server.report(&task, "COMPLETED").await;
    server.until(id, "FAILED").await;
    for (call, body, _) in FAILING {
        server.call(call, body).await;
    }
    let (_, log) = server.stop();
    let leaks: Vec<_> = log.iter().filter(|line| line.to_string().contains(SECRET)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
    assert!(log.len() >= FAILING.len(), "{log:#?}");
}
