//! A loop of one task, which is given what it gave in the round before.
use super::shape::{Pace, Plan, Shape, definition, simple};
use serde_json::{Value, json};

pub(super) fn plan(prefix: &str, iterations: u32, workflows: u32, run_id: i64) -> Plan {
    of(prefix, iterations, workflows, run_id, &json!({}))
}

/// Executions without an end of so many rounds each, of which they keep the last two.
pub(super) fn endless(prefix: &str, iterations: u32, run_id: i64) -> Plan {
    of(prefix, iterations, u32::MAX, run_id, &json!({"keepLastN": 2}))
}

fn of(prefix: &str, iterations: u32, workflows: u32, run_id: i64, input: &Value) -> Plan {
    let workflow = format!("{prefix}_loop_of_{iterations}");
    let task_type = format!("{prefix}_round");
    let body = simple(&task_type, "body", json!({"n": "${body.output.n}"}));
    let condition =
        format!("if ($.loop['iteration'] < {iterations}) {{ true; }} else {{ false; }}");
    let repeat = json!({"name": "loop", "taskReferenceName": "loop", "type": "DO_WHILE",
        "inputParameters": input, "loopCondition": condition, "loopOver": [body]});
    let output = json!({"n": "${body.output.n}", "iterations": "${loop.output.iteration}"});
    Plan {
        name: "loop",
        pace: Pace::all_of(workflows),
        definitions: vec![definition(&workflow, &[repeat], &output)],
        task_types: vec![task_type],
        workflow,
        shape: Shape::Loop { iterations },
        run_id,
    }
}
