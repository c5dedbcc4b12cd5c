//! Why an execution or a task is where it is, and what would move it.
use crate::api::LimitUse;
use crate::{ExecutionId, TaskId, TaskStatus, Timestamp, WorkflowStatus};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Why a task is where it is. The order is that in which an explanation lists them: what somebody
/// must act on first, then what moves by itself, then what only waits for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WaitReason {
    /// It is ready, and no worker has polled its queue lately.
    NoWorker,
    /// A person must complete it.
    Person,
    /// Somebody must complete it by an outside call.
    Signal,
    /// Its action has begun, and an outside call must end it.
    External,
    /// It is ready, and its definition's limit has no slot for it.
    Limited,
    /// It is ready, behind others in its queue.
    InQueue,
    /// A worker has it.
    Leased,
    /// It failed, and the next attempt is held back.
    Backoff,
    /// Its worker asked to be handed it again later.
    Callback,
    /// Its step delays its start.
    StartDelay,
    /// A time must come.
    Timer,
    /// The child that it started is open.
    Child,
    /// The execution that it asked for has not started yet.
    Start,
    /// The engine works on it.
    Engine,
    /// It ended while the execution was held: what follows comes with the resumption.
    Resume,
    /// The tasks of its iteration are open.
    Loop,
    /// Steps that it joins are open.
    Join,
    /// It has ended: it waits for nothing.
    Ended,
}

impl WaitReason {
    /// Every reason, in order.
    pub const ALL: [Self; 18] = [
        Self::NoWorker,
        Self::Person,
        Self::Signal,
        Self::External,
        Self::Limited,
        Self::InQueue,
        Self::Leased,
        Self::Backoff,
        Self::Callback,
        Self::StartDelay,
        Self::Timer,
        Self::Child,
        Self::Start,
        Self::Engine,
        Self::Resume,
        Self::Loop,
        Self::Join,
        Self::Ended,
    ];
}

/// Why an execution is where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowExplanation {
    /// The execution.
    pub workflow_id: ExecutionId,
    /// Its definition's name.
    pub workflow_name: Arc<str>,
    /// Its state.
    pub status: WorkflowStatus,
    /// The moment that all of this is true of.
    pub as_of: Timestamp,
    /// Why, in one sentence.
    pub summary: String,
    /// What would move it; none for one that has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// When it ended, was held, or began.
    pub since: Timestamp,
    /// When it will be timed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_time: Option<Timestamp>,
    /// How many of its tasks are open.
    #[serde(default)]
    pub open_tasks: u32,
    /// Its waiting tasks by reason, and ready ones by queue.
    #[serde(default)]
    pub waits: Vec<WaitGroup>,
    /// Further reasons that are left out.
    #[serde(default)]
    pub waits_left_out: u32,
}

/// Tasks of an execution that wait for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitGroup {
    /// The reason.
    pub reason: WaitReason,
    /// How many.
    pub count: u32,
    /// The reason, in one sentence.
    pub summary: String,
    /// What would move them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The first of them.
    pub tasks: Vec<TaskExplanation>,
}

/// Why a task is where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskExplanation {
    /// The task.
    pub task_id: TaskId,
    /// Its execution.
    pub workflow_id: ExecutionId,
    /// The step's name, with `__<iteration>` inside a loop.
    pub reference_task_name: Arc<str>,
    /// What runs it.
    pub task_type: Arc<str>,
    /// Its state.
    pub status: TaskStatus,
    /// The moment that all of this is true of.
    pub as_of: Timestamp,
    /// Why it is where it is.
    pub reason: WaitReason,
    /// The same, in one sentence.
    pub summary: String,
    /// What would move it; none for one that has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// What the summary rests on.
    #[serde(default)]
    pub evidence: Evidence,
    /// Why the child is where it is, unless the children of the answer have become too many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<Box<WorkflowExplanation>>,
}

/// What an explanation rests on: the members that its reason has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Evidence {
    /// Since when: ready, leased, waiting, begun or ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Until when: the lease's end, the delay's end, the timer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Who has it, or asked for the delay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<Arc<str>>,
    /// Which attempt this is, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// How many attempts there may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Why the attempt before failed, or why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Arc<str>>,
    /// The queue: `taskType` or `domain:taskType`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Its place in the queue, from 1; given for the first task of a reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// Ready tasks in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_size: Option<u64>,
    /// Whether the two numbers before are only the least they can be: counting stops somewhere.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
    /// Tasks of the queue that the answering process has handed out in the last minute; absent when
    /// it has handed out none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handed_out_last_minute: Option<u32>,
    /// The last poll of the task type in each domain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub last_polls: Vec<LastPoll>,
    /// The limit that keeps it waiting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitUse>,
    /// Steps or tasks that it waits for: the first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<Awaited>,
    /// How many it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_for_count: Option<u32>,
    /// The loop's iteration under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iteration: Option<u32>,
    /// The child.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub child_workflow_id: Option<ExecutionId>,
    /// When it will be timed out, or handed out again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_time: Option<Timestamp>,
}

/// Who polled for a task type last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastPoll {
    /// In which domain; absent outside domains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Arc<str>>,
    /// Who; absent when the worker gave no name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<Arc<str>>,
    /// When.
    pub time: Timestamp,
}

/// A step that another one waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Awaited {
    /// The step's name, with `__<iteration>` inside a loop.
    pub reference_task_name: Arc<str>,
    /// Its newest task's state; absent for a step that has not begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<TaskStatus>,
}
