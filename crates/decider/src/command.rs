//! What an execution can be asked to do, what it tells others, and why it may refuse.
use crate::state::{Lineage, Parent};
use baton_common::api::IdempotencyStrategy;
use baton_common::{ExecutionId, Payload, TaskId, TaskStatus, Timestamp, Trace, WorkflowStatus};
use indexmap::IndexMap;
use std::sync::Arc;

/// A request to one execution.
#[derive(Clone, Debug)]
pub enum Command {
    /// Schedule the first step of an execution that was just created.
    Begin,
    /// A report on a task.
    UpdateTask(TaskUpdate),
    /// The worker of a task is alive.
    RenewLease {
        /// The task.
        seq: u32,
    },
    /// Give a ready task to a worker.
    LeaseTask {
        /// The task.
        seq: u32,
        /// The worker.
        worker: Option<Arc<str>>,
    },
    /// The worker never got the task: back to the queue.
    ReturnTask {
        /// The task.
        seq: u32,
        /// How often it had been handed out then; a later lease is not touched.
        poll_count: u32,
        /// When it was leased, where it is not known whose lease was committed: only the lease of
        /// that moment is touched, and only if nothing has happened to the task since.
        leased_at: Option<Timestamp>,
    },
    /// Check which deadlines have passed.
    WakeUp,
    /// Change nothing; asks whether the execution exists.
    Read,
    /// Schedule nothing new until it is resumed.
    Pause,
    /// Continue after a pause.
    Resume,
    /// End now.
    Terminate {
        /// Why.
        reason: Option<String>,
    },
    /// Start from the beginning, under the same id.
    Restart {
        /// The version of the plan it continues on, when that is another.
        workflow_version: Option<i32>,
    },
    /// Try failed steps again.
    Retry {
        /// Retry inside failed children instead of starting new ones.
        resume_children: bool,
    },
    /// Run again, from a task or whole.
    Rerun(Rerun),
    /// Skip a step.
    SkipTask {
        /// Its reference name, inside a loop that of an iteration.
        reference: String,
    },
    /// Make delayed tasks ready.
    ResetCallbacks,
    /// A child that was told something is not there: it has been removed.
    ChildGone {
        /// Which.
        child: ExecutionId,
    },
    /// Another execution has sent a message.
    Receive {
        /// The sender.
        from: ExecutionId,
        /// Its number among the messages of this sender to this receiver, from 1.
        number: u32,
        /// What it says.
        body: MessageBody,
    },
}

/// A report on a task, from its worker or another.
#[derive(Clone, Debug)]
pub struct TaskUpdate {
    /// The task.
    pub seq: u32,
    /// The status reported: IN_PROGRESS or an end.
    pub status: TaskStatus,
    /// The output reported.
    pub output: Payload,
    /// Whether it is added to the output so far instead of taking its place.
    pub merge_output: bool,
    /// Why.
    pub reason: Option<String>,
    /// Who.
    pub worker: Option<String>,
    /// IN_PROGRESS: seconds until it is handed out again.
    pub callback_after_seconds: i64,
}

/// What a rerun changes.
#[derive(Clone, Debug, Default)]
pub struct Rerun {
    /// From which task; whole for `None`.
    pub from: Option<u32>,
    /// New input of the whole execution; already in the state that decides.
    pub workflow_input: Option<Payload>,
    /// New input of that task.
    pub task_input: Option<Payload>,
    /// New correlation id.
    pub correlation_id: Option<String>,
}

/// What one execution tells another.
#[derive(Clone, Debug, PartialEq)]
pub enum MessageBody {
    /// Start; the request names who waits for your end.
    Start(Box<ChildStart>),
    /// Start, and tell this task of the sender that you have started.
    StartFor {
        /// The START_WORKFLOW task.
        task: TaskId,
        /// The start.
        start: Box<ChildStart>,
    },
    /// The execution that you asked for has started.
    Started {
        /// The START_WORKFLOW task.
        task: TaskId,
        /// The new execution.
        child: ExecutionId,
    },
    /// Your child has ended.
    ChildEnded {
        /// The task that started it.
        task: TaskId,
        /// How.
        status: WorkflowStatus,
        /// Its output.
        output: Payload,
        /// Why.
        reason: Option<String>,
        /// Whether a worker, a timer or a person had a part in it.
        saw_outside: bool,
    },
    /// Your child could not be started.
    ChildRefused {
        /// The task that asked for it.
        task: TaskId,
        /// Why.
        reason: String,
    },
    /// The failure workflow that you asked for could not be started.
    FailureRefused {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// Your child has been reopened after its end.
    ChildReopened {
        /// The task that started it.
        task: TaskId,
    },
    /// Your parent has ended.
    ParentEnded {
        /// Why.
        reason: String,
    },
    /// Your parent is retried and wants you to retry.
    ParentRetried,
}

impl MessageBody {
    /// The start that it asks for, if it does.
    pub fn start(&self) -> Option<&ChildStart> {
        if let Self::Start(start) | Self::StartFor { start, .. } = self {
            Some(start)
        } else {
            None
        }
    }

    /// The start that it asks for, with the START_WORKFLOW task that wants to be told of it.
    ///
    /// # Errors
    /// The body as it is, when it asks for none.
    pub fn into_start(self) -> Result<(ChildStart, Option<TaskId>), Self> {
        match self {
            Self::Start(start) => Ok((*start, None)),
            Self::StartFor { task, start } => Ok((*start, Some(task))),
            other @ (Self::Started { .. }
            | Self::ChildEnded { .. }
            | Self::ChildRefused { .. }
            | Self::FailureRefused { .. }
            | Self::ChildReopened { .. }
            | Self::ParentEnded { .. }
            | Self::ParentRetried) => Err(other),
        }
    }
}

/// An execution that another one asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChildStart {
    /// Name of its definition.
    pub name: String,
    /// Version; the highest for `None`.
    pub version: Option<i32>,
    /// The definition itself, instead of a registered one.
    pub definition: Option<Payload>,
    /// Its input.
    pub input: Payload,
    /// Correlation id.
    pub correlation_id: Option<String>,
    /// Domains by task type.
    pub task_to_domain: IndexMap<String, String>,
    /// 0 to 99.
    pub priority: u8,
    /// Who waits for it; nobody for START_WORKFLOW and failure workflows.
    pub parent: Option<Parent>,
    /// Key that allows only one start.
    pub idempotency_key: Option<String>,
    /// What a used key does.
    pub idempotency_strategy: Option<IdempotencyStrategy>,
    /// The trace it is to belong to.
    pub trace: Option<Trace>,
    /// The starts since something last came from outside.
    pub lineage: Lineage,
}

/// A message with its receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The receiver.
    pub to: ExecutionId,
    /// Its number among the messages of this sender to this receiver, from 1.
    pub number: u32,
    /// What it says.
    pub body: MessageBody,
}

/// Why a command changes nothing. The text is Conductor's where clients see it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The task or the execution has ended; a late report is no fault of the worker.
    #[error("the task or the execution has ended")]
    Late,
    /// Earlier messages of the same sender have not been received yet; this one must wait for them.
    #[error("an earlier message has not been delivered yet")]
    TooEarly,
    /// There is no such task.
    #[error("No such task found by id: {0}")]
    NoSuchTask(TaskId),
    /// The execution has ended.
    #[error("Workflow {0} has ended, status cannot be updated.")]
    HasEnded(String),
    /// A completed execution cannot be terminated.
    #[error("Cannot terminate a COMPLETED workflow.")]
    CompletedAlready,
    /// Only a paused execution can be resumed.
    #[error("The workflow {id} is not PAUSED so cannot resume. Current status is {status}")]
    NotPaused {
        /// The execution.
        id: ExecutionId,
        /// Its status.
        status: WorkflowStatus,
    },
    /// Only an ended execution can be restarted.
    #[error("Workflow is in non terminal state: {0}")]
    NotEnded(WorkflowStatus),
    /// Only an ended execution can be retried.
    #[error("Workflow is still running.  status={0}")]
    StillRunning(WorkflowStatus),
    /// The definition forbids a restart.
    #[error("Workflow {0} is not restartable")]
    NotRestartable(String),
    /// It has no tasks.
    #[error("Workflow has not started yet")]
    NotStarted,
    /// None of its tasks can be retried.
    #[error(
        "There are no retryable tasks! Use restart if you want to attempt entire workflow execution again."
    )]
    NothingToRetry,
    /// The rerun names no task of it.
    #[error("Task {0} not found")]
    NoTaskToRerun(String),
    /// Only a running execution can skip a step.
    #[error("The workflow {0} is not running so the task referenced by {1} cannot be skipped")]
    NotRunning(ExecutionId, String),
    /// The definition has no such step.
    #[error("The task referenced by {0} does not exist in the WorkflowDefinition {1}")]
    NoSuchStep(String, String),
    /// A step of a loop has one name for each iteration.
    #[error("The task referenced by {0} is inside a loop: name its iteration too, as in {0}__1")]
    NoIteration(String),
    /// The step's iteration is over, or yet to come.
    #[error("The task referenced by {0} is of an iteration that is not under way")]
    NotInIteration(String),
    /// The step has begun.
    #[error("The task referenced {0} has already been processed, cannot be skipped")]
    StepHasBegun(String),
    /// The task is no longer ready.
    #[error("the task is not ready")]
    NotReady,
    /// The definition demands something that cannot be done at this point.
    #[error("{0}")]
    Impossible(String),
}
