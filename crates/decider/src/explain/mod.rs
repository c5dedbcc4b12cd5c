//! Why an execution and its tasks are where they are: a pure reading of a state, at a moment, with
//! what is known of queues and workers.
//!
//! The cost is one cheap look at each open task; only the first few of each reason are read in full.
//! What the answer says in words is not decided here.
mod known;
mod tasks;
mod wait;

#[cfg(test)]
mod tests;

pub use known::{FIRST_MAX, Known, POLLED_MS, Place};
pub use wait::{Outsider, Ready, TaskWait, Wait};

use crate::state::{Execution, Task};
use baton_common::api::WaitReason;
use baton_common::{ExecutionId, Timestamp, WorkflowStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Reasons, and queues of ready tasks, that are listed.
pub const GROUPS_MAX: usize = 20;
/// Task types whose pollers are asked for; of others no lack of workers is claimed.
pub const TASK_TYPES_MAX: usize = 500;

/// Which tasks are to be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All that have not ended.
    Open,
    /// This one, whatever its state.
    Task(u32),
}

/// Where an execution stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Created; its first step is still to be scheduled.
    Unbegun {
        /// Since when.
        since: Timestamp,
    },
    /// Its open tasks hold it up.
    Waits {
        /// When it began.
        since: Timestamp,
    },
    /// A person holds it.
    Held {
        /// Since when.
        since: Timestamp,
    },
    /// It has ended.
    Ended {
        /// How.
        status: WorkflowStatus,
        /// When.
        at: Timestamp,
        /// Why.
        why: Option<Arc<str>>,
    },
}

/// Tasks that wait for the same reason; ready ones, in the same queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The reason.
    pub reason: WaitReason,
    /// How many.
    pub count: u32,
    /// The first of them.
    pub first: Vec<TaskWait>,
}

/// An execution, explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Where it stands.
    pub standing: Standing,
    /// When it will be timed out.
    pub timeout_at: Option<Timestamp>,
    /// How many of its tasks are open.
    pub open: u32,
    /// Its waiting tasks by reason, in the order of [`WaitReason`].
    pub groups: Vec<Group>,
    /// Further reasons that are left out.
    pub groups_left_out: u32,
    /// What must be known for a full answer.
    pub questions: Questions,
}

/// What the state alone cannot tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// Ready tasks whose places are wanted, by task number.
    pub places: Vec<u32>,
    /// Task types whose pollers are wanted.
    pub task_types: BTreeSet<Arc<str>>,
    /// Children to explain.
    pub children: Vec<ExecutionId>,
}

/// A queue's task type and domain.
type QueueKey = (Arc<str>, Option<Arc<str>>);

/// How many have a reason, and which come first.
#[derive(Default)]
struct Tally {
    count: u32,
    first: Vec<Arc<Task>>,
}

/// Explains an execution at `now`.
pub fn explain(execution: &Execution, scope: Scope, now: Timestamp, known: &Known) -> Explained {
    let tallies = tallied(execution, scope, now, known);
    let questions = questions(execution, &tallies);
    let listed = tallies.iter().take(GROUPS_MAX).map(|((reason, _), tally)| Group {
        reason: *reason,
        count: tally.count,
        first: tally.first.iter().map(|task| TaskWait::of(execution, task, now, known)).collect(),
    });
    Explained {
        standing: standing(execution),
        timeout_at: (!execution.status.is_terminal()).then(|| execution.timeout_at()).flatten(),
        open: u32::try_from(execution.open.len()).unwrap_or(u32::MAX),
        groups: listed.collect(),
        groups_left_out: u32::try_from(tallies.len().saturating_sub(GROUPS_MAX))
            .unwrap_or(u32::MAX),
        questions,
    }
}

fn standing(execution: &Execution) -> Standing {
    let since = execution.created_at;
    match execution.status {
        WorkflowStatus::Running if execution.last_seq == 0 => Standing::Unbegun { since },
        WorkflowStatus::Running => Standing::Waits { since },
        WorkflowStatus::Paused => {
            Standing::Held { since: execution.paused_at.unwrap_or(execution.updated_at) }
        }
        WorkflowStatus::Completed
        | WorkflowStatus::Failed
        | WorkflowStatus::TimedOut
        | WorkflowStatus::Terminated => Standing::Ended {
            status: execution.status,
            at: execution.ended_at.unwrap_or(execution.updated_at),
            why: execution.reason.clone(),
        },
    }
}

fn tallied(
    execution: &Execution,
    scope: Scope,
    now: Timestamp,
    known: &Known,
) -> BTreeMap<(WaitReason, Option<QueueKey>), Tally> {
    let mut tallies: BTreeMap<_, Tally> = BTreeMap::new();
    let mut add = |task: &Arc<Task>| {
        let reason = tasks::reason(execution, task, now, known);
        let is_queued =
            matches!(reason, WaitReason::NoWorker | WaitReason::Limited | WaitReason::InQueue);
        let queue = || (execution.node_of(task).task_type.clone(), task.domain.clone());
        let tally = tallies.entry((reason, is_queued.then(queue))).or_default();
        tally.count += 1;
        if tally.first.len() < FIRST_MAX {
            tally.first.push(task.clone());
        }
    };
    match scope {
        Scope::Task(seq) => execution.task(seq).into_iter().for_each(&mut add),
        Scope::Open => {
            execution.open_tasks().for_each(&mut add);
            let unsettled = execution.unsettled.iter().filter_map(|seq| execution.task(*seq));
            unsettled.for_each(&mut add);
        }
    }
    tallies
}

fn questions(
    execution: &Execution,
    tallies: &BTreeMap<(WaitReason, Option<QueueKey>), Tally>,
) -> Questions {
    let mut questions = Questions::default();
    for ((_, queue), tally) in tallies {
        let Some((task_type, _)) = queue else { continue };
        if questions.places.len() < GROUPS_MAX {
            questions.places.extend(tally.first.first().map(|task| task.seq));
        }
        if questions.task_types.len() < TASK_TYPES_MAX {
            questions.task_types.insert(task_type.clone());
        }
    }
    let first = tallies.values().flat_map(|tally| &tally.first);
    let children = first.filter(|task| tasks::waits_for_child(execution, task));
    questions.children = children.filter_map(|task| task.child).collect();
    questions
}
