//! The runtime: one poller for each task type, and an orderly end.
use crate::config::ExecutorConfig;
use crate::poller::Poller;
use crate::shared::Shared;
use crate::{Registry, TaskSource};
use baton_common::limits::POLL_TIMEOUT_MS_MAX;
use baton_telemetry::WorkerMetrics;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Time that handing tasks back may take once the drain time is over.
const HAND_BACK_TIME: Duration = Duration::from_secs(5);

/// A setting that cannot work.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecutorError {
    /// There is nothing to run: register a task type.
    #[error("no task type is registered")]
    NothingToRun,
    /// The server refuses longer polls: choose at most 5 s.
    #[error("poll timeout {0} ms is longer than {POLL_TIMEOUT_MS_MAX} ms")]
    PollTimeoutTooLong(u128),
    /// A task type without slots would never run: give it one.
    #[error("task type {0} has no slots")]
    NoSlots(String),
}

/// What became of the tasks in hand when the worker stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Attempts that were run to their end and reported, over the worker's life.
    pub finished: usize,
    /// Attempts given back unfinished.
    pub handed_back: usize,
}

/// A worker that is ready to run.
pub struct Executor {
    shared: Arc<Shared>,
    pollers: Vec<Poller>,
    metrics: WorkerMetrics,
    /// The longest of its task types.
    clean_up_time: Duration,
}

impl Executor {
    /// Prepares a worker; nothing is polled yet.
    ///
    /// # Errors
    /// [`ExecutorError`], for a configuration that cannot work.
    pub fn new(
        source: Arc<dyn TaskSource>,
        registry: Registry,
        config: ExecutorConfig,
    ) -> Result<Self, ExecutorError> {
        let timeout_ms = config.poll_timeout.as_millis();
        if timeout_ms > u128::from(POLL_TIMEOUT_MS_MAX) {
            return Err(ExecutorError::PollTimeoutTooLong(timeout_ms));
        }
        let shared = Arc::new(Shared {
            source,
            config,
            stop: CancellationToken::new(),
            give_up: CancellationToken::new(),
            attempts: TaskTracker::new(),
            finished: AtomicUsize::new(0),
            handed_back: AtomicUsize::new(0),
        });
        let metrics = WorkerMetrics::default();
        let mut clean_up_time = Duration::ZERO;
        let pollers: Vec<Poller> = registry
            .into_types()
            .map(|(task_type, slots)| {
                if slots == 0 {
                    return Err(ExecutorError::NoSlots(task_type.name().to_owned()));
                }
                clean_up_time = clean_up_time.max(task_type.clean_up_time());
                let metrics = metrics.of(task_type.name());
                Ok(Poller::new(Arc::clone(&shared), task_type, slots, metrics))
            })
            .collect::<Result<_, _>>()?;
        if pollers.is_empty() {
            Err(ExecutorError::NothingToRun)
        } else {
            Ok(Self { shared, pollers, metrics, clean_up_time })
        }
    }

    /// What this worker records of itself.
    pub fn metrics(&self) -> &WorkerMetrics {
        &self.metrics
    }

    /// Works until `shutdown` ends, then drains: polling stops at once, tasks in hand may finish
    /// within the drain time, the rest is handed back. Returns at most 5 s, and the longest
    /// [`TaskType::clean_up_time`](crate::TaskType::clean_up_time), after the drain time.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Drained {
        let Self { shared, pollers, clean_up_time, .. } = self;
        let loops = TaskTracker::new();
        for poller in pollers {
            loops.spawn(poller.run());
        }
        shutdown.await;
        shared.stop.cancel();
        loops.close();
        shared.attempts.close();
        let all_done = async {
            loops.wait().await;
            shared.attempts.wait().await;
        };
        tokio::pin!(all_done);
        if tokio::time::timeout(shared.config.drain_timeout, &mut all_done).await.is_err() {
            shared.give_up.cancel();
            if tokio::time::timeout(clean_up_time + HAND_BACK_TIME, &mut all_done).await.is_err() {
                tracing::warn!("tasks are left to their leases: the engine did not answer in time");
            }
        }
        Drained {
            finished: shared.finished.load(Ordering::Relaxed),
            handed_back: shared.handed_back.load(Ordering::Relaxed),
        }
    }
}
