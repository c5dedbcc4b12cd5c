//! Each reason by itself, and a walk over all of them.
use super::*;
use crate::plan::Plan;
use crate::state::{Delivery, NodeKey, Output, StartFacts};
use baton_common::TaskStatus;
use baton_common::api::{Awaited, LastPoll};
use serde_json::{Value, json};
use std::collections::HashMap;

const NOON: i64 = 1_795_000_000_000;

fn noon(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOON).plus_seconds(seconds)
}

/// A step of each task type, named like its type; any other type is a worker's.
const TYPES: [&str; 22] = [
    "SIMPLE",
    "HTTP",
    "KAFKA_PUBLISH",
    "ANY_OTHER",
    "DYNAMIC",
    "SWITCH",
    "DECISION",
    "FORK_JOIN",
    "FORK_JOIN_DYNAMIC",
    "JOIN",
    "EXCLUSIVE_JOIN",
    "DO_WHILE",
    "SUB_WORKFLOW",
    "START_WORKFLOW",
    "WAIT",
    "HUMAN",
    "SET_VARIABLE",
    "INLINE",
    "LAMBDA",
    "JSON_JQ_TRANSFORM",
    "TERMINATE",
    "NOOP",
];

fn step(task_type: &str) -> Value {
    json!({"name": task_type.to_lowercase(), "taskReferenceName": task_type, "type": task_type,
        "joinOn": ["SIMPLE", "HTTP"],
        "taskDefinition": {"name": "d", "retryCount": 3, "responseTimeoutSeconds": 30,
            "timeoutSeconds": 0, "timeoutPolicy": "TIME_OUT_WF"}})
}

/// An execution of all types, none of which has begun; `extra` are members of its definition.
fn execution_with(extra: &Value) -> Execution {
    let mut definition = json!({"name": "w", "tasks": TYPES.map(step)});
    definition.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let plan = Plan::compile(serde_json::from_value(definition).unwrap());
    let id = ExecutionId::new(noon(0), 7);
    let facts = StartFacts {
        id,
        workflow_name: "w".into(),
        workflow_version: 1,
        correlation_id: None,
        priority: 0,
        task_to_domain: indexmap::IndexMap::new(),
        parent: None,
        variables: baton_common::Payload::empty_object(),
        event: None,
        created_by: None,
        idempotency_key: None,
        trace: None,
        lineage: crate::state::Lineage::default(),
        at: noon(0),
    };
    Execution::new(Arc::new(plan), facts, baton_common::Payload::empty_object())
}

fn execution() -> Execution {
    execution_with(&json!({}))
}

/// A task of a type, number `seq`, in progress since noon; `members` say what else it is.
fn task(execution: &Execution, seq: u32, task_type: &str, members: &Value) -> Task {
    let node = execution.plan.find(task_type).unwrap();
    let members: Members = serde_json::from_value(members.clone()).unwrap();
    Task {
        seq,
        reference: members.reference.unwrap_or_else(|| task_type.into()),
        base: members.base,
        place: NodeKey { plan: 0, node },
        runs: None,
        status: members.status.unwrap_or(TaskStatus::InProgress),
        input: baton_common::Payload::empty_object(),
        output: Output::default(),
        retry_count: members.retry_count,
        retried_task: members.retried_task,
        retried: false,
        iteration: members.iteration,
        loop_task: members.loop_task,
        scheduled_at: noon(0),
        first_scheduled_at: noon(0),
        started_at: Some(noon(0)),
        ended_at: members.ended_at,
        updated_at: members.updated_at.unwrap_or(noon(0)),
        start_delay_seconds: members.start_delay_seconds,
        callback_after_seconds: members.callback_after_seconds,
        poll_count: members.poll_count,
        worker: members.worker,
        domain: members.domain,
        reason: members.reason,
        child: members.child,
        sent: 0,
        received: 0,
        delivery: members.delivery.as_ref().map(delivery).unwrap_or_default(),
        wait_until: members.wait_until,
        join_on: members.join_on,
        is_external: members.is_external,
        alerted: 0,
        was_ended: false,
        slots: None,
    }
}

/// What a task is besides.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Members {
    #[serde(rename = "ref")]
    reference: Option<Arc<str>>,
    base: Option<Arc<str>>,
    status: Option<TaskStatus>,
    retry_count: u32,
    retried_task: Option<u32>,
    iteration: u32,
    loop_task: Option<u32>,
    ended_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    start_delay_seconds: i64,
    callback_after_seconds: i64,
    poll_count: u32,
    worker: Option<Arc<str>>,
    domain: Option<Arc<str>>,
    reason: Option<Arc<str>>,
    child: Option<ExecutionId>,
    delivery: Option<Value>,
    wait_until: Option<Timestamp>,
    join_on: Option<Arc<[Arc<str>]>>,
    is_external: bool,
}

fn delivery(value: &Value) -> Delivery {
    let at = |name: &str| value.get(name).and_then(Value::as_i64).map(Timestamp::from_millis);
    match (at("Delayed"), at("Ready")) {
        (Some(at), _) => Delivery::Delayed(at),
        (None, Some(at)) => Delivery::Ready(at),
        (None, None) if value == "Leased" => Delivery::Leased,
        (None, None) => Delivery::None,
    }
}

fn add(execution: &mut Execution, task_type: &str, members: &Value) -> u32 {
    let seq = execution.last_seq + 1;
    let task = task(execution, seq, task_type, members);
    execution.apply(&crate::change::Change::TaskScheduled(Arc::new(task)));
    seq
}

/// The one task of an execution, explained ten seconds after noon.
fn explained(task_type: &str, members: &Value, known: &Known) -> TaskWait {
    let mut execution = execution();
    let seq = add(&mut execution, task_type, members);
    let mut explained = explain(&execution, Scope::Task(seq), noon(10), known);
    assert_eq!((explained.groups.len(), explained.groups[0].count), (1, 1));
    explained.groups.remove(0).first.remove(0)
}

fn waiting(task_type: &str, members: &Value) -> (WaitReason, Wait) {
    let wait = explained(task_type, members, &Known::default());
    (wait.wait.reason(), wait.wait)
}

fn polled(polls: Vec<LastPoll>) -> Known {
    Known { polls: HashMap::from([("simple".into(), polls)]), ..Known::default() }
}

fn poll(domain: Option<&str>, time: Timestamp) -> LastPoll {
    LastPoll { domain: domain.map(Arc::from), worker_id: Some("w1".into()), time }
}

fn ready(members: &Value, known: &Known) -> (WaitReason, Ready) {
    let wait = explained("SIMPLE", members, known).wait;
    let reason = wait.reason();
    let Wait::Worker(ready) = wait else { panic!("{wait:?}") };
    (reason, *ready)
}

/// Goal: no waiting state is without an explanation. Method: a task of every status, type and place
/// in the queue, with and without what its type may have, in an execution of every status; an open
/// one must be given a reason to wait, an ended one none, and the answer must fit the bits by which
/// the stores find dead waits.
#[test]
fn every_status_of_every_type_has_its_reason() {
    let child = ExecutionId::new(noon(1), 8);
    let empty = execution();
    let mut seen = BTreeSet::new();
    for status in WorkflowStatus::ALL {
        for (task_type, task_status) in
            TYPES.iter().flat_map(|name| TaskStatus::ALL.map(|status| (*name, status)))
        {
            for delivery in deliveries() {
                for extra in [
                    json!({}),
                    json!({"child": child, "wait_until": NOON + 60_000,
                    "retry_count": 1, "is_external": true}),
                    json!({"poll_count": 1}),
                ] {
                    let mut members = extra;
                    members["status"] = json!(task_status);
                    members["delivery"] = delivery.clone();
                    let mut execution = empty.clone();
                    execution.status = status;
                    let seq = add(&mut execution, task_type, &members);
                    let reason = reason_of(&execution, seq);
                    assert_eq!(
                        reason == WaitReason::Ended,
                        task_status.is_terminal(),
                        "{status} {task_type} {task_status} {delivery}: {reason:?}"
                    );
                    check_bits(&execution, reason);
                    seen.insert(reason);
                }
            }
        }
    }
    let by_knowledge_alone = [WaitReason::NoWorker, WaitReason::Limited, WaitReason::Resume];
    let missing = WaitReason::ALL.iter().filter(|reason| !seen.contains(reason));
    assert_eq!(missing.copied().collect::<Vec<_>>(), by_knowledge_alone);
}

fn deliveries() -> [Value; 4] {
    [json!("None"), json!({"Delayed": NOON + 30_000}), json!({"Ready": NOON}), json!("Leased")]
}

fn reason_of(execution: &Execution, seq: u32) -> WaitReason {
    let explained = explain(execution, Scope::Task(seq), noon(10), &Known::default());
    let first = &explained.groups[0].first[0];
    assert_eq!(first.wait.reason(), explained.groups[0].reason, "counted as it is read");
    first.wait.reason()
}

fn check_bits(execution: &Execution, reason: WaitReason) {
    use WaitReason as R;
    let bits = match reason {
        R::Leased => [true, false, false, false, false],
        R::NoWorker | R::Limited | R::InQueue => [false, true, false, false, false],
        R::Child | R::Start => [false, false, true, false, false],
        R::Person | R::Signal | R::External => [false, false, false, true, false],
        R::Backoff | R::Callback | R::StartDelay | R::Timer => [false, false, false, false, true],
        R::Engine | R::Resume | R::Loop | R::Join | R::Ended => [false; 5],
    };
    assert_eq!(execution.waits(), bits, "{reason:?}");
}

#[test]
fn a_ready_task_without_pollers_lacks_a_worker() {
    let members = json!({"status": "SCHEDULED", "delivery": {"Ready": NOON}});
    let reason = |polls| ready(&members, &polled(polls)).0;
    assert_eq!(reason(vec![]), WaitReason::NoWorker);
    assert_eq!(reason(vec![poll(None, noon(-51))]), WaitReason::NoWorker);
    assert_eq!(reason(vec![poll(Some("eu"), noon(10))]), WaitReason::NoWorker);
    assert_eq!(reason(vec![poll(None, noon(-49))]), WaitReason::InQueue);
    assert_eq!(ready(&members, &Known::default()).0, WaitReason::InQueue, "nobody has asked");
}

#[test]
fn a_ready_task_shows_its_queue_its_place_and_the_polls_of_its_own_domain_first() {
    let members = json!({"status": "SCHEDULED", "delivery": {"Ready": NOON}, "domain": "eu"});
    let place = Place { ahead: 3, size: 9, at_least: false };
    let polls = vec![poll(None, noon(9)), poll(Some("us"), noon(1)), poll(Some("eu"), noon(2))];
    let known = Known {
        places: HashMap::from([(1, place)]),
        handed_out: HashMap::from([("eu:simple".to_owned(), 60)]),
        ..polled(polls)
    };
    let (reason, ready) = ready(&members, &known);
    assert_eq!((reason, &*ready.queue), (WaitReason::InQueue, "eu:simple"));
    assert_eq!((ready.place, ready.handed_out), (Some(place), Some(60)));
    let domains = ready.polls.iter().map(|poll| poll.domain.as_deref());
    assert_eq!(domains.collect::<Vec<_>>(), [Some("eu"), None, Some("us")]);
}

#[test]
fn a_leased_task_names_its_worker_and_the_end_of_its_lease() {
    let members = json!({"delivery": "Leased", "worker": "w1", "updated_at": NOON + 5_000});
    let task = explained("SIMPLE", &members, &Known::default());
    let worker = Some("w1".into());
    assert_eq!(task.wait, Wait::Lease { worker, since: noon(0), until: noon(35) });
    assert_eq!((task.wait.reason(), task.timeout_at), (WaitReason::Leased, Some(noon(35))));
}

#[test]
fn an_attempt_that_backs_off_says_which_it_is_and_why_the_one_before_failed() {
    let mut execution = execution();
    let failed = json!({"status": "FAILED", "reason": "no money", "ended_at": NOON});
    let first = add(&mut execution, "SIMPLE", &failed);
    let second = json!({"status": "SCHEDULED", "retry_count": 1, "retried_task": first,
        "delivery": {"Delayed": NOON + 60_000}});
    let seq = add(&mut execution, "SIMPLE", &second);
    let explained = explain(&execution, Scope::Task(seq), noon(10), &Known::default());
    let failure = Some("no money".into());
    let wait = Wait::Backoff { until: noon(60), attempt: 2, attempts: 4, failure };
    assert_eq!(explained.groups[0].first[0].wait, wait);
    let group = &explain(&execution, Scope::Open, noon(10), &Known::default()).groups[0];
    assert_eq!((group.reason, group.count), (WaitReason::Backoff, 1));
}

#[test]
fn delays_differ_by_who_asked_for_them() {
    let delayed = |extra: &Value| {
        let mut members = json!({"status": "SCHEDULED", "delivery": {"Delayed": NOON + 60_000}});
        members.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        waiting("SIMPLE", &members)
    };
    let until = noon(60);
    let start = (WaitReason::StartDelay, Wait::StartDelay { until });
    assert_eq!(delayed(&json!({})), start);
    let callback = Wait::Callback { until, worker: Some("w1".into()) };
    let asked = json!({"poll_count": 2, "worker": "w1"});
    assert_eq!(delayed(&asked), (WaitReason::Callback, callback));
}

#[test]
fn waits_for_somebody_outside_or_for_a_time_say_since_or_until_when() {
    let since = noon(0);
    let outside = |whom| Wait::Outside { whom, since };
    for (task_type, members, reason, wait) in [
        ("HUMAN", json!({}), WaitReason::Person, outside(Outsider::Person)),
        ("WAIT", json!({}), WaitReason::Signal, outside(Outsider::Signal)),
        ("HTTP", json!({"is_external": true}), WaitReason::External, outside(Outsider::Action)),
        (
            "WAIT",
            json!({"wait_until": NOON + 60_000}),
            WaitReason::Timer,
            Wait::Timer { until: noon(60) },
        ),
        ("START_WORKFLOW", json!({}), WaitReason::Start, Wait::Start { since }),
        ("SUB_WORKFLOW", json!({}), WaitReason::Start, Wait::Start { since }),
        ("INLINE", json!({}), WaitReason::Engine, Wait::Engine { since }),
    ] {
        assert_eq!(waiting(task_type, &members), (reason, wait), "{task_type}");
    }
}

#[test]
fn a_task_that_waits_for_its_child_names_it_and_asks_for_it() {
    let mut execution = execution();
    let child = ExecutionId::new(noon(1), 8);
    add(&mut execution, "SUB_WORKFLOW", &json!({"child": child}));
    let explained = explain(&execution, Scope::Open, noon(10), &Known::default());
    assert_eq!(explained.groups[0].first[0].wait, Wait::Child { child, since: noon(0) });
    assert_eq!(explained.questions.children, [child]);
}

#[test]
fn a_join_names_the_steps_that_have_not_ended() {
    let mut execution = execution();
    add(&mut execution, "SIMPLE", &json!({"status": "COMPLETED"}));
    let on = json!({"join_on": ["SIMPLE", "HTTP", "WAIT"]});
    let join = add(&mut execution, "JOIN", &on);
    add(&mut execution, "WAIT", &json!({}));
    let explained = explain(&execution, Scope::Task(join), noon(10), &Known::default());
    let awaited = |name: &str, status| Awaited { reference_task_name: name.into(), status };
    let first = vec![awaited("HTTP", None), awaited("WAIT", Some(TaskStatus::InProgress))];
    let wait = Wait::Join { open: 2, of: 3, is_exclusive: false, first };
    assert_eq!(explained.groups[0].first[0].wait, wait);
}

#[test]
fn a_loop_names_the_open_tasks_of_its_iteration() {
    let mut execution = execution();
    let around = add(&mut execution, "DO_WHILE", &json!({"iteration": 2}));
    let inside = json!({"ref": "HUMAN__2", "base": "HUMAN", "iteration": 2, "loop_task": around});
    add(&mut execution, "HUMAN", &inside);
    let explained = explain(&execution, Scope::Open, noon(10), &Known::default());
    let reasons: Vec<_> = explained.groups.iter().map(|group| group.reason).collect();
    assert_eq!(reasons, [WaitReason::Person, WaitReason::Loop], "the cause comes first");
    let status = Some(TaskStatus::InProgress);
    let first = vec![Awaited { reference_task_name: "HUMAN__2".into(), status }];
    let wait = Wait::Loop { iteration: 2, open: 1, first };
    assert_eq!(explained.groups[1].first[0].wait, wait);
}

#[test]
fn what_ended_during_a_pause_waits_for_the_resumption() {
    use crate::change::{Change, TaskEnd};
    let mut execution = execution();
    let seq = add(&mut execution, "SIMPLE", &json!({"delivery": "Leased"}));
    execution.apply(&Change::ExecutionPaused { at: noon(3) });
    let status = TaskStatus::Completed;
    let end = TaskEnd { seq, status, output: None, reason: None, worker: None, at: noon(4) };
    execution.apply(&Change::TaskEnded(Box::new(end)));
    let paused = explain(&execution, Scope::Open, noon(10), &Known::default());
    assert_eq!(paused.standing, Standing::Held { since: noon(3) });
    assert_eq!((paused.open, paused.groups[0].reason), (0, WaitReason::Resume));
    execution.apply(&Change::ExecutionResumed { at: noon(5) });
    let resumed = explain(&execution, Scope::Task(seq), noon(10), &Known::default());
    assert_eq!(resumed.standing, Standing::Waits { since: noon(0) });
    assert_eq!(resumed.groups[0].reason, WaitReason::Ended);
}

#[test]
fn an_execution_stands_where_its_status_says() {
    let timed = json!({"timeoutSeconds": 90, "timeoutPolicy": "TIME_OUT_WF"});
    let mut execution = execution_with(&timed);
    let standing = |execution: &Execution| {
        let explained = explain(execution, Scope::Open, noon(10), &Known::default());
        (explained.standing, explained.timeout_at)
    };
    let since = noon(0);
    assert_eq!(standing(&execution), (Standing::Unbegun { since }, Some(noon(90))));
    add(&mut execution, "HUMAN", &json!({}));
    assert_eq!(standing(&execution), (Standing::Waits { since }, Some(noon(90))));
    execution.ended_at = Some(noon(7));
    execution.reason = Some("why".into());
    for status in WorkflowStatus::ALL.into_iter().filter(|status| status.is_terminal()) {
        execution.status = status;
        let ended = Standing::Ended { status, at: noon(7), why: Some("why".into()) };
        assert_eq!(standing(&execution), (ended, None));
    }
}

/// Goal: an answer stays small however many tasks wait. Method: many tasks of few reasons, and many
/// reasons.
#[test]
fn many_tasks_are_counted_and_few_are_shown() {
    let mut execution = execution();
    let ready = json!({"status": "SCHEDULED", "delivery": {"Ready": NOON}});
    for _ in 0..1_000 {
        add(&mut execution, "SIMPLE", &ready);
        add(&mut execution, "HUMAN", &json!({}));
    }
    let explained = explain(&execution, Scope::Open, noon(10), &polled(vec![]));
    assert_eq!((explained.open, explained.groups_left_out), (2_000, 0));
    let counts = explained.groups.iter().map(|group| (group.reason, group.count));
    let expected = [(WaitReason::NoWorker, 1_000), (WaitReason::Person, 1_000)];
    assert_eq!(counts.collect::<Vec<_>>(), expected);
    assert!(explained.groups.iter().all(|group| group.first.len() == FIRST_MAX));
    assert_eq!(explained.questions.places, [1], "one place for each queue");
    for number in 0..GROUPS_MAX {
        let mut other = ready.clone();
        other["domain"] = json!(format!("d{number:03}"));
        add(&mut execution, "SIMPLE", &other);
    }
    let explained = explain(&execution, Scope::Open, noon(10), &Known::default());
    assert_eq!((explained.groups.len(), explained.groups_left_out), (GROUPS_MAX, 2));
    assert_eq!(explained.questions.places.len(), GROUPS_MAX);
    assert_eq!(explained.questions.task_types.len(), 1);
}
