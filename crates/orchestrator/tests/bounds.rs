//! Nothing that a definition asks for can hold the engine: every decision ends with its slice, scripts
//! that have been evaluated stay known, and executions cannot start each other for ever.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are not seen as tests"
)]
mod support;

use baton_common::limits::TASK_PAYLOAD_BYTES_MAX;
use baton_orchestrator::SearchRequest;
use serde_json::{Value, json};
use support::{LONG_MS, complete, define, engine, request, simple, start, steps, take, until};

fn script(reference: &str, salt: usize) -> Value {
    // A call keeps it from being plain, so that the decision really waits for it.
    json!({"name": "s", "taskReferenceName": reference, "type": "INLINE", "inputParameters": {
        "n": salt, "expression": "(function () { return String($.n); })()"}})
}

fn jq(reference: &str, salt: usize) -> Value {
    json!({"name": "j", "taskReferenceName": reference, "type": "JSON_JQ_TRANSFORM",
        "inputParameters": {"n": salt, "queryExpression": ".n + 1"}})
}

fn wait(reference: &str) -> Value {
    json!({"name": "w", "taskReferenceName": reference, "type": "WAIT",
        "inputParameters": {"duration": "1 seconds"}})
}

fn child(reference: &str, name: &str) -> Value {
    json!({"name": name, "taskReferenceName": reference, "type": "SUB_WORKFLOW",
        "subWorkflowParam": {"name": name}})
}

fn starts(reference: &str, name: &str) -> Value {
    json!({"name": name, "taskReferenceName": reference, "type": "START_WORKFLOW",
        "inputParameters": {"startWorkflow": {"name": name, "input": {}}}})
}

fn switch(reference: &str) -> Value {
    json!({"name": "c", "taskReferenceName": reference, "type": "SWITCH",
        "evaluatorType": "javascript", "expression": "(function () { return String($.k); })()",
        "inputParameters": {"k": 1}, "decisionCases": {"1": [script("inside", 9)]}})
}

fn repeat(reference: &str, body: &[Value]) -> Value {
    let condition = format!("(function () {{ return $.{reference}.iteration < Number('3'); }})()");
    json!({"name": "l", "taskReferenceName": reference, "type": "DO_WHILE",
        "loopCondition": condition, "loopOver": body})
}

async fn count(engine: &baton_orchestrator::Orchestrator, name: &str) -> i64 {
    let query = Some(format!("workflowType = '{name}'"));
    let search = SearchRequest { query, size: 1, ..SearchRequest::default() };
    engine.search_workflows(search).await.unwrap().total_hits
}

/// The shape of finding A1: a decision that a timer began needs one script after another.
#[tokio::test]
async fn scripts_behind_a_timer_complete() {
    let engine = engine().await;
    let bodies = [
        vec![wait("w"), jq("a", 1)],
        vec![wait("w"), jq("a", 1), jq("b", 2), script("c", 3)],
        vec![wait("w"), switch("a"), jq("b", 2)],
        vec![repeat("l", &[wait("w"), script("a", 1), jq("b", 1)])],
    ];
    let mut ids = Vec::new();
    for (n, body) in bodies.iter().enumerate() {
        define(&engine, &format!("timer{n}"), body).await;
        ids.push(start(&engine, &format!("timer{n}")).await);
    }
    for id in ids {
        until(&engine, &id, "COMPLETED").await;
    }
}

#[tokio::test]
async fn scripts_at_the_beginning_of_a_child_complete() {
    let engine = engine().await;
    define(&engine, "inner", &[jq("a", 1), script("b", 2), jq("c", 3)]).await;
    define(&engine, "outer", &[child("c", "inner"), jq("d", 4)]).await;
    let id = start(&engine, "outer").await;
    until(&engine, &id, "COMPLETED").await;
}

/// Many scripts of one execution at once are each evaluated once, a few at a time.
#[tokio::test]
async fn parallel_scripts_of_one_execution_are_evaluated_once_each() {
    let engine = engine().await;
    let branches: Vec<Value> = (0..100).map(|n| json!([script(&format!("s{n}"), n)])).collect();
    let names: Vec<String> = (0..100).map(|n| format!("s{n}")).collect();
    let fork = json!({"name": "f", "taskReferenceName": "f", "type": "FORK_JOIN",
        "forkTasks": branches});
    let join = json!({"name": "j", "taskReferenceName": "j", "type": "JOIN", "joinOn": names});
    define(&engine, "scripts", &[fork, join]).await;
    let id = start(&engine, "scripts").await;
    until(&engine, &id, "COMPLETED").await;
    let ([_, ok], _) = engine.metrics().scripts("javascript");
    assert_eq!(ok.get(), 100);
}

#[tokio::test]
async fn a_workflow_that_starts_itself_ends_and_others_run_beside_it() {
    let engine = engine().await;
    define(&engine, "calls", &[child("c", "calls")]).await;
    define(&engine, "sends", &[starts("s", "sends")]).await;
    define(&engine, "twice", &[starts("s", "twice"), starts("t", "twice")]).await;
    define(&engine, "good", &[simple("a")]).await;
    let id = start(&engine, "calls").await;
    start(&engine, "sends").await;
    start(&engine, "twice").await;
    let good = start(&engine, "good").await;
    complete(&engine, &take(&engine).await).await;
    until(&engine, &good, "COMPLETED").await;
    let failed = until(&engine, &id, "FAILED").await;
    let reason = failed.reason_for_incompletion.unwrap();
    assert!(reason.contains("nest deeper") || reason.contains("generations"), "{reason}");
    let limit = std::time::Duration::from_millis(LONG_MS);
    let look = async {
        while count(&engine, "sends").await < 65 {
            support::pause(&engine).await;
        }
    };
    tokio::time::timeout(limit, look).await.expect("the chain comes to its end");
    assert_eq!(count(&engine, "sends").await, 65);
}

#[tokio::test]
async fn a_workflow_that_fails_into_itself_ends() {
    let engine = engine().await;
    let fails = json!({"name": "t", "taskReferenceName": "t", "type": "TERMINATE",
        "inputParameters": {"terminationStatus": "FAILED"}});
    let mut definition = support::workflow_of("falls", 1, &[fails]);
    definition["failureWorkflow"] = json!("falls");
    engine.register_workflow(serde_json::from_value(definition).unwrap(), true).await.unwrap();
    start(&engine, "falls").await;
    let limit = std::time::Duration::from_millis(LONG_MS);
    let look = async {
        while count(&engine, "falls").await < 65 {
            support::pause(&engine).await;
        }
    };
    tokio::time::timeout(limit, look).await.expect("the chain comes to its end");
    assert_eq!(count(&engine, "falls").await, 65);
}

/// Each successor waits for a worker first, so the chain may be as long as it likes.
#[tokio::test]
async fn a_workflow_that_waits_for_the_outside_may_start_its_successor_for_ever() {
    let engine = engine().await;
    define(&engine, "lives", &[simple("a"), starts("s", "lives")]).await;
    start(&engine, "lives").await;
    for _ in 0..100 {
        complete(&engine, &take(&engine).await).await;
    }
    assert_eq!(count(&engine, "lives").await, 101);
}

/// A dynamic fork far wider than a slice has all its branches and one JOIN.
#[tokio::test]
async fn a_wide_fork_comes_in_slices() {
    let engine = engine().await;
    let fork = json!({"name": "f", "taskReferenceName": "f", "type": "FORK_JOIN_DYNAMIC",
        "inputParameters": {"forkTaskName": "n", "forkTaskType": "NOOP",
            "forkTaskInputs": "${workflow.input.list}"}});
    let join = json!({"name": "j", "taskReferenceName": "j", "type": "JOIN"});
    define(&engine, "wide", &[fork, join]).await;
    let list: Vec<u32> = (0..3_000).collect();
    let input = serde_json::from_value(json!({"list": list})).unwrap();
    let id = engine
        .start_workflow(baton_common::api::StartWorkflowRequest { input, ..request("wide") })
        .await
        .unwrap();
    let workflow = until(&engine, &id, "COMPLETED").await;
    let ended = steps(&workflow).iter().filter(|(_, status)| *status == "COMPLETED").count();
    assert_eq!((workflow.tasks.len(), ended), (3_002, 3_002));
}

fn value(reference: &str, of: &str) -> Value {
    json!({"name": "v", "taskReferenceName": reference, "type": "INLINE", "inputParameters": {
        "evaluatorType": "value-param", "expression": "v", "v": format!("${{workflow.input.{of}}}")}})
}

/// Starts an execution with texts of these sizes as its input, and waits for its end.
async fn ends(
    engine: &baton_orchestrator::Orchestrator,
    name: &str,
    texts: &[(&str, usize)],
    status: &str,
) -> String {
    let texts = texts.iter().map(|(name, size)| ((*name).to_owned(), json!("x".repeat(*size))));
    let input = serde_json::from_value(Value::Object(texts.collect())).unwrap();
    let start = baton_common::api::StartWorkflowRequest { input, ..request(name) };
    let id = engine.start_workflow(start).await.unwrap();
    until(engine, &id, status).await.reason_for_incompletion.unwrap_or_default().to_string()
}

/// Goal: a JOIN may put out as much as any other task, and not one byte more.
#[tokio::test]
async fn what_a_join_gathers_has_the_limit_of_an_output() {
    let engine = engine().await;
    let fork = json!({"name": "f", "taskReferenceName": "f", "type": "FORK_JOIN",
        "forkTasks": [[value("a", "one")], [value("b", "two")]]});
    let join = json!({"name": "j", "taskReferenceName": "j", "type": "JOIN", "joinOn": ["a", "b"]});
    define(&engine, "gathers", &[fork, join]).await;
    let around = r#"{"a":{"result":""},"b":{"result":""}}"#.len();
    let one = TASK_PAYLOAD_BYTES_MAX / 2;
    let two = TASK_PAYLOAD_BYTES_MAX - around - one;
    ends(&engine, "gathers", &[("one", one), ("two", two)], "COMPLETED").await;
    let reason = ends(&engine, "gathers", &[("one", one), ("two", two + 1)], "FAILED").await;
    assert!(reason.contains("output of 10485761 bytes"), "{reason}");
    assert!(reason.contains("the limit of 10485760"), "{reason}");
}

/// Goal: the iterations that a loop keeps may together be as large as an output; one that keeps few of
/// them may go on for ever.
#[tokio::test]
async fn what_a_loop_keeps_has_the_limit_of_an_output() {
    let engine = engine().await;
    let repeat = |input: &Value| {
        json!({"name": "l", "taskReferenceName": "l", "type": "DO_WHILE", "inputParameters": input,
            "loopCondition": "$.l['iteration'] < 4", "loopOver": [value("a", "text")]})
    };
    define(&engine, "keeps_all", &[repeat(&json!({}))]).await;
    define(&engine, "keeps_two", &[repeat(&json!({"keepLastN": 2}))]).await;
    let around = r#"{"a":{"result":""}}"#.len();
    let quarter = TASK_PAYLOAD_BYTES_MAX / 4 - around;
    ends(&engine, "keeps_all", &[("text", quarter)], "COMPLETED").await;
    ends(&engine, "keeps_two", &[("text", quarter + 1)], "COMPLETED").await;
    let reason = ends(&engine, "keeps_all", &[("text", quarter + 1)], "FAILED").await;
    assert!(reason.contains("output of 10485764 bytes"), "{reason}");
    assert!(reason.contains("the limit of 10485760; keepLastN"), "{reason}");
}
