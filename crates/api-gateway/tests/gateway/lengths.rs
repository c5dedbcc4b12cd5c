//! Every name and key of a request has a longest length, and none holds U+0000.
use crate::common::{error_of, gateway, json_request, send};
use crate::engine::Api;
use baton_common::api::{ErrorBody, ValidationError};
use baton_common::limits::{
    CORRELATION_ID_BYTES_MAX as CORRELATION, IDEMPOTENCY_KEY_BYTES_MAX as KEY,
    NAME_BYTES_MAX as NAME, QUEUE_BYTES_MAX as QUEUE, REFERENCE_NAME_BYTES_MAX as REFERENCE,
    SEARCH_TEXT_BYTES_MAX as SEARCH,
};
use serde_json::{Value, json};

/// Two bytes in UTF-8.
const LETTER: &str = "é";

/// A text of so many bytes, which has fewer characters.
fn text(bytes: usize) -> String {
    "x".repeat(bytes % 2) + &LETTER.repeat(bytes / 2)
}

fn encoded(text: &str) -> String {
    text.replace(LETTER, "%C3%A9")
}

/// Calls with a text in place of `*`, the parameter that holds it, and its limit.
const PARAMETERS: [(&str, &str, usize); 52] = [
    ("GET /api/metadata/workflow/*", "name", NAME),
    ("GET /api/metadata/workflow/*/versions", "name", NAME),
    ("DELETE /api/metadata/workflow/*/1", "name", NAME),
    ("GET /api/metadata/workflow?classifier=*", "classifier", NAME),
    ("GET /api/metadata/taskdefs/*", "tasktype", NAME),
    ("DELETE /api/metadata/taskdefs/*", "tasktype", NAME),
    ("POST /api/workflow/*", "id", NAME),
    ("POST /api/workflow/w?correlationId=*", "correlationId", CORRELATION),
    ("POST /api/workflow/search?correlationId=*", "correlationId", CORRELATION),
    ("POST /api/workflow/execute/*/1", "name", NAME),
    ("POST /api/workflow/execute/w/1?waitUntilTaskRef=a,*", "waitUntilTaskRef", REFERENCE),
    ("POST /api/workflow/execute/w/1?requestId=*", "requestId", NAME),
    ("GET /api/workflow/*", "id", NAME),
    ("DELETE /api/workflow/*", "id", NAME),
    ("GET /api/workflow/*/status", "id", NAME),
    ("GET /api/workflow/*/tasks", "id", NAME),
    ("GET /api/workflow/*/explain", "id", NAME),
    ("GET /api/workflow/running/*", "name", NAME),
    ("GET /api/workflow/*/correlated/c", "name", NAME),
    ("GET /api/workflow/w/correlated/*", "correlationId", CORRELATION),
    ("POST /api/workflow/*/correlated", "name", NAME),
    ("PUT /api/workflow/decide/*", "id", NAME),
    ("PUT /api/workflow/*/pause", "id", NAME),
    ("PUT /api/workflow/*/resume", "id", NAME),
    ("PUT /api/workflow/w/skiptask/*", "taskReferenceName", REFERENCE),
    ("POST /api/workflow/*/rerun", "id", NAME),
    ("POST /api/workflow/*/restart", "id", NAME),
    ("POST /api/workflow/*/retry", "id", NAME),
    ("POST /api/workflow/*/resetcallbacks", "id", NAME),
    ("DELETE /api/workflow/*/remove", "id", NAME),
    ("DELETE /api/workflow/*/terminate-remove", "id", NAME),
    ("GET /api/workflow/search?query=*", "query", SEARCH),
    ("GET /api/workflow/search?freeText=*", "freeText", SEARCH),
    ("GET /api/workflow/search?sort=*", "sort", SEARCH),
    ("GET /api/workflow/search?classifier=*", "classifier", NAME),
    ("GET /api/tasks/poll/*", "tasktype", NAME),
    ("GET /api/tasks/poll/t?workerid=*", "workerid", NAME),
    ("GET /api/tasks/poll/t?domain=*", "domain", NAME),
    ("GET /api/tasks/poll/batch/*", "tasktype", NAME),
    ("GET /api/tasks/poll/batch/t?workerid=*", "workerid", NAME),
    ("GET /api/tasks/poll/batch/t?domain=*", "domain", NAME),
    ("POST /api/tasks/w/*/COMPLETED", "taskRefName", REFERENCE),
    ("POST /api/tasks/w/*/COMPLETED/sync", "taskRefName", REFERENCE),
    ("POST /api/tasks/w/r/COMPLETED?workerid=*", "workerid", NAME),
    ("GET /api/tasks/*", "id", NAME),
    ("GET /api/tasks/*/log", "id", NAME),
    ("GET /api/tasks/*/explain", "id", NAME),
    ("GET /api/tasks/queue/sizes?taskType=a,*", "taskType", QUEUE),
    ("GET /api/tasks/queue/size?taskType=*", "taskType", QUEUE),
    ("GET /api/tasks/queue/size?taskType=t&domain=*", "domain", NAME),
    ("GET /api/tasks/queue/polldata?taskType=*", "taskType", QUEUE),
    ("POST /api/tasks/queue/requeue/*", "taskType", QUEUE),
];

/// A body that every one of these calls can read as far as the engine.
fn body_of(path: &str) -> &'static str {
    if path.ends_with("/correlated") { r#"["c"]"# } else { "{}" }
}

#[tokio::test]
async fn parameters_are_accepted_up_to_their_limit() {
    let gateway = gateway();
    for (call, field, limit) in PARAMETERS {
        for (bytes, status) in [(limit, 500), (limit + 1, 400)] {
            let (method, path) = call.split_once(' ').unwrap();
            let path = path.replace('*', &encoded(&text(bytes)));
            let request = json_request(method, &path, body_of(&path));
            let error = error_of(send(&gateway, request).await).await;
            assert_eq!(error.status, status, "{call} of {bytes} bytes: {error:?}");
            if status == 400 {
                let faults = error.validation_errors.unwrap();
                let message = format!("{field} has {bytes} bytes of UTF-8, the limit is {limit}");
                assert_eq!(faults[0].message.as_ref(), Some(&message), "{call}");
                assert_eq!((faults.len(), faults[0].path.as_deref()), (1, Some(field)));
            }
        }
    }
}

/// Bodies with a text in place of `*`, and the text's pointer and limit.
fn bodies() -> Vec<(&'static str, Value, &'static str, usize)> {
    let start = |member: &str| json!({ "name": "w", member: "*" });
    let result = |member: &str| {
        let mut result = json!({ "workflowInstanceId": "w", "taskId": "t", "status": "COMPLETED" });
        result[member] = json!("*");
        result
    };
    let mut bodies = vec![
        (
            "POST /api/workflow/w/rerun",
            json!({ "correlationId": "*" }),
            "/correlationId",
            CORRELATION,
        ),
        ("POST /api/workflow/w/rerun", json!({ "reRunFromTaskId": "*" }), "/reRunFromTaskId", NAME),
        ("POST /api/workflow/w/correlated", json!(["a", "*"]), "/1", CORRELATION),
        ("PUT /api/metadata/taskdefs", json!({ "name": "*" }), "/name", NAME),
    ];
    for call in ["POST /api/workflow", "POST /api/workflow/execute/w/1"] {
        bodies.extend([
            (call, start("name"), "/name", NAME),
            (call, start("correlationId"), "/correlationId", CORRELATION),
            (call, start("idempotencyKey"), "/idempotencyKey", KEY),
            (call, start("createdBy"), "/createdBy", NAME),
            (call, json!({ "name": "w", "taskToDomain": { "t": "*" } }), "/taskToDomain/t", NAME),
            (
                call,
                json!({ "name": "w", "taskToDomain": { "t": "d, *" } }),
                "/taskToDomain/t",
                NAME,
            ),
            (call, json!({ "name": "w", "taskToDomain": { "*": "d" } }), "/taskToDomain/*", NAME),
        ]);
    }
    for call in ["POST /api/tasks", "POST /api/tasks/update-v2"] {
        bodies.extend([
            (call, result("workflowInstanceId"), "/workflowInstanceId", NAME),
            (call, result("taskId"), "/taskId", NAME),
            (call, result("workerId"), "/workerId", NAME),
            (call, result("subWorkflowId"), "/subWorkflowId", NAME),
        ]);
    }
    bodies
}

#[tokio::test]
async fn texts_of_bodies_are_accepted_up_to_their_limit() {
    let api = Api::start().await;
    for (call, body, pointer, limit) in bodies() {
        for (sent, is_refused) in
            [(text(limit), false), (text(limit + 1), true), ("a\\u0000b".to_owned(), true)]
        {
            let body = body.to_string().replace('*', &sent);
            let (status, _, answer) = api.call(call, &body).await;
            let named = status == 400 && answer.contains("validation_failed");
            assert_eq!(named, is_refused, "{call} {pointer} {}: {answer}", sent.len());
            if is_refused {
                let error: ErrorBody = serde_json::from_str(&answer).unwrap();
                let read = sent.replace("\\u0000", "\0");
                let fault = &error.validation_errors.unwrap()[0];
                assert_eq!(fault.pointer.as_ref(), Some(&pointer.replace('*', &read)), "{call}");
                let message = fault.message.as_ref().unwrap();
                let told = format!("has {} bytes of UTF-8, the limit is {limit}", sent.len());
                assert!(message.ends_with(&told) || message.ends_with("U+0000"), "{message}");
            }
        }
    }
}

#[tokio::test]
async fn every_fault_of_a_request_is_told_at_once() {
    let long = text(KEY + 1);
    let body = json!({ "name": long, "correlationId": long, "idempotencyKey": "\0",
        "createdBy": long, "taskToDomain": { "a": long, "b": "\0" } });
    let faults = faults(&Api::start().await, "POST /api/workflow", &body.to_string()).await;
    let pointers: Vec<_> = faults.iter().filter_map(|fault| fault.pointer.as_deref()).collect();
    let expected = [
        "/name",
        "/correlationId",
        "/idempotencyKey",
        "/createdBy",
        "/taskToDomain/a",
        "/taskToDomain/b",
    ];
    assert_eq!(pointers, expected);

    let long = encoded(&text(NAME + 1));
    let path = format!("/api/tasks/poll/{long}?domain={long}&workerid={long}");
    let faults = error_of(send(&gateway(), json_request("GET", &path, "")).await).await;
    let faults = faults.validation_errors.unwrap();
    let fields: Vec<_> = faults.iter().filter_map(|fault| fault.path.as_deref()).collect();
    assert_eq!(fields, ["tasktype", "domain", "workerid"]);
}

async fn faults(api: &Api, call: &str, body: &str) -> Vec<ValidationError> {
    let (status, _, answer) = api.call(call, body).await;
    assert_eq!(status, 400, "{call}: {answer}");
    serde_json::from_str::<ErrorBody>(&answer).unwrap().validation_errors.unwrap()
}

#[tokio::test]
async fn a_line_of_a_log_holds_no_nul() {
    let api = Api::start().await;
    for line in [r#""a\u0000b""#, "a\0b"] {
        assert_eq!(faults(&api, "POST /api/tasks/t/log", line).await.len(), 1);
    }
    let report = json!({ "workflowInstanceId": "w", "taskId": "t", "status": "FAILED",
        "reasonForIncompletion": "\0", "logs": [{ "log": "\0" }] });
    assert_eq!(faults(&api, "POST /api/tasks", &report.to_string()).await.len(), 2);
}

fn definition(more: &Value) -> Value {
    let mut step = json!({ "name": "t", "taskReferenceName": "r", "type": "SIMPLE" });
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "name": "w", "tasks": [step] })
}

/// Goal: every way into the engine refuses a definition whose texts are too long, and takes one at
/// the limit. Method: registering, replacing, validating and starting, over an engine in memory.
#[tokio::test]
async fn texts_of_definitions_are_accepted_up_to_their_limit() {
    let api = Api::start().await;
    for (bytes, status) in [(NAME, 200), (NAME + 1, 400)] {
        let definition = definition(&json!({ "name": text(bytes) }));
        let start = json!({ "name": "w", "workflowDef": definition });
        let named = json!({ "name": text(bytes), "tasks": definition["tasks"] });
        let task = json!({ "name": text(bytes) });
        for (call, body) in [
            ("POST /api/metadata/workflow?overwrite=true", &definition),
            ("POST /api/metadata/workflow/validate", &definition),
            ("PUT /api/metadata/workflow", &json!([definition])),
            ("POST /api/metadata/workflow/validate", &named),
            ("POST /api/metadata/taskdefs", &json!([task])),
            ("PUT /api/metadata/taskdefs", &task),
            ("POST /api/workflow", &start),
            ("POST /api/workflow/execute/w/1", &json!({ "workflowDef": definition })),
        ] {
            let path_and_wait = call.replace("w/1", "w/1?waitForSeconds=1");
            let (answered, _, text) = api.call(&path_and_wait, &body.to_string()).await;
            // A task definition of that name was registered in the round before.
            assert_eq!(answered, status, "{call} of {bytes} bytes: {text}");
        }
    }
}
