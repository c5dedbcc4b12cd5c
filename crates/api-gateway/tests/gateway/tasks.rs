//! Workers' calls.
use crate::engine::Api;
use crate::executions::shop;
use serde_json::{Value, json};

async fn polled(api: &Api, task_type: &str) -> Value {
    let text = api.ok(&format!("GET /api/tasks/poll/{task_type}?workerid=w1"), "").await;
    serde_json::from_str(&text).unwrap()
}

/// A worker's report about a polled task.
fn report(task: &Value, status: &str) -> String {
    let (workflow, id) = (&task["workflowInstanceId"], &task["taskId"]);
    let output = json!({"parcel": 1});
    json!({"workflowInstanceId": workflow, "taskId": id, "status": status, "outputData": output,
        "workerId": "w1", "logs": [{"log": "packed"}]})
    .to_string()
}

#[tokio::test]
async fn tasks_are_polled_and_reported() {
    let api = shop().await;
    api.shows("poll_task_none", "GET /api/tasks/poll/pack", "").await;
    api.shows("poll_tasks_none", "GET /api/tasks/poll/batch/pack?count=3&timeout=1", "").await;
    api.shows("poll_tasks_timeout", "GET /api/tasks/poll/batch/pack?timeout=5001", "").await;
    api.shows("poll_tasks_mistyped", "GET /api/tasks/poll/batch/pack?count=many", "").await;
    api.started("order").await;
    api.shows("poll_task", "GET /api/tasks/poll/pack?workerid=w1", "").await;
    api.started("order").await;
    let task = polled(&api, "pack").await;
    api.shows("update_task", "POST /api/tasks", &report(&task, "COMPLETED")).await;
    api.shows("update_task_ended", "POST /api/tasks", &report(&task, "COMPLETED")).await;
    let call = "GET /api/tasks/poll/batch/send?count=5&timeout=100&workerid=w2";
    api.shows("poll_tasks", call, "").await;
    let id = task["taskId"].as_str().unwrap();
    api.shows("task", &format!("GET /api/tasks/{id}"), "").await;
    api.shows("task_unknown", "GET /api/tasks/nothing", "").await;
}

#[tokio::test]
async fn a_report_answers_the_next_task() {
    let api = shop().await;
    api.started("order").await;
    let task = polled(&api, "pack").await;
    api.started("order").await;
    api.shows("update_task_and_poll", "POST /api/tasks/update-v2", &report(&task, "COMPLETED"))
        .await;
    let task = polled(&api, "send").await;
    let last = report(&task, "COMPLETED");
    api.shows("update_task_and_poll_none", "POST /api/tasks/update-v2", &last).await;
    for (name, body) in [
        ("without_ids", r#"{"status":"COMPLETED"}"#),
        ("without_status", r#"{"taskId":"t","workflowInstanceId":"w"}"#),
        ("unknown_status", r#"{"taskId":"t","workflowInstanceId":"w","status":"DONE"}"#),
        ("unknown_task", r#"{"taskId":"t","workflowInstanceId":"w","status":"COMPLETED"}"#),
    ] {
        api.shows(&format!("update_task_{name}"), "POST /api/tasks", body).await;
    }
    let call = "POST /api/tasks/update-v2";
    api.shows("update_task_and_poll_without_ids", call, r#"{"status":"COMPLETED"}"#).await;
}

#[tokio::test]
async fn tasks_are_named_by_their_step() {
    let api = shop().await;
    let id = api.started("order").await;
    for (name, call) in [
        ("update_task_by_reference_in_progress", format!("{id}/pack/IN_PROGRESS?workerid=w1")),
        ("update_task_by_reference", format!("{id}/pack/COMPLETED")),
        ("update_task_by_reference_none", format!("{id}/pack/COMPLETED")),
        ("update_task_by_reference_unknown", "nobody/pack/COMPLETED".to_owned()),
        ("update_task_by_reference_mistyped", format!("{id}/send/DONE")),
        ("update_task_sync", format!("{id}/send/COMPLETED/sync")),
        ("update_task_sync_none", format!("{id}/send/COMPLETED/sync")),
    ] {
        api.shows(name, &format!("POST /api/tasks/{call}"), r#"{"parcel":2}"#).await;
    }
}

#[tokio::test]
async fn tasks_have_logs() {
    let api = shop().await;
    api.started("order").await;
    let task = polled(&api, "pack").await;
    let path = format!("/api/tasks/{}/log", task["taskId"].as_str().unwrap());
    api.shows("task_logs_none", &format!("GET {path}"), "").await;
    api.shows("log_task", &format!("POST {path}"), "half done").await;
    api.shows("log_task_without_line", &format!("POST {path}"), "").await;
    api.shows("task_logs", &format!("GET {path}"), "").await;
}
