//! A task's reason with all that it rests on.
use super::known::{FIRST_MAX, Known, Place};
use super::tasks;
use crate::deadline::{self, Deadline};
use crate::plan::Node;
use crate::state::{Delivery, Execution, Task};
use crate::task_type::{Joins, Waits};
use baton_common::api::{Awaited, LastPoll, LimitUse, WaitReason};
use baton_common::{ExecutionId, TaskStatus, Timestamp};
use std::sync::Arc;

/// A task and what it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskWait {
    /// The task.
    pub seq: u32,
    /// Why it is where it is.
    pub wait: Wait,
    /// When its task definition times it out, or its lease ends.
    pub timeout_at: Option<Timestamp>,
}

/// What a task waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A worker of its queue.
    Worker(Box<Ready>),
    /// The worker that has it.
    Lease {
        /// Who, if the worker gave a name.
        worker: Option<Arc<str>>,
        /// Since when.
        since: Timestamp,
        /// The lease's end.
        until: Timestamp,
    },
    /// The time of the next attempt.
    Backoff {
        /// When.
        until: Timestamp,
        /// Which attempt, from 1.
        attempt: u32,
        /// How many there may be.
        attempts: u32,
        /// Why the one before failed.
        failure: Option<Arc<str>>,
    },
    /// The time at which its worker wants it again.
    Callback {
        /// When.
        until: Timestamp,
        /// Who asked.
        worker: Option<Arc<str>>,
    },
    /// The end of its step's delay.
    StartDelay {
        /// When.
        until: Timestamp,
    },
    /// A time.
    Timer {
        /// When.
        until: Timestamp,
    },
    /// Somebody outside.
    Outside {
        /// Who.
        whom: Outsider,
        /// Since when.
        since: Timestamp,
    },
    /// Its child.
    Child {
        /// Which.
        child: ExecutionId,
        /// Since when.
        since: Timestamp,
    },
    /// The start of the execution it asked for.
    Start {
        /// Since when.
        since: Timestamp,
    },
    /// The engine.
    Engine {
        /// Since when.
        since: Timestamp,
    },
    /// The end of its iteration's tasks.
    Loop {
        /// The iteration under way.
        iteration: u32,
        /// How many of its tasks are open.
        open: u32,
        /// The first of them.
        first: Vec<Awaited>,
    },
    /// The end of steps.
    Join {
        /// How many of them have not ended.
        open: u32,
        /// Of how many.
        of: u32,
        /// Whether one of them is enough.
        is_exclusive: bool,
        /// The first that have not.
        first: Vec<Awaited>,
    },
    /// Nothing: it has ended, though what follows it may wait for the execution's resumption.
    Nothing {
        /// How it ended.
        status: TaskStatus,
        /// When.
        at: Timestamp,
        /// Why.
        why: Option<Arc<str>>,
        /// Whether what follows waits for the execution to be resumed.
        holds_up: bool,
    },
}

/// Whom outside the engine a task can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outsider {
    /// A person.
    Person,
    /// Whoever sends the signal.
    Signal,
    /// Whoever ends the action that it has begun.
    Action,
}

impl Wait {
    /// The reason, by name.
    pub fn reason(&self) -> WaitReason {
        match self {
            Self::Worker(ready) if ready.lacks_worker => WaitReason::NoWorker,
            Self::Worker(ready) if ready.limit.is_some() => WaitReason::Limited,
            Self::Worker(_) => WaitReason::InQueue,
            Self::Lease { .. } => WaitReason::Leased,
            Self::Backoff { .. } => WaitReason::Backoff,
            Self::Callback { .. } => WaitReason::Callback,
            Self::StartDelay { .. } => WaitReason::StartDelay,
            Self::Timer { .. } => WaitReason::Timer,
            Self::Outside { whom: Outsider::Person, .. } => WaitReason::Person,
            Self::Outside { whom: Outsider::Signal, .. } => WaitReason::Signal,
            Self::Outside { whom: Outsider::Action, .. } => WaitReason::External,
            Self::Child { .. } => WaitReason::Child,
            Self::Start { .. } => WaitReason::Start,
            Self::Engine { .. } => WaitReason::Engine,
            Self::Loop { .. } => WaitReason::Loop,
            Self::Join { .. } => WaitReason::Join,
            Self::Nothing { holds_up: true, .. } => WaitReason::Resume,
            Self::Nothing { holds_up: false, .. } => WaitReason::Ended,
        }
    }
}

/// A task that any worker of its queue may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The task type that workers poll for.
    pub task_type: Arc<str>,
    /// The domain that they poll in.
    pub domain: Option<Arc<str>>,
    /// The queue of the two.
    pub queue: String,
    /// Since when.
    pub since: Timestamp,
    /// Whether its queue is known not to have been polled lately.
    pub lacks_worker: bool,
    /// The limit that has no slot for it.
    pub limit: Option<LimitUse>,
    /// Its place in the queue, where asked for.
    pub place: Option<Place>,
    /// The last polls of the task type: its own domain's first, then the newest.
    pub polls: Vec<LastPoll>,
    /// Tasks of the queue that this process has handed out in the last minute.
    pub handed_out: Option<u32>,
}

impl TaskWait {
    pub(super) fn of(execution: &Execution, task: &Task, now: Timestamp, known: &Known) -> Self {
        let timeout_at = deadline::next_timeout(execution.node_of(task), task).map(|(at, _)| at);
        let wait = if task.status.is_terminal() {
            ended(execution, task)
        } else {
            wait(execution, task, now, known)
        };
        Self { seq: task.seq, wait, timeout_at }
    }
}

fn ended(execution: &Execution, task: &Task) -> Wait {
    Wait::Nothing {
        status: task.status,
        at: task.ended_at.unwrap_or(task.updated_at),
        why: task.reason.clone(),
        holds_up: execution.unsettled.contains(&task.seq),
    }
}

fn wait(execution: &Execution, task: &Task, now: Timestamp, known: &Known) -> Wait {
    let node = execution.node_of(task);
    match task.delivery {
        Delivery::Leased => lease(node, task),
        Delivery::Ready(since) => {
            let lacks_worker = tasks::lacks_worker(node, task, now, known);
            let ready = ready(execution, task, since, known);
            Wait::Worker(Box::new(Ready { lacks_worker, ..ready }))
        }
        Delivery::Delayed(until) if task.poll_count > 0 => {
            Wait::Callback { until, worker: task.worker.clone() }
        }
        Delivery::Delayed(until) if task.retry_count > 0 => {
            let before = task.retried_task.and_then(|seq| execution.task(seq));
            Wait::Backoff {
                until,
                attempt: task.retry_count + 1,
                attempts: node.retries_allowed().max(task.retry_count) + 1,
                failure: before.and_then(|before| before.reason.clone()),
            }
        }
        Delivery::Delayed(until) => Wait::StartDelay { until },
        Delivery::None => wait_of_type(execution, node, task),
    }
}

fn wait_of_type(execution: &Execution, node: &Node, task: &Task) -> Wait {
    let since = task.started_at.unwrap_or(task.scheduled_at);
    let outside = |whom| Wait::Outside { whom, since };
    match (node.facts.waits)(task) {
        // When its action began, rather than when a worker first got it.
        Waits::Action => Wait::Outside { whom: Outsider::Action, since: task.updated_at },
        Waits::Child => {
            task.child.map_or(Wait::Start { since }, |child| Wait::Child { child, since })
        }
        Waits::Start => Wait::Start { since },
        Waits::Timer(until) => Wait::Timer { until },
        Waits::Signal => outside(Outsider::Signal),
        Waits::Person => outside(Outsider::Person),
        Waits::Steps => join(execution, task, node.facts.joins == Joins::First),
        Waits::Iteration => iteration(execution, task),
        Waits::Engine => Wait::Engine { since },
    }
}

fn lease(node: &Node, task: &Task) -> Wait {
    let ends = |(_, deadline): &(Timestamp, Deadline)| {
        matches!(deadline, Deadline::Response | Deadline::LeaseOver)
    };
    let until = deadline::of(node, task).find(ends).map_or(task.updated_at, |(at, _)| at);
    let since = task.started_at.unwrap_or(task.updated_at);
    Wait::Lease { worker: named(task.worker.as_ref()), since, until }
}

fn named(worker: Option<&Arc<str>>) -> Option<Arc<str>> {
    worker.filter(|worker| !worker.is_empty()).cloned()
}

fn ready(execution: &Execution, task: &Task, since: Timestamp, known: &Known) -> Ready {
    let task_type = execution.node_of(task).task_type.clone();
    let queue = execution.queue_of(task);
    let mut polls = known.polls.get(&task_type).cloned().unwrap_or_default();
    polls.sort_by_key(|poll| (poll.domain != task.domain, std::cmp::Reverse(poll.time)));
    polls.truncate(FIRST_MAX);
    Ready {
        place: known.places.get(&task.seq).copied(),
        handed_out: known.handed_out.get(&queue).copied(),
        domain: task.domain.clone(),
        task_type,
        queue,
        since,
        lacks_worker: false,
        limit: known.full.get(&execution.node_of(task).name).cloned(),
        polls,
    }
}

fn join(execution: &Execution, task: &Task, is_exclusive: bool) -> Wait {
    let names = task.join_on.as_deref().unwrap_or_default();
    let newest = |name: &Arc<str>| execution.by_reference(name).map(|task| task.status);
    let open = names.iter().map(|name| (name, newest(name)));
    let open = open.filter(|(_, status)| status.is_none_or(|status| !status.is_terminal()));
    let first = open.take(FIRST_MAX);
    Wait::Join {
        open: execution.join_open.get(&task.seq).copied().unwrap_or(0),
        of: u32::try_from(names.len()).unwrap_or(u32::MAX),
        is_exclusive,
        first: first
            .map(|(name, status)| Awaited { reference_task_name: name.clone(), status })
            .collect(),
    }
}

fn iteration(execution: &Execution, task: &Task) -> Wait {
    let inside = execution.open_tasks().filter(|other| other.loop_task == Some(task.seq));
    let first = inside.take(FIRST_MAX).map(|inside| Awaited {
        reference_task_name: inside.reference.clone(),
        status: Some(inside.status),
    });
    Wait::Loop {
        iteration: task.iteration,
        open: execution.open_count(task.seq),
        first: first.collect(),
    }
}
