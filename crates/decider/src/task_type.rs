//! What is known of a task type without an execution at hand: how its steps are checked, compiled,
//! shown and retried, and what its open tasks wait for.
//!
//! What the engine does for a task is the other half of the type: [`crate::decide::types`].
use crate::state::Task;
use crate::validation::Fault;
use crate::validation::steps::{Names, Step, TaskDefs};
use baton_common::{TaskDef, Timestamp, WorkflowTask};

/// The facts of one task type.
pub struct Facts {
    /// Its name in definitions.
    pub name: &'static str,
    /// Who does the work.
    pub runner: Runner,
    /// The type that executions show.
    pub shown: Shown,
    /// The steps that stand inside.
    pub inside: Inside,
    /// Whether it waits for the steps of `joinOn`.
    pub joins: Joins,
    /// How a retry or rerun by hand does a task again.
    pub again: Again,
    /// The input of a task that is made anew under its own id.
    pub fresh_input: FreshInput,
    /// Which executions its tasks start.
    pub starts: Starts,
    /// What else sets it apart.
    pub marks: &'static [Mark],
    /// What an open task waits for while no worker is asked for it.
    pub waits: fn(&Task) -> Waits,
    /// The task definition of a step whose name has none registered.
    pub(crate) stand_in: fn(String) -> TaskDef,
    /// What is wrong with a step alone. Loop bodies are not asked, as in Conductor.
    pub(crate) faults: fn(&Step<'_>, TaskDefs<'_>) -> Vec<Fault>,
    /// What the steps around it or the names of others make wrong with a step.
    pub(crate) flow_faults: fn(&Step<'_>, &Names<'_>) -> Vec<Fault>,
    /// The script by which a step chooses what follows, if it does.
    pub(crate) choice_script: fn(&WorkflowTask) -> Option<&str>,
}

impl Facts {
    /// A type that the engine runs at once, with nothing special about it.
    pub(crate) const fn of_engine(name: &'static str) -> Self {
        Self {
            name,
            runner: Runner::Engine,
            shown: Shown::Type,
            inside: Inside::Nothing,
            joins: Joins::Nothing,
            again: Again::FromItsBeginning,
            fresh_input: FreshInput::Resolved,
            starts: Starts::Nothing,
            marks: &[],
            waits: |_| Waits::Engine,
            stand_in: without_retries,
            faults: |_, _| Vec::new(),
            flow_faults: |_, _| Vec::new(),
            choice_script: |_| None,
        }
    }

    /// A type that workers run, with nothing special about it.
    pub(crate) const fn of_worker(name: &'static str) -> Self {
        Self {
            runner: Runner::Worker,
            fresh_input: FreshInput::ResolvedOverOld,
            marks: &[Mark::TakesInputTemplate],
            waits: |_| Waits::Action,
            ..Self::of_engine(name)
        }
    }

    /// Whether it has this mark.
    pub fn has(&self, mark: Mark) -> bool {
        self.marks.contains(&mark)
    }

    /// Whether workers run it as it is; DYNAMIC becomes another type first.
    pub(crate) fn is_plain_worker(&self) -> bool {
        self.is_worker() && self.inside == Inside::Nothing
    }

    /// Whether a worker executes it.
    pub fn is_worker(&self) -> bool {
        match self.runner {
            Runner::Worker | Runner::Executor => true,
            Runner::Engine => false,
        }
    }

    /// Whether a failed task is tried again by itself.
    pub(crate) fn is_retried(&self) -> bool {
        !self.has(Mark::NotRetried)
    }
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

fn without_retries(name: String) -> TaskDef {
    TaskDef { name: Some(name), retry_count: 0, response_timeout_seconds: 0, ..TaskDef::default() }
}

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// The engine, in a decision.
    Engine,
    /// A worker that polls for it.
    Worker,
    /// A worker too, by the rules of Conductor's system tasks: it takes `asyncComplete`, knows no
    /// domains, and stays SCHEDULED during the call.
    Executor,
}

/// The type that executions show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The type of the definition.
    Type,
    /// The step's name, which is also the name of its queue.
    Name,
    /// Another one.
    As(&'static str),
}

/// The steps that stand inside a step: what the compiler makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside {
    /// None.
    Nothing,
    /// None; another type runs there, by the name in an input member.
    NamedType,
    /// Branches, one of which is chosen.
    Cases,
    /// Branches that all begin.
    Branches,
    /// Branches that its input describes.
    RunTimeBranches,
    /// A body that is repeated.
    Body,
}

/// Whether a type waits for the steps of its `joinOn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joins {
    /// No.
    Nothing,
    /// For all of them.
    All,
    /// For the first that ends.
    First,
}

/// How a retry or rerun by hand does a task again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// From its beginning: as a new attempt, or made anew in place.
    FromItsBeginning,
    /// Its step is scheduled as if it had never been: the task says too little to be done again.
    AsIfNew,
    /// It waits again for what it waited for.
    Waiting,
    /// It begins its branches again.
    WithItsBranches,
    /// It continues in the iteration that it had come to.
    InItsIteration,
}

/// The input of a task that is made anew under its own id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreshInput {
    /// The definition's, resolved again.
    Resolved,
    /// That, and members of the old one that it lacks.
    ResolvedOverOld,
    /// The old one.
    Kept,
}

/// Which executions a task starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starts {
    /// None.
    Nothing,
    /// A child that it waits for.
    Child,
    /// One that has nothing to do with it once it runs.
    Other,
}

/// What sets some types apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Members that its input lacks come from the task definition's input template.
    TakesInputTemplate,
    /// Its input cannot name the task's id.
    HasNoTaskIdInInput,
    /// It directs the flow, so a failed task is not tried again by itself.
    NotRetried,
    /// It needs no task definition: executions show its type in place of one's name.
    NeedsNoTaskDef,
    /// A DYNAMIC step runs it when its input names it. Any other name becomes a task for workers.
    RunsByName,
    /// A dynamic fork names branches after it that have no name of their own, as it does for all types
    /// that no worker runs.
    NamesBranches,
    /// It chooses what follows, which nobody else can do for it.
    ChoosesNext,
    /// The manual describes it with SIMPLE, as it is one more name for it.
    LikeSimple,
}

/// What an open task waits for while no worker is asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// The engine: the next slice, or a script.
    Engine,
    /// Whoever ends the action that it has begun.
    Action,
    /// The child that it has started.
    Child,
    /// The start of the execution that it has asked for.
    Start,
    /// A time.
    Timer(Timestamp),
    /// Whoever sends the signal.
    Signal,
    /// A person.
    Person,
    /// The steps of its `joinOn`.
    Steps,
    /// The tasks of its iteration.
    Iteration,
}

impl Waits {
    /// Whether something from outside must come, time included.
    pub(crate) fn is_for_outside(self) -> bool {
        match self {
            Self::Action | Self::Timer(_) | Self::Signal | Self::Person => true,
            Self::Engine | Self::Child | Self::Start | Self::Steps | Self::Iteration => false,
        }
    }
}
