//! Starting and reading executions.
use crate::engine::Api;

/// `order`: the step `pack`, then the step `send`, which answers to the workflow's output.
pub(crate) const ORDER: &str = r#"[{"name":"order","ownerEmail":"a@example.com","tasks":[
    {"name":"pack","taskReferenceName":"pack","type":"SIMPLE","inputParameters":{"item":"${workflow.input.item}"}},
    {"name":"send","taskReferenceName":"send","type":"SIMPLE"}],
    "outputParameters":{"parcel":"${send.output.parcel}"},"variables":{"color":"red"}}]"#;

/// An engine that knows `order`, whose tasks are not tried again.
pub(crate) async fn shop() -> Api {
    let api = Api::start().await;
    let tasks = r#"[{"name":"pack","retryCount":0},{"name":"send","retryCount":0}]"#;
    api.ok("POST /api/metadata/taskdefs", tasks).await;
    api.ok("PUT /api/metadata/workflow", ORDER).await;
    api
}

#[tokio::test]
async fn executions_are_started() {
    let api = shop().await;
    let given = r#"{"name":"order","input":{"item":"tea"},"correlationId":7,"priority":3}"#;
    api.shows("start_workflow", "POST /api/workflow", given).await;
    let inline = r#"{"name":"own","workflowDef":{"name":"own","tasks":[
        {"name":"pack","taskReferenceName":"pack"}]}}"#;
    api.shows("start_workflow_inline", "POST /api/workflow", inline).await;
    for (name, body) in [
        ("start_workflow_unknown", r#"{"name":"nobody","version":2}"#),
        ("start_workflow_null_input", r#"{"name":"order","input":null}"#),
        ("start_workflow_text_input", r#"{"name":"order","input":"tea"}"#),
        ("start_workflow_without_name", "{}"),
        ("start_workflow_priority_in_body", r#"{"name":"order","priority":-1}"#),
        ("start_workflow_malformed", "{"),
        ("start_workflow_without_body", ""),
    ] {
        api.shows(name, "POST /api/workflow", body).await;
    }
    let path = "POST /api/workflow/order";
    api.shows("start_workflow_by_name", &format!("{path}?correlationId=8&priority=99"), "{}").await;
    api.shows("start_workflow_priority", &format!("{path}?priority=100"), "{}").await;
    api.shows("start_workflow_by_name_unknown", "POST /api/workflow/nobody", "{}").await;
}

#[tokio::test]
async fn executions_are_read() {
    let api = shop().await;
    let start = "POST /api/workflow/order?correlationId=7";
    let id = api.ok(start, r#"{"item":"tea"}"#).await;
    for (name, path) in [
        ("workflow", format!("/{id}")),
        ("workflow_without_tasks", format!("/{id}?includeTasks=false")),
        ("workflow_unknown", "/nobody".to_owned()),
        ("workflow_status", format!("/{id}/status")),
        ("workflow_status_full", format!("/{id}/status?includeOutput=true&includeVariables=true")),
        ("workflow_status_unknown", "/nobody/status".to_owned()),
        ("workflow_tasks", format!("/{id}/tasks?status=scheduled")),
        ("workflow_tasks_none", format!("/{id}/tasks?start=5")),
        ("workflow_tasks_mistyped", format!("/{id}/tasks?status=done")),
        ("running_workflows", "/running/order".to_owned()),
        ("running_workflows_unknown", "/running/nobody".to_owned()),
        ("running_workflows_period", "/running/order?startTime=1&endTime=9999999999999".to_owned()),
        ("correlated_workflows", "/order/correlated/7".to_owned()),
        ("correlated_workflows_none", "/order/correlated/8".to_owned()),
        ("search_workflows", "/search?query=workflowType%3D'order'".to_owned()),
        ("search_workflows_none", "/search?query=status%3D'FAILED'&sort=startTime:DESC".to_owned()),
        ("search_workflows_size", "/search?size=5001".to_owned()),
        ("search_workflows_mistyped", "/search?start=abc".to_owned()),
    ] {
        api.shows(name, &format!("GET /api/workflow{path}"), "").await;
    }
    let call = "POST /api/workflow/order/correlated?includeTasks=true";
    api.shows("workflows_by_correlation_ids", call, r#"["7","8"]"#).await;
}

#[tokio::test]
async fn paths_outside_the_engine() {
    let api = shop().await;
    api.shows("health", "GET /health", "").await;
    api.shows("api_health", "GET /api/health", "").await;
    api.shows("version", "GET /api/version", "").await;
    api.shows("token", "POST /api/token", "{}").await;
    api.shows("nul_character", "GET /api/workflow/a%00b", "").await;
    api.shows("wrong_method", "PATCH /api/workflow/a", "").await;
}
