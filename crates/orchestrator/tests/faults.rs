//! Fault sweep: one store call fails, the first, the second, … until a story passes untouched.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are not seen as tests"
)]
mod support;

use baton_common::TaskStatus;
use baton_common::api::{Task, TaskResultStatus};
use baton_orchestrator::{Orchestrator, OrchestratorError};
use baton_store::{CommitScope, SearchQuery, Store};
use futures::StreamExt;
use serde_json::{Value, json};
use std::time::Duration;
use support::faulty::Faulty;
use support::{
    again, define, define_task, engine_on, request_with_key, result, simple, store, wanted,
};

/// Faults tried per story: more than any story has calls until its end.
const FAULTS_MAX: i64 = 48;
/// A story's longest run, ms.
const STORY_MS: u64 = 40_000;

/// What happens, and what must be there at the end.
#[derive(Clone, Copy)]
struct Story {
    steps: fn() -> Vec<Value>,
    /// Reports on a task.
    report: fn(&Task) -> TaskResultStatus,
    /// Whether the caller ends it in the middle.
    terminates: bool,
    /// How many executions go through it at the same time.
    starts: usize,
    scope: CommitScope,
    status: &'static str,
    /// Reference and status of every task of one start, sorted.
    tasks: &'static [(&'static str, &'static str)],
}

fn completes(_: &Task) -> TaskResultStatus {
    TaskResultStatus::Completed
}

fn fails_once(task: &Task) -> TaskResultStatus {
    if task.retry_count == 0 { TaskResultStatus::Failed } else { TaskResultStatus::Completed }
}

async fn sweep(story: Story) {
    let all = async {
        let runs = (1..=FAULTS_MAX).map(|n| tokio::task::spawn_local(run(story, n)));
        let runs: Vec<_> = runs.collect();
        for (run, n) in runs.into_iter().zip(1..) {
            run.await.unwrap_or_else(|error| panic!("with fault {n}: {error}"));
        }
    };
    tokio::task::LocalSet::new().run_until(all).await;
}

async fn run(story: Story, n: i64) {
    let faulty = Faulty::new(store().with_scope(story.scope));
    let engine = engine_on(faulty.clone()).await;
    define_task(&engine, 1, 0).await;
    define(&engine, "child", &[simple("inner")]).await;
    define(&engine, "story", &(story.steps)()).await;
    faulty.fail_at(n);
    let limit = Duration::from_millis(STORY_MS);
    let played = tokio::time::timeout(limit, play(&engine, &faulty, story)).await;
    let dead = faulty.dead_waits(10).await.unwrap();
    assert_eq!(dead, [], "dead waits");
    if played.is_err() {
        let page = faulty.search(&everything()).await.unwrap();
        panic!("it did not end: {:?}", page.executions);
    }
    check(&engine, &faulty, story).await;
}

fn everything() -> SearchQuery {
    SearchQuery { size: 100, ..SearchQuery::default() }
}

/// Starts it, does its tasks, and waits until nothing is open.
async fn play(engine: &Orchestrator, faulty: &Faulty, story: Story) {
    let start = async |n: usize| {
        let key = format!("k{n}");
        let start = async || engine.start_workflow(request_with_key("story", &key)).await;
        again(start).await.unwrap()
    };
    let ids = futures::future::join_all((0..story.starts).map(start)).await;
    for id in ids.iter().filter(|_| story.terminates) {
        let terminate = async || engine.terminate(id, Some("enough".to_owned())).await;
        again(terminate).await.unwrap();
    }
    loop {
        let task = if story.terminates { None } else { next(engine).await };
        if let Some(task) = task {
            let report = result(&task, (story.report)(&task));
            let answer = again(async || engine.update_task(report.clone()).await).await;
            assert!(answer.is_ok(), "{answer:?}");
            // Doubled reports change nothing.
            let doubled = again(async || engine.update_task(report.clone()).await).await;
            assert!(doubled.is_ok(), "{doubled:?}");
        }
        let page = faulty.search(&everything()).await.unwrap();
        if page.executions.iter().all(|row| row.status.is_terminal()) {
            return;
        }
        support::pause(engine).await;
    }
}

async fn next(engine: &Orchestrator) -> Option<Task> {
    let polled = engine.poll(wanted(1, 100)).await.unwrap();
    let task = polled.tasks.first().cloned();
    polled.delivered();
    task
}

async fn check(engine: &Orchestrator, faulty: &Faulty, story: Story) {
    let mut tasks = Vec::new();
    for row in faulty.search(&everything()).await.unwrap().executions {
        assert_eq!(row.status.name(), story.status, "{}", row.index.workflow_name);
        let id = row.id.to_string();
        let workflow = again(async || engine.workflow(&id, true).await).await.unwrap();
        for (reference, status) in support::steps(&workflow) {
            tasks.push((reference, status));
        }
    }
    tasks.sort();
    let each = story.tasks.iter().flat_map(|task| std::iter::repeat_n(task, story.starts));
    let expected: Vec<_> =
        each.map(|(reference, status)| ((*reference).to_owned(), *status)).collect();
    assert_eq!(tasks, expected);
    assert_eq!(faulty.queue_sizes().await.unwrap(), [], "ready rows of ended executions");
}

const PLAIN: Story = Story {
    steps: || vec![simple("a"), simple("b")],
    report: completes,
    terminates: false,
    starts: 1,
    scope: CommitScope::Database,
    status: "COMPLETED",
    tasks: &[("a", "COMPLETED"), ("b", "COMPLETED")],
};

/// Start and two results.
#[tokio::test]
async fn a_fault_anywhere_in_two_steps_leaves_no_trace() {
    sweep(PLAIN).await;
}

/// Where each shard has a commit of its own: one of a batch fails, or its answer is lost, and the
/// others are neither undone nor done twice.
#[tokio::test]
async fn a_fault_in_one_shard_leaves_no_trace_in_any() {
    let steps = || vec![inline("i"), child(), simple("z")];
    let tasks =
        &[("c", "COMPLETED"), ("i", "COMPLETED"), ("inner", "COMPLETED"), ("z", "COMPLETED")];
    sweep(Story { steps, tasks, starts: 6, scope: CommitScope::Shard, ..PLAIN }).await;
}

/// A failed attempt and its retry.
#[tokio::test]
async fn a_fault_anywhere_in_a_retry_leaves_no_trace() {
    let steps = || vec![simple("a")];
    let tasks = &[("a", "COMPLETED"), ("a", "FAILED")];
    sweep(Story { steps, report: fails_once, tasks, ..PLAIN }).await;
}

/// Two branches, their join, a step after it.
#[tokio::test]
async fn a_fault_anywhere_in_a_fork_leaves_no_trace() {
    let steps = || {
        let branches = json!([[simple("a")], [simple("b")]]);
        vec![
            json!({"name": "f", "taskReferenceName": "f", "type": "FORK_JOIN", "forkTasks": branches}),
            json!({"name": "j", "taskReferenceName": "j", "type": "JOIN", "joinOn": ["a", "b"]}),
            simple("z"),
        ]
    };
    let tasks = &[
        ("a", "COMPLETED"),
        ("b", "COMPLETED"),
        ("f", "COMPLETED"),
        ("j", "COMPLETED"),
        ("z", "COMPLETED"),
    ];
    sweep(Story { steps, tasks, ..PLAIN }).await;
}

/// A script between the start and a worker's step: the first decision is suspended.
#[tokio::test]
async fn a_fault_anywhere_around_a_script_leaves_no_trace() {
    let steps = || vec![inline("s"), simple("a"), inline("t")];
    let tasks = &[("a", "COMPLETED"), ("s", "COMPLETED"), ("t", "COMPLETED")];
    sweep(Story { steps, tasks, ..PLAIN }).await;
}

fn inline(reference: &str) -> Value {
    json!({"name": "i", "taskReferenceName": reference, "type": "INLINE",
        "inputParameters": {"evaluatorType": "javascript", "expression": "Number(1) + 1"}})
}

fn child() -> Value {
    json!({"name": "c", "taskReferenceName": "c", "type": "SUB_WORKFLOW",
        "subWorkflowParam": {"name": "child", "version": 1}})
}

/// A child's request, its work, its end, and what the parent does then.
#[tokio::test]
async fn a_fault_anywhere_in_a_sub_workflow_leaves_no_trace() {
    let steps = || vec![child(), simple("z")];
    let tasks = &[("c", "COMPLETED"), ("inner", "COMPLETED"), ("z", "COMPLETED")];
    sweep(Story { steps, tasks, ..PLAIN }).await;
}

/// Parent and child end; no task of the tree is ready any more.
#[tokio::test]
async fn a_fault_anywhere_in_a_termination_leaves_no_trace() {
    let steps = || vec![child()];
    let tasks = &[("c", "CANCELED"), ("inner", "CANCELED")];
    sweep(Story { steps, terminates: true, status: "TERMINATED", tasks, ..PLAIN }).await;
}

/// A database that is away costs answers, not executions; nothing is said to have happened.
#[tokio::test]
async fn nothing_is_acknowledged_while_the_database_is_away() {
    let faulty = Faulty::new(store());
    let engine = engine_on(faulty.clone()).await;
    define(&engine, "w", &[simple("a")]).await;
    let id = support::start(&engine, "w").await;
    let task = support::take(&engine).await;
    faulty.set_away(true);
    let report = result(&task, TaskResultStatus::Completed);
    let update = engine.update_task(report.clone()).await;
    assert!(matches!(update, Err(OrchestratorError::Unavailable(_))), "{update:?}");
    let start = engine.start_workflow(support::request("w")).await;
    assert!(matches!(start, Err(OrchestratorError::Unavailable(_))), "{start:?}");
    faulty.set_away(false);
    engine.update_task(report).await.unwrap();
    let workflow = support::until(&engine, &id, "COMPLETED").await;
    assert_eq!(workflow.tasks[0].status, TaskStatus::Completed);
    assert_eq!(faulty.search(&everything()).await.unwrap().total_hits, 1);
}

/// While the database hangs, starts beyond the limit are refused by name, and nothing is lost: those
/// within it are carried out afterwards, and so are reports all the while.
#[tokio::test]
async fn starts_beyond_the_limit_are_refused_and_the_others_are_carried_out() {
    const STARTS: usize = 300;
    let faulty = Faulty::new(store());
    let engine = engine_on(faulty.clone()).await;
    define(&engine, "w", &[simple("a")]).await;
    faulty.set_gate(false);
    let start = |_| {
        let engine = engine.clone();
        tokio::spawn(async move { engine.start_workflow(support::request("w")).await })
    };
    let mut starts: futures::stream::FuturesUnordered<_> = (0..STARTS).map(start).collect();
    let first = starts.next().await.unwrap().unwrap();
    assert!(matches!(first, Err(OrchestratorError::Overloaded(_))), "{first:?}");
    faulty.set_gate(true);
    let mut started = 0;
    while let Some(outcome) = starts.next().await {
        started += usize::from(outcome.unwrap().is_ok());
    }
    assert!((256..STARTS).contains(&started), "{started} started");
    let page = faulty.inner.search(&SearchQuery { size: 1, ..SearchQuery::default() }).await;
    assert_eq!(page.unwrap().total_hits, started as u64);
    assert!(engine.start_workflow(support::request("w")).await.is_ok());
}
