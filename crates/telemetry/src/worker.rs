//! What the worker runtime records.
use crate::catalog::{Catalog, Group};
use crate::histogram::Histogram;
use crate::labels::Labeled;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use std::time::Duration;

/// How an attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// Done.
    Completed,
    /// Not done yet, by its own word.
    InProgress,
    /// Failed.
    Failed,
    /// Failed for good.
    FailedForGood,
    /// Given back unfinished.
    HandedBack,
    /// Stopped because it was of no use any more.
    Gone,
}

/// How a poll went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollOutcome {
    /// There were tasks.
    Filled,
    /// There were none.
    Empty,
    /// The engine did not answer.
    Failed,
}

const OUTCOMES: [&str; 6] =
    ["completed", "in_progress", "failed", "failed_for_good", "handed_back", "gone"];
const POLL_OUTCOMES: [&str; 3] = ["filled", "empty", "failed"];

/// Everything a worker records.
#[derive(Clone, Debug)]
pub struct WorkerMetrics {
    attempts: Labeled<Counter, 2>,
    duration: Labeled<Histogram, 1>,
    running: Labeled<Gauge, 1>,
    polls: Labeled<Counter, 2>,
    restarts: Labeled<Counter, 1>,
}

impl Default for WorkerMetrics {
    fn default() -> Self {
        Self {
            attempts: Labeled::new(["task_type", "outcome"]),
            duration: Labeled::new(["task_type"]),
            running: Labeled::new(["task_type"]),
            polls: Labeled::new(["task_type", "outcome"]),
            restarts: Labeled::new(["task_type"]),
        }
    }
}

impl WorkerMetrics {
    /// The metrics of one task type that the worker runs; its operator chose them, so there are few.
    pub fn of(&self, task_type: &str) -> WorkerTypeMetrics {
        WorkerTypeMetrics {
            attempts: OUTCOMES.map(|outcome| self.attempts.with([task_type, outcome])),
            duration: self.duration.with([task_type]),
            running: self.running.with([task_type]),
            polls: POLL_OUTCOMES.map(|outcome| self.polls.with([task_type, outcome])),
            restarts: self.restarts.with([task_type]),
        }
    }
}

/// The metrics of one task type.
#[derive(Clone, Debug)]
pub struct WorkerTypeMetrics {
    attempts: [Counter; OUTCOMES.len()],
    duration: Histogram,
    running: Gauge,
    polls: [Counter; POLL_OUTCOMES.len()],
    restarts: Counter,
}

impl WorkerTypeMetrics {
    /// An attempt begins.
    pub fn began(&self) {
        self.running.inc();
    }

    /// An attempt has ended after `time`.
    pub fn ended(&self, outcome: AttemptOutcome, time: Duration) {
        self.running.dec();
        self.duration.observe(time);
        self.attempts[outcome as usize].inc();
    }

    /// A poll was answered.
    pub fn polled(&self, outcome: PollOutcome) {
        self.polls[outcome as usize].inc();
    }

    /// A part of the worker failed by a fault of its own and was started again.
    pub fn restarted(&self) {
        self.restarts.inc();
    }

    /// How often that happened.
    pub fn restarts(&self) -> u64 {
        self.restarts.get()
    }
}

impl Group for WorkerMetrics {
    fn register(&self, catalog: &mut Catalog) {
        catalog.add_labeled(
            "baton_worker_attempts_total",
            "Attempts that this worker ran, by how they went",
            &self.attempts,
        );
        catalog.add_labeled(
            "baton_worker_attempt_duration_seconds",
            "Time an attempt ran, its report not included",
            &self.duration,
        );
        catalog.add_labeled("baton_worker_running", "Attempts under way", &self.running);
        catalog.add_labeled(
            "baton_worker_polls_total",
            "Polls of this worker, by how they went",
            &self.polls,
        );
        catalog.add_labeled(
            "baton_worker_restarts_total",
            "Parts of this worker (poll loops, heartbeats, reports) that panicked and were started again",
            &self.restarts,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_under_way_until_it_has_ended() {
        let metrics = WorkerMetrics::default();
        let http = metrics.of("HTTP");
        http.began();
        assert_eq!(metrics.running.with(["HTTP"]).get(), 1);
        http.ended(AttemptOutcome::Gone, Duration::from_secs(1));
        assert_eq!(metrics.running.with(["HTTP"]).get(), 0);
        assert_eq!(metrics.attempts.with(["HTTP", "gone"]).get(), 1);
        http.polled(PollOutcome::Failed);
        assert_eq!(metrics.polls.with(["HTTP", "failed"]).get(), 1);
    }
}
