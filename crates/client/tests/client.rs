//! The client against a small server on a real socket.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests unwrap as tests do")]
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use baton_client::{Client, ClientConfig, ClientError, PollRequest, Tasks};
use baton_common::api::{StartWorkflowRequest, TaskResult};
use baton_common::{ExecutionId, Timestamp};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Answers in order; what was asked is written down.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn of(answers: &[(u16, &str)]) -> Self {
        let answers = answers.iter().map(|(status, body)| (*status, (*body).to_owned()));
        Self { answers: Arc::new(Mutex::new(answers.collect())), asked: Arc::default() }
    }

    async fn serve(&self) -> Client {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Client::new(&ClientConfig::new(url)).unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(
    State(script): State<Script>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> (StatusCode, String) {
    let line = format!("{method} {uri} {}", String::from_utf8_lossy(&body));
    script.asked.lock().unwrap().push(line.trim_end().to_owned());
    let (status, body) = script.answers.lock().unwrap().pop_front().unwrap();
    (StatusCode::from_u16(status).unwrap(), body)
}

fn id() -> ExecutionId {
    ExecutionId::new(Timestamp::from_millis(1_795_329_039_876), 1)
}

#[tokio::test]
async fn a_start_answers_the_id_in_plain_or_quoted_text() {
    let (plain, quoted) = (id().to_string(), format!("\"{}\"", id()));
    let script = Script::of(&[(200, &plain), (200, &quoted)]);
    let client = script.serve().await;
    let request = StartWorkflowRequest { name: Some("w".into()), ..Default::default() };
    assert_eq!(client.start_workflow(&request).await.unwrap(), id());
    assert_eq!(client.start_workflow(&request).await.unwrap(), id());
    assert_eq!(
        script.asked()[0],
        r#"POST /api/workflow {"name":"w","input":{},"taskToDomain":{},"priority":0}"#
    );
}

#[tokio::test]
async fn a_read_is_repeated_until_the_server_is_back() {
    let script = Script::of(&[(503, "starting"), (503, "starting"), (200, "0.1.0")]);
    let client = script.serve().await;
    assert_eq!(client.version().await.unwrap(), "0.1.0");
    assert_eq!(script.asked().len(), 3);
}

#[tokio::test]
async fn a_change_that_was_sent_is_not_repeated() {
    let script = Script::of(&[(503, "overloaded")]);
    let client = script.serve().await;
    let error = client.pause_workflow(id()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unavailable { sent: true, .. }), "{error}");
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn nobody_there_is_unavailable_and_not_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(&ClientConfig::new(url)).unwrap();
    let error = client.update_task(&TaskResult::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unavailable { sent: false, .. }), "{error}");
    assert!(error.to_string().starts_with("cannot connect to http://127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn a_poll_says_who_asks_for_how_much_and_how_long() {
    let task = format!(
        r#"[{{"status":"IN_PROGRESS","taskId":"{}","workflowInstanceId":"{}"}}]"#,
        id().task(1),
        id()
    );
    let script = Script::of(&[(200, &task)]);
    let client = script.serve().await;
    let tasks = client
        .poll(&PollRequest {
            task_type: "ship it",
            worker_id: "w1",
            domain: Some("eu"),
            count: 3,
            timeout: Duration::from_millis(1500),
        })
        .await
        .unwrap();
    assert_eq!(tasks[0].task_id, id().task(1));
    assert_eq!(
        script.asked(),
        ["GET /api/tasks/poll/batch/ship%20it?workerid=w1&count=3&timeout=1500&domain=eu"]
    );
}

#[tokio::test]
async fn an_update_without_a_next_task_is_none() {
    let script = Script::of(&[(204, "")]);
    let client = script.serve().await;
    assert_eq!(client.update_task_v2(&TaskResult::default()).await.unwrap(), None);
}

#[tokio::test]
async fn errors_carry_the_servers_words() {
    let script = Script::of(&[
        (404, r#"{"status":404,"message":"No such workflow found by id: x"}"#),
        (200, "<html>"),
    ]);
    let client = script.serve().await;
    let error = client.workflow(id(), Tasks::Included).await.unwrap_err();
    assert!(matches!(error, ClientError::NotFound { .. }));
    assert_eq!(error.to_string(), "No such workflow found by id: x");
    let error = client.workflow(id(), Tasks::Included).await.unwrap_err();
    assert!(matches!(error, ClientError::Unexpected { status: 200, .. }), "{error}");
}
