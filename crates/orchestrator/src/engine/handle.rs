//! How the rest of the process reaches the engine: requests go into its inbox, answers come back
//! through the channel that a request brings along.
use super::job::{Job, Reply, What};
use crate::error::OrchestratorError;
use baton_common::{ExecutionId, TaskId, Timestamp, api};
use baton_store::{LimitState, QueueDemand, ReadyKey, StoredMessage};
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::SeqCst;
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait for the engine before senders have to wait.
const INBOX_CAPACITY: usize = 8_192;

/// Begins a notification that is no queue's name, which holds no control character.
const NO_QUEUE: char = '\u{1f}';

/// The notification that task definitions were written.
pub(crate) const DEFINITIONS_CHANGED: &str = "\u{1f}\u{1f}";

/// The notification that a limit has free slots.
pub(super) fn limit_notification(limit: &str) -> String {
    format!("{NO_QUEUE}{limit}")
}

/// The limit that a notification is about.
pub(super) fn notified_limit(name: &str) -> Option<&str> {
    name.strip_prefix(NO_QUEUE)
}

/// What the engine is asked to do.
pub(crate) enum EngineRequest {
    /// Decide something.
    Job(Box<Job>),
    /// A worker waits for tasks.
    Poll(WaitingPoll),
    /// Tasks that a poller never got.
    Return(Vec<(TaskId, u32)>),
    /// Ready tasks found in the database for these demands.
    Reserved(Vec<QueueDemand>, Vec<ReadyKey>),
    /// What the database knows of limits, each with how often it had been learned when this was asked.
    LimitsRead(Vec<(LimitState, u64)>),
    /// Other processes put tasks into these queues, or freed slots.
    Notified(Arc<[String]>),
    /// Definitions were written: limits may be others.
    DefinitionsChanged,
    /// A second has passed: queues may have tasks of other processes, and gauges are set.
    Tick,
    /// Wake-ups that are due soon.
    WakeUps(Vec<(ExecutionId, Timestamp)>),
    /// Messages that nobody has delivered.
    Undelivered(Vec<StoredMessage>),
    /// This execution has been deleted.
    Forget(ExecutionId),
    /// A health check: answered as soon as the engine takes the request up.
    Ping(oneshot::Sender<()>),
}

/// A waiting poll.
pub(crate) struct WaitingPoll {
    pub(crate) queue: String,
    pub(crate) worker: Option<Arc<str>>,
    pub(crate) count: usize,
    /// Whether a task is on its way to it, which the poll must wait for.
    pub(crate) claim: Claim,
    pub(crate) reply: oneshot::Sender<Offer>,
}

/// Whether the commit of a lease for a poll is under way. The poll then waits for that commit: where
/// commits take longer than polls wait, a poll that gave up would hand back every task it gets.
#[derive(Clone, Default)]
pub(crate) struct Claim(Arc<AtomicU8>);

impl Claim {
    const OPEN: u8 = 0;
    const CLAIMED: u8 = 1;
    const GONE: u8 = 2;

    /// A task is about to be leased to the poll; false when the poll is gone.
    pub(crate) fn take(&self) -> bool {
        self.0.compare_exchange(Self::OPEN, Self::CLAIMED, SeqCst, SeqCst) != Err(Self::GONE)
    }

    /// The lease was not committed: the poll may give up again.
    pub(crate) fn release(&self) {
        let _ = self.0.compare_exchange(Self::CLAIMED, Self::OPEN, SeqCst, SeqCst);
    }

    /// The poll's time is over; false when a task is on its way, which it must wait for.
    pub(crate) fn give_up(&self) -> bool {
        self.0.compare_exchange(Self::OPEN, Self::GONE, SeqCst, SeqCst) != Err(Self::CLAIMED)
    }
}

/// A task handed to a poller.
pub(crate) struct Handed {
    pub(crate) task: api::Task,
    pub(crate) poll_count: u32,
}

/// Tasks on their way to a poller. Dropped before they have arrived, they go back to their queue.
pub(crate) struct Offer {
    pub(crate) tasks: Vec<Handed>,
    pub(crate) receipt: Receipt,
}

/// Gives tasks back when dropped, unless they have arrived.
#[derive(Default)]
pub(crate) struct Receipt {
    pub(crate) engine: Option<EngineHandle>,
    pub(crate) tasks: Vec<(TaskId, u32)>,
}

impl Receipt {
    /// The tasks, which this receipt no longer gives back.
    pub(crate) fn take_tasks(&mut self) -> Vec<(TaskId, u32)> {
        std::mem::take(&mut self.tasks)
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let tasks = self.take_tasks();
        if let Some(engine) = &self.engine {
            engine.give_back(tasks);
        }
    }
}

/// A way to reach the engine.
#[derive(Clone)]
pub(crate) struct EngineHandle {
    sender: mpsc::Sender<EngineRequest>,
}

/// A handle, and the inbox that it sends to.
pub(super) fn channel() -> (EngineHandle, mpsc::Receiver<EngineRequest>) {
    let (sender, inbox) = mpsc::channel(INBOX_CAPACITY);
    (EngineHandle { sender }, inbox)
}

/// A way to reach the engine that does not keep it running.
#[derive(Clone)]
pub(crate) struct WeakHandle(mpsc::WeakSender<EngineRequest>);

impl WeakHandle {
    /// `None` when no other handle is left.
    pub(crate) fn upgrade(&self) -> Option<EngineHandle> {
        self.0.upgrade().map(|sender| EngineHandle { sender })
    }
}

impl EngineHandle {
    /// A handle that does not keep the engine running.
    pub(super) fn downgrade(&self) -> WeakHandle {
        WeakHandle(self.sender.downgrade())
    }

    /// Whether the engine runs.
    pub(crate) fn is_alive(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Returns when the engine has ended. While there is a handle, only a fault ends it.
    pub(crate) async fn ended(&self) {
        self.sender.closed().await;
    }

    /// Sends a request; waits while the inbox is full.
    pub(crate) async fn send(&self, request: EngineRequest) -> Result<(), OrchestratorError> {
        let gone = |_| OrchestratorError::Unavailable("the engine is shutting down".into());
        self.sender.send(request).await.map_err(gone)
    }

    /// Returns when the engine has taken up what was sent before.
    ///
    /// # Errors
    /// [`OrchestratorError::Unavailable`] when it has ended.
    pub(crate) async fn ping(&self) -> Result<(), OrchestratorError> {
        let (sender, receiver) = oneshot::channel();
        self.send(EngineRequest::Ping(sender)).await?;
        let ended = |_| OrchestratorError::Unavailable("the engine has ended".into());
        receiver.await.map_err(ended)
    }

    /// Requests that wait for the engine.
    pub(crate) fn waiting(&self) -> usize {
        self.sender.max_capacity() - self.sender.capacity()
    }

    /// Sends a job and waits for its answer, which comes after the commit.
    pub(crate) async fn ask(
        &self,
        target: ExecutionId,
        what: What,
    ) -> Result<Reply, OrchestratorError> {
        let (sender, receiver) = oneshot::channel();
        self.send(EngineRequest::Job(Box::new(Job::new(target, what, Some(sender))))).await?;
        let lost = || OrchestratorError::Unavailable("the engine has lost the request".into());
        receiver.await.map_err(|_| lost())?
    }

    /// Gives tasks back that a poller never got; best effort.
    pub(crate) fn give_back(&self, tasks: Vec<(TaskId, u32)>) {
        if !tasks.is_empty() {
            let sender = self.sender.clone();
            if let Err(mpsc::error::TrySendError::Full(request)) =
                sender.try_send(EngineRequest::Return(tasks))
                && let Ok(runtime) = tokio::runtime::Handle::try_current()
            {
                runtime.spawn(async move { sender.send(request).await });
            }
        }
    }
}
