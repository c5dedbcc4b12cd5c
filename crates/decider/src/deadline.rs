//! The times at which an open task must be looked at.
//! **Source**: conductor-semantics §2.5 (clocks and conditions of the five timeouts).
use crate::plan::Node;
use crate::state::{Delivery, Task};
use baton_common::definition::TimeoutPolicy;
use baton_common::limits::LEASE_SECONDS_DEFAULT;
use baton_common::{TaskStatus, Timestamp};

/// Why a task must be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deadline {
    /// All attempts together took too long.
    Total,
    /// This attempt took too long.
    Attempt,
    /// No worker took it.
    Poll,
    /// Its worker fell silent.
    Response,
    /// Its delay is over.
    Due,
    /// The time it waited for has come.
    WaitOver,
    /// The lease of one of the engine's own system tasks ran out: hand it out again.
    LeaseOver,
}

impl Deadline {
    /// The bit by which a task remembers that this deadline only called for attention.
    pub const fn bit(self) -> u8 {
        match self {
            Self::Total => 1,
            Self::Attempt => 2,
            Self::Poll => 4,
            Self::Response => 8,
            Self::Due => 16,
            Self::WaitOver => 32,
            Self::LeaseOver => 64,
        }
    }
}

/// The earliest deadline of an open task; at equal times the one that Conductor checks first.
pub fn next(node: &Node, task: &Task) -> Option<(Timestamp, Deadline)> {
    if task.status.is_terminal() {
        return None;
    }
    of(node, task).min()
}

/// The earliest deadline that ends this attempt or its lease; those that only alert do not count.
pub fn next_timeout(node: &Node, task: &Task) -> Option<(Timestamp, Deadline)> {
    if task.status.is_terminal() {
        return None;
    }
    let only_alerts = node.task_def.timeout_policy == TimeoutPolicy::AlertOnly;
    let ends = |(_, deadline): &(Timestamp, Deadline)| match deadline {
        Deadline::Total | Deadline::Attempt | Deadline::Poll => !only_alerts,
        Deadline::Response | Deadline::LeaseOver => true,
        Deadline::Due | Deadline::WaitOver => false,
    };
    of(node, task).filter(ends).min()
}

/// The deadlines of an open task that have not called for attention yet.
pub(crate) fn of(node: &Node, task: &Task) -> impl Iterator<Item = (Timestamp, Deadline)> {
    let alerted = task.alerted;
    all(node, task).into_iter().flatten().filter(move |(_, kind)| alerted & kind.bit() == 0)
}

fn all(node: &Node, task: &Task) -> [Option<(Timestamp, Deadline)>; 7] {
    let def = &node.task_def;
    let set = |seconds: i64| (seconds > 0).then_some(seconds);
    let delay = task.start_delay_seconds;
    let is_leased = task.delivery == Delivery::Leased;
    let response = set(def.response_timeout_seconds);
    let poll = def.poll_timeout_seconds.and_then(|seconds| set(seconds.into()));
    let waits = task.status == TaskStatus::Scheduled && !is_leased;
    let poll = poll.filter(|_| waits && node.is_worker());
    let due = match task.delivery {
        Delivery::Delayed(at) => Some(at),
        Delivery::None | Delivery::Ready(_) | Delivery::Leased => None,
    };
    [
        set(def.total_timeout_seconds)
            .map(|total| (task.first_scheduled_at.plus_seconds(total), Deadline::Total)),
        set(def.timeout_seconds).zip(task.started_at).map(|(limit, start)| {
            (start.plus_seconds(delay.saturating_add(limit)), Deadline::Attempt)
        }),
        poll.map(|poll| {
            let since =
                task.scheduled_at.plus_seconds(delay.saturating_add(task.callback_after_seconds));
            (since.plus_seconds(poll), Deadline::Poll)
        }),
        response.filter(|_| is_leased).map(|response| {
            let limit = response.saturating_add(task.callback_after_seconds);
            (task.updated_at.plus_seconds(limit), Deadline::Response)
        }),
        due.map(|at| (at, Deadline::Due)),
        task.wait_until.map(|at| (at, Deadline::WaitOver)),
        // Nothing bounds the work of a worker whose task has no definition.
        (is_leased && response.is_none() && node.is_system_worker)
            .then(|| (task.updated_at.plus_seconds(LEASE_SECONDS_DEFAULT), Deadline::LeaseOver)),
    ]
}
