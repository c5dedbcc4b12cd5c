//! A dynamic fork of many tasks, joined.
use super::shape::{Pace, Plan, Shape, definition};
use serde_json::{Map, Value, json};

pub(super) fn plan(prefix: &str, width: u32, workflows: u32, run_id: i64) -> Plan {
    let workflow = format!("{prefix}_fanout");
    let task_type = format!("{prefix}_branch");
    Plan {
        name: "fanout",
        pace: Pace::all_of(workflows),
        definitions: vec![definition(&workflow, &tasks(), &json!({}))],
        task_types: vec![task_type.clone()],
        workflow,
        shape: Shape::Fork { width, task_type },
        run_id,
    }
}

/// The fork into what the input says, and the join.
pub(super) fn tasks() -> [Value; 2] {
    [
        json!({"name": "fork", "taskReferenceName": "fork", "type": "FORK_JOIN_DYNAMIC",
            "inputParameters": {"tasks": "${workflow.input.tasks}", "inputs": "${workflow.input.inputs}"},
            "dynamicForkTasksParam": "tasks", "dynamicForkTasksInputParamName": "inputs"}),
        json!({"name": "join", "taskReferenceName": "join", "type": "JOIN"}),
    ]
}

pub(super) fn input(width: u32, task_type: &str, key: &str) -> Value {
    branches(
        width,
        key,
        |reference| json!({"name": task_type, "taskReferenceName": reference, "type": "SIMPLE"}),
    )
}

/// An input that names branches and gives each its number.
pub(super) fn branches(width: u32, key: &str, task: impl Fn(String) -> Value) -> Value {
    let tasks: Vec<Value> = (0..width).map(|n| task(branch(n))).collect();
    let inputs: Map<String, Value> =
        (0..width).map(|n| (branch(n), json!({"n": n, "key": key}))).collect();
    json!({"tasks": tasks, "inputs": inputs})
}

/// Whether every branch added one, and there is no other.
pub(super) fn is_right(width: u32, output: &Value) -> bool {
    let is_right = |n: u32| output[branch(n)]["n"] == json!(n + 1);
    output.as_object().map_or(0, Map::len) == width as usize && (0..width).all(is_right)
}

fn branch(number: u32) -> String {
    format!("b{number}")
}
