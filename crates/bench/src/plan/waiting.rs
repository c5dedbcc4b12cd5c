//! Executions that wait for a time: timers that come due, and others that stay open.
use super::shape::{DueWindow, Pace, Plan, Shape, definition, simple};
use serde_json::{Value, json};
use std::time::Duration;

/// The golden ratio's fraction: its multiples, whole parts left away, lie evenly in 0..1 however many
/// of them there are.
const EVENLY: f64 = 0.618_033_988_749_894_9;
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

/// The whole seconds after which the timer of this number is due at its place in the window. Waits
/// are whole seconds, so neighbours must not have neighbouring places: those with the same wait would
/// be due in the rhythm of their starts, a second's worth at once.
pub(super) fn wait_of(window: DueWindow, number: u32, elapsed: Duration) -> Duration {
    let due = window.opens + window.lasts.mul_f64((f64::from(number) * EVENLY).fract());
    let left = due.saturating_sub(elapsed).as_secs_f64().round();
    Duration::from_secs_f64(left).max(WAIT_MIN)
}
