//! Samples of executions and overviews.
use super::changes::{
    agenda, bare_task, branches, full_facts, full_task, least_facts, loop_output, slots,
};
use super::{domains, json, noon, own};
use baton_common::{Payload, TaskStatus, WorkflowStatus};
use baton_decider::change::Change;
use baton_decider::plan::Plan;
use baton_decider::state::{Execution, NodeKey, Task};
use baton_format::Overview;
use serde_json::{Value, json as value};
use std::sync::Arc;

fn step(name: &str) -> Value {
    value!({"name": "work", "taskReferenceName": name, "type": "SIMPLE"})
}

/// Loops in a loop, a name that two steps have, and a step that is decided at run time.
pub(crate) fn plan() -> Plan {
    let inner = value!({"name": "inner", "taskReferenceName": "inner", "type": "DO_WHILE",
        "loopCondition": "false", "loopOver": [step("step")]});
    let outer = value!({"name": "outer", "taskReferenceName": "outer", "type": "DO_WHILE",
        "loopCondition": "false", "loopOver": [inner, step("a")]});
    let dynamic = value!({"name": "dynamic", "taskReferenceName": "dynamic", "type": "DYNAMIC",
        "dynamicTaskNameParam": "name"});
    let tasks = [step("a"), outer, dynamic, step("b")];
    Plan::compile(serde_json::from_value(value!({"name": "ship", "tasks": tasks})).unwrap())
}

/// A step that is defined at run time.
pub(crate) fn defined_step() -> Payload {
    json(
        r#"{"name":"chosen","taskReferenceName":"dynamic","type":"DO_WHILE","loopCondition":"false","loopOver":[{"name":"deep","taskReferenceName":"deep","type":"SIMPLE"}]}"#,
    )
}

/// An execution of [`plan`] with one step defined at run time.
pub(crate) fn execution() -> Execution {
    let mut execution = Execution::new(Arc::new(plan()), least_facts(), json("{}"));
    execution.apply(&Change::StepsDefined { steps: vec![defined_step()] });
    execution
}

fn full_state() -> Execution {
    let mut execution = Execution::new(Arc::new(plan()), full_facts(), json(r#"{"x":1}"#));
    execution.apply(&Change::StepsDefined { steps: vec![defined_step()] });
    let node = |path| execution.plan.find_path(path).unwrap();
    let outer = Task {
        output: loop_output(),
        iteration: 3,
        status: TaskStatus::InProgress,
        ..bare_task(1, "outer", node("outer"))
    };
    let deep = NodeKey { plan: 1, node: 1 };
    let tasks = [
        outer,
        full_task(2, node("outer/inner/step")),
        Task { place: deep, ..bare_task(3, "deep", 0) },
        Task { place: NodeKey { plan: 1, node: 0 }, ..bare_task(4, "other", 0) },
        Task { status: TaskStatus::Failed, ..bare_task(7, "b", node("b")) },
    ];
    for task in tasks {
        execution.apply(&Change::TaskScheduled(Arc::new(task)));
    }
    execution.status = WorkflowStatus::Paused;
    execution.variables = json(r#"{"v":1}"#);
    execution.output = json(r#"{"o":1}"#);
    execution.reason = Some("no money".into());
    execution.failed_task = Some(7);
    execution.created_at = noon(1);
    execution.ended_at = Some(noon(2));
    execution.updated_at = noon(3);
    execution.last_retried_at = Some(noon(4));
    execution.paused_at = Some(noon(5));
    execution.reopened_at = Some(noon(6));
    execution.failed_references = [(5_u32, "a".into()), (7, "b".into())].into_iter().collect();
    execution.inherited_failures = [(5_u32, "a".into())].into_iter().collect();
    execution.last_seq = 9;
    execution.unsettled = [7_u32].into_iter().collect();
    (execution.sent_to_parent, execution.received_from_parent) = (2, 3);
    (execution.saw_outside, execution.starts) = (true, 4);
    execution.agenda = agenda().into_iter().collect();
    let (branches, joined) = (branches(), vec!["x".into()]);
    execution.apply(&Change::BranchesPlanned { fork: 4, branches, joined });
    execution
}

/// A task that holds slots.
fn limited_state() -> Execution {
    let mut execution = execution();
    let node = execution.plan.find_path("b").unwrap();
    execution.apply(&Change::TaskScheduled(Arc::new(bare_task(1, "b", node))));
    execution.apply(&Change::TaskLeased {
        seq: 1,
        worker: None,
        slots: Some(slots()),
        at: noon(1),
    });
    execution
}

pub(crate) fn states() -> Vec<(&'static str, Execution)> {
    let least = Execution::new(Arc::new(plan()), least_facts(), json("{}"));
    vec![("least", least), ("full", full_state()), ("limited", limited_state())]
}

pub(crate) fn overviews() -> Vec<(&'static str, Overview)> {
    let full = Overview {
        variables: json(r#"{"v":1}"#),
        output: json(r#"{"o": 1.50}"#),
        reason: Some("no money".into()),
        failed_references: vec!["a".into(), "b__2".into()],
        failed_names: vec!["work".into()],
        priority: 9,
        task_to_domain: domains(),
        last_retried_at: Some(noon(1)),
        created_by: own("me"),
        event: own("e"),
        idempotency_key: own("k"),
    };
    vec![("least", Overview::default()), ("full", full)]
}
