//! Why executions and tasks are where they are, over stores and with children.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are not seen as tests"
)]
mod support;

use baton_common::api::{
    StartWorkflowRequest, TaskExplanation, TaskResultStatus, WaitReason, WorkflowExplanation,
};
use baton_orchestrator::{Orchestrator, OrchestratorError};
use baton_store::{SearchQuery, Store};
use baton_store_sqlite::{Durability, Options, SqliteStore};
use serde_json::{Value, json};
use support::{
    complete, define, define_task, engine, engine_on, request, result, simple, start, store, take,
};

fn child(name: &str) -> Value {
    json!({"name": name, "taskReferenceName": name, "type": "SUB_WORKFLOW",
        "subWorkflowParam": {"name": name}})
}

fn human(reference: &str) -> Value {
    json!({"name": "human", "taskReferenceName": reference, "type": "HUMAN"})
}

/// A step that runs many of another step at once, and its JOIN.
fn fan(width: usize, task_type: &str) -> [Value; 2] {
    let branches: Vec<Value> = (0..width)
        .map(|n| {
            json!([{"name": "work", "taskReferenceName": format!("b{n:06}"), "type": task_type,
            "subWorkflowParam": {"name": "leaf"}}])
        })
        .collect();
    let on: Vec<String> = (0..width).map(|n| format!("b{n:06}")).collect();
    [
        json!({"name": "f", "taskReferenceName": "f", "type": "FORK_JOIN", "forkTasks": branches}),
        json!({"name": "j", "taskReferenceName": "j", "type": "JOIN", "joinOn": on}),
    ]
}

async fn explained(engine: &Orchestrator, id: &str) -> WorkflowExplanation {
    engine.explain_workflow(id).await.unwrap()
}

/// The only waiting task of an explanation.
fn only(explanation: &WorkflowExplanation) -> &TaskExplanation {
    assert_eq!((explanation.waits.len(), explanation.waits[0].count), (1, 1));
    &explanation.waits[0].tasks[0]
}

/// A chain of three executions is explained to its leaf, whose reason is in the summary of all three.
async fn explain_a_chain(store: impl Store) {
    let engine = engine_on(store).await;
    define(&engine, "leaf", &[simple("a")]).await;
    define(&engine, "middle", &[child("leaf")]).await;
    define(&engine, "top", &[child("middle")]).await;
    let id = start(&engine, "top").await;
    let top = explained(&engine, &id).await;
    let middle = only(&top).child.as_ref().unwrap();
    let leaf = only(middle).child.as_ref().unwrap();
    let task = only(leaf);
    assert_eq!((&*leaf.workflow_name, task.reason), ("leaf", WaitReason::NoWorker));
    assert_eq!((task.evidence.position, task.evidence.queue_size), (Some(1), Some(1)));
    let cause = "no worker has ever polled for `work`.";
    for explanation in [&top, middle, leaf] {
        assert!(explanation.summary.ends_with(cause), "{}", explanation.summary);
        assert_eq!(explanation.remedy, task.remedy);
    }
    let task = take(&engine).await;
    let leased = engine.explain_task(&task.task_id.to_string()).await.unwrap();
    assert_eq!(leased.reason, WaitReason::Leased);
    assert_eq!(leased.evidence.worker_id.as_deref(), Some("w"));
    let through = engine.explain_task(&only(&top).task_id.to_string()).await.unwrap();
    let below = through.child.unwrap();
    assert_eq!(only(only(&below).child.as_ref().unwrap()).reason, WaitReason::Leased);
    complete(&engine, &task).await;
    support::until(&engine, &id, "COMPLETED").await;
    let ended = explained(&engine, &id).await;
    assert_eq!((ended.open_tasks, ended.waits.len(), ended.remedy), (0, 0, None));
}

#[tokio::test]
async fn a_chain_of_children_is_explained_to_its_leaf_in_memory() {
    explain_a_chain(store()).await;
}

#[tokio::test]
async fn a_chain_of_children_is_explained_to_its_leaf_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { durability: Durability::Normal };
    let store = SqliteStore::open(&folder.path().join("baton.db"), &options).unwrap();
    explain_a_chain(store).await;
}

/// What another process has polled and handed out is known from the database.
#[tokio::test]
async fn polls_of_other_processes_count() {
    let store = store();
    let engine = engine_on(store.clone()).await;
    define(&engine, "w", &[simple("a")]).await;
    let id = start(&engine, "w").await;
    assert_eq!(only(&explained(&engine, &id).await).reason, WaitReason::NoWorker);
    let poll = baton_store::PollRecord {
        task_type: "work".to_owned(),
        domain: String::new(),
        worker: "elsewhere".to_owned(),
        at: support::now(),
    };
    store.record_polls(&[poll]).await.unwrap();
    let explanation = explained(&engine, &id).await;
    let task = only(&explanation);
    assert_eq!(task.reason, WaitReason::InQueue);
    let worker = task.evidence.last_polls[0].worker_id.as_deref();
    assert_eq!((worker, task.evidence.handed_out_last_minute), (Some("elsewhere"), None));
}

/// A failed attempt's successor says which it is and why; a longer queue says how long.
#[tokio::test]
async fn backoff_and_long_queues_are_explained() {
    let engine = engine().await;
    define_task(&engine, 3, 600).await;
    define(&engine, "w", &[simple("a")]).await;
    let failing = start(&engine, "w").await;
    let task = take(&engine).await;
    let report = baton_common::api::TaskResult {
        reason_for_incompletion: Some("no tea".into()),
        ..result(&task, TaskResultStatus::Failed)
    };
    engine.update_task(report).await.unwrap();
    let explanation = explained(&engine, &failing).await;
    let (reason, evidence) = (only(&explanation).reason, &only(&explanation).evidence);
    assert_eq!((reason, evidence.attempt), (WaitReason::Backoff, Some(2)));
    assert_eq!((evidence.attempts, evidence.failure.as_deref()), (Some(4), Some("no tea")));
    let urgent = StartWorkflowRequest { priority: 9, ..request("w") };
    for _ in 0..3 {
        engine.start_workflow(urgent.clone()).await.unwrap();
    }
    let last = start(&engine, "w").await;
    let explanation = explained(&engine, &last).await;
    let evidence = &only(&explanation).evidence;
    assert_eq!((evidence.position, evidence.queue_size), (Some(4), Some(4)));
    assert_eq!(evidence.handed_out_last_minute, Some(1));
    let summary = &explanation.summary;
    assert!(summary.contains("behind 3 other tasks in queue `work`"), "{summary}");
    assert!(summary.contains("in about 3 min"), "{summary}");
}

/// Goal: an answer stays small. Method: more children than one answer explains; each task names its
/// child, and the first few explain it.
#[tokio::test]
async fn of_many_children_the_first_are_explained() {
    let engine = engine().await;
    define(&engine, "leaf", &[human("ask")]).await;
    define(&engine, "wide", &fan(40, "SUB_WORKFLOW")).await;
    define(&engine, "top", &fan_of("wide")).await;
    let id = start(&engine, "top").await;
    let top = explained(&engine, &id).await;
    let children: Vec<_> = top.waits[0].tasks.iter().map(|task| task.child.as_ref()).collect();
    assert_eq!((top.waits[0].reason, top.waits[0].count), (WaitReason::Child, 6));
    assert_eq!(children.iter().filter(|child| child.is_some()).count(), 5);
    let wide = children[0].unwrap();
    assert_eq!((wide.waits[0].count, wide.waits[0].tasks.len()), (40, 5));
    assert!(wide.waits[0].tasks.iter().all(|task| task.evidence.child_workflow_id.is_some()));
    let leaves = children.iter().flatten().flat_map(|wide| &wide.waits[0].tasks);
    let explained: Vec<_> = leaves.filter_map(|task| task.child.as_ref()).collect();
    assert_eq!(explained.len(), 25);
    assert!(explained.iter().all(|leaf| only(leaf).reason == WaitReason::Person));
}

/// A fork of six children of this name.
fn fan_of(name: &str) -> [Value; 2] {
    let text = serde_json::to_string(&fan(6, "SUB_WORKFLOW")).unwrap();
    serde_json::from_str(&text.replace("\"leaf\"", &format!("\"{name}\""))).unwrap()
}

/// Goal: no dead wait is without an explanation. Method: whatever the store has, is asked about.
#[tokio::test]
async fn every_execution_of_a_store_is_explained() {
    let store = store();
    let engine = engine_on(store.clone()).await;
    define(&engine, "leaf", &[human("ask"), simple("a")]).await;
    define(&engine, "wide", &fan(3, "SUB_WORKFLOW")).await;
    start(&engine, "wide").await;
    start(&engine, "leaf").await;
    let found = store.search(&SearchQuery { size: 99, ..SearchQuery::default() }).await.unwrap();
    assert_eq!(found.executions.len(), 5);
    for row in found.executions {
        let explanation = explained(&engine, &row.id.to_string()).await;
        let waiting: u32 = explanation.waits.iter().map(|wait| wait.count).sum();
        assert_eq!(waiting, explanation.open_tasks);
        assert!(waiting > 0 && explanation.remedy.is_some(), "{explanation:?}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_explained() {
    let engine = engine().await;
    define(&engine, "w", &[simple("a")]).await;
    let id = start(&engine, "w").await;
    for unknown in ["nobody".to_owned(), id.replace('0', "f")] {
        let refused = engine.explain_workflow(&unknown).await;
        assert!(matches!(refused, Err(OrchestratorError::NotFound(_))), "{refused:?}");
        let refused = engine.explain_task(&unknown).await;
        assert!(matches!(refused, Err(OrchestratorError::NotFound(_))), "{refused:?}");
    }
}
