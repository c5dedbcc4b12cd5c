//! The loop that leases tasks of one type as slots become free.
use crate::attempt;
use crate::backoff::Backoff;
use crate::shared::Shared;
use crate::{PollRequest, SourceError, TaskType};
use baton_common::api::Task;
use baton_common::limits::POLL_COUNT_MAX;
use baton_telemetry::{PollOutcome, WorkerTypeMetrics};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// First and longest pause after a failed poll.
const ERROR_PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// Shortest time between two empty polls: a server that does not hold polls is not hammered.
const EMPTY_POLL_MIN: Duration = Duration::from_millis(100);

/// Leases tasks of one type and starts their attempts.
#[derive(Clone)]
pub(crate) struct Poller {
    shared: Arc<Shared>,
    task_type: Arc<dyn TaskType>,
    slots: Arc<Semaphore>,
    backoff: Backoff,
    metrics: WorkerTypeMetrics,
}

/// What one round of the loop came to.
enum Round {
    Stopped,
    Polled(Vec<Task>, OwnedSemaphorePermit),
    Failed(SourceError),
}

impl Poller {
    pub(crate) fn new(
        shared: Arc<Shared>,
        task_type: Arc<dyn TaskType>,
        slots: usize,
        metrics: WorkerTypeMetrics,
    ) -> Self {
        let mut hasher = DefaultHasher::new();
        task_type.name().hash(&mut hasher);
        let seed = shared.config.jitter_seed ^ hasher.finish();
        let (first, longest) = ERROR_PAUSE;
        let slots = Arc::new(Semaphore::new(slots.min(Semaphore::MAX_PERMITS)));
        let backoff = Backoff::new(first, longest, seed);
        Self { shared, task_type, slots, backoff, metrics }
    }

    /// Runs until the worker stops. A loop that panics is started again after a pause; tasks that
    /// it had leased and not started come back when their leases run out.
    pub(crate) async fn run(mut self) {
        loop {
            let polling = AbortOnDropHandle::new(tokio::spawn(self.clone().poll()));
            let Err(error) = polling.await else { return };
            self.metrics.restarted();
            let pause = self.backoff.pause();
            let task_type = self.task_type.name();
            tracing::error!(task.r#type = task_type, %error, ?pause, "a poll loop is started again");
            self.pause(pause).await;
        }
    }

    async fn poll(mut self) {
        loop {
            let began = Instant::now();
            match self.round().await {
                Round::Stopped => return,
                Round::Polled(tasks, slot) => {
                    self.backoff.reset();
                    self.metrics.polled(if tasks.is_empty() {
                        PollOutcome::Empty
                    } else {
                        PollOutcome::Filled
                    });
                    if tasks.is_empty() {
                        self.pause(EMPTY_POLL_MIN.saturating_sub(began.elapsed())).await;
                    }
                    self.start(tasks, slot).await;
                }
                Round::Failed(error) => {
                    self.metrics.polled(PollOutcome::Failed);
                    let pause = self.backoff.pause();
                    let task_type = self.task_type.name();
                    tracing::warn!(task.r#type = task_type, %error, ?pause, "a poll failed");
                    self.pause(pause).await;
                }
            }
        }
    }

    /// Waits for a slot, then polls for as many tasks as there are slots.
    async fn round(&self) -> Round {
        let work = async {
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else {
                unreachable!("the slots are never closed");
            };
            let count = (1 + self.slots.available_permits()).min(POLL_COUNT_MAX);
            let config = &self.shared.config;
            let request = PollRequest {
                task_type: self.task_type.name(),
                worker_id: &config.worker_id,
                domain: config.domain.as_deref(),
                count,
                timeout: config.poll_timeout,
            };
            match self.shared.source.poll(&request).await {
                Ok(tasks) => Round::Polled(tasks, slot),
                Err(error) => Round::Failed(error),
            }
        };
        tokio::select! {
            biased;
            () = self.shared.stop.cancelled() => Round::Stopped,
            round = work => round,
        }
    }

    async fn start(&self, tasks: Vec<Task>, first: OwnedSemaphorePermit) {
        let mut first = Some(first);
        for task in tasks {
            let slot = match first.take() {
                Some(slot) => slot,
                // Waits only when the server gave more than was asked for.
                None => match Arc::clone(&self.slots).acquire_owned().await {
                    Ok(slot) => slot,
                    Err(_) => unreachable!("the slots are never closed"),
                },
            };
            let (shared, task_type) = (Arc::clone(&self.shared), Arc::clone(&self.task_type));
            let metrics = self.metrics.clone();
            self.shared.attempts.spawn(async move {
                attempt::run(&shared, task_type, task, &metrics).await;
                drop(slot);
            });
        }
    }

    async fn pause(&self, pause: Duration) {
        tokio::select! {
            () = self.shared.stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
