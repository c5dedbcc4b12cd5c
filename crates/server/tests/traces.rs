//! Traces of a real server, as a collector gets them and as workers and hosts see them.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests unwrap as tests do")]
mod support;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Attribute;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use support::{PATIENCE, Server};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A collector, and a host that HTTP tasks call: keeps the spans and the headers.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    called_with: Arc<Mutex<Vec<String>>>,
    changed: Arc<tokio::sync::Notify>,
}

impl Collector {
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let router = Router::new()
            .route("/v1/traces", post(receive))
            .route("/called", get(called))
            .with_state(collector.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (collector, url)
    }

    /// Waits until there are this many spans, and no time longer.
    async fn spans(&self, count: usize) -> Vec<Span> {
        let enough = async {
            loop {
                let changed = self.changed.notified();
                let spans = self.spans.lock().unwrap().clone();
                if spans.len() >= count {
                    return spans;
                }
                changed.await;
            }
        };
        let late = |_| panic!("not {count} spans: {:?}", names(&self.spans.lock().unwrap()));
        tokio::time::timeout(PATIENCE, enough).await.unwrap_or_else(late)
    }
}

async fn receive(State(collector): State<Collector>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    for resource in request.resource_spans {
        let attributes = resource.resource.unwrap().attributes;
        assert!(attributes.iter().any(|one| one.key == "service.name"));
        let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        collector.spans.lock().unwrap().extend(spans);
    }
    collector.changed.notify_waiters();
}

async fn called(State(collector): State<Collector>, headers: HeaderMap) -> &'static str {
    let header = headers.get("traceparent").map(|value| value.to_str().unwrap().to_owned());
    collector.called_with.lock().unwrap().extend(header);
    "{}"
}

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|one| one.key == key);
    match found.and_then(|one| one.value.clone()?.value) {
        Some(Attribute::StringValue(text)) => text,
        Some(Attribute::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn traceparent() -> String {
    format!("00-{TRACE}-{CALLER}-01")
}

/// `outer`: a worker's step with one retry, an HTTP call, a child with a worker's step.
async fn register(server: &Server, host: &str) {
    let task = |name: &str| json!({ "name": name, "retryCount": 1, "retryDelaySeconds": 0 });
    let tasks = json!([task("step"), task("inner_step")]).to_string();
    server.ok("POST /api/metadata/taskdefs", &tasks).await;
    let simple = |name: &str| json!({ "name": name, "taskReferenceName": name, "type": "SIMPLE" });
    let call = json!({ "name": "call", "taskReferenceName": "call", "type": "HTTP",
        "inputParameters": { "http_request": { "uri": format!("{host}/called"), "method": "GET" } } });
    let child = json!({ "name": "child", "taskReferenceName": "child", "type": "SUB_WORKFLOW",
        "subWorkflowParam": { "name": "inner" } });
    let workflows = json!([
        { "name": "inner", "version": 1, "ownerEmail": "a@b.c", "tasks": [simple("inner_step")] },
        { "name": "outer", "version": 1, "ownerEmail": "a@b.c", "tasks": [simple("step"), call, child] },
    ]);
    server.ok("PUT /api/metadata/workflow", &workflows.to_string()).await;
}

async fn start(server: &Server, headers: &[(&str, &str)]) -> String {
    let body = json!({ "name": "outer", "input": { "word": "SECRET-input" } }).to_string();
    let (status, id) = server.call_with("POST /api/workflow", &body, headers).await;
    assert_eq!(status, 200, "{id}");
    id.as_str().unwrap().to_owned()
}

/// Works on what is left of an execution of `outer`.
async fn finish(server: &Server, id: &str) {
    for task_type in ["step", "inner_step"] {
        let task = server.poll(task_type).await;
        server.report(&task, "COMPLETED").await;
    }
    server.until(id, "COMPLETED").await;
}

/// Spans by what they are of, in the order in which they ended.
fn by_subject(spans: &[Span]) -> HashMap<String, Vec<&Span>> {
    let mut found: HashMap<String, Vec<&Span>> = HashMap::new();
    for span in spans {
        let subject = match attribute(span, "task.reference") {
            none if none.is_empty() => span.name.clone(),
            reference => reference,
        };
        found.entry(subject).or_default().push(span);
    }
    for spans in found.values_mut() {
        spans.sort_by_key(|span| span.end_time_unix_nano);
    }
    found
}

fn is_below(span: &Span, parent: &Span) -> bool {
    span.parent_span_id == parent.span_id
}

/// Goal: one trace for an execution, whatever happens to it. Method: an execution starts in a
/// caller's trace, its first attempt fails, the server is stopped and another goes on, a child runs,
/// all completes, a person restarts the whole and then reruns a part; the collector has one tree.
#[tokio::test(flavor = "multi_thread")]
async fn an_execution_is_one_trace_across_retries_restarts_and_sub_workflows() {
    let folder = tempfile::tempdir().unwrap();
    let (collector, host) = Collector::start().await;
    let flags = ["--otlp-endpoint", &host];
    let server = Server::start(folder.path(), &flags);
    register(&server, &host).await;
    let id = start(&server, &[("traceparent", &traceparent()), ("tracestate", "a=1")]).await;
    let first = server.poll("step").await;
    server.report(&first, "FAILED").await;
    assert_eq!(server.stop().0.code(), Some(0));

    let server = Server::start(folder.path(), &flags);
    finish(&server, &id).await;
    let (before, restarted, after) = (11, 20, 25);
    let spans = collector.spans(before).await;
    assert_eq!(spans.len(), before, "{:?}", names(&spans));
    check_tree(&spans, &id);
    let step = by_subject(&spans)["step"][0];
    let shown = first["traceparent"].as_str().unwrap();
    assert_eq!(shown, format!("00-{TRACE}-{}-01", hex(&step.span_id)));
    assert_eq!(first["tracestate"], "a=1");
    let call = by_subject(&spans)["call"][0];
    let called = format!("00-{TRACE}-{}-01", hex(&call.span_id));
    assert_eq!(*collector.called_with.lock().unwrap(), [called]);

    server.ok(&format!("POST /api/workflow/{id}/restart"), "").await;
    finish(&server, &id).await;
    check_tree(&collector.spans(restarted).await, &id);

    let execution = server.until(&id, "COMPLETED").await;
    let child = execution["tasks"].as_array().unwrap().last().unwrap();
    assert_eq!(child["referenceTaskName"], "child");
    let from = json!({ "reRunFromTaskId": child["taskId"] }).to_string();
    server.ok(&format!("POST /api/workflow/{id}/rerun"), &from).await;
    let task = server.poll("inner_step").await;
    server.report(&task, "COMPLETED").await;
    let spans = collector.spans(after).await;
    check_tree(&spans, &id);
    let again = by_subject(&spans)["child"][2];
    assert_eq!(again.links[0].span_id, by_subject(&spans)["child"][1].span_id);
    assert_eq!(server.stop().0.code(), Some(0));
    assert_eq!(collector.spans.lock().unwrap().len(), after);
    let told = format!("{spans:?}");
    assert!(!told.contains("SECRET"), "{told}");
}

/// One trace, one root below the caller, every other span below one of the trace, no id twice.
fn check_tree(spans: &[Span], id: &str) {
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE && span.trace_state == "a=1"));
    let ids: HashSet<_> = spans.iter().map(|span| span.span_id.clone()).collect();
    assert_eq!(ids.len(), spans.len());
    let roots: Vec<_> = spans.iter().filter(|span| !ids.contains(&span.parent_span_id)).collect();
    assert_eq!(roots.len(), 1, "{:?}", names(spans));
    let root = roots[0];
    assert_eq!(hex(&root.parent_span_id), CALLER);
    assert_eq!(
        (root.name.as_str(), attribute(root, "workflow.id").as_str()),
        ("workflow outer", id)
    );
    let found = by_subject(spans);
    for reference in ["step", "call", "child"] {
        assert!(found[reference].iter().all(|span| is_below(span, root)), "{reference}");
    }
    for child in &found["workflow inner"] {
        assert!(found["child"].iter().any(|task| is_below(child, task)));
    }
    for (step, child) in found["inner_step"].iter().zip(&found["workflow inner"]) {
        assert!(is_below(step, child));
    }
    let [failed, retried] = found["step"][..2] else { panic!("{:?}", names(spans)) };
    assert_eq!(attribute(failed, "task.status"), "FAILED");
    assert_eq!(retried.links[0].span_id, failed.span_id);
    assert_eq!((attribute(retried, "task.attempt"), retried.events.len()), ("1".to_owned(), 1));
    let waits = &found["queue step"];
    assert!(is_below(waits[0], failed) && is_below(waits[1], retried));
    assert!(failed.start_time_unix_nano <= waits[0].start_time_unix_nano);
    assert_eq!(waits[1].end_time_unix_nano, retried.events[0].time_unix_nano);
    for again in &found["workflow outer"][1..] {
        assert!(is_below(again, root) && again.links[0].span_id == root.span_id);
    }
}

/// A JOIN is linked to what it waited for.
#[tokio::test]
async fn a_join_is_linked_to_the_tasks_that_it_joined() {
    let folder = tempfile::tempdir().unwrap();
    let (collector, host) = Collector::start().await;
    let server = Server::start(folder.path(), &["--otlp-endpoint", &host]);
    let simple = |name: &str| json!({ "name": name, "taskReferenceName": name, "type": "SIMPLE" });
    let forked = json!([{ "name": "forked", "version": 1, "ownerEmail": "a@b.c", "tasks": [
        { "name": "fork", "taskReferenceName": "fork", "type": "FORK_JOIN",
            "forkTasks": [[simple("left")], [simple("right")]] },
        { "name": "join", "taskReferenceName": "join", "type": "JOIN", "joinOn": ["left", "right"] },
    ] }]);
    server.ok("PUT /api/metadata/workflow", &forked.to_string()).await;
    server.ok("POST /api/workflow", &json!({ "name": "forked" }).to_string()).await;
    for branch in ["left", "right"] {
        let task = server.poll(branch).await;
        server.report(&task, "COMPLETED").await;
    }
    let spans = collector.spans(7).await;
    let found = by_subject(&spans);
    let links = found["join"][0].links.iter().map(|link| &link.span_id);
    let joined = ["left", "right"].map(|branch| &found[branch][0].span_id);
    assert_eq!(links.collect::<Vec<_>>(), joined);
    assert_eq!(server.stop().0.code(), Some(0));
}

/// Without a collector nothing of ours is shown; a caller's trace is passed on as it came.
#[tokio::test]
async fn without_a_collector_only_a_callers_trace_is_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let (collector, host) = Collector::start().await;
    register(&server, &host).await;
    start(&server, &[]).await;
    let task = server.poll("step").await;
    assert_eq!((task.get("traceparent"), task.get("tracestate")), (None, None));
    server.report(&task, "COMPLETED").await;
    let id = start(&server, &[("traceparent", &traceparent())]).await;
    let task = server.poll("step").await;
    assert_eq!(task["traceparent"], Value::String(traceparent()));
    server.report(&task, "COMPLETED").await;
    let inner: HashSet<_> = [server.poll("inner_step").await, server.poll("inner_step").await]
        .map(|task| task["traceparent"].as_str().map(str::to_owned))
        .into();
    assert_eq!(inner, [None, Some(traceparent())].into());
    assert_eq!(*collector.called_with.lock().unwrap(), [traceparent()]);
    let shown = server.ok(&format!("GET /api/workflow/{id}"), "").await;
    assert!(!shown.to_string().contains("traceparent"), "only polls show it");
    assert_eq!(server.stop().0.code(), Some(0));
}

/// A collector that takes nothing costs no execution anything, and the log says what is lost.
#[tokio::test]
async fn a_collector_that_is_away_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let server = Server::start(folder.path(), &["--otlp-endpoint", &away]);
    register(&server, &away).await;
    let id = start(&server, &[]).await;
    let task = server.poll("step").await;
    assert!(task["traceparent"].as_str().unwrap().starts_with("00-"));
    server.report(&task, "FAILED_WITH_TERMINAL_ERROR").await;
    server.until(&id, "FAILED").await;
    let stopped = tokio::task::spawn_blocking(|| server.stop());
    let (status, log) = tokio::time::timeout(PATIENCE, stopped).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
    let dropped = log.iter().find(|line| line["level"] == "WARN").unwrap();
    assert_eq!(dropped["message"], "spans are dropped: the collector refuses them");
}
