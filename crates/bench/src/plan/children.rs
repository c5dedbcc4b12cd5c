//! A parent that forks into children of one task each.
use super::fork;
use super::shape::{Pace, Plan, Shape, definition, simple};
use serde_json::{Value, json};

pub(super) fn plan(prefix: &str, children: u32, workflows: u32, run_id: i64) -> Plan {
    let (workflow, child) = (format!("{prefix}_parent"), format!("{prefix}_child"));
    let task_type = format!("{prefix}_child_step");
    let step = simple(&task_type, "step", json!({"n": "${workflow.input.n}"}));
    Plan {
        name: "subworkflows",
        pace: Pace::all_of(workflows),
        definitions: vec![
            definition(&child, &[step], &json!({"n": "${step.output.n}"})),
            definition(&workflow, &fork::tasks(), &json!({})),
        ],
        task_types: vec![task_type],
        workflow,
        shape: Shape::Children { children, child },
        run_id,
    }
}

pub(super) fn input(children: u32, child: &str, key: &str) -> Value {
    fork::branches(children, key, |reference| {
        json!({"name": child, "taskReferenceName": reference, "type": "SUB_WORKFLOW",
            "subWorkflowParam": {"name": child, "version": 1}})
    })
}
