//! What a worker can run.
use crate::clock;
use async_trait::async_trait;
use baton_common::Payload;
use baton_common::api::{Task, TaskExecLog};
use baton_common::limits::TASK_LOGS_PER_UPDATE_MAX;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// One thing that a worker knows how to do, by the name that definitions use.
#[async_trait]
pub trait TaskType: Send + Sync + 'static {
    /// The name polled for.
    fn name(&self) -> &str;

    /// Runs one attempt. A panic fails the attempt. When the attempt is canceled, this has
    /// [`TaskType::clean_up_time`] to return, and is dropped then.
    async fn run(&self, task: TaskContext) -> TaskOutcome;

    /// How long a canceled attempt may take to clean up; none, and it is dropped at once. The task
    /// is handed back only afterwards, so long times delay the end of a drain.
    fn clean_up_time(&self) -> Duration {
        Duration::ZERO
    }
}

/// One attempt, as the code that runs it sees it.
#[derive(Clone, Debug)]
pub struct TaskContext {
    task: Arc<Task>,
    canceled: CancellationToken,
    logs: Arc<Mutex<Vec<TaskExecLog>>>,
}

impl TaskContext {
    pub(crate) fn new(task: Arc<Task>, canceled: CancellationToken) -> Self {
        Self { task, canceled, logs: Arc::default() }
    }

    /// The task.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// The input, as it stands.
    pub fn input(&self) -> &Payload {
        &self.task.input_data
    }

    /// The input as a type of the caller's.
    ///
    /// # Errors
    /// The parser's, when the input has another shape.
    pub fn parse_input<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.input().get())
    }

    /// Ends when the attempt is of no use any more: clean up and return.
    pub fn canceled(&self) -> impl Future<Output = ()> + Send + '_ {
        self.canceled.cancelled()
    }

    /// Adds a line to the task's log, sent with the result; only the first ten are kept.
    pub fn log(&self, line: impl Into<String>) {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        if logs.len() < TASK_LOGS_PER_UPDATE_MAX {
            let (log, created_time) = (Some(line.into()), clock::now());
            logs.push(TaskExecLog { log, task_id: None, created_time });
        }
    }

    pub(crate) fn take_logs(&self) -> Vec<TaskExecLog> {
        std::mem::take(&mut *self.logs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How an attempt went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskOutcome {
    /// Done.
    Completed {
        /// The task's output, an object.
        output: Payload,
    },
    /// Not done: the task is handed out again later, or an outside call completes it.
    InProgress {
        /// The output so far, an object.
        output: Payload,
        /// When to hand it out again.
        callback_after: Duration,
    },
    /// Failed; may be tried again.
    Failed {
        /// Why; cut to 500 characters.
        reason: String,
        /// What there is to show, an object.
        output: Payload,
    },
    /// Failed, and another attempt would fail alike.
    FailedForGood {
        /// Why; cut to 500 characters.
        reason: String,
        /// What there is to show, an object.
        output: Payload,
    },
}

impl TaskOutcome {
    /// Done, with this output.
    pub fn completed(output: Payload) -> Self {
        Self::Completed { output }
    }

    /// Failed for this reason, with nothing to show.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into(), output: Payload::empty_object() }
    }

    /// Failed for good for this reason, with nothing to show.
    pub fn failed_for_good(reason: impl Into<String>) -> Self {
        Self::FailedForGood { reason: reason.into(), output: Payload::empty_object() }
    }
}

type BoxedRun = Box<
    dyn Fn(TaskContext) -> std::pin::Pin<Box<dyn Future<Output = TaskOutcome> + Send>>
        + Send
        + Sync,
>;

/// A task type made of a closure.
pub struct FnTask {
    name: String,
    run: BoxedRun,
}

impl FnTask {
    /// Runs `run` for each task of this name.
    pub fn new<F, R>(name: impl Into<String>, run: F) -> Self
    where
        F: Fn(TaskContext) -> R + Send + Sync + 'static,
        R: Future<Output = TaskOutcome> + Send + 'static,
    {
        Self { name: name.into(), run: Box::new(move |task| Box::pin(run(task))) }
    }
}

#[async_trait]
impl TaskType for FnTask {
    fn name(&self) -> &str {
        &self.name
    }

    async fn run(&self, task: TaskContext) -> TaskOutcome {
        (self.run)(task).await
    }
}

/// The task types of one worker, each with its number of slots.
#[derive(Default)]
pub struct Registry {
    types: BTreeMap<String, (Arc<dyn TaskType>, usize)>,
}

impl Registry {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a task type of which at most `slots` tasks run at once; replaces one of the same name.
    #[must_use]
    pub fn with(mut self, task_type: impl TaskType, slots: usize) -> Self {
        self.types.insert(task_type.name().to_owned(), (Arc::new(task_type), slots));
        self
    }

    /// The names registered, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    pub(crate) fn into_types(self) -> impl Iterator<Item = (Arc<dyn TaskType>, usize)> {
        self.types.into_values()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.names()).finish()
    }
}
