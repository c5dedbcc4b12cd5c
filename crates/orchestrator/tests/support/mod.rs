//! A real engine over the store in memory, and what tests do with it.
#![allow(dead_code, reason = "each test binary uses a part of it")]
pub(crate) mod faulty;

use baton_common::api::{StartWorkflowRequest, Task, TaskResult, TaskResultStatus, Workflow};
use baton_common::{Payload, Timestamp};
use baton_expression::script::{ScriptLimits, evaluate};
use baton_orchestrator::{Orchestrator, OrchestratorError, PollRequest, PolledTasks};
use baton_store::Store;
use baton_store::memory::MemoryStore;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longest wait for anything, ms: messages that lost their sender are found after some seconds.
pub(crate) const LONG_MS: u64 = 20_000;

/// The machine's time.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}

pub(crate) fn store() -> MemoryStore {
    MemoryStore::new(Arc::new(now))
}

pub(crate) async fn engine_on(store: impl Store) -> Orchestrator {
    let run = |script: &_| evaluate(script, &ScriptLimits::default());
    Orchestrator::start(Arc::new(store), Arc::new(run)).await.unwrap()
}

pub(crate) async fn engine() -> Orchestrator {
    engine_on(store()).await
}

/// A step that workers do, named like its reference.
pub(crate) fn simple(reference: &str) -> Value {
    json!({"name": "work", "taskReferenceName": reference, "type": "SIMPLE"})
}

pub(crate) fn workflow_of(name: &str, version: i32, steps: &[Value]) -> Value {
    json!({"name": name, "version": version, "schemaVersion": 2, "tasks": steps,
        "ownerEmail": "a@b.c", "timeoutSeconds": 0, "timeoutPolicy": "ALERT_ONLY",
        "outputParameters": {"version": version}})
}

pub(crate) async fn define(engine: &Orchestrator, name: &str, steps: &[Value]) {
    let definition = serde_json::from_value(workflow_of(name, 1, steps)).unwrap();
    engine.register_workflow(definition, true).await.unwrap();
}

pub(crate) async fn define_task(engine: &Orchestrator, retries: u32, delay_seconds: u32) {
    let definition = json!({"name": "work", "retryCount": retries, "retryLogic": "FIXED",
        "retryDelaySeconds": delay_seconds, "ownerEmail": "a@b.c", "timeoutSeconds": 0,
        "responseTimeoutSeconds": 3600});
    engine.register_tasks(vec![serde_json::from_value(definition).unwrap()]).await.unwrap();
}

pub(crate) fn request(name: &str) -> StartWorkflowRequest {
    StartWorkflowRequest { name: Some(name.to_owned()), ..StartWorkflowRequest::default() }
}

pub(crate) fn request_with_key(name: &str, key: &str) -> StartWorkflowRequest {
    StartWorkflowRequest { idempotency_key: Some(key.to_owned()), ..request(name) }
}

pub(crate) async fn start(engine: &Orchestrator, name: &str) -> String {
    engine.start_workflow(request(name)).await.unwrap()
}

pub(crate) fn wanted(count: usize, timeout_ms: u64) -> PollRequest {
    PollRequest {
        task_type: "work".to_owned(),
        domain: None,
        worker: Some("w".to_owned()),
        count,
        timeout: Duration::from_millis(timeout_ms),
    }
}

pub(crate) async fn poll(engine: &Orchestrator, timeout_ms: u64) -> PolledTasks {
    engine.poll(wanted(1, timeout_ms)).await.unwrap()
}

/// The next task, which has arrived at its worker.
pub(crate) async fn take(engine: &Orchestrator) -> Task {
    let polled = poll(engine, LONG_MS).await;
    let task = polled.tasks[0].clone();
    polled.delivered();
    task
}

pub(crate) fn result(task: &Task, status: TaskResultStatus) -> TaskResult {
    TaskResult {
        workflow_instance_id: Some(task.workflow_instance_id.to_string()),
        task_id: Some(task.task_id.to_string()),
        status: Some(status),
        output_data: Payload::parse(r#"{"done":true}"#.to_owned()).unwrap(),
        worker_id: Some("w".to_owned()),
        ..TaskResult::default()
    }
}

pub(crate) async fn complete(engine: &Orchestrator, task: &Task) {
    engine.update_task(result(task, TaskResultStatus::Completed)).await.unwrap();
}

pub(crate) async fn read(engine: &Orchestrator, id: &str) -> Workflow {
    engine.workflow(id, true).await.unwrap()
}

/// Waits until the execution has this status.
pub(crate) async fn until(engine: &Orchestrator, id: &str, status: &str) -> Workflow {
    let look = async {
        loop {
            let workflow = read(engine, id).await;
            if workflow.status.name() == status {
                return workflow;
            }
            pause(engine).await;
        }
    };
    let limit = Duration::from_millis(LONG_MS);
    tokio::time::timeout(limit, look).await.expect("the status comes")
}

/// A moment in which nothing is asked: the poll of a queue that stays empty.
pub(crate) async fn pause(engine: &Orchestrator) {
    let request = PollRequest { task_type: "nothing".to_owned(), ..wanted(1, 20) };
    assert!(engine.poll(request).await.unwrap().tasks.is_empty());
}

/// References and statuses of the tasks, in order.
pub(crate) fn steps(workflow: &Workflow) -> Vec<(String, &'static str)> {
    let step = |task: &Task| (task.reference_task_name.to_string(), task.status.name());
    workflow.tasks.iter().map(step).collect()
}

/// Calls again while the engine is unavailable, as a client does.
pub(crate) async fn again<T>(
    call: impl AsyncFn() -> Result<T, OrchestratorError>,
) -> Result<T, OrchestratorError> {
    for _ in 0..50 {
        match call().await {
            Err(OrchestratorError::Unavailable(_)) => {}
            other => return other,
        }
    }
    call().await
}
