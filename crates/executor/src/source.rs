//! The engine, as far as a worker needs it.
use async_trait::async_trait;
use baton_client::PollRequest;
use baton_common::api::{Task, TaskResult};

/// Why the engine did not do what a worker asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It cannot be reached or cannot answer now: ask again later.
    #[error("the engine is unavailable: {0}")]
    Unavailable(String),
    /// The task has ended, passed to another worker, or does not exist: drop it.
    #[error("the task is no longer ours: {0}")]
    Gone(String),
    /// The request is wrong and will stay wrong: drop it and tell somebody.
    #[error("the engine refuses: {0}")]
    Refused(String),
}

/// Where tasks come from and where their results go.
///
/// Every method may be dropped while it waits; nothing is lost then but leases that run out.
#[async_trait]
pub trait TaskSource: Send + Sync + 'static {
    /// Leases tasks, waiting up to the request's timeout for the first.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] or [`SourceError::Refused`]; nothing is leased then, or comes
    /// back when its lease runs out.
    async fn poll(&self, request: &PollRequest<'_>) -> Result<Vec<Task>, SourceError>;

    /// Renews the lease of a task that is still being worked on.
    ///
    /// # Errors
    /// [`SourceError::Gone`]: stop working on it.
    async fn heartbeat(&self, task: &Task, worker_id: &str) -> Result<(), SourceError>;

    /// Reports how a task went. Safe to repeat: a report that comes late changes nothing.
    ///
    /// # Errors
    /// [`SourceError::Gone`] and [`SourceError::Refused`]: the result is of no use any more.
    async fn report(&self, result: &TaskResult) -> Result<(), SourceError>;

    /// Gives a task back unfinished, to be handed out again at once.
    ///
    /// # Errors
    /// Any; the task comes back when its lease runs out.
    async fn hand_back(&self, task: &Task, worker_id: &str) -> Result<(), SourceError>;
}
