//! Checks whether this process can do its work.
//!
//! An idle engine is healthy, so it is asked for an empty turn; the database for a tiny write.
use super::Orchestrator;
use crate::health::{HealthReport, is_within};
use baton_store::{PollRecord, StoreError};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How long the engine and the database may take to answer; callers of health checks give up soon
/// after.
const PROBE_MAX: Duration = Duration::from_secs(2);
/// How long a busy engine may be without the end of a batch.
const STALL_MAX: Duration = Duration::from_secs(5);
/// How long the background loop may be without the end of a round, which takes a second when all is
/// well and as long as the database's time limits when it is not.
const ROUND_MAX: Duration = Duration::from_secs(30);
/// How long a report is given out again, so that checks cost the same however often they are made.
const FRESH: Duration = Duration::from_millis(500);

impl Orchestrator {
    /// What this process can do now; takes 2 s at most, and costs one small write however many ask
    /// within half a second.
    pub async fn health(&self) -> HealthReport {
        let pulse = &self.inner.pulse;
        let mut last = pulse.last.lock().await;
        let is_stopping = self.is_stopping();
        if let Some((_, report)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return HealthReport { is_stopping, ..*report };
        }
        let report = self.probe().await;
        let was_healthy = pulse.was_healthy.swap(report.is_healthy(), Ordering::Relaxed);
        match (was_healthy, report.is_healthy()) {
            (true, false) => tracing::warn!(reasons = ?report.reasons(), "no longer healthy"),
            (false, true) => tracing::info!("healthy again"),
            (true, true) | (false, false) => {}
        }
        *last = Some((Instant::now(), report));
        report
    }

    async fn probe(&self) -> HealthReport {
        let pulse = &self.inner.pulse;
        // Before the empty turn, which is a batch too.
        let last_batch_ms_ago = pulse.ms_since(&pulse.batch);
        let turn = timeout(PROBE_MAX, self.inner.engine.ping());
        let write = timeout(PROBE_MAX, self.write());
        let (turned, written) = tokio::join!(turn, write);
        if let Ok(Err(error)) = &written
            && pulse.was_healthy.load(Ordering::Relaxed)
        {
            tracing::warn!(%error, "the database refused a health check's write");
        }
        // A turn that is asked for behind much work may take longer; batches end meanwhile.
        let since_batch = pulse.ms_since(&pulse.batch);
        let is_busy =
            self.inner.engine.is_alive() && since_batch.is_some_and(|ms| is_within(ms, STALL_MAX));
        let last_round_ms_ago = pulse.ms_since(&pulse.round);
        HealthReport {
            engine_turns: turned.is_ok_and(|turned| turned.is_ok()) || is_busy,
            last_batch_ms_ago,
            last_commit_ms_ago: pulse.ms_since(&pulse.commit),
            waiting: self.inner.engine.waiting(),
            store_is_writable: matches!(written, Ok(Ok(()))) && !pulse.commits_fail(),
            background_runs: is_within(last_round_ms_ago.unwrap_or_else(|| pulse.now()), ROUND_MAX),
            last_round_ms_ago,
            is_stopping: self.is_stopping(),
        }
    }

    /// A write that every database takes: the last poll of a task type without a name, which no
    /// worker can ask for and nobody is shown.
    async fn write(&self) -> Result<(), StoreError> {
        let poll = PollRecord {
            task_type: String::new(),
            domain: String::new(),
            worker: String::new(),
            at: self.inner.clock.now(),
        };
        self.inner.store.record_polls(&[poll]).await
    }
}
