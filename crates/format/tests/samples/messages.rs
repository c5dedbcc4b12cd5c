//! Messages.
use super::{domains, id, json, lineage, own, trace};
use baton_common::{Payload, WorkflowStatus};
use baton_decider::command::{ChildStart, News};
use baton_decider::state::Parent;

fn full_start() -> Box<ChildStart> {
    Box::new(ChildStart {
        name: "child".into(),
        version: Some(2),
        definition: Some(json(r#"{"name":"child"}"#)),
        input: json(r#"{"x": 1.0}"#),
        correlation_id: own("order 1"),
        task_to_domain: domains(),
        priority: 7,
        parent: Some(Parent { task: id(1).task(3), depth: 2 }),
        idempotency_key: own("key"),
        trace: trace(),
        lineage: lineage(),
    })
}

pub(crate) fn messages() -> Vec<(&'static str, News)> {
    let task = id(1).task(3);
    let reason = || "no \"money\"".to_owned();
    let least = ChildStart { name: "child".into(), ..ChildStart::default() };
    let (status, output) = (WorkflowStatus::Completed, Payload::empty_object());
    vec![
        ("least", News::Start(Box::new(least.clone()))),
        ("full", News::Start(full_start())),
        ("least", News::StartFor { task, start: Box::new(least) }),
        ("full", News::StartFor { task, start: full_start() }),
        ("full", News::Started { task, child: id(2) }),
        ("least", News::ChildEnded { task, status, output, reason: None, saw_outside: false }),
        (
            "full",
            News::ChildEnded {
                task,
                status: WorkflowStatus::TimedOut,
                output: json(r#"{"a":[1,null]}"#),
                reason: Some(reason()),
                saw_outside: true,
            },
        ),
        ("full", News::ChildRefused { task, reason: reason() }),
        ("full", News::FailureRefused { name: "f".into(), reason: reason() }),
        ("full", News::ChildReopened { task }),
        ("full", News::ParentEnded { reason: reason() }),
        ("full", News::ParentRetried),
    ]
}
