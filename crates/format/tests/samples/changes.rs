//! Samples of every change.
use super::states::{defined_step, execution};
use super::{domains, id, json, lineage, noon, own, trace};
use baton_common::{Payload, TaskStatus, WorkflowStatus};
use baton_decider::change::{Change, ExecutionEnd, Restart, TaskEnd, TaskReopening, TaskReport};
use baton_decider::state::{
    AgendaItem, Branch, Delivery, Iterations, Lineage, LoopProgress, NodeKey, Output, Parent,
    StartFacts, Task,
};
use indexmap::IndexMap;
use std::sync::Arc;

pub(crate) fn least_facts() -> StartFacts {
    StartFacts {
        id: id(1),
        workflow_name: "ship".into(),
        workflow_version: 1,
        correlation_id: None,
        priority: 0,
        task_to_domain: IndexMap::new(),
        parent: None,
        variables: Payload::empty_object(),
        event: None,
        created_by: None,
        idempotency_key: None,
        trace: None,
        lineage: Lineage::default(),
        at: noon(0),
    }
}

pub(crate) fn full_facts() -> StartFacts {
    StartFacts {
        correlation_id: own("order 1"),
        priority: 99,
        task_to_domain: domains(),
        parent: Some(Parent { task: id(2).task(3), depth: 1 }),
        variables: json(r#"{"v": 0}"#),
        event: own("event"),
        created_by: own("me"),
        idempotency_key: own("key"),
        trace: trace(),
        lineage: lineage(),
        ..least_facts()
    }
}

/// Slots under two limits.
pub(crate) fn slots() -> Arc<[Arc<str>]> {
    Arc::from(["c:press".into(), "k:eu \"1\"".into()])
}

pub(crate) fn bare_task(seq: u32, reference: &str, node: u32) -> Task {
    Task {
        seq,
        reference: reference.into(),
        base: None,
        place: NodeKey { plan: 0, node },
        runs: None,
        status: TaskStatus::Scheduled,
        input: Payload::empty_object(),
        output: Output::default(),
        retry_count: 0,
        retried_task: None,
        retried: false,
        iteration: 0,
        loop_task: None,
        scheduled_at: noon(0),
        first_scheduled_at: noon(0),
        started_at: None,
        ended_at: None,
        updated_at: noon(0),
        start_delay_seconds: 0,
        callback_after_seconds: 0,
        poll_count: 0,
        worker: None,
        domain: None,
        reason: None,
        child: None,
        sent: 0,
        received: 0,
        delivery: Delivery::None,
        wait_until: None,
        join_on: None,
        is_external: false,
        alerted: 0,
        was_ended: false,
        slots: None,
    }
}

/// A task at a step in a loop in a loop.
pub(crate) fn full_task(seq: u32, node: u32) -> Task {
    Task {
        reference: "step__2__1".into(),
        base: Some("step".into()),
        runs: Some(NodeKey { plan: 1, node: 0 }),
        status: TaskStatus::InProgress,
        input: json(r#"{"in": "\n"}"#),
        output: Output::Plain(json(r#"{"out": 1.50}"#)),
        retry_count: 2,
        retried_task: Some(1),
        retried: true,
        iteration: 1,
        loop_task: Some(1),
        first_scheduled_at: noon(-1),
        started_at: Some(noon(1)),
        ended_at: Some(noon(2)),
        updated_at: noon(3),
        start_delay_seconds: 4,
        callback_after_seconds: 5,
        poll_count: 6,
        worker: Some("w".into()),
        domain: Some("eu".into()),
        reason: Some("why \"not\"".into()),
        child: Some(id(9)),
        sent: 2,
        received: 7,
        delivery: Delivery::Ready(noon(1)),
        wait_until: Some(noon(8)),
        join_on: Some(Arc::from(["a".into(), "b".into()])),
        is_external: true,
        alerted: 3,
        was_ended: true,
        ..bare_task(seq, "", node)
    }
}

pub(crate) fn loop_output() -> Output {
    let iterations = [(2_u32, json(r#"{"a":{}}"#)), (3, json("{}"))].into_iter().collect();
    Output::Loop(LoopProgress { iteration: 3, iterations, item: Some(json("null")) })
}

fn scheduled() -> Vec<(&'static str, Task)> {
    let execution = execution();
    let node = |path| execution.plan.find_path(path).unwrap();
    let loop_task = |iterations| {
        let progress = LoopProgress { iteration: 1, iterations, item: None };
        Task { output: Output::Loop(progress), ..bare_task(1, "outer", node("outer")) }
    };
    let ready = Delivery::Ready(noon(0));
    let at = |plan, node| NodeKey { plan, node };
    vec![
        ("least", bare_task(1, "b", node("b"))),
        ("full", full_task(2, node("outer/inner/step"))),
        ("ready", Task { delivery: ready, ..bare_task(1, "b", node("b")) }),
        ("delayed", Task { delivery: Delivery::Delayed(noon(5)), ..bare_task(1, "b", node("b")) }),
        ("leased", Task { delivery: Delivery::Leased, ..bare_task(1, "b", node("b")) }),
        ("loop", loop_task(Iterations::default())),
        ("loop of a list", Task { output: loop_output(), ..bare_task(1, "outer", node("outer")) }),
        ("by path", bare_task(1, "a", node("a"))),
        (
            "by path in a loop",
            Task {
                reference: "a__2".into(),
                base: Some("a".into()),
                ..bare_task(1, "", node("outer/a"))
            },
        ),
        ("null", {
            let (input, output) = (json("null"), Output::Plain(json("null")));
            Task { input, output, ..bare_task(1, "b", node("b")) }
        }),
        ("in a defined step", Task { place: at(1, 1), ..bare_task(1, "deep", 0) }),
        ("at a defined step", Task { place: at(1, 0), ..bare_task(1, "any_1", 0) }),
        ("at another name's step", Task { place: at(1, 1), ..bare_task(1, "any", 0) }),
    ]
}

fn reports() -> [(&'static str, TaskReport); 2] {
    let full = TaskReport {
        status: TaskStatus::Scheduled,
        output: Some(json(r#"{"o":1}"#)),
        reason: Some("busy".into()),
        worker: Some("w".into()),
        callback_after_seconds: 5,
        delivery: Delivery::Delayed(noon(5)),
        is_external: true,
        child: Some(id(9)),
        wait_until: Some(noon(6)),
        ..TaskReport::new(1, noon(0))
    };
    [("least", TaskReport::new(1, noon(0))), ("full", full)]
}

fn ends() -> [(&'static str, TaskEnd); 2] {
    let status = TaskStatus::Completed;
    let least = TaskEnd { seq: 1, status, output: None, reason: None, worker: None, at: noon(0) };
    let full = TaskEnd {
        status: TaskStatus::FailedWithTerminalError,
        output: Some(json("{}")),
        reason: Some("no".into()),
        worker: Some("w".into()),
        ..least.clone()
    };
    [("least", least), ("full", full)]
}

fn reopenings() -> [(&'static str, TaskReopening); 3] {
    let least = TaskReopening {
        seq: 1,
        status: TaskStatus::InProgress,
        delivery: Delivery::None,
        input: None,
        output: Output::default(),
        retry_count: 0,
        wait_until: None,
        child: None,
        at: noon(0),
    };
    let full = TaskReopening {
        status: TaskStatus::Scheduled,
        delivery: Delivery::Ready(noon(0)),
        input: Some(json("{}")),
        output: Output::Plain(json(r#"{"o":1}"#)),
        retry_count: 2,
        wait_until: Some(noon(1)),
        child: Some(id(9)),
        ..least.clone()
    };
    let looping = TaskReopening { output: loop_output(), ..least.clone() };
    [("least", least), ("full", full), ("loop", looping)]
}

fn execution_ends() -> [(&'static str, ExecutionEnd); 2] {
    let least = ExecutionEnd {
        status: WorkflowStatus::Completed,
        output: Payload::empty_object(),
        reason: None,
        failed_task: None,
        at: noon(0),
    };
    let full = ExecutionEnd {
        status: WorkflowStatus::Failed,
        output: json(r#"{"o":1}"#),
        reason: Some("no".into()),
        failed_task: Some(3),
        ..least.clone()
    };
    [("least", least), ("full", full)]
}

fn restarts() -> [(&'static str, Restart); 2] {
    let least = Restart {
        at: noon(0),
        variables: None,
        is_new_start: false,
        correlation_id: None,
        workflow_version: None,
        last_seq: 0,
        failed_references: Vec::new(),
    };
    let full = Restart {
        variables: Some(json("{}")),
        is_new_start: true,
        correlation_id: own("order 2"),
        workflow_version: Some(2),
        last_seq: 9,
        failed_references: vec![(3, "a".into()), (4, "b__2".into())],
        ..least.clone()
    };
    [("least", least), ("full", full)]
}

/// What is said in one line each.
fn short() -> Vec<(&'static str, Change)> {
    let (at, outputs) = (noon(0), json(r#"{"a":{"x":1}}"#));
    let advanced =
        |item, forget_until| Change::LoopAdvanced { seq: 1, iteration: 3, item, forget_until };
    vec![
        ("least", Change::ExecutionStarted(Box::new(least_facts()))),
        ("full", Change::ExecutionStarted(Box::new(full_facts()))),
        ("least", Change::TaskLeased { seq: 1, worker: None, slots: None, at }),
        ("full", Change::TaskLeased { seq: 1, worker: Some("w".into()), slots: None, at }),
        ("limited", Change::TaskLeased { seq: 1, worker: None, slots: Some(slots()), at }),
        ("least", Change::TaskMoved { seq: 1, delivery: Delivery::None, at }),
        ("full", Change::TaskMoved { seq: 1, delivery: Delivery::Ready(noon(1)), at }),
        ("full", Change::TaskRenewed { seq: 1, at }),
        ("full", Change::TaskInputSet { seq: 1, input: json(r#"{"i": [1 , 2]}"#) }),
        ("full", Change::TaskForgiven { seq: 1 }),
        ("full", Change::TaskOverdue { seq: 1, deadline: 2 }),
        ("least", Change::MessageSent { seq: None }),
        ("full", Change::MessageSent { seq: Some(1) }),
        ("least", Change::MessageReceived { seq: None, number: 2, saw_outside: false }),
        ("full", Change::MessageReceived { seq: Some(1), number: 12, saw_outside: true }),
        ("least", Change::AgendaLeft { taken: 2, first: Vec::new(), last: Vec::new() }),
        ("full", Change::AgendaLeft { taken: 0, first: agenda(), last: vec![AgendaItem::Run(9)] }),
        ("full", branches_planned()),
        ("least", Change::BranchesJoined { fork: 1, names: Vec::new(), is_done: true }),
        ("full", Change::BranchesJoined { fork: 1, names: names(), is_done: false }),
        ("full", Change::TasksRemoved { seqs: vec![1, 2] }),
        ("full", Change::LoopIterated { seq: 1, iteration: 2, outputs }),
        ("least", advanced(None, 0)),
        ("full", advanced(Some(json("null")), 1)),
        ("full", Change::StepsDefined { steps: vec![defined_step()] }),
        ("full", Change::VariablesSet { variables: json(r#"{"v":2}"#) }),
        ("full", Change::ExecutionPaused { at }),
        ("full", Change::ExecutionResumed { at }),
        ("full", Change::OutputAmended { output: json(r#"{"o":2}"#) }),
        ("full", Change::ExecutionReopened { at }),
    ]
}

fn names() -> Vec<Arc<str>> {
    vec!["x".into(), "y".into()]
}

/// Each kind of step.
pub(crate) fn agenda() -> Vec<AgendaItem> {
    let node = execution().plan.find_path("outer/inner/step").unwrap();
    vec![
        AgendaItem::Schedule { place: NodeKey { plan: 0, node }, loop_task: Some(1) },
        AgendaItem::Schedule { place: NodeKey { plan: 1, node: 0 }, loop_task: None },
        AgendaItem::Run(2),
        AgendaItem::AfterEnd(3),
        AgendaItem::Branches(4),
        AgendaItem::Quiesce,
    ]
}

/// Two of three branches share their step.
pub(crate) fn branches() -> Arc<[Branch]> {
    let step = |name: &str| {
        let step = format!(r#"{{"name":"{name}","type":"SIMPLE"}}"#);
        Arc::new(serde_json::from_str(&step).unwrap())
    };
    let (a, b) = (step("a"), step("b"));
    let branch = |reference: &str, step: &Arc<baton_common::WorkflowTask>| Branch {
        reference: reference.into(),
        step: step.clone(),
        input: json(r#"{"x": 1.0}"#),
    };
    [branch("x", &a), branch("y", &b), branch("z", &a)].into()
}

fn branches_planned() -> Change {
    Change::BranchesPlanned { fork: 1, branches: branches(), joined: names() }
}

pub(crate) fn changes() -> Vec<(&'static str, Change)> {
    let scheduled = scheduled().into_iter();
    let mut all = short();
    all.extend(scheduled.map(|(name, task)| (name, Change::TaskScheduled(Arc::new(task)))));
    all.extend(reports().map(|(name, report)| (name, Change::TaskReported(Box::new(report)))));
    all.extend(ends().map(|(name, end)| (name, Change::TaskEnded(Box::new(end)))));
    all.extend(reopenings().map(|(name, made)| (name, Change::TaskReopened(Box::new(made)))));
    all.extend(execution_ends().map(|(name, end)| (name, Change::ExecutionEnded(Box::new(end)))));
    all.extend(restarts().map(|(name, made)| (name, Change::ExecutionRestarted(Box::new(made)))));
    all
}
