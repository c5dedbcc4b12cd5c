//! Facts that a decision returns. They are applied to the state in order and kept in the journal, in
//! the form that the crate `baton-format` gives them.
use crate::state::{AgendaItem, Branch, Delivery, Output, Slots, StartFacts, Task};
use baton_common::{ExecutionId, Payload, TaskStatus, Timestamp, WorkflowStatus};
use std::sync::Arc;

/// One fact about one execution.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The execution began.
    ExecutionStarted(Box<StartFacts>),
    /// A task was scheduled, open or ended at once; a newer attempt supersedes the one it names.
    TaskScheduled(Arc<Task>),
    /// A worker got the task.
    TaskLeased {
        /// The task.
        seq: u32,
        /// The worker.
        worker: Option<Arc<str>>,
        /// The limits under which it holds a slot from now on.
        slots: Slots,
        /// When.
        at: Timestamp,
    },
    /// The task's place in the queue changed: its delay is over, or it was handed back.
    TaskMoved {
        /// The task.
        seq: u32,
        /// Where it is now.
        delivery: Delivery,
        /// When.
        at: Timestamp,
    },
    /// A worker reported on a task and has not finished it.
    TaskReported(Box<TaskReport>),
    /// The worker is still alive.
    TaskRenewed {
        /// The task.
        seq: u32,
        /// When.
        at: Timestamp,
    },
    /// The task's input changed.
    TaskInputSet {
        /// The task.
        seq: u32,
        /// The whole input.
        input: Payload,
    },
    /// The task ended.
    TaskEnded(Box<TaskEnd>),
    /// A failed task was forgiven because it is optional.
    TaskForgiven {
        /// The task.
        seq: u32,
    },
    /// A deadline passed that only calls for attention.
    TaskOverdue {
        /// The task.
        seq: u32,
        /// Which deadline, as a bit.
        deadline: u8,
    },
    /// An ended or open task was reset in place, to run again.
    TaskReopened(Box<TaskReopening>),
    /// A message went to the child of a task, or to the parent.
    MessageSent {
        /// The task; `None` for the parent.
        seq: Option<u32>,
    },
    /// A message from the child of a task, or from the parent, was received. Messages of a pair are
    /// received in order.
    MessageReceived {
        /// The task; `None` for the parent.
        seq: Option<u32>,
        /// Its number among those of the pair, from 1.
        number: u32,
        /// Whether something from outside had a part in the child.
        saw_outside: bool,
    },
    /// These tasks are forgotten.
    TasksRemoved {
        /// The tasks.
        seqs: Vec<u32>,
    },
    /// A loop's iteration has these outputs.
    LoopIterated {
        /// The loop.
        seq: u32,
        /// The iteration.
        iteration: u32,
        /// Outputs by base reference name.
        outputs: Payload,
    },
    /// A loop began its next iteration.
    LoopAdvanced {
        /// The loop.
        seq: u32,
        /// The iteration that begins.
        iteration: u32,
        /// Its item, for loops over a list.
        item: Option<Payload>,
        /// Iterations up to this one are dropped from the output.
        forget_until: u32,
    },
    /// Steps that only this execution has; the n-th is plan n.
    StepsDefined {
        /// Their WorkflowTasks.
        steps: Vec<Payload>,
    },
    /// A slice has ended. So many items were taken from the agenda, and new items come before and
    /// after those that are left. The next slice continues with them.
    AgendaLeft {
        /// Items taken from the agenda's front.
        taken: u32,
        /// New items in front.
        first: Vec<AgendaItem>,
        /// New items at the end.
        last: Vec<AgendaItem>,
    },
    /// A dynamic fork is so wide that its branches come in several slices.
    BranchesPlanned {
        /// The fork.
        fork: u32,
        /// All its branches.
        branches: Arc<[Branch]>,
        /// What the JOIN waits for so far, a name for each branch that is there.
        joined: Vec<Arc<str>>,
    },
    /// More branches of a wide fork were scheduled.
    BranchesJoined {
        /// The fork.
        fork: u32,
        /// What the JOIN waits for, a name for each of them.
        names: Vec<Arc<str>>,
        /// Whether these were the last.
        is_done: bool,
    },
    /// These variables have new values.
    VariablesSet {
        /// Only the new ones.
        variables: Payload,
    },
    /// The execution was paused: nothing new is scheduled.
    ExecutionPaused {
        /// When.
        at: Timestamp,
    },
    /// The execution was resumed.
    ExecutionResumed {
        /// When.
        at: Timestamp,
    },
    /// The execution ended.
    ExecutionEnded(Box<ExecutionEnd>),
    /// An ended execution's output changed.
    OutputAmended {
        /// The whole output.
        output: Payload,
    },
    /// An ended execution was reopened.
    ExecutionReopened {
        /// When.
        at: Timestamp,
    },
    /// An ended execution was restarted: all tasks are forgotten.
    ExecutionRestarted(Box<Restart>),
}

impl Change {
    /// Bytes of the payloads it holds, for bounds; names and numbers do not count.
    pub fn payload_bytes(&self) -> usize {
        let of = |payload: &Option<Payload>| payload.as_ref().map_or(0, Payload::len_bytes);
        match self {
            Self::ExecutionStarted(facts) => facts.variables.len_bytes(),
            Self::TaskScheduled(task) => task.payload_bytes(),
            Self::TaskReported(report) => of(&report.output),
            Self::TaskInputSet { input, .. } => input.len_bytes(),
            Self::TaskEnded(end) => of(&end.output),
            Self::TaskReopened(reopening) => of(&reopening.input) + reopening.output.len_bytes(),
            Self::LoopIterated { outputs, .. } => outputs.len_bytes(),
            Self::LoopAdvanced { item, .. } => of(item),
            Self::StepsDefined { steps } => steps.iter().map(Payload::len_bytes).sum(),
            Self::BranchesPlanned { branches, .. } => {
                branches.iter().map(|branch| branch.input.len_bytes()).sum()
            }
            Self::VariablesSet { variables } => variables.len_bytes(),
            Self::ExecutionEnded(end) => end.output.len_bytes(),
            Self::OutputAmended { output } => output.len_bytes(),
            Self::ExecutionRestarted(restart) => of(&restart.variables),
            Self::TaskLeased { .. }
            | Self::TaskMoved { .. }
            | Self::TaskRenewed { .. }
            | Self::TaskForgiven { .. }
            | Self::TaskOverdue { .. }
            | Self::MessageSent { .. }
            | Self::MessageReceived { .. }
            | Self::TasksRemoved { .. }
            | Self::AgendaLeft { .. }
            | Self::BranchesJoined { .. }
            | Self::ExecutionPaused { .. }
            | Self::ExecutionResumed { .. }
            | Self::ExecutionReopened { .. } => 0,
        }
    }
}

/// A report that leaves the task open.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskReport {
    /// The task.
    pub seq: u32,
    /// Its state now.
    pub status: TaskStatus,
    /// New output, when given.
    pub output: Option<Payload>,
    /// Why, when given.
    pub reason: Option<Arc<str>>,
    /// Who reported.
    pub worker: Option<Arc<str>>,
    /// Seconds until it is handed out again.
    pub callback_after_seconds: i64,
    /// Where it goes.
    pub delivery: Delivery,
    /// Whether an outside call must complete it now.
    pub is_external: bool,
    /// The child it has started and waits for.
    pub child: Option<ExecutionId>,
    /// When a WAIT that begins is over.
    pub wait_until: Option<Timestamp>,
    /// When.
    pub at: Timestamp,
}

impl TaskReport {
    /// A report that the engine has begun a task, with nothing else to tell.
    pub fn new(seq: u32, at: Timestamp) -> Self {
        Self {
            seq,
            status: TaskStatus::InProgress,
            output: None,
            reason: None,
            worker: None,
            callback_after_seconds: 0,
            delivery: Delivery::None,
            is_external: false,
            child: None,
            wait_until: None,
            at,
        }
    }
}

/// A task's end.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskEnd {
    /// The task.
    pub seq: u32,
    /// How it ended.
    pub status: TaskStatus,
    /// New output; `None` keeps what it has.
    pub output: Option<Payload>,
    /// Why, if there is a reason.
    pub reason: Option<Arc<str>>,
    /// Who ended it.
    pub worker: Option<Arc<str>>,
    /// When.
    pub at: Timestamp,
}

/// A task that was reset in place.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskReopening {
    /// The task.
    pub seq: u32,
    /// Its state now.
    pub status: TaskStatus,
    /// Where it goes.
    pub delivery: Delivery,
    /// New input, when given.
    pub input: Option<Payload>,
    /// New output.
    pub output: Output,
    /// Attempts before.
    pub retry_count: u32,
    /// A WAIT's new time.
    pub wait_until: Option<Timestamp>,
    /// The child it waits for.
    pub child: Option<ExecutionId>,
    /// When.
    pub at: Timestamp,
}

/// An execution's end.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionEnd {
    /// How.
    pub status: WorkflowStatus,
    /// What it answers.
    pub output: Payload,
    /// Why.
    pub reason: Option<Arc<str>>,
    /// The task at fault.
    pub failed_task: Option<u32>,
    /// When.
    pub at: Timestamp,
}

/// A restart under the same id.
#[derive(Clone, Debug, PartialEq)]
pub struct Restart {
    /// When.
    pub at: Timestamp,
    /// New variables; `None` keeps them.
    pub variables: Option<Payload>,
    /// Whether its start time is now too.
    pub is_new_start: bool,
    /// New correlation id, when given.
    pub correlation_id: Option<String>,
    /// New definition version, when it changed.
    pub workflow_version: Option<i32>,
    /// The newest task number so far: numbers are never used again.
    pub last_seq: u32,
    /// Steps that failed before.
    pub failed_references: Vec<(u32, Arc<str>)>,
}
