//! What an execution still has to do, where a decision left it to the next one.
use crate::state::NodeKey;
use baton_common::{Payload, WorkflowTask};
use std::sync::Arc;

/// A step of a decision. Each may be taken twice without harm: what it would do again is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgendaItem {
    /// Create the task of a node, inside a loop or not.
    Schedule {
        /// The node.
        place: NodeKey,
        /// The DO_WHILE task around it.
        loop_task: Option<u32>,
    },
    /// Do what the engine itself does for a task.
    Run(u32),
    /// Draw the consequences of a task's end.
    AfterEnd(u32),
    /// Create the next branches of a dynamic fork.
    Branches(u32),
    /// Close iterations that are over, and the execution when all of it is.
    Quiesce,
}

impl AgendaItem {
    /// Whether an execution that ends keeps it for a retry: only a fork remembers which of its
    /// branches are still to come; all other steps follow from the tasks.
    pub(crate) fn outlives_an_end(&self) -> bool {
        match self {
            Self::Branches(_) => true,
            Self::Schedule { .. } | Self::Run(_) | Self::AfterEnd(_) | Self::Quiesce => false,
        }
    }
}

/// One branch of a dynamic fork, as its input describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// Its reference name.
    pub reference: Arc<str>,
    /// Its first step without name and input: branches that differ in nothing else share one.
    pub step: Arc<WorkflowTask>,
    /// Its input.
    pub input: Payload,
}

/// A dynamic fork whose branches are not all there yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Expansion {
    /// All its branches.
    pub branches: Arc<[Branch]>,
    /// What the JOIN waits for, one name for each branch that is there.
    pub joined: imbl::Vector<Arc<str>>,
    /// How many of the names the state holds.
    pub recorded: usize,
}
