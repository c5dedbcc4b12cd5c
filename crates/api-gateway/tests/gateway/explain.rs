//! Why executions and tasks are where they are.
use crate::executions::shop;

/// `trip`: a branch for each way to wait, and the JOIN behind them.
const TRIP: &str = r#"[{"name":"trip","ownerEmail":"a@example.com",
    "timeoutPolicy":"TIME_OUT_WF","timeoutSeconds":86400,"tasks":[
    {"name":"fork","taskReferenceName":"fork","type":"FORK_JOIN","forkTasks":[
        [{"name":"send","taskReferenceName":"send","type":"SIMPLE"}],
        [{"name":"ask","taskReferenceName":"ask","type":"HUMAN"}],
        [{"name":"hear","taskReferenceName":"hear","type":"WAIT"}],
        [{"name":"rest","taskReferenceName":"rest","type":"WAIT",
            "inputParameters":{"until":"2100-01-01 00:00 UTC"}}],
        [{"name":"kid","taskReferenceName":"kid","type":"SUB_WORKFLOW",
            "subWorkflowParam":{"name":"order"}}]]},
    {"name":"join","taskReferenceName":"join","type":"JOIN",
        "joinOn":["send","ask","hear","rest","kid"]}]}]"#;

/// Goal: each way to wait reads as a person would say it. Method: an execution of all of them; its
/// task `send` is leased, its child's task `pack` has no worker.
#[tokio::test]
async fn executions_are_explained_to_the_leaf() {
    let api = shop().await;
    api.ok("PUT /api/metadata/workflow", TRIP).await;
    let id = api.started("trip").await;
    api.ok("GET /api/tasks/poll/pack?workerid=w2&domain=west", "").await;
    api.ok("GET /api/tasks/poll/send?workerid=w1", "").await;
    let path = format!("/api/workflow/{id}");
    api.shows("explain_workflow", &format!("GET {path}/explain"), "").await;
    api.ok(&format!("PUT {path}/pause"), "").await;
    api.shows("explain_workflow_paused", &format!("GET {path}/explain"), "").await;
    api.ok(&format!("DELETE {path}?reason=enough"), "").await;
    api.shows("explain_workflow_ended", &format!("GET {path}/explain"), "").await;
    api.shows("explain_workflow_unknown", "GET /api/workflow/nobody/explain", "").await;
}

#[tokio::test]
async fn tasks_are_explained() {
    let api = shop().await;
    api.started("order?priority=9").await;
    let second = api.started("order?priority=5").await;
    let workflow: serde_json::Value =
        serde_json::from_str(&api.ok(&format!("GET /api/workflow/{second}"), "").await).unwrap();
    let task = workflow["tasks"][0]["taskId"].as_str().unwrap().to_owned();
    let call = format!("GET /api/tasks/{task}/explain");
    api.shows("explain_task_without_worker", &call, "").await;
    api.ok("GET /api/tasks/poll/pack?workerid=w1", "").await;
    api.started("order").await;
    api.shows("explain_task_in_queue", &call, "").await;
    let update = format!(
        r#"{{"workflowInstanceId":"{second}","taskId":"{task}","status":"FAILED","reasonForIncompletion":"no tea"}}"#
    );
    api.ok("POST /api/tasks", &update).await;
    api.shows("explain_task_ended", &call, "").await;
    api.shows("explain_task_unknown", &format!("GET /api/tasks/{second}/explain"), "").await;
    api.shows("explain_task_malformed", "GET /api/tasks/nobody/explain", "").await;
}
