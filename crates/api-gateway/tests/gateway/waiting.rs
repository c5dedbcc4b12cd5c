//! Calls that wait for an execution, and signals to those that wait.
use crate::engine::Api;

/// `approval`: waits for a signal, then again.
const APPROVAL: &str = r#"[{"name":"approval","tasks":[
    {"name":"first","taskReferenceName":"first","type":"WAIT","inputParameters":{"who":"ada"}},
    {"name":"second","taskReferenceName":"second","type":"WAIT"}],
    "outputParameters":{"by":"${second.output.by}"}}]"#;

async fn office() -> Api {
    let api = Api::start().await;
    api.ok("PUT /api/metadata/workflow", APPROVAL).await;
    api
}

#[tokio::test]
async fn a_start_waits_for_what_blocks_it() {
    let api = office().await;
    let path = "/api/workflow/execute/approval/1?requestId=r1";
    for (name, query) in [
        ("execute_workflow", ""),
        ("execute_workflow_blocking_workflow", "&returnStrategy=BLOCKING_WORKFLOW"),
        ("execute_workflow_blocking_task", "&returnStrategy=BLOCKING_TASK"),
        ("execute_workflow_blocking_task_input", "&returnStrategy=BLOCKING_TASK_INPUT"),
        ("execute_workflow_mistyped", "&returnStrategy=blocking_task"),
    ] {
        api.shows(name, &format!("POST {path}{query}"), "{}").await;
    }
    let unknown = "POST /api/workflow/execute/nobody/0";
    api.shows("execute_workflow_unknown", unknown, "{}").await;
}

#[tokio::test]
async fn a_signal_completes_what_waits() {
    let api = office().await;
    let id = api.started("approval").await;
    for (name, call) in [
        ("signal_workflow_unknown", "nobody/COMPLETED/signal".to_owned()),
        ("signal_workflow_mistyped", format!("{id}/DONE/signal")),
        ("signal_workflow", format!("{id}/COMPLETED/signal")),
        ("signal_workflow_sync", format!("{id}/COMPLETED/signal/sync")),
        ("signal_workflow_none", format!("{id}/COMPLETED/signal")),
        ("signal_workflow_sync_none", format!("{id}/COMPLETED/signal/sync")),
    ] {
        api.shows(name, &format!("POST /api/tasks/{call}"), r#"{"by":"ada"}"#).await;
    }
    let id = api.started("approval").await;
    let call = format!("POST /api/tasks/{id}/COMPLETED/signal/sync?returnStrategy=BLOCKING_TASK");
    api.shows("signal_workflow_sync_task", &call, r#"{"by":"ada"}"#).await;
}

#[tokio::test]
async fn a_start_that_waits_for_nothing_is_answered_at_once() {
    let api = Api::start().await;
    let lone = r#"[{"name":"lone","tasks":[{"name":"x","taskReferenceName":"x"}]}]"#;
    api.ok("PUT /api/metadata/workflow", lone).await;
    let call = "POST /api/workflow/execute/lone/1?waitForSeconds=0";
    let waited = tokio::time::timeout(std::time::Duration::from_secs(5), api.ok(call, "{}")).await;
    assert!(waited.unwrap().contains("RUNNING"));
}
