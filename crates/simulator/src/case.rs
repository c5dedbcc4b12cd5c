//! What one run is made of, as data: workflows, starts, operations, faults. A run follows from its
//! case alone, so a case can be made smaller, printed, and kept as a test.
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Where the run's chance begins.
    pub seed: u64,
    /// Processes that share the store.
    pub processes: usize,
    /// Whether each shard has a commit of its own.
    pub by_shard: bool,
    /// Registered workflows. One starts only workflows behind it, so no chain is without end.
    pub workflows: Vec<Workflow>,
    /// What clients start.
    pub starts: Vec<Start>,
    /// What people do.
    pub operations: Vec<Operation>,
    /// What may go wrong.
    pub faults: BTreeSet<Fault>,
    /// How many tasks of each type may be with workers at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A workflow, named `wf` and its place in the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workflow {
    /// Its steps.
    pub steps: Vec<Step>,
    /// What its output's `n` is.
    pub output: Source,
    /// The workflow that handles its failure.
    pub failure: Option<usize>,
}

/// A step. Its name is its reference name and no other step's of its workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its reference name.
    pub name: String,
    /// Whether the workflow goes on after its failure.
    pub optional: bool,
    /// What it does.
    pub kind: Kind,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    /// A worker's task: SIMPLE, or DYNAMIC.
    Work {
        /// What its worker does.
        does: Does,
        /// How often it is tried again.
        retries: u32,
        /// Seconds between two attempts.
        delay_s: u32,
        /// Seconds before the first.
        start_delay_s: u32,
        /// Its number.
        input: Source,
        /// DYNAMIC instead of SIMPLE.
        is_dynamic: bool,
    },
    /// A script.
    Script {
        /// Which.
        script: ScriptKind,
        /// Its number.
        input: Source,
    },
    /// SET_VARIABLE of a variable with the step's name.
    Set {
        /// Its value.
        input: Source,
    },
    /// SWITCH: the case is the number modulo the number of cases and one.
    Switch {
        /// How it chooses.
        by: By,
        /// Its number.
        input: Source,
        /// The cases `0`, `1`, …
        cases: Vec<Vec<Step>>,
        /// Everything else.
        default: Vec<Step>,
    },
    /// DO_WHILE.
    Loop {
        /// How often.
        rounds: u32,
        /// How it counts.
        by: LoopBy,
        /// Iterations that are kept; all for `None`.
        keep: Option<u32>,
        /// Its body.
        body: Vec<Step>,
    },
    /// FORK_JOIN and its JOIN, which has the step's name and `j`.
    Fork {
        /// Its branches, none of them empty.
        branches: Vec<Vec<Step>>,
    },
    /// FORK_JOIN_DYNAMIC and its JOIN.
    Many {
        /// How many branches of one step.
        count: u32,
        /// A child instead of a worker's task.
        child: Option<usize>,
        /// The number of each.
        input: Source,
    },
    /// SUB_WORKFLOW.
    Child {
        /// Which workflow.
        workflow: usize,
        /// Its number.
        input: Source,
    },
    /// START_WORKFLOW.
    Start {
        /// Which workflow.
        workflow: usize,
        /// Its number.
        input: Source,
    },
    /// WAIT for so many seconds.
    Wait {
        /// How long.
        seconds: u32,
    },
    /// WAIT for a signal.
    Signal,
    /// HUMAN.
    Human,
    /// TERMINATE.
    Terminate {
        /// COMPLETED, FAILED or TERMINATED.
        status: String,
    },
    /// NOOP.
    Noop,
}

/// What a worker does with a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Does {
    /// Completes it; puts out the number and one.
    Succeeds,
    /// Fails so many times before that.
    FailsFirst(u32),
    /// Fails each time.
    Fails,
    /// Fails once and for all.
    FailsForGood,
}

/// A script that the simulator can evaluate itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScriptKind {
    /// INLINE that only reads, so that no engine is asked.
    Plain,
    /// INLINE that adds 2.
    Inline,
    /// LAMBDA that adds 4.
    Lambda,
    /// JSON_JQ_TRANSFORM that adds 3.
    Jq,
    /// INLINE that throws.
    Broken,
}

/// How a SWITCH chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum By {
    /// By the text of its number.
    Value,
    /// By a script that only reads: `0` below a limit, else `1`.
    Plain,
    /// By a script that calculates.
    Script,
}

/// How a loop counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoopBy {
    /// By a condition that only reads.
    Plain,
    /// By a condition that calls a function.
    Script,
    /// Over the input's list, which has as many items as it has rounds.
    Items,
}

/// Where a number comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// Here.
    Constant(i64),
    /// The execution's input.
    Input,
    /// The output of an earlier step that certainly has one.
    Output(String),
    /// The variable of an earlier SET_VARIABLE.
    Variable(String),
}

/// A client's start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Which workflow.
    pub workflow: usize,
    /// When, ms.
    pub at_ms: u64,
    /// The input's number.
    pub n: i64,
    /// How many clients ask for it under one idempotency key.
    pub callers: u32,
}

/// Something a person does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// When, ms.
    pub at_ms: u64,
    /// What.
    pub action: Action,
    /// To which execution, of those there are then.
    pub target: usize,
}

/// What a person can do to an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are the API's own names")]
pub enum Action {
    Pause,
    Resume,
    Terminate,
    Retry,
    RetryResuming,
    Restart,
    RestartLatest,
    Rerun,
    RerunFromTask,
    Skip,
    Update,
    ResetCallbacks,
    Decide,
    Remove,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 14] = [
        Self::Pause,
        Self::Resume,
        Self::Terminate,
        Self::Retry,
        Self::RetryResuming,
        Self::Restart,
        Self::RestartLatest,
        Self::Rerun,
        Self::RerunFromTask,
        Self::Skip,
        Self::Update,
        Self::ResetCallbacks,
        Self::Decide,
        Self::Remove,
    ];
}

/// What may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fault {
    /// A process dies before a call to the store.
    DieBefore,
    /// A process dies after a call took effect, before it knows.
    DieAfter,
    /// A process stands still, at times for longer than a lease.
    Freeze,
    /// A commit is refused as unavailable and has not happened.
    CommitFails,
    /// A commit is refused as unavailable and has happened.
    CommitUnknown,
    /// A read fails.
    ReadFails,
    /// The store takes long.
    Slow,
    /// A notification is lost.
    NotifyLost,
    /// A notification comes late and twice.
    NotifyTwice,
    /// A wake-up is not named in time.
    WakeUpsHidden,
    /// Messages are found before their sender has delivered them: they come twice.
    MessagesTwice,
    /// Messages are found in another order.
    MessagesReordered,
    /// A process's wall clock jumps by up to a quarter of a second.
    ClockSteps,
    /// A process's wall clock jumps by up to an hour.
    ClockJumps,
    /// A row cannot be decoded for a while.
    Corrupt,
    /// A worker never reports.
    WorkerVanishes,
    /// A worker reports twice, to two processes.
    WorkerReportsTwice,
    /// A client's answer is lost on its way.
    AnswerLost,
    /// A script takes long.
    ScriptSlow,
    /// A script's engine is lost.
    ScriptLost,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 20] = [
        Self::DieBefore,
        Self::DieAfter,
        Self::Freeze,
        Self::CommitFails,
        Self::CommitUnknown,
        Self::ReadFails,
        Self::Slow,
        Self::NotifyLost,
        Self::NotifyTwice,
        Self::WakeUpsHidden,
        Self::MessagesTwice,
        Self::MessagesReordered,
        Self::ClockSteps,
        Self::ClockJumps,
        Self::Corrupt,
        Self::WorkerVanishes,
        Self::WorkerReportsTwice,
        Self::AnswerLost,
        Self::ScriptSlow,
        Self::ScriptLost,
    ];
}

impl Case {
    /// How many steps its workflows have together.
    pub fn steps(&self) -> usize {
        self.workflows.iter().map(|workflow| count(&workflow.steps)).sum()
    }
}

fn count(steps: &[Step]) -> usize {
    steps.iter().map(|step| 1 + inner(&step.kind).map(|steps| count(steps)).sum::<usize>()).sum()
}

/// The lists of steps inside a step.
pub fn inner(kind: &Kind) -> Box<dyn Iterator<Item = &Vec<Step>> + '_> {
    match kind {
        Kind::Switch { cases, default, .. } => Box::new(cases.iter().chain([default])),
        Kind::Loop { body, .. } => Box::new(std::iter::once(body)),
        Kind::Fork { branches } => Box::new(branches.iter()),
        Kind::Work { .. }
        | Kind::Script { .. }
        | Kind::Set { .. }
        | Kind::Many { .. }
        | Kind::Child { .. }
        | Kind::Start { .. }
        | Kind::Wait { .. }
        | Kind::Signal
        | Kind::Human
        | Kind::Terminate { .. }
        | Kind::Noop => Box::new(std::iter::empty()),
    }
}

/// As [`inner`], to be changed.
pub fn inner_mut(kind: &mut Kind) -> Box<dyn Iterator<Item = &mut Vec<Step>> + '_> {
    match kind {
        Kind::Switch { cases, default, .. } => Box::new(cases.iter_mut().chain([default])),
        Kind::Loop { body, .. } => Box::new(std::iter::once(body)),
        Kind::Fork { branches } => Box::new(branches.iter_mut()),
        Kind::Work { .. }
        | Kind::Script { .. }
        | Kind::Set { .. }
        | Kind::Many { .. }
        | Kind::Child { .. }
        | Kind::Start { .. }
        | Kind::Wait { .. }
        | Kind::Signal
        | Kind::Human
        | Kind::Terminate { .. }
        | Kind::Noop => Box::new(std::iter::empty()),
    }
}
