//! A job: something to decide about one execution, and who waits for the answer.
use crate::definitions::PinnedDefinition;
use crate::error::OrchestratorError;
use baton_common::api::IdempotencyStrategy;
use baton_common::{ExecutionId, Payload, TaskId, Timestamp, Trace};
use baton_decider::command::{Command, MessageBody};
use baton_decider::decide::{Decider, Decision, Evaluations};
use baton_decider::state::{Lineage, Parent, Task};
use baton_store::{MessageId, ReadyKey, StoredMessage, Version};
use indexmap::IndexMap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Something to decide about one execution.
pub(crate) struct Job {
    pub(crate) target: ExecutionId,
    pub(crate) what: What,
    pub(crate) reply: ReplyTo,
    /// The message that this job delivers; it is deleted with the job's commit.
    pub(crate) message: Option<MessageId>,
}

/// The caller that waits for the answer, if there is one.
pub(crate) type ReplyTo = Option<oneshot::Sender<Result<Reply, OrchestratorError>>>;

/// The answer to a job, after its commit.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// The execution; for a start under a used idempotency key the one that owns the key.
    pub(crate) id: ExecutionId,
    /// The task of an update, as it is now, and its queue.
    pub(crate) task: Option<(Arc<Task>, String)>,
}

/// What is to be decided.
pub(crate) enum What {
    /// A start that a caller asks for.
    Start(Arc<StartRequest>),
    /// A command to an execution.
    Command(Command),
    /// A restart on the newest version of the definition.
    RestartOnLatest,
    /// A ready task for one of the waiting polls.
    Lease(ReadyKey),
    /// A start that an execution of the same batch asks for.
    Child {
        /// Who asks.
        from: ExecutionId,
        /// The start.
        body: MessageBody,
    },
    /// A message from another execution.
    Message(StoredMessage),
    /// A decision that waited for scripts.
    Resume(Box<Resumption>),
}

/// A suspended decision with the results of its scripts.
pub(crate) struct Resumption {
    /// The suspended decision; taken when it is resumed.
    pub(crate) decider: Option<Box<Decider>>,
    /// Results of all scripts that it has asked for so far. When the execution has changed, the decision
    /// is made again with these, so that each attempt needs fewer scripts than the one before.
    pub(crate) evaluations: Evaluations,
    /// The decision, for another attempt after a conflict of its commit.
    pub(crate) decided: Option<Box<Decision>>,
    /// The version its state is based on.
    pub(crate) base: Version,
    /// The definition of a new execution, or the one that replaces the old.
    pub(crate) pinned: Option<Arc<PinnedDefinition>>,
    /// What to decide from the beginning if the execution has changed.
    pub(crate) origin: Origin,
}

/// What a suspended decision was about.
#[derive(Clone)]
pub(crate) enum Origin {
    Start(Arc<StartRequest>),
    Command(Command),
    RestartOnLatest,
}

/// A decision that waits for scripts.
pub(super) struct Waiting {
    pub(super) target: ExecutionId,
    pub(super) decider: Box<Decider>,
    pub(super) base: Version,
    /// How many changes its draft had then; with more of them at the commit the base is another.
    pub(super) changes: usize,
    pub(super) pinned: Option<Arc<PinnedDefinition>>,
    pub(super) origin: Origin,
    pub(super) job: usize,
}

/// Which definition an execution starts with.
#[derive(Clone)]
pub(crate) enum Definition {
    /// A registered one, by name and version (the highest for `None`).
    Registered(String, Option<i32>),
    /// One that came with the request.
    Inline(Arc<PinnedDefinition>),
}

/// Everything a start needs.
#[derive(Clone)]
pub(crate) struct StartRequest {
    pub(crate) definition: Definition,
    pub(crate) input: Payload,
    pub(crate) correlation_id: Option<String>,
    pub(crate) priority: u8,
    pub(crate) task_to_domain: IndexMap<String, String>,
    pub(crate) parent: Option<Parent>,
    pub(crate) created_by: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) idempotency_strategy: IdempotencyStrategy,
    pub(crate) trace: Option<Trace>,
    /// The chain of starts since something last came from outside.
    pub(crate) lineage: Lineage,
    /// The execution whose failure it handles; shown in its input.
    pub(crate) failed: Option<ExecutionId>,
    /// The START_WORKFLOW task that is told of the start.
    pub(crate) starter: Option<TaskId>,
}

impl Job {
    pub(crate) fn new(target: ExecutionId, what: What, reply: ReplyTo) -> Self {
        Self { target, what, reply, message: None }
    }

    pub(super) fn wake_up(id: ExecutionId) -> Self {
        Self::new(id, What::Command(Command::WakeUp), None)
    }

    pub(super) fn lease(key: ReadyKey) -> Self {
        Self::new(key.task.execution(), What::Lease(key), None)
    }

    pub(super) fn give_back(task: TaskId, poll_count: u32) -> Self {
        Self::take_back(task, poll_count, None)
    }

    /// Gives back a task if it was leased at that moment: whether that was committed is not known.
    pub(super) fn take_back(task: TaskId, poll_count: u32, leased_at: Option<Timestamp>) -> Self {
        let command = Command::ReturnTask { seq: task.seq(), poll_count, leased_at };
        Self::new(task.execution(), What::Command(command), None)
    }

    /// Answers with an error, if a caller waits.
    pub(super) fn refuse(self, error: OrchestratorError) {
        if let Some(reply) = self.reply {
            let _ = reply.send(Err(error));
        }
    }

    /// Whether the caller that asked for it has gone.
    pub(super) fn is_abandoned(&self) -> bool {
        self.reply.as_ref().is_some_and(oneshot::Sender::is_closed)
    }

    pub(super) fn child(target: ExecutionId, from: ExecutionId, body: MessageBody) -> Self {
        Self::new(target, What::Child { from, body }, None)
    }

    pub(super) fn begin(target: ExecutionId) -> Self {
        Self::new(target, What::Command(Command::Begin), None)
    }

    pub(super) fn message(message: StoredMessage) -> Self {
        let id = message.id;
        Self { message: Some(id), ..Self::new(message.to, What::Message(message), None) }
    }

    /// Whether it only asks which execution there is.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.what, What::Command(Command::Read))
    }

    /// Whether it is a start that a caller asked for.
    pub(super) fn is_asked_start(&self) -> bool {
        matches!(self.what, What::Start(_) | What::Resume(_)) && self.is_start()
    }

    /// Whether it is about an execution that need not exist.
    pub(super) fn is_start(&self) -> bool {
        match &self.what {
            What::Start(_) | What::Child { .. } => true,
            What::Resume(resumption) => matches!(resumption.origin, Origin::Start(_)),
            What::Command(_) | What::RestartOnLatest | What::Lease(_) | What::Message(_) => false,
        }
    }
}
