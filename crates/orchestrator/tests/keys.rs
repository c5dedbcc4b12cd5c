//! Idempotency keys, and the version of a child, in starts by requests and by executions.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are not seen as tests"
)]
mod support;

use baton_common::api::{IdempotencyStrategy, StartWorkflowRequest, Workflow};
use baton_orchestrator::{Orchestrator, OrchestratorError};
use serde_json::{Value, json};
use support::{complete, define, engine, request_with_key, simple, start, take, until};

fn on_running() -> StartWorkflowRequest {
    let idempotency_strategy = Some(IdempotencyStrategy::FailOnRunning);
    StartWorkflowRequest { idempotency_strategy, ..request_with_key("w", "key") }
}

/// Goal: a job that is triggered often never overlaps with itself and never stops for good. Method: it
/// is triggered before and after each of several ends, twice at the same time after each.
#[tokio::test]
async fn a_key_that_fails_on_running_is_free_after_every_end() {
    let engine = engine().await;
    define(&engine, "w", &[simple("a")]).await;
    let mut id = engine.start_workflow(on_running()).await.unwrap();
    for end in ["COMPLETED", "TERMINATED", "COMPLETED"] {
        let refused = engine.start_workflow(on_running()).await;
        assert!(matches!(refused, Err(OrchestratorError::Conflict(_))), "{refused:?}");
        if end == "COMPLETED" {
            complete(&engine, &take(&engine).await).await;
        } else {
            engine.terminate(&id, None).await.unwrap();
        }
        until(&engine, &id, end).await;
        let both = [engine.start_workflow(on_running()), engine.start_workflow(on_running())];
        let started: Vec<String> =
            futures::future::join_all(both).await.into_iter().filter_map(Result::ok).collect();
        assert!(started.len() == 1 && started[0] != id, "{started:?} after {end}");
        id.clone_from(&started[0]);
    }
    let existing = engine.start_workflow(request_with_key("w", "key")).await.unwrap();
    assert_eq!(existing, id);
}

fn start_step(members: &Value) -> Value {
    let mut request = json!({"name": "w", "idempotencyKey": "key"});
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    json!({"name": "s", "taskReferenceName": "s", "type": "START_WORKFLOW",
        "inputParameters": {"startWorkflow": request}})
}

fn child_step(members: &Value) -> Value {
    let mut param = json!({"name": "w", "idempotencyKey": "key"});
    param.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    json!({"name": "s", "taskReferenceName": "s", "type": "SUB_WORKFLOW",
        "subWorkflowParam": param, "inputParameters": {"a": 1}})
}

async fn run(engine: &Orchestrator, step: &Value, status: &str) -> Workflow {
    define(engine, "caller", std::slice::from_ref(step)).await;
    let id = start(engine, "caller").await;
    until(engine, &id, status).await
}

fn started(workflow: &Workflow) -> String {
    let output: Value = serde_json::from_str(workflow.tasks[0].output_data.get()).unwrap();
    output["workflowId"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn start_workflow_keeps_its_strategy() {
    let engine = engine().await;
    define(&engine, "w", &[simple("a")]).await;
    let of = |strategy: &str| start_step(&json!({"idempotencyStrategy": strategy}));
    let first = started(&run(&engine, &start_step(&json!({})), "COMPLETED").await);
    let same = started(&run(&engine, &of("RETURN_EXISTING"), "COMPLETED").await);
    assert_eq!(same, first);
    for strategy in ["FAIL", "FAIL_ON_RUNNING"] {
        let refused = run(&engine, &of(strategy), "FAILED").await;
        let reason = refused.reason_for_incompletion.unwrap();
        assert!(reason.contains("the idempotency key is used by workflow"), "{reason}");
    }
    complete(&engine, &take(&engine).await).await;
    until(&engine, &first, "COMPLETED").await;
    run(&engine, &of("FAIL"), "FAILED").await;
    let second = started(&run(&engine, &of("FAIL_ON_RUNNING"), "COMPLETED").await);
    assert!(!second.is_empty() && second != first);
    let wrong = run(&engine, &of("SOMETIMES"), "FAILED").await;
    assert!(wrong.reason_for_incompletion.unwrap().contains("SOMETIMES"));
}

#[tokio::test]
async fn sub_workflow_keeps_its_strategy() {
    let engine = engine().await;
    define(&engine, "w", &[simple("a")]).await;
    let of = |strategy: &str| child_step(&json!({"idempotencyStrategy": strategy}));
    define(&engine, "caller", &[child_step(&json!({}))]).await;
    let first = start(&engine, "caller").await;
    let work = take(&engine).await;
    for strategy in ["FAIL", "FAIL_ON_RUNNING"] {
        let refused = run(&engine, &of(strategy), "FAILED").await;
        let reason = refused.reason_for_incompletion.unwrap();
        assert!(reason.contains("the idempotency key is used by workflow"), "{reason}");
    }
    complete(&engine, &work).await;
    until(&engine, &first, "COMPLETED").await;
    run(&engine, &of("FAIL"), "FAILED").await;
    define(&engine, "caller", &[of("FAIL_ON_RUNNING")]).await;
    let second = start(&engine, "caller").await;
    complete(&engine, &take(&engine).await).await;
    until(&engine, &second, "COMPLETED").await;
}

#[tokio::test]
async fn version_0_of_a_child_is_the_highest() {
    let engine = engine().await;
    define(&engine, "w", &[simple("a")]).await;
    let numbers = [json!(0), json!(null)];
    let child = |number: &Value| {
        json!({"name": "s", "taskReferenceName": "s", "type": "SUB_WORKFLOW",
            "subWorkflowParam": {"name": "w", "version": number}})
    };
    let other = |number: &Value| {
        json!({"name": "s", "taskReferenceName": "s", "type": "START_WORKFLOW",
            "inputParameters": {"startWorkflow": {"name": "w", "version": number}}})
    };
    for step in numbers.iter().map(child).chain(numbers.iter().map(other)) {
        define(&engine, "caller", &[step]).await;
        let id = start(&engine, "caller").await;
        complete(&engine, &take(&engine).await).await;
        until(&engine, &id, "COMPLETED").await;
    }
}
