//! What the engine promises its callers, over the store in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are not seen as tests"
)]
mod support;

use baton_common::api::{IdempotencyStrategy, StartWorkflowRequest, TaskResultStatus};
use baton_orchestrator::{ExecuteRequest, OrchestratorError, PollRequest, SearchRequest};
use baton_store::{CommitScope, SearchQuery, Store};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;
use support::{
    LONG_MS, again, complete, define, define_task, engine, engine_on, now, poll, request,
    request_with_key, result, simple, start, steps, store, take, until, wanted,
};

/// The shortest story: start, poll, update, end.
#[tokio::test]
async fn a_workflow_runs_from_its_start_to_its_end() {
    let engine = engine().await;
    define(&engine, "w", &[simple("a"), simple("b")]).await;
    let id = start(&engine, "w").await;
    for _ in 0..2 {
        complete(&engine, &take(&engine).await).await;
    }
    let workflow = until(&engine, &id, "COMPLETED").await;
    assert_eq!(steps(&workflow), [("a".into(), "COMPLETED"), ("b".into(), "COMPLETED")]);
}

/// A task that nobody waits for becomes a ready row, and the next poll gets it.
#[tokio::test]
async fn a_task_without_a_poll_waits_in_its_queue() {
    let store = store();
    let engine = engine_on(store.clone()).await;
    define(&engine, "w", &[simple("a")]).await;
    start(&engine, "w").await;
    let sizes = store.queue_sizes().await.unwrap();
    assert_eq!(
        sizes.iter().map(|size| (&*size.queue, size.ready)).collect::<Vec<_>>(),
        [("work", 1)]
    );
    assert_eq!((engine.counts().handed_over, engine.counts().queued), (0, 1));
    let task = take(&engine).await;
    assert_eq!(store.queue_sizes().await.unwrap(), []);
    assert_eq!(task.poll_count, 1);
}

/// A waiting poll gets the task in the commit that makes it, long before its time is over, even if
/// it asked for more.
#[tokio::test]
async fn a_waiting_poll_gets_the_task_in_the_same_commit() {
    let engine = engine().await;
    define(&engine, "w", &[simple("a")]).await;
    let begun = now();
    let waiting = engine.poll(wanted(10, LONG_MS));
    let starting = async {
        support::pause(&engine).await;
        start(&engine, "w").await
    };
    let (polled, _) = tokio::join!(waiting, starting);
    // Kept until the counts are read: an answer that is dropped gives its tasks back.
    let polled = polled.unwrap();
    assert_eq!(polled.tasks.len(), 1);
    assert!(now().millis_since(begun) < 5_000);
    let counts = engine.counts();
    assert_eq!((counts.handed_over, counts.queued, counts.commits), (1, 0, 1));
}

/// Tasks whose answer was never written go back at once.
#[tokio::test]
async fn a_dropped_answer_gives_its_tasks_back() {
    let engine = engine().await;
    define(&engine, "w", &[simple("a")]).await;
    start(&engine, "w").await;
    let polled = poll(&engine, LONG_MS).await;
    let first = polled.tasks[0].task_id;
    drop(polled);
    let second = take(&engine).await;
    assert_eq!((second.task_id, second.poll_count), (first, 2));
}

/// A poll that is abandoned with its answer under way loses nothing.
#[tokio::test]
async fn an_abandoned_poll_loses_no_task() {
    let engine = engine().await;
    define(&engine, "w", &[simple("a")]).await;
    for _ in 0..50 {
        start(&engine, "w").await;
        {
            let mut abandoned = Box::pin(engine.poll(wanted(1, LONG_MS)));
            tokio::select! {
                biased;
                _ = &mut abandoned => {}
                () = tokio::task::yield_now() => {}
            }
        }
        complete(&engine, &take(&engine).await).await;
    }
}

#[tokio::test]
async fn late_and_doubled_results_change_nothing() {
    let engine = engine().await;
    define(&engine, "w", &[simple("a"), simple("b")]).await;
    let id = start(&engine, "w").await;
    let first = take(&engine).await;
    complete(&engine, &first).await;
    let before = support::read(&engine, &id).await;
    complete(&engine, &first).await;
    engine.update_task(result(&first, TaskResultStatus::Failed)).await.unwrap();
    let after = support::read(&engine, &id).await;
    assert_eq!(steps(&after), steps(&before));
    complete(&engine, &take(&engine).await).await;
    let ended = until(&engine, &id, "COMPLETED").await;
    engine.update_task(result(&first, TaskResultStatus::Failed)).await.unwrap();
    assert_eq!(support::read(&engine, &id).await, ended);
}

#[tokio::test]
async fn a_wait_is_over_at_its_time_and_not_before() {
    let engine = engine().await;
    let wait = json!({"name": "p", "taskReferenceName": "p", "type": "WAIT",
        "inputParameters": {"duration": "1 seconds"}});
    define(&engine, "w", &[wait]).await;
    let id = start(&engine, "w").await;
    let workflow = until(&engine, &id, "COMPLETED").await;
    let task = &workflow.tasks[0];
    let took = task.end_time.millis_since(task.start_time);
    assert!((1_000..4_000).contains(&took), "{took} ms");
}

#[tokio::test]
async fn a_failed_task_is_tried_again_after_its_delay() {
    let engine = engine().await;
    define_task(&engine, 1, 1).await;
    define(&engine, "w", &[simple("a")]).await;
    let id = start(&engine, "w").await;
    let first = take(&engine).await;
    let failed_at = now();
    engine.update_task(result(&first, TaskResultStatus::Failed)).await.unwrap();
    let second = take(&engine).await;
    assert!(now().millis_since(failed_at) >= 1_000);
    assert_eq!(second.retried_task_id, Some(first.task_id));
    complete(&engine, &second).await;
    until(&engine, &id, "COMPLETED").await;
}

#[tokio::test]
async fn a_child_is_born_with_its_parents_step_and_its_end_moves_it_on() {
    let store = store();
    let engine = engine_on(store.clone()).await;
    define(&engine, "child", &[simple("inner")]).await;
    let step = json!({"name": "c", "taskReferenceName": "c", "type": "SUB_WORKFLOW",
        "subWorkflowParam": {"name": "child", "version": 1}});
    define(&engine, "w", &[step]).await;
    let id = start(&engine, "w").await;
    let child = support::read(&engine, &id).await.tasks[0].sub_workflow_id.unwrap().to_string();
    assert_eq!(support::read(&engine, &child).await.status.name(), "RUNNING");
    complete(&engine, &take(&engine).await).await;
    until(&engine, &id, "COMPLETED").await;
    assert_eq!(store.undelivered(now(), 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_paused_execution_schedules_nothing_until_it_is_resumed() {
    let engine = engine().await;
    define(&engine, "w", &[simple("a"), simple("b")]).await;
    let id = start(&engine, "w").await;
    let first = take(&engine).await;
    engine.pause(&id).await.unwrap();
    complete(&engine, &first).await;
    assert_eq!(steps(&support::read(&engine, &id).await).len(), 1);
    engine.resume(&id).await.unwrap();
    complete(&engine, &take(&engine).await).await;
    until(&engine, &id, "COMPLETED").await;
}

/// One key, many callers, two engines: one execution, and everybody learns its id.
#[tokio::test]
async fn concurrent_starts_of_one_key_make_one_execution() {
    let store = store();
    let engines = [engine_on(store.clone()).await, engine_on(store.clone()).await];
    let inline = json!({"name": "i", "taskReferenceName": "i", "type": "INLINE",
        "inputParameters": {"evaluatorType": "javascript", "expression": "Number(1)"}});
    define(&engines[0], "plain", &[simple("a")]).await;
    define(&engines[0], "suspended", &[inline, simple("a")]).await;
    for name in ["plain", "suspended"] {
        let start = |n: usize| engines[n % 2].start_workflow(request_with_key(name, "k"));
        let call = |n: usize| again(async move || start(n).await);
        let ids = futures::future::join_all((0..64).map(call)).await;
        let ids: HashSet<String> = ids.into_iter().map(Result::unwrap).collect();
        assert_eq!(ids.len(), 1, "{name}");
    }
    assert_eq!(store.search(&SearchQuery::default()).await.unwrap().total_hits, 2);
}

#[tokio::test]
async fn a_used_key_is_answered_as_its_strategy_says() {
    let engine = engine().await;
    define(&engine, "w", &[simple("a")]).await;
    let id = engine.start_workflow(request_with_key("w", "k")).await.unwrap();
    let with = |strategy| StartWorkflowRequest {
        idempotency_strategy: Some(strategy),
        ..request_with_key("w", "k")
    };
    let again = engine.start_workflow(with(IdempotencyStrategy::ReturnExisting)).await;
    assert_eq!(again, Ok(id.clone()));
    let strict = engine.start_workflow(with(IdempotencyStrategy::Fail)).await;
    assert!(matches!(strict, Err(OrchestratorError::Conflict(_))), "{strict:?}");
    let running = engine.start_workflow(with(IdempotencyStrategy::FailOnRunning)).await;
    assert!(matches!(running, Err(OrchestratorError::Conflict(_))), "{running:?}");
    complete(&engine, &take(&engine).await).await;
    let ended = engine.start_workflow(with(IdempotencyStrategy::FailOnRunning)).await;
    assert!(ended.is_ok_and(|new| new != id));
}

/// Another engine's mirror of the definitions is stale: the fence notices, the mirror is refreshed.
#[tokio::test]
async fn a_definition_registered_elsewhere_is_used_at_once() {
    let store = store();
    let (a, b) = (engine_on(store.clone()).await, engine_on(store).await);
    define(&a, "w", &[simple("a")]).await;
    start(&b, "w").await;
    let second = support::workflow_of("w", 2, &[simple("a"), simple("b")]);
    a.register_workflow(serde_json::from_value(second).unwrap(), false).await.unwrap();
    let id = start(&b, "w").await;
    assert_eq!(support::read(&b, &id).await.workflow_version, 2);
}

/// Two engines, each with a worker that reports to the other one, share workflows with children.
#[tokio::test]
async fn two_engines_finish_everything_and_hand_no_task_out_twice() {
    tokio::join!(two_engines(CommitScope::Database), two_engines(CommitScope::Shard));
}

async fn two_engines(scope: CommitScope) {
    const WORKFLOWS: usize = 30;
    let store = store().with_scope(scope);
    let (a, b) = (engine_on(store.clone()).await, engine_on(store.clone()).await);
    define(&a, "child", &[simple("inner"), simple("last")]).await;
    let step = json!({"name": "c", "taskReferenceName": "c", "type": "SUB_WORKFLOW",
        "subWorkflowParam": {"name": "child", "version": 1}});
    define(&a, "w", &[simple("a"), step, simple("z")]).await;
    let starts = (0..WORKFLOWS).map(|n| if n % 2 == 0 { &a } else { &b }).map(|e| start(e, "w"));
    let ids = futures::future::join_all(starts).await;
    let work = async |from: &_, to: &_| {
        let mut seen = Vec::new();
        // A poll that stays empty for longer than any hint takes means that all is done.
        loop {
            let polled = poll(from, 3_000).await;
            let Some(task) = polled.tasks.first().cloned() else { return seen };
            polled.delivered();
            seen.push(task.task_id);
            complete(to, &task).await;
        }
    };
    let (first, second) = tokio::join!(work(&a, &b), work(&b, &a));
    for id in &ids {
        until(&a, id, "COMPLETED").await;
    }
    let all: Vec<_> = first.into_iter().chain(second).collect();
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len(), "a task was handed out twice");
    assert_eq!(all.len(), WORKFLOWS * 4);
    assert_eq!(store.dead_waits(10).await.unwrap(), []);
}

#[tokio::test]
async fn a_removed_execution_is_gone_with_its_tasks() {
    let store = store();
    let engine = engine_on(store.clone()).await;
    define(&engine, "w", &[simple("a")]).await;
    let id = start(&engine, "w").await;
    engine.remove(&id, false).await.unwrap();
    let read = engine.workflow(&id, true).await;
    assert!(matches!(read, Err(OrchestratorError::NotFound(_))), "{read:?}");
    let pause = engine.pause(&id).await;
    assert!(matches!(pause, Err(OrchestratorError::NotFound(_))), "{pause:?}");
    assert_eq!(poll(&engine, 50).await.tasks, []);
    assert_eq!(store.queue_sizes().await.unwrap(), []);
}

fn child_step(reference: &str, workflow: &str) -> Value {
    json!({"name": reference, "taskReferenceName": reference, "type": "SUB_WORKFLOW",
        "subWorkflowParam": {"name": workflow, "version": 1}})
}

/// Goal: who is removed in the middle of its work leaves nobody behind. Method: of three generations
/// the middle one goes; its child ends and so does its parent, which names it.
#[tokio::test]
async fn a_removed_execution_takes_leave_of_its_parent_and_its_children() {
    let store = store();
    let engine = engine_on(store.clone()).await;
    define(&engine, "inner", &[simple("a")]).await;
    define(&engine, "middle", &[child_step("inner", "inner")]).await;
    define(&engine, "outer", &[child_step("middle", "middle")]).await;
    let outer = start(&engine, "outer").await;
    let child_of = async |id: &str| {
        let tasks = support::read(&engine, id).await.tasks;
        tasks[0].sub_workflow_id.unwrap().to_string()
    };
    let middle = child_of(&outer).await;
    let inner = child_of(&middle).await;
    engine.remove(&middle, false).await.unwrap();
    let workflow = until(&engine, &outer, "TERMINATED").await;
    assert_eq!(steps(&workflow), [("middle".into(), "CANCELED")]);
    let reason = workflow.tasks[0].reason_for_incompletion.clone().unwrap();
    assert!(reason.contains(&format!("Workflow {middle} has been removed")), "{reason}");
    until(&engine, &inner, "TERMINATED").await;
    let read = engine.workflow(&middle, true).await;
    assert!(matches!(read, Err(OrchestratorError::NotFound(_))), "{read:?}");
    assert_eq!(store.dead_waits(10).await.unwrap(), []);
}

/// Restarted on the latest version: by another engine too, which folds it from the journal. The
/// script makes the restart a suspended decision.
#[tokio::test]
async fn a_restart_on_the_latest_version_runs_on_that_version() {
    let store = store();
    let (a, b) = (engine_on(store.clone()).await, engine_on(store).await);
    define(&a, "w", &[simple("a")]).await;
    let id = start(&a, "w").await;
    a.terminate(&id, None).await.unwrap();
    let inline = json!({"name": "i", "taskReferenceName": "i", "type": "INLINE",
        "inputParameters": {"evaluatorType": "javascript", "expression": "Number(2)"}});
    let second = support::workflow_of("w", 2, &[inline, simple("new")]);
    a.register_workflow(serde_json::from_value(second).unwrap(), false).await.unwrap();
    a.restart(&id, true).await.unwrap();
    let workflow = support::read(&b, &id).await;
    assert_eq!(steps(&workflow), [("i".into(), "COMPLETED"), ("new".into(), "SCHEDULED")]);
    complete(&b, &take(&b).await).await;
    assert_eq!(until(&b, &id, "COMPLETED").await.workflow_version, 2);
}

/// Results that arrive together with one that a script delays are not lost by it.
#[tokio::test]
async fn a_suspended_decision_loses_nothing_that_happens_beside_it() {
    let engine = engine().await;
    let inline = |reference: &str| {
        json!({"name": "i", "taskReferenceName": reference, "type": "INLINE",
            "inputParameters": {"evaluatorType": "javascript", "expression": "Number(1)"}})
    };
    let branch = |n: usize| -> Vec<Value> {
        vec![simple(&format!("a{n}")), inline(&format!("i{n}")), simple(&format!("b{n}"))]
    };
    let branches: Vec<_> = (0..8).map(branch).collect();
    let joined: Vec<_> = (0..8).map(|n| format!("b{n}")).collect();
    let fork = json!({"name": "f", "taskReferenceName": "f", "type": "FORK_JOIN",
        "forkTasks": branches});
    let join = json!({"name": "j", "taskReferenceName": "j", "type": "JOIN", "joinOn": joined});
    define(&engine, "w", &[fork, join]).await;
    let id = start(&engine, "w").await;
    let work = async || {
        let mut done = 0;
        while done < 2 {
            complete(&engine, &take(&engine).await).await;
            done += 1;
        }
    };
    futures::future::join_all((0..8).map(|_| work())).await;
    let workflow = until(&engine, &id, "COMPLETED").await;
    let polls: HashSet<i32> = workflow
        .tasks
        .iter()
        .filter(|task| &*task.task_def_name == "work")
        .map(|t| t.poll_count)
        .collect();
    assert_eq!(polls, HashSet::from([1]), "every task was handed out once");
}

#[tokio::test]
async fn a_search_finds_by_name_and_status() {
    let engine = engine().await;
    define(&engine, "w", &[simple("a")]).await;
    let id = start(&engine, "w").await;
    start(&engine, "w").await;
    engine.terminate(&id, None).await.unwrap();
    let query = Some("workflowType = 'w' AND status IN (TERMINATED)".to_owned());
    let request = SearchRequest { query, size: 10, ..SearchRequest::default() };
    let found = engine.search_workflows(request).await.unwrap();
    assert_eq!(found.total_hits, 1);
    assert_eq!(found.results[0].workflow_id.to_string(), id);
}

#[tokio::test]
async fn a_caller_that_waits_is_answered_at_the_end() {
    let engine = engine().await;
    define(&engine, "w", &[simple("a")]).await;
    let execute = engine.execute_workflow(ExecuteRequest {
        start: request("w"),
        request_id: "r".to_owned(),
        wait_until_task_refs: Vec::new(),
        wait_for: Duration::from_millis(LONG_MS),
        return_strategy: "TARGET_WORKFLOW".to_owned(),
    });
    let work = async { complete(&engine, &take(&engine).await).await };
    let (answer, ()) = tokio::join!(execute, work);
    let answer = answer.unwrap();
    assert_eq!(answer.target_workflow_status.name(), "COMPLETED");
    assert!(!answer.signal_timeout);
}

/// A process that ends answers those who wait at once, with what there is.
#[tokio::test]
async fn nobody_waits_for_an_engine_that_stops() {
    let engine = engine().await;
    define(&engine, "w", &[simple("a")]).await;
    let begun = now();
    let start = ExecuteRequest {
        start: request("w"),
        request_id: "r".to_owned(),
        wait_until_task_refs: Vec::new(),
        wait_for: Duration::from_millis(LONG_MS),
        return_strategy: "TARGET_WORKFLOW".to_owned(),
    };
    let elsewhere = PollRequest { task_type: "nothing".to_owned(), ..wanted(1, LONG_MS) };
    let stop = async {
        support::pause(&engine).await;
        engine.stop_waiting();
    };
    let (started, polled, ()) =
        tokio::join!(engine.execute_workflow(start), engine.poll(elsewhere), stop);
    let started = started.unwrap();
    assert!(started.signal_timeout);
    assert_eq!(started.target_workflow_status.name(), "RUNNING");
    assert!(polled.unwrap().tasks.is_empty());
    // Those who come later get what there is, too: the task that was scheduled is still there.
    let elsewhere = PollRequest { task_type: "nothing".to_owned(), ..wanted(1, LONG_MS) };
    assert!(engine.poll(elsewhere).await.unwrap().tasks.is_empty());
    assert!(now().millis_since(begun) < 5_000);
}

/// A script that panics ends as a failed step, not as a decision that waits forever.
#[tokio::test]
async fn an_evaluator_that_dies_fails_the_step() {
    let evaluate = |_: &_| panic!("the evaluator of the test dies");
    let engine = baton_orchestrator::Orchestrator::start(
        std::sync::Arc::new(store()),
        std::sync::Arc::new(evaluate),
    );
    let engine = engine.await.unwrap();
    let inline = json!({"name": "i", "taskReferenceName": "i", "type": "INLINE",
        "inputParameters": {"evaluatorType": "javascript", "expression": "Number(1)"}});
    define(&engine, "w", &[inline]).await;
    let id = start(&engine, "w").await;
    until(&engine, &id, "FAILED").await;
}

/// The engine's thread ends with the last handle, and its commit lane with it.
#[tokio::test]
async fn the_engine_ends_with_its_last_handle() {
    let mut faulty = support::faulty::Faulty::new(store());
    let lane = faulty.watch_lane();
    let engine = engine_on(faulty).await;
    assert!(engine.health().await.is_ready());
    drop(engine);
    let limit = Duration::from_millis(LONG_MS);
    tokio::time::timeout(limit, lane.closed()).await.expect("the lane is dropped");
}
