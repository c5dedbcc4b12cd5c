//! What the schema says of a step beyond its Rust type: the task types by name, what each of them
//! needs, and the input that it reads.
use super::properties;
use baton_decider::decide::types;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// A member that older versions of Conductor wrote, and many files still have.
const CALLBACK: &str = "callbackFromWorker";

/// Completes the schema of a step.
pub(super) fn complete(step: &mut Value) {
    if let Some(properties) = properties::of(step) {
        let task_type = task_type();
        let mut other = task_type.clone();
        other["description"] = json!("Another name of `type`; the one that comes last counts.");
        properties.insert("type".into(), task_type);
        properties.insert("workflowTaskType".into(), other);
        properties.insert(
            CALLBACK.into(),
            json!({
                "type": "boolean",
                "deprecated": true,
                "description": "Of old versions of Conductor; has no effect.",
            }),
        );
    }
    step["required"] = json!(["name", "taskReferenceName"]);
    step["allOf"] = Value::Array(DEMANDS.iter().map(demand).collect());
}

/// A known type, or a worker's own: any text that is not a known type in other letters.
fn task_type() -> Value {
    let known =
        types::all().map(|facts| json!({ "const": facts.name, "description": about(facts.name) }));
    let mut alike = String::from("^(");
    for (index, facts) in types::all().enumerate() {
        if index > 0 {
            alike.push('|');
        }
        facts.name.chars().for_each(|letter| in_any_case(&mut alike, letter));
    }
    alike.push_str(")$");
    json!({
        "description": "What runs the step. Any name that is not in the list is the type of your own worker.",
        "default": "SIMPLE",
        "anyOf": [
            { "oneOf": known.collect::<Vec<_>>() },
            { "type": "string", "minLength": 1, "not": { "pattern": alike } },
            { "type": "null" },
        ],
    })
}

fn in_any_case(pattern: &mut String, letter: char) {
    if letter.is_ascii_alphabetic() {
        let _ = write!(pattern, "[{}{}]", letter, letter.to_ascii_lowercase());
    } else {
        pattern.push(letter);
    }
}

/// What a type needs, and the input members that it reads with what they are.
struct Demand {
    task_type: &'static str,
    required: &'static [&'static str],
    inputs: &'static [(&'static str, &'static str)],
}

const fn needs(task_type: &'static str, required: &'static [&'static str]) -> Demand {
    Demand { task_type, required, inputs: &[] }
}

const fn reads(task_type: &'static str, inputs: &'static [(&'static str, &'static str)]) -> Demand {
    Demand { task_type, required: &[], inputs }
}

const DEMANDS: [Demand; 11] = [
    needs("SWITCH", &["evaluatorType", "expression", "decisionCases"]),
    needs("DECISION", &["decisionCases"]),
    needs("FORK_JOIN", &["forkTasks"]),
    needs("DO_WHILE", &["loopOver"]),
    needs("EVENT", &["sink"]),
    needs("DYNAMIC", &["dynamicTaskNameParam"]),
    reads(
        "HTTP",
        &[
            ("http_request", "The whole request; or give its members here."),
            ("uri", "Address, `http` or `https`."),
            ("method", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS or TRACE."),
            ("headers", "Headers by name."),
            ("body", "Text is sent as it is, anything else as JSON."),
            ("accept", "The Accept header; application/json if absent."),
            ("contentType", "The Content-Type header; application/json if absent."),
            ("connectionTimeOut", "Milliseconds; 3000 if absent."),
            ("readTimeOut", "Milliseconds; 3000 if absent."),
        ],
    ),
    reads(
        "WAIT",
        &[
            ("duration", "How long: `1 day 2 hours 30 min 5s`."),
            ("until", "Until when: `2031-05-01 09:30 UTC`."),
        ],
    ),
    reads(
        "INLINE",
        &[
            ("evaluatorType", "javascript, graaljs or value-param."),
            ("expression", "The script; it reads these parameters as `$.name`."),
        ],
    ),
    reads(
        "JSON_JQ_TRANSFORM",
        &[("queryExpression", "The jq program; it reads these parameters as `.name`.")],
    ),
    reads(
        "TERMINATE",
        &[
            ("terminationStatus", "COMPLETED, FAILED or TERMINATED."),
            ("terminationReason", "Why."),
            ("workflowOutput", "The output of the execution."),
        ],
    ),
];

fn demand(demand: &Demand) -> Value {
    let mut then = Map::new();
    if !demand.required.is_empty() {
        then.insert("required".into(), json!(demand.required));
    }
    if !demand.inputs.is_empty() {
        let inputs = demand.inputs.iter();
        let inputs: Map<String, Value> = inputs
            .map(|(name, about)| ((*name).to_owned(), json!({ "description": about })))
            .collect();
        then.insert("properties".into(), json!({ "inputParameters": { "properties": inputs } }));
    }
    json!({
        "if": { "properties": { "type": { "const": demand.task_type } }, "required": ["type"] },
        "then": then,
    })
}

/// What a type does, in one sentence; the manual says more.
fn about(task_type: &str) -> &'static str {
    match task_type {
        "SIMPLE" => "A task for a worker that polls for its name.",
        "USER_DEFINED" => "An old word for SIMPLE.",
        "HTTP" => "One HTTP request.",
        "COMMAND" => "A program that an executor runs.",
        "EVENT" => "A message to a sink.",
        "KAFKA_PUBLISH" => "A message to Kafka.",
        "DYNAMIC" => "The task that its input names.",
        "SWITCH" => "One branch of several.",
        "DECISION" => "An old word for SWITCH.",
        "FORK_JOIN" => "All branches at once; a JOIN follows.",
        "FORK_JOIN_DYNAMIC" => "As many branches as the input says; a JOIN follows.",
        "JOIN" => "Waits for the steps in joinOn.",
        "EXCLUSIVE_JOIN" => "Takes over the result of the first of its steps that ran.",
        "DO_WHILE" => "Its body again and again, by a condition or over a list.",
        "SUB_WORKFLOW" => "A child workflow, for which it waits.",
        "START_WORKFLOW" => "Starts another workflow and continues.",
        "WAIT" => "Waits for a time or a signal.",
        "HUMAN" => "Waits for a person.",
        "SET_VARIABLE" => "Sets variables of the execution.",
        "INLINE" => "A script over its input.",
        "LAMBDA" => "An old word for INLINE.",
        "JSON_JQ_TRANSFORM" => "A jq program over its input.",
        "TERMINATE" => "Ends the execution.",
        "NOOP" => "Nothing.",
        _ => "A task of the engine.",
    }
}
