//! Tasks in a row, each of a type of its own, or of one of a few in turn.
use super::shape::{Pace, Plan, Shape, definition, simple};
use crate::options::RowOptions;
use serde_json::{Value, json};

/// Most task types: each takes connections that poll for it.
const TYPES_MAX: usize = 10;

pub(super) fn plan(prefix: &str, row: RowOptions, run_id: i64) -> Plan {
    let workflow = format!("{prefix}_row_of_{}", row.steps);
    let types = (1..=row.steps).take(TYPES_MAX);
    let task_types: Vec<String> = types.map(|n| format!("{prefix}_step_{n}")).collect();
    let mut tasks = Vec::new();
    let mut previous = "${workflow.input.n}".to_owned();
    for (number, task_type) in (1..=row.steps).zip(task_types.iter().cycle()) {
        let reference = format!("step_{number}");
        let mut input = json!({"n": previous});
        if row.payload_bytes > 0 {
            input["padding"] = json!("${workflow.input.padding}");
        }
        previous = format!("${{{reference}.output.n}}");
        tasks.push(simple(task_type, &reference, input));
    }
    let padding = "x".repeat(row.payload_bytes as usize);
    Plan {
        name: "steps",
        pace: Pace::all_of(row.workflows),
        definitions: vec![definition(&workflow, &tasks, &json!({"n": previous}))],
        task_types,
        workflow,
        shape: Shape::Row { steps: row.steps, padding },
        run_id,
    }
}

pub(super) fn input(number: u32, key: &str, padding: &str) -> Value {
    let mut input = json!({"n": number, "key": key});
    if !padding.is_empty() {
        input["padding"] = json!(padding);
    }
    input
}
