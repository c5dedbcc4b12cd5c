//! Samples of every message.
use super::{domains, id, json, lineage, own, trace};
use baton_common::api::IdempotencyStrategy;
use baton_common::{Payload, WorkflowStatus};
use baton_decider::command::{ChildStart, MessageBody};
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
        idempotency_strategy: None,
        trace: trace(),
        lineage: lineage(),
    })
}

pub(crate) fn messages() -> Vec<(&'static str, MessageBody)> {
    let task = id(1).task(3);
    let reason = || "no \"money\"".to_owned();
    let least = ChildStart { name: "child".into(), ..ChildStart::default() };
    let strategy = Some(IdempotencyStrategy::FailOnRunning);
    let picky = ChildStart { idempotency_strategy: strategy, ..least.clone() };
    let (status, output) = (WorkflowStatus::Completed, Payload::empty_object());
    vec![
        ("least", MessageBody::Start(Box::new(least.clone()))),
        ("full", MessageBody::Start(full_start())),
        ("strategy", MessageBody::Start(Box::new(picky))),
        ("least", MessageBody::StartFor { task, start: Box::new(least) }),
        ("full", MessageBody::StartFor { task, start: full_start() }),
        ("full", MessageBody::Started { task, child: id(2) }),
        (
            "least",
            MessageBody::ChildEnded { task, status, output, reason: None, saw_outside: false },
        ),
        (
            "full",
            MessageBody::ChildEnded {
                task,
                status: WorkflowStatus::TimedOut,
                output: json(r#"{"a":[1,null]}"#),
                reason: Some(reason()),
                saw_outside: true,
            },
        ),
        ("full", MessageBody::ChildRefused { task, reason: reason() }),
        ("full", MessageBody::FailureRefused { name: "f".into(), reason: reason() }),
        ("full", MessageBody::ChildReopened { task }),
        ("full", MessageBody::ParentEnded { reason: reason() }),
        ("full", MessageBody::ParentRetried),
    ]
}
