//! What no single change may do. The numbers are those of `docs/simulator.md`.
use baton_common::{TaskStatus, Timestamp, WorkflowStatus};
use baton_decider::change::{Change, TaskEnd};
use baton_decider::state::{Delivery, Execution, Output, Task};
use baton_decider::task_type::Joins;

/// How early a deadline may count as passed, ms. An engine knows the database's time only as well as
/// the answer to its question was quick, and decides by what it knows.
const CLOCK_ERROR_MS: i64 = 5;

/// A broken rule: its name, and what broke it.
pub type Breach = (&'static str, String);

/// What is known beside the state when a change is judged.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// The database's time.
    pub now: Timestamp,
    /// Whether people repeat and pass over steps in this run.
    pub has_operations: bool,
}

/// Judges a change on the state before it.
///
/// # Errors
/// The rule that it breaks.
pub fn judge(state: &Execution, change: &Change, known: Circumstances) -> Result<(), Breach> {
    after_the_end(state, change)?;
    match change {
        Change::TaskScheduled(task) => scheduled(state, task, known),
        Change::TaskLeased { seq, .. } => leased(state, *seq),
        Change::TaskEnded(end) => ended(state, end, known),
        Change::TaskMoved { seq, delivery: Delivery::Ready(_), .. } => ready(state, *seq, known),
        Change::LoopAdvanced { seq, iteration, .. } => advanced(state, *seq, *iteration),
        Change::ExecutionStarted(_)
        | Change::TaskMoved { .. }
        | Change::TaskReported(_)
        | Change::TaskRenewed { .. }
        | Change::TaskInputSet { .. }
        | Change::TaskForgiven { .. }
        | Change::TaskOverdue { .. }
        | Change::TaskReopened(_)
        | Change::MessageSent { .. }
        | Change::MessageReceived { .. }
        | Change::AgendaLeft { .. }
        | Change::BranchesPlanned { .. }
        | Change::BranchesJoined { .. }
        | Change::TasksRemoved { .. }
        | Change::LoopIterated { .. }
        | Change::StepsDefined { .. }
        | Change::VariablesSet { .. }
        | Change::ExecutionPaused { .. }
        | Change::ExecutionResumed { .. }
        | Change::ExecutionEnded(_)
        | Change::OutputAmended { .. }
        | Change::ExecutionReopened { .. }
        | Change::ExecutionRestarted(_) => Ok(()),
    }
}

/// An ended execution changes only by going on, or by being called terminated.
fn after_the_end(state: &Execution, change: &Change) -> Result<(), Breach> {
    let goes_on =
        matches!(change, Change::ExecutionReopened { .. } | Change::ExecutionRestarted(_));
    let is_terminated = matches!(
        change, Change::ExecutionEnded(end) if end.status == WorkflowStatus::Terminated
    );
    let is_bookkeeping = matches!(
        change,
        Change::MessageSent { .. }
            | Change::MessageReceived { .. }
            | Change::AgendaLeft { .. }
            | Change::BranchesPlanned { .. }
            | Change::BranchesJoined { .. }
    );
    let allowed = is_bookkeeping
        || goes_on
        || is_terminated
        || matches!(change, Change::OutputAmended { .. });
    if state.status.is_terminal() && !allowed {
        return Err(("I5 the end is final", format!("{}: {change:?}", state.status)));
    }
    Ok(())
}

fn scheduled(state: &Execution, task: &Task, known: Circumstances) -> Result<(), Breach> {
    if task.seq != state.last_seq + 1 {
        return Err(("I6 scheduled once", format!("number {} after {}", task.seq, state.last_seq)));
    }
    if state.status == WorkflowStatus::Paused {
        return Err(("I14 nothing new", format!("{} while it is paused", task.reference)));
    }
    let Some(before) = state.by_reference(&task.reference) else { return Ok(()) };
    if !before.status.is_terminal() {
        return Err(("I6 scheduled once", format!("{} is open already", task.reference)));
    }
    if known.has_operations {
        return Ok(());
    }
    if task.retried_task != Some(before.seq) || before.retried {
        return Err(("I6 scheduled once", format!("{} once more", task.reference)));
    }
    retried(state, task, before)
}

fn retried(state: &Execution, task: &Task, before: &Task) -> Result<(), Breach> {
    let node = state.node_of(task);
    let limit = node.task.retry_count.unwrap_or(node.task_def.retry_count);
    if i64::from(task.retry_count) > i64::from(limit) {
        return Err(("I12 retries", format!("attempt {} of {}", task.retry_count, task.reference)));
    }
    let due = match task.delivery {
        Delivery::Delayed(at) | Delivery::Ready(at) => at,
        Delivery::None | Delivery::Leased => return Ok(()),
    };
    let least = i64::from(node.task_def.retry_delay_seconds) * 1_000;
    let waits = due.millis_since(before.ended_at.unwrap_or(due));
    if waits < least {
        return Err(("I12 retries", format!("{} waits {waits} of {least} ms", task.reference)));
    }
    Ok(())
}

fn leased(state: &Execution, seq: u32) -> Result<(), Breach> {
    if state.ready_since(seq).is_none() {
        let task = state.task(seq).map(|task| (&task.reference, task.delivery, task.status));
        return Err(("I3 one lease", format!("{task:?} is leased")));
    }
    Ok(())
}

fn ended(state: &Execution, end: &TaskEnd, known: Circumstances) -> Result<(), Breach> {
    let Some(task) = state.task(end.seq) else {
        return Err(("I5 the end is final", format!("there is no task {}", end.seq)));
    };
    if task.status.is_terminal() {
        return Err(("I5 the end is final", format!("{} ends twice", task.reference)));
    }
    let node = state.node_of(task);
    if node.facts.joins == Joins::All && end.status.is_successful() && end.worker.is_none() {
        let names = task.join_on.iter().flat_map(|names| names.iter());
        let is_open = |name: &&std::sync::Arc<str>| {
            state.by_reference(name).is_some_and(|task| !task.status.is_terminal())
        };
        if let Some(open) = names.clone().find(is_open) {
            return Err(("I7 joins", format!("{} ends before {open}", task.reference)));
        }
    }
    let soon = known.now.plus_millis(CLOCK_ERROR_MS);
    if let Some(until) = task.wait_until.filter(|until| *until > soon)
        && end.status == TaskStatus::Completed
        && end.worker.is_none()
    {
        let early = until.millis_since(known.now);
        return Err(("I10 timers", format!("{} ends {early} ms early", task.reference)));
    }
    response(state, task, end, known)
}

/// A worker is not given up before its time.
fn response(
    state: &Execution,
    task: &Task,
    end: &TaskEnd,
    known: Circumstances,
) -> Result<(), Breach> {
    let limit = state.node_of(task).task_def.response_timeout_seconds;
    let over = task.updated_at.plus_seconds(limit);
    let is_response = end.reason.as_deref().is_some_and(|text| text.starts_with("responseTimeout"));
    if end.status == TaskStatus::TimedOut
        && is_response
        && over > known.now.plus_millis(CLOCK_ERROR_MS)
    {
        let early = over.millis_since(known.now);
        return Err((
            "I10 timers",
            format!("the lease of {} ends {early} ms early", task.reference),
        ));
    }
    Ok(())
}

fn ready(state: &Execution, seq: u32, known: Circumstances) -> Result<(), Breach> {
    let Some(task) = state.task(seq) else { return Ok(()) };
    if let Delivery::Delayed(at) = task.delivery
        && at > known.now.plus_millis(CLOCK_ERROR_MS)
        && !known.has_operations
    {
        let early = at.millis_since(known.now);
        return Err(("I10 timers", format!("{} is ready {early} ms early", task.reference)));
    }
    Ok(())
}

fn advanced(state: &Execution, seq: u32, iteration: u32) -> Result<(), Breach> {
    let before = state.task(seq).map(|task| match &task.output {
        Output::Loop(progress) => progress.iteration,
        Output::Plain(_) => 0,
    });
    if before.is_some_and(|before| iteration != before + 1) {
        return Err(("I6 scheduled once", format!("iteration {iteration} after {before:?}")));
    }
    Ok(())
}
