//! The task types that the engine itself runs; every other name is a queue that workers poll.

/// A task type of the engine's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineType {
    /// Runs what its input names.
    Dynamic,
    /// Chooses a branch.
    Switch,
    /// Chooses a branch, the old way.
    Decision,
    /// Begins its branches.
    ForkJoin,
    /// Begins as many branches as its input says.
    ForkJoinDynamic,
    /// Waits for steps.
    Join,
    /// Takes over the result of the first of its steps that ran.
    ExclusiveJoin,
    /// Repeats its body.
    DoWhile,
    /// Starts a child and waits for it.
    SubWorkflow,
    /// Starts another workflow and goes on.
    StartWorkflow,
    /// Waits for a time or an outside call.
    Wait,
    /// Waits for a person.
    Human,
    /// Sets variables.
    SetVariable,
    /// Evaluates a script.
    Inline,
    /// Evaluates a script, the old way.
    Lambda,
    /// Evaluates a jq program.
    JsonJqTransform,
    /// Ends the execution.
    Terminate,
    /// Nothing.
    Noop,
}

impl EngineType {
    /// Every type, in the order of the manual.
    pub const ALL: [Self; 18] = [
        Self::Dynamic,
        Self::Switch,
        Self::Decision,
        Self::ForkJoin,
        Self::ForkJoinDynamic,
        Self::Join,
        Self::ExclusiveJoin,
        Self::DoWhile,
        Self::SubWorkflow,
        Self::StartWorkflow,
        Self::Wait,
        Self::Human,
        Self::SetVariable,
        Self::Inline,
        Self::Lambda,
        Self::JsonJqTransform,
        Self::Terminate,
        Self::Noop,
    ];

    /// The type of this name; `None` for one that workers run.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// The name in definitions.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dynamic => "DYNAMIC",
            Self::Switch => "SWITCH",
            Self::Decision => "DECISION",
            Self::ForkJoin => "FORK_JOIN",
            Self::ForkJoinDynamic => "FORK_JOIN_DYNAMIC",
            Self::Join => "JOIN",
            Self::ExclusiveJoin => "EXCLUSIVE_JOIN",
            Self::DoWhile => "DO_WHILE",
            Self::SubWorkflow => "SUB_WORKFLOW",
            Self::StartWorkflow => "START_WORKFLOW",
            Self::Wait => "WAIT",
            Self::Human => "HUMAN",
            Self::SetVariable => "SET_VARIABLE",
            Self::Inline => "INLINE",
            Self::Lambda => "LAMBDA",
            Self::JsonJqTransform => "JSON_JQ_TRANSFORM",
            Self::Terminate => "TERMINATE",
            Self::Noop => "NOOP",
        }
    }
}
