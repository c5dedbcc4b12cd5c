//! Limits are kept: never more tasks with workers than a definition allows, and none waits beside a free
//! slot.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are not seen as tests"
)]
mod support;

use baton_common::TaskDef;
use baton_common::api::{StartWorkflowRequest, Task, TaskResultStatus};
use baton_orchestrator::{Orchestrator, PollRequest};
use baton_store::Store;
use baton_store_sqlite::{Durability, Options, SqliteStore};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{complete, define, engine, engine_on, request, result, start, store, until, wanted};

/// Shorter than a tick, so that nothing is found by one.
const SHORT_MS: u64 = 400;

fn press(members: &Value) -> TaskDef {
    let mut definition = json!({"name": "work", "retryCount": 1, "retryDelaySeconds": 0,
        "ownerEmail": "a@b.c", "timeoutSeconds": 0, "responseTimeoutSeconds": 3600});
    let members = members.as_object().unwrap().clone();
    definition.as_object_mut().unwrap().extend(members);
    serde_json::from_value(definition).unwrap()
}

async fn limit(engine: &Orchestrator, most: i32) {
    let definition = press(&json!({"concurrentExecLimit": most}));
    engine.register_tasks(vec![definition]).await.unwrap();
}

/// Defines a workflow of `width` tasks side by side.
async fn define_fan(engine: &Orchestrator, width: usize) {
    let name = |n: usize| format!("b{n:03}");
    let step = |n| json!([{"name": "work", "taskReferenceName": name(n), "type": "SIMPLE"}]);
    let branches: Vec<Value> = (0..width).map(step).collect();
    let on: Vec<String> = (0..width).map(name).collect();
    let steps = [
        json!({"name": "f", "taskReferenceName": "f", "type": "FORK_JOIN", "forkTasks": branches}),
        json!({"name": "j", "taskReferenceName": "j", "type": "JOIN", "joinOn": on}),
    ];
    define(engine, "fan", &steps).await;
}

/// What a poll for many gets.
async fn poll_all(engine: &Orchestrator, timeout_ms: u64) -> Vec<Task> {
    let polled = engine.poll(wanted(50, timeout_ms)).await.unwrap();
    let tasks = polled.tasks.clone();
    polled.delivered();
    tasks
}

async fn limited_fan(width: usize, most: i32) -> (Orchestrator, String) {
    let engine = engine().await;
    limit(&engine, most).await;
    define_fan(&engine, width).await;
    let id = start(&engine, "fan").await;
    (engine, id)
}

fn references(tasks: &[Task]) -> Vec<String> {
    tasks.iter().map(|task| task.reference_task_name.to_string()).collect()
}

#[tokio::test]
async fn no_more_than_the_limit_are_handed_out_at_once() {
    let (engine, id) = limited_fan(6, 2).await;
    let first = poll_all(&engine, SHORT_MS).await;
    assert_eq!(references(&first), ["b000", "b001"]);
    assert!(poll_all(&engine, SHORT_MS).await.is_empty());
    complete(&engine, &first[0]).await;
    let next = poll_all(&engine, SHORT_MS).await;
    assert_eq!(references(&next), ["b002"], "one end frees one place, for the oldest");
    let mut open = vec![first[1].clone(), next[0].clone()];
    while let Some(task) = open.pop() {
        complete(&engine, &task).await;
        open.extend(poll_all(&engine, SHORT_MS).await);
        assert!(open.len() <= 2);
    }
    until(&engine, &id, "COMPLETED").await;
}

/// A poll that waits already gets the place that an end frees, and does not wait for a second to pass.
#[tokio::test]
async fn a_freed_place_wakes_a_waiting_poll() {
    let (engine, _) = limited_fan(3, 1).await;
    let first = poll_all(&engine, SHORT_MS).await;
    let report = async {
        support::pause(&engine).await;
        complete(&engine, &first[0]).await;
    };
    let (next, ()) = tokio::join!(poll_all(&engine, SHORT_MS), report);
    assert_eq!(references(&next), ["b001"]);
}

/// Whatever ends a task's time with its worker frees its place.
#[tokio::test]
async fn every_way_out_frees_the_place() {
    let (engine, id) = limited_fan(6, 1).await;
    let take = async || {
        let tasks = poll_all(&engine, SHORT_MS).await;
        assert_eq!(tasks.len(), 1);
        tasks[0].clone()
    };
    let report =
        async |task: &Task, status| engine.update_task(result(task, status)).await.unwrap();
    let task = take().await;
    report(&task, TaskResultStatus::Failed).await;
    let task = take().await;
    report(&task, TaskResultStatus::FailedWithTerminalError).await;
    until(&engine, &id, "FAILED").await;
    start(&engine, "fan").await;
    let task = take().await;
    let mut later = result(&task, TaskResultStatus::InProgress);
    later.callback_after_seconds = 3_600;
    engine.update_task(later).await.unwrap();
    let lost = engine.poll(wanted(1, SHORT_MS)).await.unwrap();
    assert_eq!(lost.tasks.len(), 1);
    drop(lost);
    let task = take().await;
    let id = task.workflow_instance_id.to_string();
    engine.pause(&id).await.unwrap();
    start(&engine, "fan").await;
    assert!(poll_all(&engine, SHORT_MS).await.is_empty(), "a paused execution's worker works on");
    engine.terminate(&id, None).await.unwrap();
    let task = take().await;
    let id = task.workflow_instance_id.to_string();
    engine.remove(&id, false).await.unwrap();
    start(&engine, "fan").await;
    take().await;
}

/// The place of a worker that died is free when its lease ends.
#[tokio::test]
async fn a_lease_that_ends_frees_the_place() {
    let engine = engine().await;
    let definition = json!({"concurrentExecLimit": 1, "responseTimeoutSeconds": 1, "retryCount": 0,
        "timeoutPolicy": "TIME_OUT_WF"});
    engine.register_tasks(vec![press(&definition)]).await.unwrap();
    define_fan(&engine, 1).await;
    let first = start(&engine, "fan").await;
    assert_eq!(poll_all(&engine, SHORT_MS).await.len(), 1);
    start(&engine, "fan").await;
    assert!(poll_all(&engine, 50).await.is_empty());
    assert_eq!(poll_all(&engine, support::LONG_MS).await.len(), 1);
    until(&engine, &first, "TIMED_OUT").await;
}

/// A limit that is raised, lowered or removed holds at once, and interrupts nothing.
#[tokio::test]
async fn a_changed_limit_holds_at_once() {
    let (engine, _) = limited_fan(12, 1).await;
    let mut open = poll_all(&engine, SHORT_MS).await;
    let raise = async {
        support::pause(&engine).await;
        limit(&engine, 3).await;
    };
    let (more, ()) = tokio::join!(poll_all(&engine, SHORT_MS), raise);
    open.extend(more);
    assert_eq!(references(&open), ["b000", "b001", "b002"]);
    limit(&engine, 2).await;
    complete(&engine, &open.pop().unwrap()).await;
    assert!(poll_all(&engine, SHORT_MS).await.is_empty());
    complete(&engine, &open.pop().unwrap()).await;
    assert_eq!(references(&poll_all(&engine, SHORT_MS).await), ["b003"]);
    limit(&engine, 0).await;
    assert_eq!(poll_all(&engine, SHORT_MS).await.len(), 8);
}

/// All domains of a type share its limit, and no domain keeps another waiting.
#[tokio::test]
async fn domains_share_a_limit() {
    let engine = engine().await;
    limit(&engine, 2).await;
    define_fan(&engine, 2).await;
    let domains = [("work".to_owned(), "eu".to_owned())].into_iter().collect();
    let in_europe = StartWorkflowRequest { task_to_domain: domains, ..request("fan") };
    engine.start_workflow(in_europe).await.unwrap();
    start(&engine, "fan").await;
    let first = poll_all(&engine, SHORT_MS).await;
    assert_eq!(first.len(), 2);
    let europe = PollRequest { domain: Some("eu".to_owned()), ..wanted(9, SHORT_MS) };
    assert!(engine.poll(europe.clone()).await.unwrap().tasks.is_empty());
    complete(&engine, &first[0]).await;
    let polled = engine.poll(europe).await.unwrap();
    assert_eq!(polled.tasks.len(), 1);
    polled.delivered();
}

/// A process that begins knows what was handed out before.
#[tokio::test]
async fn a_new_process_keeps_the_limit() {
    let store = store();
    let engine = engine_on(store.clone()).await;
    limit(&engine, 2).await;
    define_fan(&engine, 5).await;
    start(&engine, "fan").await;
    let held = poll_all(&engine, SHORT_MS).await;
    assert_eq!(held.len(), 2);
    drop(engine);
    let engine = engine_on(store).await;
    assert!(poll_all(&engine, SHORT_MS).await.is_empty());
    complete(&engine, &held[0]).await;
    assert_eq!(poll_all(&engine, support::LONG_MS).await.len(), 1);
}

/// Polls, works and reports until nothing has come for a while; counts how many work at a time.
async fn work(
    engine: &Orchestrator,
    at_work: &AtomicUsize,
    most: &AtomicUsize,
    done: &AtomicUsize,
) {
    while done.load(Ordering::SeqCst) < TASKS {
        let tasks = poll_all(engine, 100).await;
        let now = at_work.fetch_add(tasks.len(), Ordering::SeqCst) + tasks.len();
        most.fetch_max(now, Ordering::SeqCst);
        for task in tasks {
            at_work.fetch_sub(1, Ordering::SeqCst);
            complete(engine, &task).await;
            done.fetch_add(1, Ordering::SeqCst);
        }
    }
}

const TASKS: usize = 60;

/// Several processes with workers each: together never more than the limit, and all is done.
async fn processes_share_a_limit(stores: Vec<Arc<dyn Store>>) {
    let mut engines = Vec::new();
    for store in stores {
        let run = |script: &_| baton_expression::script::evaluate(script, &Default::default());
        engines.push(Orchestrator::start(store, Arc::new(run)).await.unwrap());
    }
    limit(&engines[0], 3).await;
    define_fan(&engines[0], TASKS / 4).await;
    for engine in engines.iter().cycle().take(4) {
        start(engine, "fan").await;
    }
    let (at_work, most, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let workers = engines.iter().cycle().take(8).map(|engine| work(engine, &at_work, &most, &done));
    let all = futures::future::join_all(workers);
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("all is done");
    let most = most.load(Ordering::SeqCst);
    assert!((1..=3).contains(&most), "{most} at a time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_a_limit() {
    let store = store();
    processes_share_a_limit(vec![Arc::new(store.clone()), Arc::new(store)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_on_a_file_keeps_a_limit() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { durability: Durability::Full };
    let store = SqliteStore::open(&directory.path().join("baton.db"), &options).unwrap();
    processes_share_a_limit(vec![Arc::new(store)]).await;
}
