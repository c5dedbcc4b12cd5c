//! The reason of one task: exhaustive over statuses, places in the queue, and types.
use super::known::{Known, POLLED_MS};
use crate::plan::Node;
use crate::state::{Delivery, Execution, Task};
use crate::task_type::Waits;
use baton_common::api::WaitReason;
use baton_common::{TaskStatus, Timestamp};

/// Why a task is where it is.
pub(super) fn reason(
    execution: &Execution,
    task: &Task,
    now: Timestamp,
    known: &Known,
) -> WaitReason {
    match task.status {
        TaskStatus::Scheduled | TaskStatus::InProgress => {
            reason_of_open(execution.node_of(task), task, now, known)
        }
        TaskStatus::Completed
        | TaskStatus::CompletedWithErrors
        | TaskStatus::Failed
        | TaskStatus::FailedWithTerminalError
        | TaskStatus::TimedOut
        | TaskStatus::Canceled
        | TaskStatus::Skipped => {
            let is_unsettled = execution.unsettled.contains(&task.seq);
            if is_unsettled { WaitReason::Resume } else { WaitReason::Ended }
        }
    }
}

fn reason_of_open(node: &Node, task: &Task, now: Timestamp, known: &Known) -> WaitReason {
    match task.delivery {
        Delivery::Leased => WaitReason::Leased,
        Delivery::Ready(_) if lacks_worker(node, task, now, known) => WaitReason::NoWorker,
        Delivery::Ready(_) if known.full.contains_key(&node.name) => WaitReason::Limited,
        Delivery::Ready(_) => WaitReason::InQueue,
        Delivery::Delayed(_) if task.poll_count > 0 => WaitReason::Callback,
        Delivery::Delayed(_) if task.retry_count > 0 => WaitReason::Backoff,
        Delivery::Delayed(_) => WaitReason::StartDelay,
        Delivery::None => reason_of_type(node, task),
    }
}

/// No worker is asked for it: its type says what it waits for.
fn reason_of_type(node: &Node, task: &Task) -> WaitReason {
    match (node.facts.waits)(task) {
        Waits::Action => WaitReason::External,
        Waits::Child => WaitReason::Child,
        Waits::Start => WaitReason::Start,
        Waits::Timer(_) => WaitReason::Timer,
        Waits::Signal => WaitReason::Signal,
        Waits::Person => WaitReason::Person,
        Waits::Steps => WaitReason::Join,
        Waits::Iteration => WaitReason::Loop,
        Waits::Engine => WaitReason::Engine,
    }
}

/// Whether its queue is known not to have been polled lately.
pub(super) fn lacks_worker(node: &Node, task: &Task, now: Timestamp, known: &Known) -> bool {
    let polls = known.polls.get(&node.task_type);
    polls.is_some_and(|polls| {
        let mut own = polls.iter().filter(|poll| poll.domain == task.domain);
        !own.any(|poll| now.millis_since(poll.time) < POLLED_MS)
    })
}

/// Whether it waits for the child that it names.
pub(super) fn waits_for_child(execution: &Execution, task: &Task) -> bool {
    let is_open = !task.status.is_terminal() && task.delivery == Delivery::None;
    is_open && reason_of_type(execution.node_of(task), task) == WaitReason::Child
}
