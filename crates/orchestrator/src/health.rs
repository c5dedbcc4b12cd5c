//! Whether this process can do its work: the engine turns, the database takes writes, the background
//! loop runs, and nobody has asked the process to stop.
//!
//! An idle engine is healthy, so it is asked for an empty turn; the database for a tiny write.
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long a failed commit makes the database count as unwritable, unless a later one succeeds.
const FAILED_COMMIT_MAX: Duration = Duration::from_secs(5);
/// When the loops of this process last ended a round, in ms since it began; 0 for never.
pub(crate) struct Pulse {
    began: Instant,
    pub(crate) batch: AtomicU64,
    pub(crate) commit: AtomicU64,
    pub(crate) failed_commit: AtomicU64,
    pub(crate) round: AtomicU64,
    pub(crate) was_healthy: AtomicBool,
    pub(crate) last: Mutex<Option<(Instant, HealthReport)>>,
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

    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    pub(crate) fn ms_since(&self, moment: &AtomicU64) -> Option<u64> {
        let at = moment.load(Ordering::Relaxed);
        (at > 0).then(|| self.now().saturating_sub(at))
    }

    /// Whether the last commit failed, and lately.
    pub(crate) fn commits_fail(&self) -> bool {
        let failed = self.failed_commit.load(Ordering::Relaxed);
        let is_last = failed > self.commit.load(Ordering::Relaxed);
        is_last
            && self.ms_since(&self.failed_commit).is_some_and(|ms| is_within(ms, FAILED_COMMIT_MAX))
    }
}

pub(crate) fn is_within(ms: u64, limit: Duration) -> bool {
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
