//! Limits are kept: never more tasks with workers than a definition allows, and none waits beside a free
//! slot.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are not seen as tests"
)]
mod support;

use baton_common::TaskDef;
use baton_common::api::{StartWorkflowRequest, Task, TaskResultStatus, WaitReason};
use baton_expression::script::ScriptLimits;
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

/// So many in so much time, whoever polls, and the next as soon as its time has come.
#[tokio::test]
async fn a_rate_is_kept_and_wakes_a_waiting_poll() {
    let engine = engine().await;
    let rate = json!({"rateLimitPerFrequency": 2, "rateLimitFrequencyInSeconds": 1});
    engine.register_tasks(vec![press(&rate)]).await.unwrap();
    define_fan(&engine, 6).await;
    start(&engine, "fan").await;
    let mut leased = Vec::new();
    while leased.len() < 6 {
        leased.extend(poll_all(&engine, support::LONG_MS).await);
    }
    let times: Vec<i64> = leased.iter().map(|task| task.start_time.millis()).collect();
    for pair in times.windows(3) {
        assert!(pair[2] - pair[0] >= 1_000, "three within {} ms", pair[2] - pair[0]);
    }
    let took = times[5] - times[0];
    assert!((2_000..2_900).contains(&took), "{took} ms: polls wait for the rate and no longer");
}

/// Both limits of a definition hold.
#[tokio::test]
async fn a_rate_holds_beside_a_number() {
    let engine = engine().await;
    let both = json!({"concurrentExecLimit": 2, "rateLimitPerFrequency": 3,
        "rateLimitFrequencyInSeconds": 3600});
    engine.register_tasks(vec![press(&both)]).await.unwrap();
    define_fan(&engine, 6).await;
    start(&engine, "fan").await;
    let first = poll_all(&engine, SHORT_MS).await;
    assert_eq!(first.len(), 2);
    complete(&engine, &first[0]).await;
    complete(&engine, &first[1]).await;
    assert_eq!(poll_all(&engine, SHORT_MS).await.len(), 1);
    assert!(poll_all(&engine, SHORT_MS).await.is_empty());
    let higher = json!({"concurrentExecLimit": 2, "rateLimitPerFrequency": 4,
        "rateLimitFrequencyInSeconds": 3600});
    engine.register_tasks(vec![press(&higher)]).await.unwrap();
    assert_eq!(poll_all(&engine, SHORT_MS).await.len(), 1);
}

/// Two processes keep a rate together.
#[tokio::test]
async fn two_processes_keep_a_rate() {
    let store = store();
    let engines = [engine_on(store.clone()).await, engine_on(store).await];
    let rate = json!({"rateLimitPerFrequency": 3, "rateLimitFrequencyInSeconds": 3600});
    engines[0].register_tasks(vec![press(&rate)]).await.unwrap();
    define_fan(&engines[0], 4).await;
    for engine in &engines {
        start(engine, "fan").await;
    }
    let polls = [0, 1, 0, 1].map(|n| poll_all(&engines[n], 1_500));
    let leased: usize = futures::future::join_all(polls).await.iter().map(Vec::len).sum();
    assert_eq!(leased, 3);
}

/// Tasks of a type that many definitions share wait for their own definition's limit, and are in nobody's
/// way: also not where there are more of them than a process asks for at once, or when it begins anew.
#[tokio::test]
async fn one_definition_of_a_shared_type_is_limited() {
    let store = store();
    let engine = engine_on(store.clone()).await;
    let charge =
        TaskDef { name: Some("charge".into()), ..press(&json!({"concurrentExecLimit": 1})) };
    engine.register_tasks(vec![charge]).await.unwrap();
    let http = |reference: String, name| {
        json!([{"name": name, "taskReferenceName": reference, "type": "HTTP",
            "inputParameters": {"http_request": {"uri": "http://127.0.0.1:9", "method": "GET"}}}])
    };
    let mut branches: Vec<Value> = (0..300).map(|n| http(format!("c{n:03}"), "charge")).collect();
    branches.push(http("free".to_owned(), "other"));
    let on: Vec<Value> = branches.iter().map(|b| b[0]["taskReferenceName"].clone()).collect();
    let steps = [
        json!({"name": "f", "taskReferenceName": "f", "type": "FORK_JOIN", "forkTasks": branches}),
        json!({"name": "j", "taskReferenceName": "j", "type": "JOIN", "joinOn": on}),
    ];
    define(&engine, "calls", &steps).await;
    start(&engine, "calls").await;
    drop(engine);
    let engine = engine_on(store.clone()).await;
    let poll = async |timeout_ms| {
        let request = PollRequest { task_type: "HTTP".to_owned(), ..wanted(50, timeout_ms) };
        let polled = engine.poll(request).await.unwrap();
        let tasks = polled.tasks.clone();
        polled.delivered();
        tasks
    };
    let mut leased = poll(support::LONG_MS).await;
    leased.extend(poll(SHORT_MS).await);
    let mut names = references(&leased);
    names.sort();
    assert_eq!(names, ["c000", "free"]);
    assert_eq!(engine.queue_sizes().await.unwrap(), [("HTTP".to_owned(), 299)].into());
    let charged = leased.iter().find(|task| &*task.reference_task_name == "c000").unwrap();
    complete(&engine, charged).await;
    assert_eq!(references(&poll(support::LONG_MS).await), ["c001"]);
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
        let run = |script: &_| baton_expression::script::evaluate(script, &ScriptLimits::default());
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
    tokio::time::timeout(Duration::from_mins(1), all).await.expect("all is done");
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

/// A task that has no slot says so, and who holds them; the list of queues and the metrics show it.
#[tokio::test]
async fn a_full_limit_is_explained_and_shown() {
    let (engine, id) = limited_fan(4, 1).await;
    let held = poll_all(&engine, SHORT_MS).await;
    let explained = engine.explain_workflow(&id).await.unwrap();
    let group = explained.waits.iter().find(|wait| wait.reason == WaitReason::Limited).unwrap();
    assert_eq!(group.count, 3);
    let holder = held[0].task_id;
    let full = format!("limit `work` has 1 of 1 in use, held by {holder}");
    assert_eq!(group.summary, format!("3 tasks are ready and wait for a slot: {full}."));
    let limit = group.tasks[0].evidence.limit.as_ref().unwrap();
    assert_eq!((limit.concurrent, limit.in_use, &limit.held_by), (Some(1), 1, &vec![holder]));
    let queues = engine.queues().await.unwrap();
    assert_eq!(queues.len(), 1);
    assert_eq!((&*queues[0].queue, queues[0].ready), ("work", 3));
    assert_eq!(queues[0].limits, std::slice::from_ref(limit));
    complete(&engine, &held[0]).await;
    let queues = engine.queues().await.unwrap();
    assert_eq!((queues[0].limits[0].in_use, queues[0].limits[0].held_by.len()), (0, 0));
}
