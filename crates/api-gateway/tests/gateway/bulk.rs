//! One call for many executions.
use crate::executions::shop;
use serde_json::json;

#[tokio::test]
async fn many_executions_are_steered_at_once() {
    let api = shop().await;
    let [one, two] = [api.started("order").await, api.started("order").await];
    let ids = json!([one, two, "nobody"]).to_string();
    for (name, call) in [
        ("pause_workflows", "PUT pause"),
        ("resume_workflows", "PUT resume"),
        ("resume_workflows_again", "PUT resume"),
        ("retry_workflows_open", "POST retry"),
        ("terminate_workflows", "POST terminate?reason=enough"),
        ("retry_workflows", "POST retry"),
        ("restart_workflows_open", "POST restart"),
        ("remove_workflows_open", "DELETE remove"),
        ("terminate_and_remove_workflows", "DELETE terminate-remove?reason=enough"),
        ("remove_workflows_unknown", "DELETE remove?archiveWorkflow=false"),
    ] {
        let (method, path) = call.split_once(' ').unwrap();
        api.shows(name, &format!("{method} /api/workflow/bulk/{path}"), &ids).await;
    }
    api.shows("bulk_of_none", "PUT /api/workflow/bulk/pause", "[]").await;
    let many = json!(vec!["x"; 1001]).to_string();
    api.shows("bulk_of_too_many", "POST /api/workflow/bulk/terminate", &many).await;
}

#[tokio::test]
async fn ended_executions_are_restarted_and_removed_at_once() {
    let api = shop().await;
    let [one, two] = [api.started("order").await, api.started("order").await];
    let ids = json!([one, two]).to_string();
    api.ok("POST /api/workflow/bulk/terminate", &ids).await;
    api.shows("restart_workflows", "POST /api/workflow/bulk/restart", &ids).await;
    api.ok("POST /api/workflow/bulk/terminate", &ids).await;
    api.shows("remove_workflows", "DELETE /api/workflow/bulk/remove", &ids).await;
}
