//! An engine that hands out one task, and what becomes of that task.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests unwrap as tests do")]
#![allow(dead_code, reason = "not every test file needs every helper")]
use async_trait::async_trait;
use baton_common::api::{Task, TaskResult};
use baton_common::{ExecutionId, Payload, Timestamp};
use baton_executor::{
    Executor, ExecutorConfig, PollRequest, Registry, SourceError, TaskSource, TaskType,
};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// Hands out one task, passes on its report, and takes it away when told to.
pub(crate) struct One {
    task: Mutex<Option<Task>>,
    reports: mpsc::UnboundedSender<TaskResult>,
    /// Heartbeats wait for this, and the task is gone then.
    pub(crate) gone: Notify,
}

impl One {
    pub(crate) fn new(task: Task) -> (Arc<Self>, mpsc::UnboundedReceiver<TaskResult>) {
        let (reports, reported) = mpsc::unbounded_channel();
        let task = Mutex::new(Some(task));
        (Arc::new(Self { task, reports, gone: Notify::new() }), reported)
    }
}

#[async_trait]
impl TaskSource for One {
    async fn poll(&self, _: &PollRequest<'_>) -> Result<Vec<Task>, SourceError> {
        let task = self.task.lock().unwrap().take();
        match task {
            Some(task) => Ok(vec![task]),
            None => std::future::pending().await,
        }
    }

    async fn heartbeat(&self, _: &Task, _: &str) -> Result<(), SourceError> {
        self.gone.notified().await;
        Err(SourceError::Gone("canceled".to_owned()))
    }

    async fn report(&self, result: &TaskResult) -> Result<(), SourceError> {
        self.reports.send(result.clone()).map_err(|error| SourceError::Refused(error.to_string()))
    }

    async fn hand_back(&self, _: &Task, _: &str) -> Result<(), SourceError> {
        Ok(())
    }
}

pub(crate) fn task(task_type: &str, input: &Value) -> Task {
    let id = ExecutionId::new(Timestamp::from_millis(1_795_329_039_876), 1).task(1);
    Task { input_data: Payload::of(input).unwrap(), ..Task::scheduled(id, task_type.into()) }
}

pub(crate) fn config() -> ExecutorConfig {
    ExecutorConfig {
        worker_id: "w".to_owned(),
        domain: None,
        poll_timeout: Duration::from_secs(1),
        drain_timeout: Duration::ZERO,
        jitter_seed: 1,
    }
}

/// The report of a task with this input.
pub(crate) async fn report_of(task_type: impl TaskType, input: &Value) -> TaskResult {
    let (source, mut reported) = One::new(task(task_type.name(), input));
    let registry = Registry::new().with(task_type, 1);
    let executor = Executor::new(source, registry, config()).unwrap();
    let mut result = None;
    executor.run(async { result = reported.recv().await }).await;
    result.unwrap()
}

/// What becomes of a task with this input: status, output, reason.
pub(crate) async fn outcome_of(task_type: impl TaskType, input: &Value) -> (String, Value, String) {
    let result = report_of(task_type, input).await;
    let reason = result.reason_for_incompletion.unwrap_or_default();
    (result.status.unwrap().to_string(), result.output_data.to_value(), reason)
}
