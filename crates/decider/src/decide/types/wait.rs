//! WAIT: for a time, or for somebody. **Source**: conductor-semantics §1.12.
use super::super::AgendaItem;
use super::super::decider::{Decider, Flow, TaskType};
use super::engine::ENGINE;
use crate::change::{Change, TaskReport};
use crate::duration::{parse_duration, parse_until};
use crate::json;
use crate::plan::Node;
use crate::state::{NodeKey, Task};
use crate::task_type::{Facts, Mark, Waits};
use crate::validation::Fault;
use crate::validation::steps::{Step, TaskDefs};
use baton_common::{Payload, TaskStatus, Timestamp};
use serde_json::Value;
use std::sync::Arc;

pub(super) static WAIT: TaskType = TaskType {
    facts: Facts {
        marks: &[Mark::RunsByName],
        waits: |task| task.wait_until.map_or(Waits::Signal, Waits::Timer),
        faults,
        ..Facts::of_engine("WAIT")
    },
    schedule: Decider::schedule_wait,
    activate: Decider::begin_wait,
    ..ENGINE
};

impl Decider {
    fn schedule_wait(&mut self, node: &Node, place: NodeKey, loop_task: Option<u32>) -> Flow {
        let mut task = self.new_task(node, place, loop_task);
        task.input = self.input_of(node, Some(task.seq))?;
        let deadline = self.wait_deadline(&task.input);
        let seq = task.seq;
        match deadline {
            Ok(Some(at)) if at <= self.now() => {
                self.record(Change::TaskScheduled(Arc::new(task)));
                self.end(seq, TaskStatus::Completed, None, None);
            }
            Ok(until) => {
                task.wait_until = until;
                self.record(Change::TaskScheduled(Arc::new(task)));
            }
            Err(reason) => {
                self.record(Change::TaskScheduled(Arc::new(task)));
                self.end(seq, TaskStatus::FailedWithTerminalError, None, Some(&reason));
            }
        }
        Ok(())
    }

    /// Begins to wait, for a WAIT that was held back or is begun anew.
    fn begin_wait(&mut self, task: &Arc<Task>) {
        let seq = task.seq;
        match self.wait_deadline(&task.input) {
            Ok(until) => {
                let at = self.now();
                let report = TaskReport { wait_until: until, ..TaskReport::new(seq, at) };
                self.record(Change::TaskReported(Box::new(report)));
                self.put(AgendaItem::Run(seq));
            }
            Err(reason) => {
                self.end(seq, TaskStatus::FailedWithTerminalError, None, Some(&reason));
            }
        }
    }

    /// When a WAIT with this input is over; `None` = when somebody says so.
    fn wait_deadline(&self, input: &Payload) -> Result<Option<Timestamp>, String> {
        let members = json::members(input);
        let given = |key: &str| members.get(key).filter(|value| !is_blank(value));
        match (given("duration"), given("until")) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => {
                Err("Both 'duration' and 'until' specified. Please provide only one input".into())
            }
            (Some(duration), None) => {
                let text = json::text(duration).unwrap_or_else(|| duration.get().to_owned());
                let seconds = parse_duration(&text).map_err(|error| error.to_string())?;
                Ok(Some(self.now().plus_seconds(seconds)))
            }
            (None, Some(until)) => {
                let text = json::text(until).unwrap_or_else(|| until.get().to_owned());
                let millis = parse_until(&text).map_err(|error| error.to_string())?;
                Ok(Some(Timestamp::from_millis(millis)))
            }
        }
    }
}

fn is_blank(value: &Payload) -> bool {
    value.is_null() || value.get() == "\"\""
}

/// The faults of a WAIT step's `duration` and `until`; texts with tokens are judged when they are
/// resolved, and an empty text waits for an outside call.
fn faults(step: &Step<'_>, _: TaskDefs<'_>) -> Vec<Fault> {
    let input = step.task.input_parameters.to_value();
    let (duration, until) = (text(&input, "duration"), text(&input, "until"));
    match (duration, until) {
        (Text::Given(_), Text::Given(_)) => {
            let message = "Both 'duration' and 'until' specified. Please provide only one input";
            vec![step.fault("/inputParameters", message)]
        }
        (duration, until) => {
            let faults = [duration_message(duration), until_message(until)];
            let places = ["/inputParameters/duration", "/inputParameters/until"];
            let found = places.into_iter().zip(faults);
            found.filter_map(|(place, message)| Some(step.fault(place, message?))).collect()
        }
    }
}

#[derive(Clone, Copy)]
enum Text<'a> {
    /// Null, blank or not there.
    Absent,
    /// A text to judge, or one with a token.
    Given(&'a str),
    /// Something else than text.
    Other(&'a Value),
}

fn text<'a>(input: &'a Value, member: &str) -> Text<'a> {
    match input.get(member) {
        None | Some(Value::Null) => Text::Absent,
        Some(Value::String(text)) if text.trim().is_empty() => Text::Absent,
        Some(Value::String(text)) => Text::Given(text),
        Some(other) => Text::Other(other),
    }
}

fn duration_message(duration: Text<'_>) -> Option<String> {
    let fault = match duration {
        Text::Absent => return None,
        Text::Given(text) if text.contains("${") => return None,
        Text::Given(text) => parse_duration(text).err()?.to_string(),
        Text::Other(value) => format!("`{value}` is not text"),
    };
    Some(format!(
        "Wait time specified is invalid.  The duration must be in days, hours, minutes and \
         seconds: {fault}"
    ))
}

fn until_message(until: Text<'_>) -> Option<String> {
    let fault = match until {
        Text::Absent => return None,
        Text::Given(text) if text.contains("${") => return None,
        Text::Given(text) => parse_until(text).err()?.to_string(),
        Text::Other(value) => format!("`{value}` is not text"),
    };
    Some(format!("Unable to parse date : {fault}"))
}
