//! Executions that wait for a time: timers that come due, and others that stay open.
use super::{DueWindow, Pace, Plan, Shape, definition, simple};
use serde_json::{Value, json};
use std::time::Duration;

/// Shortest wait.
const WAIT_MIN: Duration = Duration::from_secs(1);

pub(super) fn timers(prefix: &str, workflows: u32, window: DueWindow, run_id: i64) -> Plan {
    let workflow = format!("{prefix}_timer");
    let task_type = format!("{prefix}_after_timer");
    let after = simple(&task_type, "after", json!({"n": "${workflow.input.n}"}));
    let output = json!({"n": "${after.output.n}"});
    Plan {
        name: "timers",
        pace: Pace::all_of(workflows),
        definitions: vec![definition(&workflow, &[wait(), after], &output)],
        task_types: vec![task_type],
        workflow,
        shape: Shape::Timer(window),
        run_id,
    }
}

pub(super) fn idle(prefix: &str, executions: u32, run_id: i64) -> Plan {
    let workflow = format!("{prefix}_idle");
    Plan {
        name: "idle",
        pace: Pace::all_of(executions),
        definitions: vec![definition(&workflow, &[wait()], &json!({}))],
        task_types: Vec::new(),
        workflow,
        shape: Shape::Idle,
        run_id,
    }
}

fn wait() -> Value {
    json!({"name": "wait", "taskReferenceName": "wait", "type": "WAIT",
        "inputParameters": {"duration": "${workflow.input.wait}"}})
}

/// The whole seconds after which the timer of this number, of `all`, is due at its place in the
/// window.
pub(super) fn wait_of(window: DueWindow, number: u32, all: u32, elapsed: Duration) -> Duration {
    let due = window.opens + window.lasts.mul_f64(f64::from(number) / f64::from(all.max(1)));
    let left = due.saturating_sub(elapsed).as_secs_f64().round();
    Duration::from_secs_f64(left).max(WAIT_MIN)
}
