//! What a plan is made of.
use serde_json::{Value, json};
use std::time::Duration;

/// A scenario, ready to be run.
pub(crate) struct Plan {
    /// The scenario's name.
    pub(crate) name: &'static str,
    pub(crate) pace: Pace,
    /// Task types that workers poll for.
    pub(crate) task_types: Vec<String>,
    /// The workflow definitions to register.
    pub(crate) definitions: Vec<Value>,
    /// The workflow to start.
    pub(crate) workflow: String,
    pub(super) shape: Shape,
    /// Tells the executions of this run from those that an earlier one left open.
    pub(super) run_id: i64,
}

/// When executions are started.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    /// At most so many.
    pub(crate) workflows: u32,
    /// At most so long.
    pub(crate) stop_after: Option<Duration>,
    /// So many in a second; as soon as there is room otherwise.
    pub(crate) per_second: Option<f64>,
}

/// When the timers of a run come due, from its beginning on.
#[derive(Clone, Copy, Debug)]
pub(super) struct DueWindow {
    pub(super) opens: Duration,
    pub(super) lasts: Duration,
}

/// What its executions do.
pub(super) enum Shape {
    Row { steps: u32, padding: String },
    Fork { width: u32, task_type: String },
    Loop { iterations: u32 },
    Children { children: u32, child: String },
    Timer(DueWindow),
    Mixed,
    Idle,
}

impl Pace {
    /// So many, as soon as there is room.
    pub(super) fn all_of(workflows: u32) -> Self {
        Self { workflows, stop_after: None, per_second: None }
    }
}

/// A task of a worker.
pub(super) fn simple(task_type: &str, reference: &str, input: Value) -> Value {
    json!({"name": task_type, "taskReferenceName": reference, "type": "SIMPLE",
        "inputParameters": with_key(input)})
}

/// An input with the key, by which the client knows its tasks again.
fn with_key(mut input: Value) -> Value {
    input["key"] = json!("${workflow.input.key}");
    input
}

/// A workflow's definition.
pub(super) fn definition(name: &str, tasks: &[Value], output: &Value) -> Value {
    json!({"name": name, "version": 1, "schemaVersion": 2, "ownerEmail": "bench@example.com",
        "timeoutPolicy": "ALERT_ONLY", "timeoutSeconds": 0, "tasks": tasks,
        "outputParameters": output})
}
