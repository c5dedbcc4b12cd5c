//! Health tells an engine that stands still and a database without writes from an idle process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are not seen as tests"
)]
mod support;

use baton_orchestrator::{HealthReport, Orchestrator};
use std::time::Duration;
use support::faulty::Faulty;
use support::{define, engine, request, simple, store};

/// Longer than any change of health may take.
const SOON: Duration = Duration::from_secs(20);

/// The first report for which `holds`; asks again and again.
async fn report(engine: &Orchestrator, holds: impl Fn(&HealthReport) -> bool) -> HealthReport {
    let asked = async {
        loop {
            let report = engine.health().await;
            if holds(&report) {
                return report;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, asked).await.unwrap()
}

#[tokio::test]
async fn an_idle_engine_is_healthy_until_it_is_to_stop() {
    let engine = engine().await;
    let idle = engine.health().await;
    assert!(idle.is_ready() && idle.reasons().is_empty(), "{idle:?}");
    assert!(idle.last_commit_ms_ago.is_none());
    assert!(engine.poll_data(None).await.unwrap().is_empty(), "a check leaves nothing to see");
    engine.stop_waiting();
    let stopping = engine.health().await;
    assert!(stopping.is_healthy() && !stopping.is_ready(), "{stopping:?}");
    assert_eq!(stopping.reasons(), ["the process is shutting down"]);
}

/// Goal: a database that takes no writes is seen at once, and its return too. Method: every call of
/// the store fails for a while.
#[tokio::test]
async fn a_database_without_writes_is_unhealthy_until_it_is_back() {
    let store = Faulty::new(store());
    let switch = store.clone();
    let engine = support::engine_on(store).await;
    assert!(engine.health().await.is_healthy());
    switch.set_away(true);
    let ill = report(&engine, |report| !report.is_healthy()).await;
    assert!(ill.engine_turns && !ill.store_is_writable, "{ill:?}");
    switch.set_away(false);
    assert!(report(&engine, HealthReport::is_ready).await.last_round_ms_ago.is_some());
}

/// Goal: an engine that does not end its batch is unhealthy after some seconds, and healthy when it
/// goes on. Method: a commit waits behind a gate.
#[tokio::test]
async fn an_engine_that_does_not_end_its_batch_is_unhealthy() {
    let store = Faulty::new(store());
    let gate = store.clone();
    let engine = support::engine_on(store).await;
    define(&engine, "w", &[simple("a")]).await;
    gate.set_gate(false);
    let starter = engine.clone();
    let start = tokio::spawn(async move { starter.start_workflow(request("w")).await });
    let ill = report(&engine, |report| !report.is_healthy()).await;
    assert!(!ill.engine_turns && ill.store_is_writable, "{ill:?}");
    assert!(ill.last_batch_ms_ago.unwrap_or(u64::MAX) >= 2_000, "{ill:?}");
    gate.set_gate(true);
    start.await.unwrap().unwrap();
    assert!(report(&engine, HealthReport::is_ready).await.last_commit_ms_ago.is_some());
}
