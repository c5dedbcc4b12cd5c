//! One readable line for each change and message.
use baton_common::{Payload, Timestamp};
use baton_decider::change::{Change, ExecutionEnd, Restart, TaskEnd, TaskReopening, TaskReport};
use baton_decider::command::{ChildStart, Message, MessageBody};
use baton_decider::state::{Delivery, Execution, Output, Task};

/// `ref#attempt`.
pub(crate) fn label(task: &Task) -> String {
    format!("{}#{}", task.reference, task.retry_count + 1)
}

fn label_of(state: &Execution, seq: u32) -> String {
    state.task(seq).map_or_else(|| format!("task {seq}"), |task| label(task))
}

/// Seconds since the start.
pub(crate) fn time(state: &Execution, at: Timestamp) -> String {
    let millis = at.millis_since(state.facts.at);
    match millis % 1000 {
        0 => format!("{}s", millis / 1000),
        part => format!("{}.{part:03}s", millis / 1000),
    }
}

/// The payload after a blank; nothing for an empty object.
fn tail(payload: &Payload) -> String {
    if payload.is_empty_object() { String::new() } else { format!(" {}", payload.get()) }
}

fn why(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(" \"{reason}\""))
}

fn place(state: &Execution, delivery: Delivery) -> String {
    match delivery {
        Delivery::None => String::new(),
        Delivery::Delayed(at) => format!(", due at {}", time(state, at)),
        Delivery::Ready(_) => ", ready".to_owned(),
        Delivery::Leased => ", leased".to_owned(),
    }
}

/// A change, as the state before it names things.
pub(crate) fn of_change(state: &Execution, change: &Change) -> String {
    let name = |seq: &u32| label_of(state, *seq);
    match change {
        Change::ExecutionStarted(_) => "execution started".to_owned(),
        Change::TaskScheduled(task) => scheduled(state, task),
        Change::TaskLeased { seq, worker, .. } => {
            format!("{} leased by {}", name(seq), worker.as_deref().unwrap_or("nobody"))
        }
        Change::TaskMoved { seq, delivery, .. } => {
            format!("{} moved{}", name(seq), place(state, *delivery))
        }
        Change::TaskReported(report) => reported(state, report),
        Change::TaskRenewed { seq, .. } => format!("{} renewed", name(seq)),
        Change::TaskInputSet { seq, input } => format!("{} input{}", name(seq), tail(input)),
        Change::TaskEnded(end) => ended(state, end),
        Change::TaskForgiven { seq } => format!("{} COMPLETED_WITH_ERRORS", name(seq)),
        Change::TaskOverdue { seq, deadline } => format!("{} overdue ({deadline})", name(seq)),
        Change::TaskReopened(reopening) => reopened(state, reopening),
        Change::TasksRemoved { seqs } => {
            format!("removed {}", seqs.iter().map(name).collect::<Vec<_>>().join(" "))
        }
        Change::LoopIterated { seq, iteration, outputs } => {
            format!("{} iteration {iteration} gave{}", name(seq), tail(outputs))
        }
        Change::LoopAdvanced { seq, iteration, item, forget_until } => {
            let item =
                item.as_ref().map_or_else(String::new, |item| format!(" over {}", item.get()));
            let forget = match forget_until {
                0 => String::new(),
                until => format!(", forgets up to {until}"),
            };
            format!("{} goes on with iteration {iteration}{item}{forget}", name(seq))
        }
        Change::AgendaLeft { .. }
        | Change::BranchesPlanned { .. }
        | Change::BranchesJoined { .. }
        | Change::MessageSent { .. }
        | Change::MessageReceived { .. } => of_engine(state, change),
        Change::StepsDefined { steps } => {
            let names = steps.iter().map(|step| {
                let step = step.to_value();
                format!(
                    "{}:{}",
                    step["type"].as_str().unwrap_or(""),
                    step["name"].as_str().unwrap_or("")
                )
            });
            format!("steps defined: {}", names.collect::<Vec<_>>().join(" "))
        }
        Change::VariablesSet { variables } => format!("variables{}", tail(variables)),
        Change::ExecutionPaused { .. } => "execution PAUSED".to_owned(),
        Change::ExecutionResumed { .. } => "execution resumed".to_owned(),
        Change::ExecutionEnded(end) => execution_ended(state, end),
        Change::OutputAmended { output } => format!("output amended{}", tail(output)),
        Change::ExecutionReopened { .. } => "execution reopened".to_owned(),
        Change::ExecutionRestarted(restart) => restarted(restart),
    }
}

fn scheduled(state: &Execution, task: &Task) -> String {
    let place = match task.delivery {
        Delivery::None => format!(" {}", task.status),
        Delivery::Delayed(_) | Delivery::Ready(_) | Delivery::Leased => {
            place(state, task.delivery)[1..].to_owned()
        }
    };
    let of = task
        .retried_task
        .map_or_else(String::new, |seq| format!(" repeats {}", label_of(state, seq)));
    let domain = task.domain.as_ref().map_or_else(String::new, |domain| format!(" in {domain}"));
    let until =
        task.wait_until.map_or_else(String::new, |at| format!(" until {}", time(state, at)));
    format!("{}{of}{place}{until}{domain}{}", label(task), tail(&task.input))
}

fn reported(state: &Execution, report: &TaskReport) -> String {
    let output = report.output.as_ref().map_or_else(String::new, tail);
    let external = if report.is_external { ", external" } else { "" };
    let until =
        report.wait_until.map_or_else(String::new, |at| format!(" until {}", time(state, at)));
    format!(
        "{} {}{}{until}{external}{}{output}",
        label_of(state, report.seq),
        report.status,
        place(state, report.delivery),
        why(report.reason.as_deref()),
    )
}

fn ended(state: &Execution, end: &TaskEnd) -> String {
    let output = end.output.as_ref().map_or_else(String::new, tail);
    format!("{} {}{}{output}", label_of(state, end.seq), end.status, why(end.reason.as_deref()))
}

fn reopened(state: &Execution, reopening: &TaskReopening) -> String {
    let before = label_of(state, reopening.seq);
    let attempt = reopening.retry_count + 1;
    let now = if before.ends_with(&format!("#{attempt}")) {
        String::new()
    } else {
        format!(" as attempt {attempt}")
    };
    let until =
        reopening.wait_until.map_or_else(String::new, |at| format!(" until {}", time(state, at)));
    let output = if reopening.output == Output::default() {
        String::new()
    } else {
        format!(" output{}", tail(&reopening.output.json()))
    };
    let input = reopening.input.as_ref().map_or_else(String::new, tail);
    let (status, place) = (reopening.status, place(state, reopening.delivery));
    format!("{before} reopened{now} {status}{place}{until}{input}{output}")
}

fn execution_ended(state: &Execution, end: &ExecutionEnd) -> String {
    let by =
        end.failed_task.map_or_else(String::new, |seq| format!(" by {}", label_of(state, seq)));
    format!("execution {}{by}{}{}", end.status, why(end.reason.as_deref()), tail(&end.output))
}

fn restarted(restart: &Restart) -> String {
    let version = restart
        .workflow_version
        .map_or_else(String::new, |version| format!(" on version {version}"));
    let variables = restart
        .variables
        .as_ref()
        .map_or_else(String::new, |variables| format!(" with variables {}", variables.get()));
    format!("execution restarted{version}{variables}")
}

/// A message and who gets it.
/// What the engine keeps for itself: messages of its pairs, and rests of slices.
#[expect(clippy::wildcard_enum_match_arm, reason = "only these come here")]
fn of_engine(state: &Execution, change: &Change) -> String {
    let name = |seq: &u32| label_of(state, *seq);
    match change {
        Change::MessageSent { seq } => {
            format!(
                "message sent to {}",
                seq.as_ref()
                    .map_or("the parent".into(), |seq| format!("the child of {}", name(seq)))
            )
        }
        Change::MessageReceived { seq, number, .. } => {
            let from = seq
                .as_ref()
                .map_or("the parent".into(), |seq| format!("the child of {}", name(seq)));
            format!("message {number} came from {from}")
        }
        Change::AgendaLeft { taken, first, last } => {
            format!("slice ends: {taken} taken, {} before and {} behind", first.len(), last.len())
        }
        Change::BranchesPlanned { fork, branches, joined } => {
            let (all, there) = (branches.len(), joined.len());
            format!("{} has {there} of {all} branches", name(fork))
        }
        Change::BranchesJoined { fork, names, is_done } => {
            let end = if *is_done { ", the last" } else { "" };
            format!("{} has {} more branches{end}", name(fork), names.len())
        }
        other => unreachable!("{other:?} is told elsewhere"),
    }
}

pub(crate) fn of_message(message: &Message) -> String {
    let what = match &message.body {
        MessageBody::Start(start) => start_of(start),
        MessageBody::StartFor { start, .. } => format!("{}, tell us", start_of(start)),
        MessageBody::Started { task, .. } => format!("started for {task}"),
        MessageBody::ChildEnded { task, status, output, reason, .. } => {
            format!("child of {task} {status}{}{}", why(reason.as_deref()), tail(output))
        }
        MessageBody::ChildRefused { task, reason } => {
            format!("child of {task} refused \"{reason}\"")
        }
        MessageBody::ChildReopened { task } => format!("child of {task} reopened"),
        MessageBody::ParentEnded { reason } => format!("parent ended \"{reason}\""),
        MessageBody::FailureRefused { name, reason } => format!("{name} refused \"{reason}\""),
        MessageBody::ParentRetried => "parent retried".to_owned(),
    };
    format!("to {}: {what}", message.to)
}

fn start_of(start: &ChildStart) -> String {
    let version = start.version.map_or_else(String::new, |version| format!(".{version}"));
    let definition = if start.definition.is_some() { " (inline)" } else { "" };
    let correlation =
        start.correlation_id.as_ref().map_or_else(String::new, |id| format!(" correlation {id}"));
    let priority =
        if start.priority > 0 { format!(" priority {}", start.priority) } else { String::new() };
    let domains = if start.task_to_domain.is_empty() {
        String::new()
    } else {
        format!(" domains {:?}", start.task_to_domain)
    };
    let name = &start.name;
    format!(
        "start {name}{version}{definition}{correlation}{priority}{domains}{}",
        tail(&start.input)
    )
}
