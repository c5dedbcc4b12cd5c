//! What the engine records of itself, over the store in memory.
#![expect(clippy::float_cmp, reason = "counts are whole numbers")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are not seen as tests"
)]
mod support;

use baton_common::api::TaskResultStatus;
use baton_orchestrator::Orchestrator;
use baton_telemetry::Telemetry;
use serde_json::json;
use support::{complete, define, engine, pause, poll, result, simple, start, take, until};

/// The sample of this series, as it is shown.
fn value(engine: &Orchestrator, series: &str) -> Option<f64> {
    let telemetry = Telemetry::default();
    telemetry.add(engine.metrics());
    let text = telemetry.text();
    let line = text
        .lines()
        .find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn count(engine: &Orchestrator, series: &str) -> f64 {
    value(engine, series).unwrap_or(-1.0)
}

/// A story of one success and one failure is told by its counters, each thing once.
#[tokio::test]
async fn what_happens_is_counted_once() {
    let engine = engine().await;
    define(&engine, "w", &[simple("a"), simple("b")]).await;
    let id = start(&engine, "w").await;
    let first = take(&engine).await;
    complete(&engine, &first).await;
    let second = take(&engine).await;
    let failed = result(&second, TaskResultStatus::FailedWithTerminalError);
    engine.update_task(failed).await.unwrap();
    until(&engine, &id, "FAILED").await;
    // A late result changes nothing and counts nothing.
    complete(&engine, &first).await;
    for (series, expected) in [
        ("baton_workflows_started_total{workflow=\"w\"}", 1.0),
        ("baton_workflows_ended_total{workflow=\"w\",status=\"FAILED\"}", 1.0),
        ("baton_workflows_ended_total{workflow=\"w\",status=\"COMPLETED\"}", 0.0),
        ("baton_workflow_duration_seconds_count", 1.0),
        ("baton_tasks_scheduled_total{task_type=\"work\"}", 2.0),
        ("baton_tasks_ended_total{task_type=\"work\",status=\"COMPLETED\"}", 1.0),
        ("baton_tasks_ended_total{task_type=\"work\",status=\"FAILED_WITH_TERMINAL_ERROR\"}", 1.0),
        ("baton_task_schedule_to_start_seconds_count{task_type=\"work\"}", 2.0),
        ("baton_step_latency_seconds_count", 2.0),
        ("baton_tasks_queued_total", 2.0),
        ("baton_tasks_handed_over_total", 0.0),
        ("baton_lease_expiries_total", 0.0),
        ("baton_conflicts_total", 0.0),
        // The start, two leases and two results.
        ("baton_commits_total", 5.0),
        ("baton_commit_batch_executions_sum", 5.0),
    ] {
        assert_eq!(count(&engine, series), expected, "{series}");
    }
    assert!(count(&engine, "baton_cache_hits_total") >= 4.0);
    assert!(count(&engine, "baton_decide_duration_seconds_count") >= 5.0);
}

/// A worker that falls silent loses its lease, and that is told; a task that is given back is no
/// such case, and neither is a wait that is over.
#[tokio::test]
async fn leases_that_run_out_are_counted() {
    let engine = engine().await;
    let definition = json!({"name": "work", "retryCount": 1, "retryDelaySeconds": 0, "ownerEmail": "a@b.c",
        "timeoutSeconds": 0, "responseTimeoutSeconds": 1});
    engine.register_tasks(vec![serde_json::from_value(definition).unwrap()]).await.unwrap();
    define(&engine, "w", &[simple("a")]).await;
    let id = start(&engine, "w").await;
    drop(poll(&engine, support::LONG_MS).await);
    let silent = take(&engine).await;
    let again = take(&engine).await;
    assert_eq!(silent.retry_count + 1, again.retry_count);
    complete(&engine, &again).await;
    until(&engine, &id, "COMPLETED").await;
    assert_eq!(count(&engine, "baton_lease_expiries_total"), 1.0);
    assert_eq!(
        count(&engine, "baton_tasks_ended_total{task_type=\"work\",status=\"TIMED_OUT\"}"),
        1.0
    );
    assert!(count(&engine, "baton_timer_lateness_seconds_count") >= 1.0);
}

/// Queues are looked up when somebody asks, polls by the engine itself.
#[tokio::test]
async fn queues_and_polls_are_shown() {
    let engine = engine().await;
    define(&engine, "w", &[simple("a")]).await;
    start(&engine, "w").await;
    start(&engine, "w").await;
    assert_eq!(value(&engine, "baton_queue_depth{queue=\"work\"}"), None);
    engine.sample().await;
    assert_eq!(count(&engine, "baton_queue_depth{queue=\"work\"}"), 2.0);
    assert!(count(&engine, "baton_queue_oldest_age_seconds{queue=\"work\"}") >= 0.0);

    let other = engine.clone();
    let request = baton_orchestrator::PollRequest {
        task_type: "nothing".to_owned(),
        ..support::wanted(1, support::LONG_MS)
    };
    let waiting = tokio::spawn(async move { other.poll(request).await });
    let seen = async {
        while value(&engine, "baton_pollers{queue=\"nothing\"}").is_none_or(|polls| polls < 1.0) {
            pause(&engine).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), seen).await.unwrap();
    waiting.abort();
}

/// Whether the database answers is told, and what it would have said is not made up.
#[tokio::test]
async fn a_database_that_is_away_is_shown() {
    for (is_away, up, depth) in [(false, 1.0, Some(1.0)), (true, 0.0, None)] {
        let faulty = support::faulty::Faulty::new(support::store());
        let engine = support::engine_on(faulty.clone()).await;
        define(&engine, "w", &[simple("a")]).await;
        start(&engine, "w").await;
        faulty.set_away(is_away);
        engine.sample().await;
        assert_eq!(count(&engine, "baton_database_up"), up);
        assert_eq!(value(&engine, "baton_queue_depth{queue=\"work\"}"), depth);
    }
}

/// Scripts are counted by language and by whether they gave a result.
#[tokio::test]
async fn scripts_are_counted() {
    let engine = engine().await;
    let inline = |reference: &str, expression: &str| {
        json!({"name": reference, "taskReferenceName": reference, "type": "INLINE",
            "inputParameters": {"evaluatorType": "javascript", "expression": expression}})
    };
    define(&engine, "good", &[inline("i", "Number(1)")]).await;
    define(&engine, "bad", &[inline("i", "throw new Error('no')")]).await;
    let (good, bad) = (start(&engine, "good").await, start(&engine, "bad").await);
    until(&engine, &good, "COMPLETED").await;
    until(&engine, &bad, "FAILED").await;
    let of = |outcome| {
        let labels = format!("{{language=\"javascript\",outcome=\"{outcome}\"}}");
        count(&engine, &format!("baton_scripts_evaluated_total{labels}"))
    };
    assert_eq!((of("ok"), of("failed")), (1.0, 1.0));
    let timed = count(&engine, "baton_script_duration_seconds_count{language=\"javascript\"}");
    assert_eq!(timed, 2.0);
}
