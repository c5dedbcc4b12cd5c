//! The commands of a history, read from their text.
use baton_common::{ExecutionId, Payload, TaskStatus, WorkflowStatus};
use baton_decider::command::{Command, MessageBody, Rerun, TaskUpdate};
use baton_decider::state::{Execution, Task};
use serde_json::value::RawValue;

/// The rest of a command's text, taken apart from the left.
pub(crate) struct Words<'a>(pub(crate) &'a str);

impl<'a> Words<'a> {
    /// Takes the next word.
    pub(crate) fn word(&mut self) -> &'a str {
        let text = self.0.trim_start();
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        self.0 = text[end..].trim_start();
        &text[..end]
    }

    /// Takes these words, if they come next.
    pub(crate) fn take(&mut self, words: &str) -> bool {
        match self.0.trim_start().strip_prefix(words) {
            Some(rest) if rest.is_empty() || rest.starts_with(char::is_whitespace) => {
                self.0 = rest.trim_start();
                true
            }
            _ => false,
        }
    }

    /// Takes a JSON value, if one comes next.
    pub(crate) fn json(&mut self) -> Option<Payload> {
        let text = self.0.trim_start();
        if !text.starts_with(['{', '[', '"']) {
            return None;
        }
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Box<RawValue>>();
        let value = values.next()?.expect("a JSON value in the command");
        self.0 = text[values.byte_offset()..].trim_start();
        Some(value.into())
    }

    /// Takes a quoted text, if one comes next.
    pub(crate) fn quoted(&mut self) -> Option<String> {
        if !self.0.trim_start().starts_with('"') {
            return None;
        }
        self.json().and_then(|text| serde_json::from_str(text.get()).ok())
    }

    /// Takes a number of seconds such as `31s` or `2.5s`; milliseconds.
    pub(crate) fn millis(&mut self) -> i64 {
        let word = self.word();
        let number = word.strip_suffix('s').expect("a time such as 31s");
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let whole: i64 = whole.parse().expect("whole seconds");
        let part: i64 = format!("{part:0<3}")[..3].parse().expect("milliseconds");
        whole * 1000 + part
    }
}

/// The number of the task that `ref` or `ref#attempt` names, in loops also without its iteration:
/// the newest that fits.
pub(crate) fn find(execution: &Execution, name: &str) -> u32 {
    let (reference, attempt) = name.split_once('#').unwrap_or((name, ""));
    let attempt: Option<u32> = attempt.parse().ok();
    let newest = |fits: &dyn Fn(&Task) -> bool| {
        let mut tasks = execution.tasks.values().rev().filter(|task| fits(task));
        tasks
            .find(|task| attempt.is_none_or(|attempt| task.retry_count + 1 == attempt))
            .map(|t| t.seq)
    };
    newest(&|task| *task.reference == *reference)
        .or_else(|| newest(&|task| task.base_reference() == reference))
        .or_else(|| name.parse().ok())
        .unwrap_or_else(|| panic!("no task {name}"))
}

/// Reads a command to an execution that has begun.
pub(crate) fn read(text: &str, execution: &Execution, is_again: bool) -> Command {
    let mut words = Words(text);
    let seq = |words: &mut Words| find(execution, words.word());
    match words.word() {
        "begin" => Command::Begin,
        "lease" => {
            let seq = seq(&mut words);
            let worker = words.take("by").then(|| words.word().into());
            Command::LeaseTask { seq, worker }
        }
        "return" => {
            let seq = seq(&mut words);
            let now = execution.task(seq).map_or(0, |task| task.poll_count);
            let poll_count = if words.take("poll") { words.word().parse().unwrap() } else { now };
            let leased_at =
                words.take("leased at").then(|| execution.facts.at.plus_millis(words.millis()));
            Command::ReturnTask { seq, poll_count, leased_at }
        }
        "renew" => Command::RenewLease { seq: seq(&mut words) },
        "wake" => Command::WakeUp,
        "look" => Command::Read,
        "pause" => Command::Pause,
        "resume" => Command::Resume,
        "terminate" => Command::Terminate { reason: words.quoted() },
        "retry" => Command::Retry { resume_children: words.take("resuming children") },
        "restart" => Command::Restart {
            workflow_version: words.take("on version").then(|| words.word().parse().unwrap()),
        },
        "rerun" => Command::Rerun(rerun(words, execution)),
        "skip" => Command::SkipTask { reference: words.word().to_owned() },
        "reset" => Command::ResetCallbacks,
        "child" | "started" | "parent" | "start" | "failure" => receive(text, execution, is_again),
        verb => update(verb, words, execution),
    }
}

fn rerun(mut words: Words, execution: &Execution) -> Rerun {
    Rerun {
        from: words.take("from").then(|| find(execution, words.word())),
        workflow_input: None,
        task_input: if words.take("input") { words.json() } else { None },
        correlation_id: words.take("correlation").then(|| words.word().to_owned()),
    }
}

fn update(verb: &str, mut words: Words, execution: &Execution) -> Command {
    let seq = find(execution, words.word());
    let reason = words.quoted();
    let is_terminal = words.take("terminal");
    let status = match verb {
        "complete" | "merge" => TaskStatus::Completed,
        "fail" if is_terminal => TaskStatus::FailedWithTerminalError,
        "fail" => TaskStatus::Failed,
        "cancel" => TaskStatus::Canceled,
        "report" => TaskStatus::InProgress,
        other => panic!("unknown command {other}"),
    };
    let callback_after_seconds = match words.take("after") {
        true if words.take("ages") => i64::MAX,
        true => words.millis() / 1000,
        false => 0,
    };
    let worker = words.take("by").then(|| words.word().to_owned());
    let output = words.json().unwrap_or_default();
    let merge_output = verb == "merge";
    let update =
        TaskUpdate { seq, status, output, merge_output, reason, worker, callback_after_seconds };
    Command::UpdateTask(update)
}

/// `child <ref> completed {…}`, `child <ref> reopened`, `started <ref>`, `parent ended "why"`, …
fn receive(text: &str, execution: &Execution, is_again: bool) -> Command {
    let next = |received: u32| if is_again { received } else { received + 1 };
    let number = 1;
    let mut words = Words(text);
    let (verb, id) = (words.word(), execution.id());
    let stranger = ExecutionId::child_of(id.task(1), execution.created_at);
    if verb == "start" && words.take("for") {
        let (task, start) = (id.task(1), Box::default());
        return Command::Receive {
            from: stranger,
            number,
            body: MessageBody::StartFor { task, start },
        };
    }
    if verb == "start" {
        return Command::Receive {
            from: stranger,
            number,
            body: MessageBody::Start(Box::default()),
        };
    }
    if verb == "parent" {
        let body = if words.take("ended") {
            MessageBody::ParentEnded { reason: words.quoted().unwrap_or_default() }
        } else {
            MessageBody::ParentRetried
        };
        let number = next(execution.received_from_parent);
        return Command::Receive { from: stranger, number, body };
    }
    if verb == "failure" {
        let (name, reason) = (words.word().to_owned(), words.quoted().unwrap_or_default());
        return Command::Receive {
            from: stranger,
            number,
            body: MessageBody::FailureRefused { name, reason },
        };
    }
    let seq = find(execution, words.word());
    let (task, child) = (id.task(seq), execution.task(seq).and_then(|task| task.child));
    let from = child.unwrap_or(stranger);
    let number = next(execution.task(seq).map_or(0, |task| task.received));
    if verb == "started" {
        return Command::Receive { from, number, body: MessageBody::Started { task, child: from } };
    }
    let what = words.word();
    let status = match what {
        "refused" => {
            let reason = words.quoted().unwrap_or_default();
            return Command::Receive {
                from,
                number,
                body: MessageBody::ChildRefused { task, reason },
            };
        }
        "gone" => return Command::ChildGone { child: from },
        "reopened" => {
            return Command::Receive { from, number, body: MessageBody::ChildReopened { task } };
        }
        _ => WorkflowStatus::from_name(&what.to_uppercase()).expect("how the child ended"),
    };
    let reason = words.quoted();
    let output = words.json().unwrap_or_default();
    Command::Receive {
        from,
        number,
        body: MessageBody::ChildEnded { task, status, output, reason, saw_outside: true },
    }
}

/// The command's name, with the kind of a message that it receives.
pub(crate) fn name(command: &Command) -> &'static str {
    match command {
        Command::Begin => "Begin",
        Command::UpdateTask(_) => "UpdateTask",
        Command::RenewLease { .. } => "RenewLease",
        Command::LeaseTask { .. } => "LeaseTask",
        Command::ReturnTask { .. } => "ReturnTask",
        Command::WakeUp => "WakeUp",
        Command::Read => "Read",
        Command::Pause => "Pause",
        Command::Resume => "Resume",
        Command::Terminate { .. } => "Terminate",
        Command::Restart { .. } => "Restart",
        Command::Retry { .. } => "Retry",
        Command::Rerun(_) => "Rerun",
        Command::SkipTask { .. } => "SkipTask",
        Command::ResetCallbacks => "ResetCallbacks",
        Command::ChildGone { .. } => "ChildGone",
        Command::Receive { body, .. } => body_name(body),
    }
}

fn body_name(body: &MessageBody) -> &'static str {
    match body {
        MessageBody::Start(_) => "Receive Start",
        MessageBody::StartFor { .. } => "Receive StartFor",
        MessageBody::Started { .. } => "Receive Started",
        MessageBody::ChildEnded { .. } => "Receive ChildEnded",
        MessageBody::ChildRefused { .. } => "Receive ChildRefused",
        MessageBody::FailureRefused { .. } => "Receive FailureRefused",
        MessageBody::ChildReopened { .. } => "Receive ChildReopened",
        MessageBody::ParentEnded { .. } => "Receive ParentEnded",
        MessageBody::ParentRetried => "Receive ParentRetried",
    }
}

/// All names that [`name`] can give.
pub(crate) const COMMANDS: [&str; 25] = [
    "Begin",
    "UpdateTask",
    "RenewLease",
    "LeaseTask",
    "ReturnTask",
    "WakeUp",
    "Read",
    "Pause",
    "Resume",
    "Terminate",
    "Restart",
    "Retry",
    "Rerun",
    "SkipTask",
    "ResetCallbacks",
    "ChildGone",
    "Receive Start",
    "Receive StartFor",
    "Receive Started",
    "Receive ChildEnded",
    "Receive ChildRefused",
    "Receive FailureRefused",
    "Receive ChildReopened",
    "Receive ParentEnded",
    "Receive ParentRetried",
];
