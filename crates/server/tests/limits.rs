//! A limit on PostgreSQL, which several processes share: each lane, each function and each notification is
//! the real one.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests unwrap as tests do")]
use baton_common::api::{StartWorkflowRequest, Task, TaskResult, TaskResultStatus};
use baton_expression::script::{ScriptLimits, evaluate};
use baton_orchestrator::{Orchestrator, OrchestratorError, PollRequest};
use baton_store_postgres::{PostgresConfig, PostgresStore};
use baton_test_support::Postgres;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const TASKS: usize = 200;
const LIMIT: usize = 5;

async fn engine(url: &str) -> Orchestrator {
    let store = PostgresStore::connect(PostgresConfig::new(url)).await.unwrap();
    let run = |script: &_| evaluate(script, &ScriptLimits::default());
    Orchestrator::start(Arc::new(store), Arc::new(run)).await.unwrap()
}

async fn define(engine: &Orchestrator) {
    let work = json!({"name": "work", "retryCount": 0, "timeoutSeconds": 0, "ownerEmail": "a@b.c",
        "responseTimeoutSeconds": 3600, "concurrentExecLimit": LIMIT});
    engine.register_tasks(vec![serde_json::from_value(work).unwrap()]).await.unwrap();
    let name = |n: usize| format!("b{n:03}");
    let step = |n| json!([{"name": "work", "taskReferenceName": name(n), "type": "SIMPLE"}]);
    let branches: Vec<Value> = (0..TASKS / 4).map(step).collect();
    let on: Vec<String> = (0..TASKS / 4).map(name).collect();
    let definition = json!({"name": "fan", "version": 1, "schemaVersion": 2, "ownerEmail": "a@b.c",
        "timeoutSeconds": 0, "tasks": [
            {"name": "f", "taskReferenceName": "f", "type": "FORK_JOIN", "forkTasks": branches},
            {"name": "j", "taskReferenceName": "j", "type": "JOIN", "joinOn": on}]});
    engine.register_workflow(serde_json::from_value(definition).unwrap(), true).await.unwrap();
}

async fn poll(engine: &Orchestrator, count: usize, timeout_ms: u64) -> Vec<Task> {
    let request = PollRequest {
        task_type: "work".to_owned(),
        domain: None,
        worker: Some("w".to_owned()),
        count,
        timeout: Duration::from_millis(timeout_ms),
    };
    let polled = engine.poll(request).await.unwrap();
    let tasks = polled.tasks.clone();
    polled.delivered();
    tasks
}

async fn complete(engine: &Orchestrator, task: &Task) {
    let result = TaskResult {
        workflow_instance_id: Some(task.workflow_instance_id.to_string()),
        task_id: Some(task.task_id.to_string()),
        status: Some(TaskResultStatus::Completed),
        ..TaskResult::default()
    };
    // As a client does: two processes that decide about the same executions all the time may ask for it.
    while let Err(error) = engine.update_task(result.clone()).await {
        assert!(matches!(error, OrchestratorError::Unavailable(_)), "{error}");
    }
}

async fn start(engine: &Orchestrator) {
    let request =
        StartWorkflowRequest { name: Some("fan".to_owned()), ..StartWorkflowRequest::default() };
    engine.start_workflow(request).await.unwrap();
}

/// What the workers of all processes have seen.
#[derive(Default)]
struct Seen {
    at_work: AtomicUsize,
    most: AtomicUsize,
    done: AtomicUsize,
}

async fn work(engine: &Orchestrator, seen: &Seen) {
    while seen.done.load(Ordering::SeqCst) < TASKS {
        let tasks = poll(engine, 2, 100).await;
        let now = seen.at_work.fetch_add(tasks.len(), Ordering::SeqCst) + tasks.len();
        seen.most.fetch_max(now, Ordering::SeqCst);
        for task in tasks {
            seen.at_work.fetch_sub(1, Ordering::SeqCst);
            complete(engine, &task).await;
            seen.done.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Two processes with six workers each never have more than the limit at work, do all there is, and leave
/// no slot held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_a_limit() {
    let server = Postgres::start().unwrap();
    let url = server.database().unwrap();
    PostgresStore::migrate(&url).await.unwrap();
    let engines = [engine(&url).await, engine(&url).await];
    define(&engines[0]).await;
    for engine in engines.iter().cycle().take(4) {
        start(engine).await;
    }
    let seen = Seen::default();
    let workers = engines.iter().cycle().take(12).map(|engine| work(engine, &seen));
    let all = futures::future::join_all(workers);
    tokio::time::timeout(Duration::from_mins(1), all).await.unwrap();
    let most = seen.most.load(Ordering::SeqCst);
    assert!((1..=LIMIT).contains(&most), "{most} at a time");
    let left = "select sum(in_use) || ' ' || (select count(*) from slot) from limited";
    assert_eq!(server.sql(&url, left).unwrap().trim(), "0 0");
}

/// A slot that one process frees wakes a poll that waits at another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freed_slot_wakes_another_process() {
    let server = Postgres::start().unwrap();
    let url = server.database().unwrap();
    PostgresStore::migrate(&url).await.unwrap();
    let (one, other) = (engine(&url).await, engine(&url).await);
    define(&one).await;
    start(&one).await;
    let held = poll(&one, LIMIT, 5_000).await;
    assert_eq!(held.len(), LIMIT);
    let mut woken = 0;
    for task in &held {
        // Far less than the second after which a process reads by itself, most of the time.
        let (next, ()) = tokio::join!(poll(&other, 1, 400), async {
            let nothing = PollRequest {
                task_type: "nothing".to_owned(),
                domain: None,
                worker: None,
                count: 1,
                timeout: Duration::from_millis(100),
            };
            one.poll(nothing).await.unwrap();
            complete(&one, task).await;
        });
        woken += next.len();
    }
    assert_eq!(woken, LIMIT);
}
