//! Names that expressions make are as long as those of requests may be, and not a byte longer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are not seen as tests"
)]
mod support;

use baton_common::Payload;
use baton_common::api::{StartWorkflowRequest, Workflow};
use baton_common::limits::{
    CORRELATION_ID_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX, NAME_BYTES_MAX, REFERENCE_NAME_BYTES_MAX,
};
use baton_orchestrator::Orchestrator;
use serde_json::{Value, json};
use support::{define, engine, request, simple, until};

/// Text of so many bytes, of characters of two where it goes.
fn text(bytes: usize) -> String {
    format!("{}{}", "é".repeat(bytes / 2), "x".repeat(bytes % 2))
}

async fn run(engine: &Orchestrator, step: Value, name: &str, status: &str) -> Workflow {
    define(engine, "w", &[step, simple("after")]).await;
    let input = Payload::of(&json!({"name": name})).ok();
    let request = StartWorkflowRequest { input, ..request("w") };
    let id = engine.start_workflow(request).await.unwrap();
    until(engine, &id, status).await
}

fn starts(member: &str, value: Value) -> Value {
    let mut start = json!({"name": "other", "version": 1});
    start[member] = value;
    json!({"name": "s", "taskReferenceName": "s", "type": "START_WORKFLOW",
        "inputParameters": {"startWorkflow": start}})
}

fn forks(step: &Value) -> Vec<Value> {
    let fork = json!({"name": "s", "taskReferenceName": "s", "type": "FORK_JOIN_DYNAMIC",
        "dynamicForkTasksParam": "steps", "dynamicForkTasksInputParamName": "inputs",
        "inputParameters": {"steps": [step], "inputs": {}}});
    vec![fork, json!({"name": "j", "taskReferenceName": "j", "type": "JOIN"})]
}

/// Goal: each name has its limit, told in bytes, and one over it fails only the step that makes it.
/// Method: two executions differ by one byte; the step is optional in neither, so that the reason of
/// the end is the step's.
#[tokio::test]
async fn a_name_made_by_an_expression_has_the_limit_of_one_in_a_request() {
    let engine = engine().await;
    define(&engine, "other", &[simple("a")]).await;
    let made = || json!("${workflow.input.name}");
    let cases = [
        (starts("correlationId", made()), CORRELATION_ID_BYTES_MAX, "correlationId"),
        (starts("idempotencyKey", made()), IDEMPOTENCY_KEY_BYTES_MAX, "idempotencyKey"),
        (starts("taskToDomain", json!({"work": made()})), NAME_BYTES_MAX, "taskToDomain"),
        (
            json!({"name": "s", "taskReferenceName": "s", "type": "DYNAMIC",
                "dynamicTaskNameParam": "what", "inputParameters": {"what": made()}}),
            NAME_BYTES_MAX,
            "what",
        ),
    ];
    for (step, limit, what) in cases {
        let workflow = run(&engine, step.clone(), &text(limit), "RUNNING").await;
        let is_well = |status: &str| ["SCHEDULED", "IN_PROGRESS", "COMPLETED"].contains(&status);
        assert!(is_well(workflow.tasks[0].status.name()), "{what}: {:?}", workflow.tasks[0]);
        let workflow = run(&engine, step, &text(limit + 1), "FAILED").await;
        let task = &workflow.tasks[0];
        assert_eq!(task.status.name(), "FAILED_WITH_TERMINAL_ERROR", "{what}");
        let reason = task.reason_for_incompletion.clone().unwrap();
        let bytes = limit + 1;
        assert_eq!(
            &*reason,
            format!("{what} has {bytes} bytes of UTF-8, the limit is {limit}"),
            "{what}"
        );
    }
}

/// The names of a dynamic fork's branches come as data, and so do the texts of a child's definition.
#[tokio::test]
async fn the_names_of_branches_and_of_inline_definitions_have_their_limits() {
    let engine = engine().await;
    let cases = [
        ("taskReferenceName", REFERENCE_NAME_BYTES_MAX),
        ("name", NAME_BYTES_MAX),
        ("type", NAME_BYTES_MAX),
    ];
    for (member, limit) in cases {
        for (bytes, status) in [(limit, "RUNNING"), (limit + 1, "FAILED")] {
            let mut step = simple("branch");
            step[member] = text(bytes).into();
            define(&engine, "w", &forks(&step)).await;
            let id = support::start(&engine, "w").await;
            let workflow = until(&engine, &id, status).await;
            let reason = workflow.reason_for_incompletion.clone().unwrap_or_default();
            let fault = format!("{member} has {bytes} bytes of UTF-8, the limit is {limit}");
            assert_eq!(reason.contains(&fault), status == "FAILED", "{member} {bytes}: {reason}");
        }
    }
    for (bytes, status) in [(NAME_BYTES_MAX, "RUNNING"), (NAME_BYTES_MAX + 1, "FAILED")] {
        let mut inner = support::workflow_of("inner", 1, &[simple("a")]);
        inner["tasks"][0]["name"] = text(bytes).into();
        let step = json!({"name": "s", "taskReferenceName": "s", "type": "SUB_WORKFLOW",
            "subWorkflowParam": {"name": "x", "workflowDefinition": "${workflow.input.inner}"}});
        define(&engine, "w", &[step]).await;
        let input = Payload::of(&json!({"inner": inner})).ok();
        let request = StartWorkflowRequest { input, ..request("w") };
        let id = engine.start_workflow(request).await.unwrap();
        let workflow = until(&engine, &id, status).await;
        let reason = workflow.reason_for_incompletion.clone().unwrap_or_default();
        let fault = format!("workflowDefinition/tasks/0/name: name has {bytes} bytes");
        assert_eq!(reason.contains(&fault), status == "FAILED", "{bytes}: {reason}");
    }
}
