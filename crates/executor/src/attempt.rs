//! One attempt: run it, keep its lease, report it.
use crate::shared::Shared;
use crate::{SourceError, TaskContext, TaskOutcome, TaskType};
use baton_common::api::{Task, TaskExecLog, TaskResult, TaskResultStatus};
use baton_common::limits::{LEASE_SECONDS_DEFAULT, REASON_CHARS_MAX};
use baton_telemetry::{AttemptOutcome, WorkerTypeMetrics};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Shortest time between heartbeats, whatever the lease.
const HEARTBEAT_MIN: Duration = Duration::from_millis(250);
/// Time until a heartbeat that failed is tried again, if the lease leaves it.
const HEARTBEAT_AGAIN: Duration = Duration::from_secs(1);
/// First pause before a report is repeated; each further one is twice as long.
const REPORT_PAUSE_FIRST: Duration = Duration::from_millis(500);
/// Longest pause between two reports.
const REPORT_PAUSE_MAX: Duration = Duration::from_secs(8);
/// Tries of a report: 31.5 s in all, about half a default lease. After that the lease decides.
const REPORT_TRIES_MAX: u32 = 8;

/// Everything that can wake an attempt.
enum Event {
    Ended(Result<TaskOutcome, JoinError>),
    HeartbeatDue,
    GiveUp,
}

/// How the attempt left the loop.
enum Left {
    WithOutcome(TaskOutcome),
    Unfinished,
    Gone,
}

/// Runs one task to its report, or hands it back.
pub(crate) async fn run(
    shared: &Shared,
    task_type: Arc<dyn TaskType>,
    task: Task,
    metrics: &WorkerTypeMetrics,
) {
    let began = Instant::now();
    metrics.began();
    let task = Arc::new(task);
    let canceled = CancellationToken::new();
    let context = TaskContext::new(Arc::clone(&task), canceled.clone());
    let clean_up_time = task_type.clean_up_time();
    let running = {
        let context = context.clone();
        AbortOnDropHandle::new(tokio::spawn(async move { task_type.run(context).await }))
    };
    let keeper = Keeper { shared, metrics };
    let left = follow(&keeper, &task, running, (&canceled, clean_up_time)).await;
    metrics.ended(outcome_of(&left), began.elapsed());
    match left {
        Left::WithOutcome(outcome) => {
            let result = result_of(&task, outcome, context.take_logs(), &shared.config.worker_id);
            report(&keeper, &task, &Arc::new(result)).await;
            shared.finished.fetch_add(1, Ordering::Relaxed);
        }
        Left::Unfinished => {
            if let Err(error) = shared.source.hand_back(&task, &shared.config.worker_id).await {
                tracing::warn!(task.id = %task.task_id, %error, "a task is left to its lease");
            }
            shared.handed_back.fetch_add(1, Ordering::Relaxed);
        }
        Left::Gone => {}
    }
}

/// The name by which it is counted.
fn outcome_of(left: &Left) -> AttemptOutcome {
    match left {
        Left::WithOutcome(TaskOutcome::Completed { .. }) => AttemptOutcome::Completed,
        Left::WithOutcome(TaskOutcome::InProgress { .. }) => AttemptOutcome::InProgress,
        Left::WithOutcome(TaskOutcome::Failed { .. }) => AttemptOutcome::Failed,
        Left::WithOutcome(TaskOutcome::FailedForGood { .. }) => AttemptOutcome::FailedForGood,
        Left::Unfinished => AttemptOutcome::HandedBack,
        Left::Gone => AttemptOutcome::Gone,
    }
}

/// Calls the engine for an attempt. A call that panics counts as one that failed, so that it is
/// made again.
struct Keeper<'worker> {
    shared: &'worker Shared,
    metrics: &'worker WorkerTypeMetrics,
}

impl Keeper<'_> {
    async fn heartbeat(&self, task: &Arc<Task>) -> Result<(), SourceError> {
        let (source, task) = (Arc::clone(&self.shared.source), Arc::clone(task));
        let worker_id = self.shared.config.worker_id.clone();
        self.call(async move { source.heartbeat(&task, &worker_id).await }).await
    }

    async fn report(&self, result: &Arc<TaskResult>) -> Result<(), SourceError> {
        let (source, result) = (Arc::clone(&self.shared.source), Arc::clone(result));
        self.call(async move { source.report(&result).await }).await
    }

    async fn call(
        &self,
        call: impl Future<Output = Result<(), SourceError>> + Send + 'static,
    ) -> Result<(), SourceError> {
        AbortOnDropHandle::new(tokio::spawn(call)).await.unwrap_or_else(|error| {
            self.metrics.restarted();
            Err(SourceError::Unavailable(format!("the call's code {error}")))
        })
    }
}

/// Waits for the attempt's end, renewing its lease meanwhile.
async fn follow(
    keeper: &Keeper<'_>,
    task: &Arc<Task>,
    mut running: AbortOnDropHandle<TaskOutcome>,
    (canceled, clean_up_time): (&CancellationToken, Duration),
) -> Left {
    let interval = heartbeat_interval(task);
    let mut heartbeat_at = Instant::now() + interval;
    let left = loop {
        let event = tokio::select! {
            biased;
            ended = &mut running => Event::Ended(ended),
            () = keeper.shared.give_up.cancelled() => Event::GiveUp,
            () = tokio::time::sleep_until(heartbeat_at) => Event::HeartbeatDue,
        };
        match event {
            Event::Ended(Ok(outcome)) => return Left::WithOutcome(outcome),
            Event::Ended(Err(error)) => {
                return Left::WithOutcome(TaskOutcome::failed(format!("the task's code {error}")));
            }
            Event::GiveUp => break Left::Unfinished,
            Event::HeartbeatDue => match keeper.heartbeat(task).await {
                Ok(()) => heartbeat_at = Instant::now() + interval,
                Err(SourceError::Gone(reason)) => {
                    tracing::debug!(task.id = %task.task_id, reason, "an attempt is canceled");
                    break Left::Gone;
                }
                Err(error) => {
                    tracing::warn!(task.id = %task.task_id, %error, "a heartbeat failed");
                    heartbeat_at = Instant::now() + interval.min(HEARTBEAT_AGAIN);
                }
            },
        }
    };
    canceled.cancel();
    if !clean_up_time.is_zero() {
        drop(tokio::time::timeout(clean_up_time, &mut running).await);
    }
    running.abort();
    left
}

/// A third of the time that the engine waits for a sign of life.
fn heartbeat_interval(task: &Task) -> Duration {
    let seconds = match task.response_timeout_seconds {
        ..=0 => LEASE_SECONDS_DEFAULT,
        timeout => timeout,
    };
    let lease = Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX));
    (lease / 3).max(HEARTBEAT_MIN)
}

fn result_of(
    task: &Task,
    outcome: TaskOutcome,
    logs: Vec<TaskExecLog>,
    worker_id: &str,
) -> TaskResult {
    let mut result = TaskResult {
        workflow_instance_id: Some(task.workflow_instance_id.to_string()),
        task_id: Some(task.task_id.to_string()),
        worker_id: Some(worker_id.to_owned()),
        logs,
        ..TaskResult::default()
    };
    match outcome {
        TaskOutcome::Completed { output } => {
            result.status = Some(TaskResultStatus::Completed);
            result.output_data = output;
        }
        TaskOutcome::InProgress { output, callback_after } => {
            result.status = Some(TaskResultStatus::InProgress);
            result.output_data = output;
            result.callback_after_seconds =
                i64::try_from(callback_after.as_secs()).unwrap_or(i64::MAX);
        }
        TaskOutcome::Failed { reason, output } => {
            result.status = Some(TaskResultStatus::Failed);
            result.output_data = output;
            result.reason_for_incompletion = Some(cut(&reason));
        }
        TaskOutcome::FailedForGood { reason, output } => {
            result.status = Some(TaskResultStatus::FailedWithTerminalError);
            result.output_data = output;
            result.reason_for_incompletion = Some(cut(&reason));
        }
    }
    result
}

fn cut(reason: &str) -> String {
    reason.chars().take(REASON_CHARS_MAX).collect()
}

/// Reports until the engine has the result, the result is of no use, or the tries are used up.
async fn report(keeper: &Keeper<'_>, task: &Task, result: &Arc<TaskResult>) {
    let mut pause = REPORT_PAUSE_FIRST;
    for attempt in 1..=REPORT_TRIES_MAX {
        let error = match keeper.report(result).await {
            Ok(()) => return,
            Err(error) => error,
        };
        match &error {
            SourceError::Gone(reason) => {
                tracing::debug!(task.id = %task.task_id, reason, "a late result is dropped");
                return;
            }
            SourceError::Refused(reason) => {
                tracing::error!(task.id = %task.task_id, reason, "a result is refused and dropped");
                return;
            }
            SourceError::Unavailable(_) if attempt == REPORT_TRIES_MAX => {
                tracing::error!(task.id = %task.task_id, %error, "a result is lost; its lease decides");
            }
            SourceError::Unavailable(_) => {
                tracing::warn!(task.id = %task.task_id, %error, ?pause, "a report is repeated");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(REPORT_PAUSE_MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton_common::{ExecutionId, Payload, Timestamp};

    fn task(response_timeout_seconds: i64) -> Task {
        let id = ExecutionId::new(Timestamp::from_millis(1_795_329_039_876), 1).task(1);
        Task { response_timeout_seconds, ..Task::scheduled(id, "t".into()) }
    }

    #[test]
    fn heartbeats_come_at_a_third_of_the_lease() {
        assert_eq!(heartbeat_interval(&task(0)), Duration::from_secs(20));
        assert_eq!(heartbeat_interval(&task(3600)), Duration::from_mins(20));
        assert_eq!(heartbeat_interval(&task(1)), Duration::from_secs(1) / 3);
    }

    #[test]
    fn a_long_reason_is_cut_where_the_engine_would() {
        let outcome = TaskOutcome::failed("é".repeat(900));
        let result = result_of(&task(0), outcome, Vec::new(), "w");
        assert_eq!(result.reason_for_incompletion.unwrap().chars().count(), REASON_CHARS_MAX);
        assert_eq!(result.output_data, Payload::empty_object());
    }
}
