//! Whether this process can do its work: the engine turns, the database takes writes, the background
//! loop runs, and nobody has asked the process to stop.
//!
//! An idle engine is healthy, so it is asked for an empty turn; the database for a tiny write.
use crate::facade::Orchestrator;
use baton_store::{PollRecord, StoreError};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long the engine and the database may take to answer; callers of health checks give up soon
/// after.
const PROBE_MAX: Duration = Duration::from_secs(2);
/// How long a busy engine may be without the end of a batch.
const STALL_MAX: Duration = Duration::from_secs(5);
/// How long a failed commit makes the database count as unwritable, unless a later one succeeds.
const FAILED_COMMIT_MAX: Duration = Duration::from_secs(5);
/// How long the background loop may be without the end of a round, which takes a second when all is
/// well and as long as the database's time limits when it is not.
const ROUND_MAX: Duration = Duration::from_secs(30);
/// How long a report is given out again, so that checks cost the same however often they are made.
const FRESH: Duration = Duration::from_millis(500);

/// When the loops of this process last ended a round, in ms since it began; 0 for never.
pub(crate) struct Pulse {
    began: Instant,
    batch: AtomicU64,
    commit: AtomicU64,
    failed_commit: AtomicU64,
    round: AtomicU64,
    was_healthy: AtomicBool,
    last: Mutex<Option<(Instant, HealthReport)>>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            batch: AtomicU64::new(0),
            commit: AtomicU64::new(0),
            failed_commit: AtomicU64::new(0),
            round: AtomicU64::new(0),
            was_healthy: AtomicBool::new(true),
            last: Mutex::default(),
        }
    }
}

impl Pulse {
    /// The engine has ended a turn.
    pub(crate) fn batch_ended(&self) {
        self.batch.store(self.now(), Ordering::Relaxed);
    }

    /// A commit has come back from the database.
    pub(crate) fn commit_ended(&self, is_committed: bool) {
        let moment = if is_committed { &self.commit } else { &self.failed_commit };
        moment.store(self.now(), Ordering::Relaxed);
    }

    /// The background loop has ended a round.
    pub(crate) fn round_ended(&self) {
        self.round.store(self.now(), Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn ms_since(&self, moment: &AtomicU64) -> Option<u64> {
        let at = moment.load(Ordering::Relaxed);
        (at > 0).then(|| self.now().saturating_sub(at))
    }

    /// Whether the last commit failed, and lately.
    fn commits_fail(&self) -> bool {
        let failed = self.failed_commit.load(Ordering::Relaxed);
        let is_last = failed > self.commit.load(Ordering::Relaxed);
        is_last
            && self.ms_since(&self.failed_commit).is_some_and(|ms| is_within(ms, FAILED_COMMIT_MAX))
    }
}

fn is_within(ms: u64, limit: Duration) -> bool {
    Duration::from_millis(ms) <= limit
}

/// What this process can do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, shown as such")]
pub struct HealthReport {
    /// Whether the engine takes and ends requests.
    pub engine_turns: bool,
    /// Milliseconds since the engine last ended a batch; `None` before the first.
    pub last_batch_ms_ago: Option<u64>,
    /// Milliseconds since the last commit; `None` before the first.
    pub last_commit_ms_ago: Option<u64>,
    /// Requests that wait for the engine.
    pub waiting: usize,
    /// Whether the database took a write just now.
    pub store_is_writable: bool,
    /// Whether the loop beside the engine runs, which finds timers and what other processes left.
    pub background_runs: bool,
    /// Milliseconds since that loop's last round; `None` before the first.
    pub last_round_ms_ago: Option<u64>,
    /// Whether the process was asked to stop.
    pub is_stopping: bool,
}

impl HealthReport {
    /// Whether the process does its work.
    pub fn is_healthy(&self) -> bool {
        self.engine_turns && self.store_is_writable && self.background_runs
    }

    /// Whether callers may be sent here: it is healthy and not about to stop.
    pub fn is_ready(&self) -> bool {
        self.is_healthy() && !self.is_stopping
    }

    /// What keeps it from being ready, in words.
    pub fn reasons(&self) -> Vec<&'static str> {
        let reasons = [
            (!self.engine_turns, "the engine has not ended a batch in time"),
            (!self.store_is_writable, "the database takes no writes; the log has the cause"),
            (!self.background_runs, "the background loop has not ended a round in time"),
            (self.is_stopping, "the process is shutting down"),
        ];
        reasons.into_iter().filter_map(|(holds, reason)| holds.then_some(reason)).collect()
    }
}

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
        let turn = timeout(PROBE_MAX, self.inner.engine.turn());
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
