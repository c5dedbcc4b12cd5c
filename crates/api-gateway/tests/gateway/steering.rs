//! Steering executions.
use crate::engine::Api;
use crate::executions::shop;

/// Works the open task of a step.
async fn work(api: &Api, id: &str, step: &str, status: &str) {
    api.ok(&format!("POST /api/tasks/{id}/{step}/{status}"), r#"{"parcel":1}"#).await;
}

async fn completed(api: &Api) -> String {
    let id = api.started("order").await;
    work(api, &id, "pack", "COMPLETED").await;
    work(api, &id, "send", "COMPLETED").await;
    id
}

async fn failed(api: &Api) -> String {
    let id = api.started("order").await;
    work(api, &id, "pack", "FAILED").await;
    id
}

#[tokio::test]
async fn executions_are_paused_and_go_on() {
    let api = shop().await;
    let (open, ended) = (api.started("order").await, completed(&api).await);
    for (name, call) in [
        ("decide_workflow", format!("decide/{open}")),
        ("decide_workflow_unknown", "decide/nobody".to_owned()),
        ("pause_workflow", format!("{open}/pause")),
        ("pause_workflow_again", format!("{open}/pause")),
        ("pause_workflow_ended", format!("{ended}/pause")),
        ("resume_workflow", format!("{open}/resume")),
        ("resume_workflow_not_paused", format!("{open}/resume")),
        ("resume_workflow_unknown", "nobody/resume".to_owned()),
        ("skip_task", format!("{open}/skiptask/send")),
        ("skip_task_begun", format!("{open}/skiptask/pack")),
        ("skip_task_unknown", format!("{open}/skiptask/nothing")),
    ] {
        api.shows(name, &format!("PUT /api/workflow/{call}"), "{}").await;
    }
    api.shows("workflow_completed", &format!("GET /api/workflow/{ended}"), "").await;
}

#[tokio::test]
async fn executions_are_begun_again() {
    let api = shop().await;
    let [again, retried, rerun] = [failed(&api).await, failed(&api).await, failed(&api).await];
    let (open, ended) = (api.started("order").await, completed(&api).await);
    for (name, call) in [
        ("restart_workflow", format!("{again}/restart?useLatestDefinitions=true")),
        ("restart_workflow_open", format!("{open}/restart")),
        ("restart_workflow_unknown", "nobody/restart".to_owned()),
        ("retry_workflow", format!("{retried}/retry")),
        ("retry_workflow_open", format!("{open}/retry")),
        ("retry_workflow_completed", format!("{ended}/retry")),
        ("rerun_workflow", format!("{rerun}/rerun")),
        ("rerun_workflow_open", format!("{open}/rerun")),
        ("reset_callbacks", format!("{open}/resetcallbacks")),
        ("reset_callbacks_ended", format!("{ended}/resetcallbacks")),
    ] {
        api.shows(name, &format!("POST /api/workflow/{call}"), "{}").await;
    }
    let from = r#"{"reRunFromTaskId":"nothing"}"#;
    let call = format!("POST /api/workflow/{ended}/rerun");
    api.shows("rerun_workflow_unknown_task", &call, from).await;
    api.shows("workflow_retried", &format!("GET /api/workflow/{retried}"), "").await;
}

#[tokio::test]
async fn executions_are_ended_and_deleted() {
    let api = shop().await;
    let [open, other] = [api.started("order").await, api.started("order").await];
    let ended = completed(&api).await;
    for (name, call) in [
        ("remove_workflow_open", format!("{open}/remove")),
        ("terminate_workflow", format!("{open}?reason=enough")),
        ("terminate_workflow_again", open.clone()),
        ("terminate_workflow_completed", ended.clone()),
        ("terminate_workflow_unknown", "nobody".to_owned()),
        ("remove_workflow", format!("{ended}/remove")),
        ("remove_workflow_unknown", format!("{ended}/remove")),
        ("terminate_and_remove_workflow", format!("{other}/terminate-remove")),
    ] {
        api.shows(name, &format!("DELETE /api/workflow/{call}"), "").await;
    }
    api.shows("workflow_terminated", &format!("GET /api/workflow/{open}"), "").await;
}
