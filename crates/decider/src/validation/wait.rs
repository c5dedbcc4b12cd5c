//! What a WAIT step may say literally.
use super::Fault;
use super::steps::Step;
use crate::duration::{parse_duration, parse_until};
use serde_json::Value;

/// The faults of a WAIT step's `duration` and `until`; texts with tokens are judged when they are
/// resolved, and an empty text waits for an outside call.
pub(super) fn faults(step: &Step<'_>) -> Vec<Fault> {
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
