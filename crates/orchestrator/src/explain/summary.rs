//! The words of explanations: every summary and every remedy is made here.
use baton_common::api::{
    Awaited, IsoTimestamp, LastPoll, LimitUse, TaskExplanation, WaitGroup, WaitReason,
    WorkflowExplanation,
};
use baton_common::{Timestamp, WorkflowStatus};
use baton_decider::explain::{
    Explained, Group, Outsider, POLLED_MS, Ready, Standing, TaskWait, Wait,
};
use baton_decider::state::{Execution, Task};
use std::sync::Arc;

/// Longest part of a failure that a summary quotes, characters; the evidence has all of it.
const QUOTE_CHARS_MAX: usize = 200;

/// A summary, and what would move its subject.
pub(super) struct Words {
    pub(super) summary: String,
    pub(super) remedy: Option<String>,
}

/// Why an execution is where it is; `waits` are its groups.
pub(super) fn workflow(execution: &Execution, explained: &Explained, waits: &[WaitGroup]) -> Words {
    let words = |summary: String, remedy: &str| Words { summary, remedy: Some(remedy.into()) };
    match &explained.standing {
        Standing::Unbegun { since } => words(
            format!("It started at {}; its first step is not scheduled yet.", at(*since)),
            "It begins by itself.",
        ),
        Standing::Held { since } => {
            let open = counted(explained.open, "open task");
            let summary = format!("It has been paused since {}, with {open}.", at(*since));
            words(summary, &resume(execution))
        }
        Standing::Ended { status, at: moment, why } => {
            let summary =
                format!("It ended as {status} at {}{}.", at(*moment), because(why.as_deref()));
            Words { summary, remedy: None }
        }
        Standing::Waits { .. } => match waits.first() {
            Some(first) => {
                Words { summary: with_others(first, waits), remedy: first.remedy.clone() }
            }
            None => words("The engine is working on it.".into(), "It moves by itself."),
        },
    }
}

/// The first group's summary, and how many tasks wait for other reasons of their own.
fn with_others(first: &WaitGroup, waits: &[WaitGroup]) -> String {
    let follows = |wait: &WaitGroup| matches!(wait.reason, WaitReason::Loop | WaitReason::Join);
    let others = waits.iter().skip(1).filter(|wait| !follows(wait));
    match others.map(|wait| wait.count).sum() {
        0 => first.summary.clone(),
        1 => format!("{}; 1 other task waits, too.", clause(&first.summary)),
        more => format!("{}; {more} other tasks wait, too.", clause(&first.summary)),
    }
}

/// Why tasks of one reason are where they are; `tasks` are the first of them.
pub(super) fn group(group: &Group, tasks: &[TaskExplanation]) -> Words {
    let (Some(task), Some(wait)) = (tasks.first(), group.first.first()) else {
        return Words { summary: "Nothing waits.".into(), remedy: None };
    };
    let summary = match group.count {
        1 => task.summary.clone(),
        count => format!("{count} tasks {}.", plural(group.reason, &wait.wait)),
    };
    Words { summary, remedy: task.remedy.clone() }
}

/// What is true of all tasks of a reason.
fn plural(reason: WaitReason, first: &Wait) -> String {
    let fixed = match reason {
        WaitReason::NoWorker | WaitReason::Limited | WaitReason::InQueue => {
            return plural_ready(first);
        }
        WaitReason::Person => "wait for a person",
        WaitReason::Signal => "wait for a signal",
        WaitReason::External => "wait for outside calls that end their actions",
        WaitReason::Leased => "are with workers",
        WaitReason::Backoff => "have failed and wait for their next attempts",
        WaitReason::Callback => "are delayed, as their workers asked",
        WaitReason::StartDelay => "are delayed by the start delays of their steps",
        WaitReason::Timer => "wait for a time",
        WaitReason::Child => "wait for their child executions",
        WaitReason::Start => "wait for the executions that they start",
        WaitReason::Engine => "are being worked on by the engine",
        WaitReason::Resume => {
            "have ended during the pause; their next steps wait until the execution is resumed"
        }
        WaitReason::Loop => "wait for the tasks of their iterations",
        WaitReason::Join => "wait for the steps that they join",
        WaitReason::Ended => "have ended",
    };
    fixed.to_owned()
}

fn plural_ready(first: &Wait) -> String {
    let Wait::Worker(ready) = first else { return "are ready".into() };
    if ready.lacks_worker {
        return format!("are ready, but {}", no_poll(ready));
    }
    if let Some(limit) = &ready.limit {
        return format!("are ready and wait for a slot: {}", full(limit));
    }
    let size = ready.place.map(|place| {
        let least = if place.at_least { "at least " } else { "" };
        format!(", which has {least}{}", counted(place.size, "task"))
    });
    format!("are ready in queue `{}`{}", ready.queue, size.unwrap_or_default())
}

/// Why a task is where it is, at a moment, with the explanation of its child if there is one.
pub(super) fn task(
    execution: &Execution,
    task: &Task,
    wait: &TaskWait,
    (now, child): (Timestamp, Option<&WorkflowExplanation>),
) -> Words {
    let predicate = predicate(&wait.wait, now, child);
    let is_paused = execution.status == WorkflowStatus::Paused && needs_engine(&wait.wait, now);
    Words {
        summary: format!("Task `{}` {predicate}.", task.reference),
        remedy: if is_paused {
            Some(resume(execution))
        } else {
            remedy(execution, task, wait, child)
        },
    }
}

fn predicate(wait: &Wait, now: Timestamp, child: Option<&WorkflowExplanation>) -> String {
    match wait {
        Wait::Worker(ready) => worker(ready),
        Wait::Lease { worker, since, until } if *until <= now => {
            let (worker, since) = (named(worker.as_ref()), at(*since));
            format!("was leased by {worker} at {since}, and that lease ended at {}", at(*until))
        }
        Wait::Lease { worker, since, until } => {
            let (worker, since) = (named(worker.as_ref()), at(*since));
            format!("has been leased by {worker} since {since}, until {}", at(*until))
        }
        Wait::Backoff { until, attempt, attempts, failure } => {
            let failure = failure.as_deref().filter(|failure| !failure.is_empty());
            let failure = failure
                .map(|failure| format!(": the one before failed with `{}`", quoted(failure)));
            let until = at(*until);
            let failure = failure.unwrap_or_default();
            format!("is backing off until {until} (attempt {attempt} of {attempts}){failure}")
        }
        Wait::Callback { until, worker } => {
            let worker = named(worker.as_ref());
            format!("is delayed until {}, as {worker} asked", at(*until))
        }
        Wait::StartDelay { until } => {
            format!("is delayed until {} by its step's start delay", at(*until))
        }
        Wait::Timer { until } => format!("waits for a time, {}", at(*until)),
        Wait::Outside { whom: Outsider::Person, since } => {
            format!("has waited for a person since {}", at(*since))
        }
        Wait::Outside { whom: Outsider::Signal, since } => {
            format!("has waited for a signal since {}", at(*since))
        }
        Wait::Outside { whom: Outsider::Action, since } => {
            format!("has waited since {} for an outside call that ends its action", at(*since))
        }
        Wait::Child { child: id, .. } => {
            let why = child.map(|child| format!(": {}", lowered(clause(&child.summary))));
            format!("waits for its child execution {id}{}", why.unwrap_or_default())
        }
        Wait::Start { since } => {
            let since = at(*since);
            format!("has waited since {since} for the execution that it starts")
        }
        Wait::Engine { since } => {
            format!("has been worked on by the engine since {}", at(*since))
        }
        Wait::Loop { open: 0, iteration, .. } => {
            format!("has done all of iteration {iteration}")
        }
        Wait::Loop { iteration, open, first } => {
            format!("waits for {} in iteration {iteration}", listed(first, *open))
        }
        Wait::Join { open: 0, of, .. } => format!("has all of its {}", counted(*of, "step")),
        Wait::Join { open, is_exclusive: true, first, .. } => {
            format!("waits for the first to end of {}", listed(first, *open))
        }
        Wait::Join { open, of, is_exclusive: false, first } => {
            format!("waits for {}: {open} of {}", listed(first, *open), counted(*of, "step"))
        }
        Wait::Nothing { status, at: moment, holds_up: true, .. } => {
            let ended = format!("ended as {status} at {}", at(*moment));
            format!("{ended}, during the pause; the next step waits until the execution is resumed")
        }
        Wait::Nothing { status, at: moment, why, holds_up: false } => {
            format!("ended as {status} at {}{}", at(*moment), because(why.as_deref()))
        }
    }
}

fn worker(ready: &Ready) -> String {
    let since = at(ready.since);
    if ready.lacks_worker {
        return format!("has been ready since {since}, but {}", no_poll(ready));
    }
    if let Some(limit) = &ready.limit {
        return format!("has been ready since {since} and waits for a slot: {}", full(limit));
    }
    let queue = &ready.queue;
    let Some(place) = ready.place else {
        return format!("has been ready since {since} in queue `{queue}`");
    };
    if place.ahead == 0 {
        return format!("has been ready since {since} and is next in queue `{queue}`");
    }
    let least = if place.at_least { "at least " } else { "" };
    let others = counted(place.ahead, "other task");
    let drain = ready.handed_out.filter(|rate| *rate > 0).map(|rate| {
        let seconds = (place.ahead * 60).div_ceil(u64::from(rate));
        format!(", {rate} of which this process hands out a minute: in about {}", span(seconds))
    });
    let drain = drain.unwrap_or_default();
    format!("has been ready since {since} behind {least}{others} in queue `{queue}`{drain}")
}

/// Why a limit has no slot.
fn full(limit: &LimitUse) -> String {
    let name = &limit.name;
    match (limit.concurrent, limit.next_time) {
        (Some(most), None) => {
            let holders: Vec<String> = limit.held_by.iter().map(ToString::to_string).collect();
            let others = limit.in_use.saturating_sub(holders.len() as u64);
            let others = if others > 0 { format!(" and {others} more") } else { String::new() };
            let held = if holders.is_empty() {
                String::new()
            } else {
                format!(", held by {}{others}", holders.join(", "))
            };
            format!("limit `{name}` has {} of {most} in use{held}", limit.in_use)
        }
        (_, Some(next)) => {
            let (rate, seconds) = (limit.rate.unwrap_or(0), limit.rate_seconds.unwrap_or(0));
            let per = counted(seconds.unsigned_abs(), "second");
            format!("limit `{name}` lets {rate} through in {per}, the next at {}", at(next))
        }
        (None, None) => format!("limit `{name}` is full"),
    }
}

/// That nobody has polled a queue lately, and who was the last to.
fn no_poll(ready: &Ready) -> String {
    let what = polled_for(ready);
    match own_poll(ready) {
        None => format!("no worker has ever polled for {what}"),
        Some(poll) => {
            let (time, worker) = (at(poll.time), named(poll.worker_id.as_ref()));
            format!("no worker has polled for {what} since {worker} did at {time}")
        }
    }
}

fn own_poll(ready: &Ready) -> Option<&LastPoll> {
    ready.polls.iter().find(|poll| poll.domain == ready.domain)
}

fn polled_for(ready: &Ready) -> String {
    match &ready.domain {
        Some(domain) => format!("`{}` in domain `{domain}`", ready.task_type),
        None => format!("`{}`", ready.task_type),
    }
}

fn remedy(
    execution: &Execution,
    task: &Task,
    wait: &TaskWait,
    child: Option<&WorkflowExplanation>,
) -> Option<String> {
    let id = execution.id();
    let complete = || format!("`POST /api/tasks/{id}/{}/COMPLETED`", task.reference);
    let reset = || format!("`POST /api/workflow/{id}/resetcallbacks`");
    Some(match &wait.wait {
        Wait::Worker(ready) if ready.lacks_worker => start_worker(ready),
        Wait::Worker(ready) if ready.limit.is_some() => {
            ready.limit.as_ref().map(free_a_slot).unwrap_or_default()
        }
        Wait::Worker(ready) if ready.place.is_some_and(|place| place.ahead > 0) => {
            "More workers for this queue; those of a higher priority are handed out first.".into()
        }
        Wait::Worker(_) => "The next poll of a worker takes it.".into(),
        Wait::Lease { .. } => match wait.timeout_at {
            Some(limit) => {
                format!("A report of its worker; without one it is taken back at {}.", at(limit))
            }
            None => "A report of its worker.".into(),
        },
        Wait::Backoff { .. } | Wait::Callback { .. } | Wait::StartDelay { .. } => {
            format!("The time; {} makes it ready now.", reset())
        }
        Wait::Timer { .. } => format!("The time, or {}.", complete()),
        Wait::Outside { .. } => format!("A call of {}.", complete()),
        Wait::Child { child: id, .. } => match child.and_then(|child| child.remedy.clone()) {
            Some(remedy) => remedy,
            None => format!("What moves the child: `baton workflow explain {id}`."),
        },
        Wait::Start { .. } | Wait::Engine { .. } => "It moves by itself.".into(),
        Wait::Loop { .. } | Wait::Join { .. } => "The end of what it waits for.".into(),
        Wait::Nothing { holds_up: true, .. } => resume(execution),
        Wait::Nothing { holds_up: false, .. } => return None,
    })
}

/// What gives a task its slot.
fn free_a_slot(limit: &LimitUse) -> String {
    let name = &limit.name;
    if limit.next_time.is_some() {
        return format!(
            "The time, or a higher `rateLimitPerFrequency` of task definition `{name}`."
        );
    }
    format!(
        "The end of a task that holds a slot, or a higher `concurrentExecLimit` of task definition `{name}`."
    )
}

fn start_worker(ready: &Ready) -> String {
    if &*ready.task_type == "HTTP" {
        return "Start `baton executor` or `baton server`, which run HTTP tasks.".into();
    }
    let start = format!("Start a worker that polls for {}.", polled_for(ready));
    let own = own_poll(ready).map(|poll| poll.time);
    let elsewhere = ready.polls.iter().find(|poll| {
        let is_newer = own.is_none_or(|own| poll.time.millis_since(own) > POLLED_MS);
        poll.domain != ready.domain && is_newer
    });
    match elsewhere {
        None => start,
        Some(LastPoll { domain: Some(domain), worker_id, .. }) => {
            let worker = named(worker_id.as_ref());
            format!("{start} In domain `{domain}` {worker} polls for it.")
        }
        Some(LastPoll { domain: None, worker_id, .. }) => {
            format!("{start} Outside domains {} polls for it.", named(worker_id.as_ref()))
        }
    }
}

/// Whether only the engine moves it, which it does not while the execution is paused.
fn needs_engine(wait: &Wait, now: Timestamp) -> bool {
    match wait {
        Wait::Backoff { .. }
        | Wait::Callback { .. }
        | Wait::StartDelay { .. }
        | Wait::Timer { .. }
        | Wait::Engine { .. } => true,
        Wait::Loop { open, .. } | Wait::Join { open, .. } => *open == 0,
        Wait::Lease { until, .. } => *until <= now,
        Wait::Worker(_)
        | Wait::Outside { .. }
        | Wait::Child { .. }
        | Wait::Start { .. }
        | Wait::Nothing { .. } => false,
    }
}

fn resume(execution: &Execution) -> String {
    format!("Resume the execution: `baton workflow resume {}`.", execution.id())
}

/// A moment to the second.
fn at(moment: Timestamp) -> String {
    let text = IsoTimestamp(moment).to_string();
    // 2026-11-22T06:30:39.876Z
    format!("{}Z", text.get(..19).unwrap_or(&text))
}

/// A span of seconds with one unit.
fn span(seconds: u64) -> String {
    match seconds {
        ..90 => format!("{seconds} s"),
        90..5_400 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

fn counted(count: impl Into<u64>, noun: &str) -> String {
    match count.into() {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

fn named(worker: Option<&Arc<str>>) -> String {
    match worker {
        Some(worker) => format!("worker `{worker}`"),
        None => "a worker without a name".into(),
    }
}

fn because(why: Option<&str>) -> String {
    let why = why.filter(|why| !why.is_empty());
    why.map_or_else(String::new, |why| format!(": {}", quoted(why).trim_end_matches('.')))
}

fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `a`, `b` and 3 more.
fn listed(first: &[Awaited], count: u32) -> String {
    let mut names: Vec<String> =
        first.iter().map(|awaited| format!("`{}`", awaited.reference_task_name)).collect();
    let more = (count as usize).saturating_sub(names.len());
    let last = if more > 0 { Some(format!("{more} more")) } else { names.pop() };
    match (names.is_empty(), last) {
        (_, None) => "nothing".into(),
        (true, Some(last)) => last,
        (false, Some(last)) => format!("{} and {last}", names.join(", ")),
    }
}

/// A summary without its full stop.
fn clause(summary: &str) -> &str {
    summary.trim_end_matches('.')
}

/// A clause as it stands within a summary.
fn lowered(clause: &str) -> String {
    let mut letters = clause.chars();
    let first = letters.next().map(|letter| letter.to_lowercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests;
