//! `baton workflow explain`: why an execution is where it is, as a tree to the leaves.
use super::moment::{moment, span};
use crate::failure::Failure;
use crate::output::{Format, Output, json};
use baton_client::Client;
use baton_common::api::{Evidence, LastPoll, TaskExplanation, WaitGroup, WorkflowExplanation};
use baton_common::{ExecutionId, Timestamp};

/// What one level of the tree is indented by.
const INDENT: &str = "  ";

/// Prints the explanation of an execution.
///
/// # Errors
/// Those of the request.
pub(crate) async fn run(id: ExecutionId, client: &Client, output: Output) -> Result<(), Failure> {
    let explanation = client.explain_workflow(id).await?;
    match output.format {
        Format::Json => json(&explanation),
        Format::Table => output.line(&tree(&explanation)),
    }
}

fn tree(explanation: &WorkflowExplanation) -> String {
    let mut lines = Lines::default();
    lines.workflow(explanation, 0);
    lines.0.join("\n")
}

#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn add(&mut self, depth: usize, text: &str) {
        self.0.push(format!("{}{text}", INDENT.repeat(depth)));
    }

    fn workflow(&mut self, explained: &WorkflowExplanation, depth: usize) {
        let (name, status, id) =
            (&explained.workflow_name, explained.status, explained.workflow_id);
        self.add(depth, &format!("{name} {id} {status}"));
        self.add(depth + 1, &explained.summary);
        if let Some(limit) = explained.timeout_time {
            let limit = within(limit, explained.as_of);
            self.add(depth + 1, &format!("It is timed out at {limit}."));
        }
        if explained.waits.is_empty() {
            self.remedy(explained.remedy.as_deref(), depth + 1);
        }
        for wait in &explained.waits {
            self.group(wait, depth + 1);
        }
        if explained.waits_left_out > 0 {
            self.add(depth + 1, &format!("and {} more reasons", explained.waits_left_out));
        }
    }

    fn group(&mut self, wait: &WaitGroup, depth: usize) {
        let reason = serde_json::to_value(wait.reason).unwrap_or_default();
        let reason = reason.as_str().unwrap_or_default();
        match wait.tasks.as_slice() {
            [task] if wait.count == 1 => self.task(reason, task, depth),
            tasks => {
                self.add(depth, &format!("{reason}: {}", wait.summary));
                self.remedy(wait.remedy.as_deref(), depth + 1);
                for task in tasks {
                    self.add(depth + 1, &format!("{}: {}", task.reference_task_name, task.task_id));
                    self.details(task, depth + 2);
                }
                let more = (wait.count as usize).saturating_sub(tasks.len());
                if more > 0 {
                    self.add(depth + 1, &format!("and {more} more"));
                }
            }
        }
    }

    fn task(&mut self, reason: &str, task: &TaskExplanation, depth: usize) {
        self.add(depth, &format!("{reason}: {}", task.summary));
        self.details(task, depth + 1);
        if task.child.is_none() {
            self.remedy(task.remedy.as_deref(), depth + 1);
        }
    }

    fn details(&mut self, task: &TaskExplanation, depth: usize) {
        for line in evidence(&task.evidence, task.as_of) {
            self.add(depth, &line);
        }
        if let Some(child) = &task.child {
            self.workflow(child, depth);
        }
    }

    fn remedy(&mut self, remedy: Option<&str>, depth: usize) {
        if let Some(remedy) = remedy {
            self.add(depth, &format!("moved by: {remedy}"));
        }
    }
}

/// What the summary rests on, a line each.
fn evidence(evidence: &Evidence, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("{name}: {value}")));
    };
    add("since", evidence.since.map(|at| within(at, now)));
    add("until", evidence.until.map(|at| within(at, now)));
    add("worker", evidence.worker_id.as_deref().map(str::to_owned));
    let attempts = evidence.attempt.zip(evidence.attempts);
    add("attempt", attempts.map(|(attempt, attempts)| format!("{attempt} of {attempts}")));
    add("failure", evidence.failure.as_deref().map(str::to_owned));
    add("queue", evidence.queue.clone());
    let least = if evidence.at_least { "at least " } else { "" };
    let place = evidence.position.zip(evidence.queue_size);
    add("place", place.map(|(place, size)| format!("{place} of {least}{size}")));
    let rate = evidence.handed_out_last_minute;
    add("handed out", rate.map(|rate| format!("{rate} in the last minute, by this server")));
    for poll in &evidence.last_polls {
        add("last poll", Some(poll_line(poll, now)));
    }
    let names = evidence.waiting_for.iter().map(|awaited| match awaited.status {
        Some(status) => format!("{} ({status})", awaited.reference_task_name),
        None => format!("{} (not begun)", awaited.reference_task_name),
    });
    let names: Vec<String> = names.collect();
    add("waits for", (!names.is_empty()).then(|| names.join(", ")));
    let limit = evidence.timeout_time.filter(|limit| Some(*limit) != evidence.until);
    add("timed out", limit.map(|limit| within(limit, now)));
    lines
}

fn poll_line(poll: &LastPoll, now: Timestamp) -> String {
    let worker = poll.worker_id.as_deref().unwrap_or("a worker without a name");
    let domain = poll.domain.as_deref().map(|domain| format!(" in domain {domain}"));
    format!("{}, by {worker}{}", within(poll.time, now), domain.unwrap_or_default())
}

/// A moment, and how far it is from another.
fn within(at: Timestamp, now: Timestamp) -> String {
    let distance = at.millis_since(now);
    let far = span(distance.abs());
    let relative = if distance > 0 { format!("in {far}") } else { format!("{far} ago") };
    format!("{} UTC ({relative})", moment(at))
}
