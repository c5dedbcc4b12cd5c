//! The repository interface: what the engine asks of a database, and what is true if the process
//! dies before, inside or after each request.
//!
//! A store keeps rows and knows nothing of decisions. An execution is one row with a version, an
//! append-only journal of the changes that each commit made, its ready tasks and its undelivered
//! messages. The journal's bytes are opaque here; the row repeats only what is selected and fenced by.
pub mod conformance;
pub mod error;
pub mod memory;
pub mod types;

pub use error::{CommitError, Conflict, StoreError};
pub use types::*;

use async_trait::async_trait;
use baton_common::{ExecutionId, Payload, TaskId, Timestamp};
use std::sync::Arc;

/// A database that holds executions. All methods may be called from many tasks at once.
///
/// Each method may also answer with [`StoreError::Rejected`] when the database refuses a value that it
/// was given, and with [`StoreError::TimedOut`] when it stops the work at its time limit. Lost races
/// inside the database (serialization failures, deadlocks) are retried here, a few times.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Opens a way to commit. Each lane commits one batch at a time on a connection of its own,
    /// which is made on the runtime that calls this.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when no connection can be had.
    async fn open_lane(&self) -> Result<Box<dyn CommitLane>, StoreError>;

    /// What one commit of this store reaches at the price of one round trip.
    fn scope(&self) -> CommitScope {
        CommitScope::Database
    }

    /// The database's clock; every deadline is measured by it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn now(&self) -> Result<Timestamp, StoreError>;

    /// Reads executions, each with the journal entries that `requests` asks for, in one round trip.
    /// Those of one shard come from one snapshot; of several, where the store's scope is the database.
    /// The answer has the order of the requests; `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn load(
        &self,
        requests: &[LoadRequest],
    ) -> Result<Vec<Option<LoadedExecution>>, StoreError>;

    /// Keeps a snapshot in place of an older one of the same execution. It is no commit: no version
    /// changes, and commits of the execution neither wait for it nor conflict with it. False, with
    /// nothing written, when the execution is not there, has not come to this version, or has a
    /// snapshot of it or a newer one. Dies inside: all or nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; nothing is known then.
    async fn put_snapshot(&self, write: &SnapshotWrite) -> Result<bool, StoreError>;

    /// Names ready tasks of the demanded queues, most urgent first (priority descending, then ready
    /// time, then id), and hides them from other callers for `reserve_ms`. Where the store's scope is
    /// a shard, the most urgent of a few shards, which take turns. A hint, not a lease: the
    /// lease is a change, committed under the execution's version. Reservations of a process that
    /// dies end by themselves; they need not be flushed to disk.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; some tasks may stay hidden for `reserve_ms` then.
    async fn reserve_ready(
        &self,
        demands: &[QueueDemand],
        reserve_ms: u32,
    ) -> Result<Vec<ReadyKey>, StoreError>;

    /// Executions whose wake-up time is at or before `until`, earliest first, at most `limit`. Where
    /// several processes share the database, each is named to one of them, and to all when that one
    /// has not seen to it in time.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn due_wake_ups(
        &self,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<(ExecutionId, Timestamp)>, StoreError>;

    /// Messages sent at or before `sent_before` that nobody has marked as delivered, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn undelivered(
        &self,
        sent_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError>;

    /// Writes definitions, all or none, under one new revision, which it returns.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`], [`StoreError::NotFound`] (a deletion), or
    /// [`StoreError::Unavailable`]; nothing is written then.
    async fn write_definitions(&self, writes: &[DefinitionWrite]) -> Result<Revision, StoreError>;

    /// What was written or deleted after revision `since`, and the newest revision.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn read_definitions(&self, since: Revision) -> Result<DefinitionChanges, StoreError>;

    /// The pinned definition that executions of this hash run on.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; [`StoreError::NotFound`] when no commit brought it.
    async fn load_plan(&self, hash: PlanHash) -> Result<Payload, StoreError>;

    /// A page of executions and the number of all that match.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError>;

    /// Ready tasks by queue, reserved ones included, and since when the oldest is ready; queues
    /// without any are left out.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn queue_sizes(&self) -> Result<Vec<QueueSize>, StoreError>;

    /// What is held of these limits, in the order asked. A limit that nobody has touched has no slot in
    /// use.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn limits(&self, names: &[String]) -> Result<Vec<LimitState>, StoreError>;

    /// Who holds slots of a limit: at most `most` of them, in the order of their ids. For people.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn slot_holders(&self, limit: &str, most: u32) -> Result<Vec<TaskId>, StoreError>;

    /// Adds log lines to tasks. A line may be lost when the process dies before this returns.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; none is written then.
    async fn append_task_logs(&self, lines: &[TaskLog]) -> Result<(), StoreError>;

    /// A task's log lines, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn task_logs(&self, task: TaskId, limit: u32) -> Result<Vec<TaskLog>, StoreError>;

    /// Remembers when workers last polled. Lost without harm.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn record_polls(&self, polls: &[PollRecord]) -> Result<(), StoreError>;

    /// Reads executions, places of ready tasks in their queues and last polls, in one round trip and
    /// from one snapshot; with [`CommitScope::Shard`] from one of each shard. For people, not for the
    /// engine: it may be slow.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    async fn load_waits(&self, query: &WaitQuery) -> Result<WaitFacts, StoreError>;

    /// Deletes an execution with all that belongs to it and the messages to it. What it has told
    /// others stays and reaches them. False, with nothing deleted, when it is not there or has another
    /// version: whoever removes it has seen it at this one. Dies inside: all or nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; nothing is known then.
    async fn remove(&self, id: ExecutionId, version: Version) -> Result<bool, StoreError>;

    /// Gives free the idempotency key of an execution that has ended, so that another start may take
    /// it. False when there is no such execution, or it is open. Dies inside: all or nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; nothing is known then.
    async fn release_key(&self, id: ExecutionId) -> Result<bool, StoreError>;

    /// Running executions that wait in vain. Always empty, or a bug is found. No message is under way
    /// from or to such a one, and one of these is so:
    /// - Nothing will move it: no wake-up time, no ready row, neither [`Waits::CHILD`] nor
    ///   [`Waits::EXTERNAL`] ([`Waits::LEASE`] and [`Waits::TIMER`] demand a wake-up time,
    ///   [`Waits::READY`] a ready row).
    /// - It waits for a child ([`Waits::CHILD`]), and none of its children is open.
    /// - Its parent has ended or is not there, and it is not [`Waits::REOPENED`].
    ///
    /// Children are looked for in their parent's shard, and parents in their child's.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn dead_waits(&self, limit: u32) -> Result<Vec<ExecutionId>, StoreError>;

    /// Tells other processes on this database that these queues got ready tasks. A hint only: may
    /// be coalesced or lost. Never inside a commit.
    async fn notify(&self, queues: &[String]);

    /// Receives the notifications of other processes: names of queues. Empty for ever on a store that
    /// one process has to itself.
    fn notifications(&self) -> tokio::sync::broadcast::Receiver<Arc<[String]>>;
}

/// One connection that commits batches, one at a time.
#[async_trait]
pub trait CommitLane: Send {
    /// Commits all writes of the batch, or none, in one transaction; in one round trip unless the
    /// batch reaches beyond the store's scope. Answers how many slots are held now of each limit that
    /// the batch has moved.
    ///
    /// Dies before: nothing happened. Dies inside: all or nothing, and callers were not answered.
    /// Dies after: everything is durable.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] names what stood against it (nothing is written; decide those again
    /// and send the rest). [`CommitError::Store`] with [`StoreError::Unavailable`]: nothing is
    /// known; load the executions again before deciding. With [`StoreError::Rejected`] or
    /// [`StoreError::TimedOut`]: nothing is written, and one write of the batch, or its size, is to
    /// blame. Send its halves until the write at fault stands alone; the others pass.
    async fn commit(&mut self, batch: &Batch) -> Result<InUse, CommitError>;

    /// Commits batches that have no execution in common, each as [`Self::commit`] does and whatever
    /// becomes of the others; answers in their order. A store whose scope is a shard sends batches
    /// of one shard each at the same time.
    async fn commit_each(&mut self, batches: &[Batch]) -> Vec<Result<InUse, CommitError>> {
        let mut outcomes = Vec::with_capacity(batches.len());
        for batch in batches {
            outcomes.push(self.commit(batch).await);
        }
        outcomes
    }
}
