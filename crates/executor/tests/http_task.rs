//! The HTTP task against a host on a real socket, with the answers of the conformance stub.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests unwrap as tests do")]
use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use baton_client::{Client, ClientConfig};
use baton_common::api::{Task, TaskResult};
use baton_common::{ExecutionId, Payload, Timestamp};
use baton_executor::http::{HttpConfig, HttpTask, Reach};
use baton_executor::{
    Executor, ExecutorConfig, HttpSource, PollRequest, Registry, SourceError, TaskSource,
};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

/// Echoes the request, or answers `/status/<code>`, `/text`, `/array`, `/raw`, `/redirect`,
/// `/bytes/<n>`; `/silent` never answers.
async fn stub(
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<axum::body::Body> {
    let parts: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let (mut status, mut kind) = (200, "application/json");
    let mut reply = json!({ "method": method.as_str(), "path": uri.to_string(),
        "body": String::from_utf8_lossy(&body), "type": header("content-type"),
        "accept": header("accept"), "custom": header("x-custom"),
        "authorization": header("authorization") })
    .to_string();
    let mut answer = Response::builder().header("X-Stub", "yes");
    match parts[0] {
        "status" => status = parts[1].parse().unwrap(),
        "text" => (kind, reply) = ("text/plain", "plain words".to_owned()),
        "array" => reply = String::from(r#"[1, 2.5, "three", null, {"four": 4}]"#),
        "raw" => reply = String::from(parts[1]),
        "bytes" => reply = "x".repeat(parts[1].parse().unwrap()),
        "silent" => std::future::pending().await,
        "redirect" => {
            status = parts[1].parse().unwrap();
            answer = answer.header("Location", format!("/{}", parts[2..].join("/")));
        }
        _ => {}
    }
    if status == 204 {
        reply.clear();
    }
    answer.status(status).header("Content-Type", kind).body(reply.into()).unwrap()
}

async fn serve() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        axum::serve(listener, Router::new().fallback(stub)).await.unwrap();
    });
    url
}

/// Hands out one task and passes on its report.
struct One {
    task: Mutex<Option<Task>>,
    reports: mpsc::UnboundedSender<TaskResult>,
}

#[async_trait]
impl TaskSource for One {
    async fn poll(&self, _: &PollRequest<'_>) -> Result<Vec<Task>, SourceError> {
        let task = self.task.lock().unwrap().take();
        match task {
            Some(task) => Ok(vec![task]),
            None => std::future::pending().await,
        }
    }

    async fn heartbeat(&self, _: &Task, _: &str) -> Result<(), SourceError> {
        Ok(())
    }

    async fn report(&self, result: &TaskResult) -> Result<(), SourceError> {
        self.reports.send(result.clone()).map_err(|error| SourceError::Refused(error.to_string()))
    }

    async fn hand_back(&self, _: &Task, _: &str) -> Result<(), SourceError> {
        Ok(())
    }
}

fn task(input: &Value) -> Task {
    let id = ExecutionId::new(Timestamp::from_millis(1_795_329_039_876), 1).task(1);
    Task { input_data: Payload::of(input).unwrap(), ..Task::scheduled(id, "HTTP".into()) }
}

fn config() -> ExecutorConfig {
    ExecutorConfig {
        worker_id: "w".to_owned(),
        domain: None,
        poll_timeout: Duration::from_secs(1),
        drain_timeout: Duration::from_secs(1),
        jitter_seed: 1,
    }
}

/// What becomes of a task with this input: status, `output`, reason.
async fn run_with(http: HttpConfig, input: Value) -> (String, Value, String) {
    let (reports, mut reported) = mpsc::unbounded_channel();
    let source = Arc::new(One { task: Mutex::new(Some(task(&input))), reports });
    let registry = Registry::new().with(HttpTask::new(http), 1);
    let executor = Executor::new(source, registry, config()).unwrap();
    let mut result = None;
    executor.run(async { result = reported.recv().await }).await;
    let result = result.unwrap();
    let reason = result.reason_for_incompletion.unwrap_or_default();
    (result.status.unwrap().to_string(), result.output_data.to_value(), reason)
}

async fn run(input: Value) -> (String, Value, String) {
    run_with(HttpConfig::with_reach(Reach::Internal), input).await
}

async fn get(path: &str) -> (String, Value, String) {
    let uri = format!("{}{path}", serve().await);
    run(json!({ "http_request": { "uri": uri, "method": "GET" } })).await
}

#[tokio::test]
async fn an_answer_completes_the_task_and_is_kept_whole() {
    let (status, output, _) = get("/hello").await;
    assert_eq!(status, "COMPLETED");
    let response = &output["response"];
    assert_eq!((&response["statusCode"], &response["reasonPhrase"]), (&json!(200), &json!("OK")));
    assert_eq!(response["headers"]["X-Stub"], json!(["yes"]));
    assert_eq!(
        response["body"],
        json!({ "method": "GET", "path": "/hello", "body": "",
        "type": "application/json", "accept": "application/json", "custom": null,
        "authorization": null })
    );
}

#[tokio::test]
async fn bodies_are_kept_as_conductor_keeps_them() {
    for (path, body) in [
        ("/array", json!([1, 2.5, "three", null, { "four": 4 }])),
        ("/text", json!("plain words")),
        ("/raw/42", json!(42.0)),
        ("/raw/true", json!("true")),
        ("/status/204", Value::Null),
    ] {
        let (status, output, _) = get(path).await;
        assert_eq!((status.as_str(), &output["response"]["body"]), ("COMPLETED", &body), "{path}");
    }
}

#[tokio::test]
async fn a_body_and_headers_are_sent() {
    let uri = format!("{}/p", serve().await);
    let (_, output, _) = run(json!({ "uri": uri, "method": "DELETE", "body": [1, "x"],
        "accept": "text/plain", "headers": { "X-Custom": 5, "X-None": null } }))
    .await;
    let body = &output["response"]["body"];
    assert_eq!(body["body"], "[1,\"x\"]");
    assert_eq!((&body["method"], &body["custom"]), (&json!("DELETE"), &json!("5")));
    assert_eq!(body["accept"], "text/plain");
}

#[tokio::test]
async fn an_answer_outside_2xx_fails_the_task_and_keeps_the_answer() {
    let (status, output, reason) = get("/status/500").await;
    assert_eq!(status, "FAILED");
    assert_eq!(output["response"]["statusCode"], 500);
    assert_eq!(output["response"]["body"]["path"], "/status/500");
    let start = "Failed to invoke HTTP task due to: 500 Internal Server Error on GET request for";
    assert!(reason.starts_with(start), "{reason}");
    assert!(reason.contains(r#""method":"GET""#), "{reason}");
}

#[tokio::test]
async fn with_async_complete_the_task_stays_open() {
    let uri = format!("{}/x", serve().await);
    let (status, output, _) = run(json!({ "asyncComplete": true,
        "http_request": { "uri": uri, "method": "GET" } }))
    .await;
    assert_eq!((status.as_str(), &output["response"]["statusCode"]), ("IN_PROGRESS", &json!(200)));
}

#[tokio::test]
async fn redirects_are_followed_and_a_post_becomes_a_get() {
    let (status, output, _) = get("/redirect/302/array").await;
    assert_eq!(status, "COMPLETED");
    assert_eq!(output["response"]["body"][2], "three");
    let base = serve().await;
    for (code, method) in [(302, "GET"), (303, "GET"), (307, "POST")] {
        let uri = format!("{base}/redirect/{code}/after");
        let (_, output, _) = run(json!({ "uri": uri, "method": "POST", "body": "b" })).await;
        assert_eq!(output["response"]["body"]["method"], method, "{code}");
    }
}

#[tokio::test]
async fn a_circle_of_redirects_ends() {
    let uri = format!("{}/redirect/302/redirect/302/redirect", serve().await);
    let (status, _, _) = run(json!({ "uri": uri, "method": "GET" })).await;
    assert_eq!(status, "FAILED");
}

#[tokio::test]
async fn silence_and_closed_ports_fail_the_task() {
    let uri = format!("{}/silent", serve().await);
    let (status, output, reason) =
        run(json!({ "uri": uri, "method": "GET", "readTimeOut": 50 })).await;
    assert_eq!((status.as_str(), output), ("FAILED", json!({})));
    assert!(reason.ends_with("Read timed out"), "{reason}");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/x", listener.local_addr().unwrap());
    drop(listener);
    let (_, _, reason) = run(json!({ "uri": uri, "method": "GET" })).await;
    assert!(reason.contains("Connection refused"), "{reason}");
}

#[tokio::test]
async fn answers_above_a_limit_fail_the_task() {
    let uri = format!("{}/bytes/5000", serve().await);
    let limits = HttpConfig { response_bytes_max: 4999, ..HttpConfig::with_reach(Reach::Internal) };
    let (_, _, reason) = run_with(limits, json!({ "uri": uri, "method": "GET" })).await;
    assert!(reason.ends_with("the answer is larger than 4999 bytes (body)"), "{reason}");
    let limits = HttpConfig { header_bytes_max: 10, ..HttpConfig::with_reach(Reach::Internal) };
    let (_, _, reason) = run_with(limits, json!({ "uri": uri, "method": "GET" })).await;
    assert!(reason.ends_with("the answer is larger than 10 bytes (headers)"), "{reason}");
}

#[tokio::test]
async fn what_is_out_of_reach_is_not_called() {
    let url = serve().await;
    for host in ["127.0.0.1", "localhost"] {
        let uri = url.replace("127.0.0.1", host);
        let public = HttpConfig::with_reach(Reach::Public);
        let (status, _, reason) = run_with(public, json!({ "uri": uri, "method": "GET" })).await;
        assert_eq!(status, "FAILED");
        assert!(reason.contains("may not be called (http-reach is public)"), "{reason}");
    }
}

/// Goal: the executor works over the public API too. Method: a server that hands out one task of
/// each kind and keeps what it is sent.
#[tokio::test]
async fn a_worker_over_http_polls_reports_and_hands_back() {
    type Sent = mpsc::UnboundedSender<(String, Value)>;
    async fn answer(State(sent): State<Sent>, uri: Uri, body: Bytes) -> String {
        let body = serde_json::from_slice(&body).unwrap_or_default();
        drop(sent.send((uri.to_string(), body)));
        let echo = task(&json!({ "a": 1 }));
        if uri.path().starts_with("/api/tasks/poll") {
            return serde_json::to_string(&[echo]).unwrap();
        }
        echo.task_id.to_string()
    }
    let (sent, mut received) = mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(sent);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let source = HttpSource::new(Client::new(&ClientConfig::new(url)).unwrap());
    let request = PollRequest {
        task_type: "echo",
        worker_id: "w",
        domain: None,
        count: 1,
        timeout: Duration::from_millis(10),
    };
    let tasks = source.poll(&request).await.unwrap();
    let (asked, _) = received.recv().await.unwrap();
    assert_eq!(asked, "/api/tasks/poll/batch/echo?workerid=w&count=1&timeout=10");
    source.heartbeat(&tasks[0], "w").await.unwrap();
    let (path, body) = received.recv().await.unwrap();
    assert_eq!((path.as_str(), &body["extendLease"]), ("/api/tasks", &json!(true)));
    // An HTTP task cannot be given back by IN_PROGRESS, any other can.
    source.hand_back(&tasks[0], "w").await.unwrap();
    let other = Task { task_type: "echo".into(), ..tasks[0].clone() };
    source.hand_back(&other, "w").await.unwrap();
    let (_, body) = received.recv().await.unwrap();
    assert_eq!((&body["status"], &body["extendLease"]), (&json!("IN_PROGRESS"), &json!(false)));
    assert!(received.try_recv().is_err());
}

/// A server that answers each connection's request with these bytes, or closes it without an answer;
/// returns its address and the count of requests.
async fn serve_bytes(answers: Vec<Vec<u8>>) -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                stream.read_buf(&mut request).await.unwrap();
            }
            count.fetch_add(1, Ordering::Relaxed);
            stream.write_all(&answer).await.unwrap();
        }
    });
    (url, asked)
}

fn answer(headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

async fn fetch(answers: Vec<Vec<u8>>, method: &str) -> ((String, Value, String), usize) {
    let (uri, asked) = serve_bytes(answers).await;
    let result = run(json!({ "uri": uri, "method": method })).await;
    (result, asked.load(Ordering::Relaxed))
}

/// `{"n":"é"}` as these encodings have it.
const GZIP: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 171, 86, 202, 83, 178, 82, 58, 188, 82, 169, 22, 0, 9, 18,
    208, 249, 10, 0, 0, 0,
];
const DEFLATE: &[u8] =
    &[120, 156, 171, 86, 202, 83, 178, 82, 58, 188, 82, 169, 22, 0, 18, 54, 3, 149];
const BROTLI: &[u8] = &[139, 4, 128, 123, 34, 110, 34, 58, 34, 195, 169, 34, 125, 3];
const ZSTD: &[u8] = &[
    40, 181, 47, 253, 4, 88, 81, 0, 0, 123, 34, 110, 34, 58, 34, 195, 169, 34, 125, 154, 82, 217,
    107,
];

#[tokio::test]
async fn an_encoded_answer_is_decoded() {
    for (encoding, bytes) in [("gzip", GZIP), ("deflate", DEFLATE), ("br", BROTLI), ("zstd", ZSTD)]
    {
        let headers = format!("Content-Encoding: {encoding}\r\nContent-Type: application/json\r\n");
        let ((status, output, reason), _) = fetch(vec![answer(&headers, bytes)], "GET").await;
        assert_eq!((&*status, &*reason), ("COMPLETED", ""), "{encoding}");
        assert_eq!(output["response"]["body"], json!({"n": "é"}), "{encoding}");
    }
}

#[tokio::test]
async fn a_damaged_answer_is_not_taken_for_a_whole_one() {
    let headers = "Content-Encoding: gzip\r\n";
    let cut = &GZIP[..20];
    let ((status, _, reason), _) = fetch(vec![answer(headers, cut)], "GET").await;
    assert_eq!(status, "FAILED");
    assert!(reason.contains("I/O error on GET request"), "{reason}");
}

#[tokio::test]
async fn an_answer_is_limited_by_its_decoded_size() {
    let (uri, _) = serve_bytes(vec![answer("Content-Encoding: gzip\r\n", GZIP)]).await;
    let limits = HttpConfig { response_bytes_max: 9, ..HttpConfig::with_reach(Reach::Internal) };
    let (_, _, reason) = run_with(limits, json!({ "uri": uri, "method": "GET" })).await;
    assert!(reason.ends_with("the answer is larger than 9 bytes (body)"), "{reason}");
}

#[tokio::test]
async fn an_answer_is_read_in_its_charset() {
    let headers = "Content-Type: text/plain; charset=ISO-8859-1\r\n";
    let ((_, output, _), _) = fetch(vec![answer(headers, b"M\xfcller")], "GET").await;
    assert_eq!(output["response"]["body"], "Müller");
    let headers = "Content-Type: text/plain; charset=klingon\r\n";
    let ((status, _, reason), _) = fetch(vec![answer(headers, b"a")], "GET").await;
    assert_eq!(status, "FAILED");
    assert!(reason.contains("the charset `klingon` is not known"), "{reason}");
}

/// Goal: a connection that the other side drops costs a request nothing that may be sent twice, and
/// nothing is sent twice that may not be.
#[tokio::test]
async fn only_what_may_be_sent_twice_is_sent_again_after_a_drop() {
    for (method, status, requests) in [
        ("GET", "COMPLETED", 2),
        ("PUT", "COMPLETED", 2),
        ("POST", "FAILED", 1),
        ("PATCH", "FAILED", 1),
    ] {
        let answers = vec![Vec::new(), answer("", b"late")];
        let ((ended, _, reason), asked) = fetch(answers, method).await;
        assert_eq!((&*ended, asked), (status, requests), "{method}: {reason}");
    }
    let ((ended, _, _), asked) = fetch(vec![Vec::new(), Vec::new(), Vec::new()], "GET").await;
    assert_eq!((&*ended, asked), ("FAILED", 2), "it is sent again once");
}
