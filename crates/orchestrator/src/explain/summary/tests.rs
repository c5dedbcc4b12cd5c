//! Each summary by itself.
use super::*;
use baton_common::{ExecutionId, TaskStatus};
use baton_decider::explain::Place;

fn noon(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_795_262_400_000).plus_seconds(seconds)
}

fn awaited(names: &[&str]) -> Vec<Awaited> {
    let one = |name: &&str| Awaited { reference_task_name: (*name).into(), status: None };
    names.iter().map(one).collect()
}

fn ready(domain: Option<&str>, place: Option<(u64, u64)>, polls: Vec<LastPoll>) -> Ready {
    let domain: Option<Arc<str>> = domain.map(Arc::from);
    let (since, at_least) = (noon(-60), place.is_some_and(|(_, size)| size >= 10_000));
    Ready {
        limit: None,
        lacks_worker: false,
        task_type: "pack".into(),
        queue: domain.as_ref().map_or("pack".into(), |domain| format!("{domain}:pack")),
        domain,
        since,
        place: place.map(|(ahead, size)| Place { ahead, size, at_least }),
        polls,
        handed_out: place.map(|_| 120),
    }
}

fn lacking(domain: Option<&str>, polls: Vec<LastPoll>) -> Ready {
    Ready { lacks_worker: true, ..ready(domain, None, polls) }
}

fn poll(domain: Option<&str>, name: Option<&str>) -> LastPoll {
    let (domain, worker_id) = (domain.map(Arc::from), name.map(Arc::from));
    LastPoll { domain, worker_id, time: noon(-90) }
}

/// The summary of a task named `t`, at noon.
fn said(wait: &Wait) -> String {
    format!("t {}", predicate(wait, noon(0), None))
}

#[test]
fn ready_tasks_say_who_is_missing_or_who_is_before_them() {
    let since = "has been ready since 2026-11-21T11:59:00Z";
    for (ready, words) in [
        (lacking(None, vec![]), "but no worker has ever polled for `pack`"),
        (
            lacking(Some("eu"), vec![poll(None, None), poll(Some("eu"), Some("w1"))]),
            "but no worker has polled for `pack` in domain `eu` since worker `w1` did at 2026-11-21T11:58:30Z",
        ),
        (ready(None, None, vec![]), "in queue `pack`"),
        (ready(Some("eu"), Some((0, 9)), vec![]), "and is next in queue `eu:pack`"),
        (
            ready(None, Some((1, 9)), vec![]),
            "behind 1 other task in queue `pack`, 120 of which this process hands out a minute: in about 1 s",
        ),
        (
            ready(None, Some((10_000, 10_000)), vec![]),
            "behind at least 10000 other tasks in queue `pack`, 120 of which this process hands out a minute: in about 83 min",
        ),
    ] {
        let comma = if ready.lacks_worker { "," } else { "" };
        let said = said(&Wait::Worker(Box::new(ready)));
        assert_eq!(said, format!("t {since}{comma} {words}"));
    }
}

#[test]
fn what_waits_for_a_time_or_for_somebody_says_until_or_since_when() {
    let (since, until) = (noon(-60), noon(30));
    let late = noon(-5);
    let failure = Some("no tea".into());
    for (wait, words) in [
        (
            Wait::Lease { worker: Some("w1".into()), since, until },
            "t has been leased by worker `w1` since 2026-11-21T11:59:00Z, until 2026-11-21T12:00:30Z",
        ),
        (
            Wait::Lease { worker: None, since, until: late },
            "t was leased by a worker without a name at 2026-11-21T11:59:00Z, and that lease ended at 2026-11-21T11:59:55Z",
        ),
        (
            Wait::Backoff { until, attempt: 2, attempts: 4, failure },
            "t is backing off until 2026-11-21T12:00:30Z (attempt 2 of 4): the one before failed with `no tea`",
        ),
        (
            Wait::Callback { until, worker: Some("w1".into()) },
            "t is delayed until 2026-11-21T12:00:30Z, as worker `w1` asked",
        ),
        (
            Wait::StartDelay { until },
            "t is delayed until 2026-11-21T12:00:30Z by its step's start delay",
        ),
        (Wait::Timer { until }, "t waits for a time, 2026-11-21T12:00:30Z"),
        (
            Wait::Outside { whom: Outsider::Person, since },
            "t has waited for a person since 2026-11-21T11:59:00Z",
        ),
        (
            Wait::Outside { whom: Outsider::Signal, since },
            "t has waited for a signal since 2026-11-21T11:59:00Z",
        ),
        (
            Wait::Outside { whom: Outsider::Action, since },
            "t has waited since 2026-11-21T11:59:00Z for an outside call that ends its action",
        ),
        (
            Wait::Start { since },
            "t has waited since 2026-11-21T11:59:00Z for the execution that it starts",
        ),
        (Wait::Engine { since }, "t has been worked on by the engine since 2026-11-21T11:59:00Z"),
    ] {
        assert_eq!(said(&wait), words);
    }
}

#[test]
fn what_waits_for_others_names_them() {
    let join = |open, of, is_exclusive, names: &[&str]| {
        said(&Wait::Join { open, of, is_exclusive, first: awaited(names) })
    };
    assert_eq!(join(2, 5, false, &["a", "b"]), "t waits for `a` and `b`: 2 of 5 steps");
    assert_eq!(join(1, 1, false, &["a"]), "t waits for `a`: 1 of 1 step");
    assert_eq!(
        join(99, 99, false, &["a", "b"]),
        "t waits for `a`, `b` and 97 more: 99 of 99 steps"
    );
    assert_eq!(join(2, 2, true, &["a", "b"]), "t waits for the first to end of `a` and `b`");
    assert_eq!(join(0, 3, false, &[]), "t has all of its 3 steps");
    let iteration =
        |open, names: &[&str]| said(&Wait::Loop { iteration: 3, open, first: awaited(names) });
    assert_eq!(iteration(1, &["a__3"]), "t waits for `a__3` in iteration 3");
    assert_eq!(iteration(0, &[]), "t has done all of iteration 3");
}

#[test]
fn what_has_ended_says_how_and_a_pause_holds_up_what_follows() {
    let (status, why) = (TaskStatus::Failed, Some(Arc::from("no tea.")));
    let ended = |holds_up| Wait::Nothing { status, at: noon(0), why: why.clone(), holds_up };
    let at = "t ended as FAILED at 2026-11-21T12:00:00Z";
    assert_eq!(said(&ended(false)), format!("{at}: no tea"));
    assert_eq!(
        said(&ended(true)),
        format!("{at}, during the pause; the next step waits until the execution is resumed")
    );
    let child = ExecutionId::new(noon(0), 1);
    assert_eq!(
        said(&Wait::Child { child, since: noon(0) }),
        format!("t waits for its child execution {child}")
    );
}

#[test]
fn many_tasks_of_every_reason_have_a_sentence() {
    let queued = Wait::Worker(Box::new(ready(None, Some((3, 10_000)), vec![])));
    for reason in WaitReason::ALL {
        let words = plural(reason, &queued);
        assert!(words.len() > 8 && !words.ends_with('.'), "{reason:?}: {words}");
    }
    let in_queue = plural(WaitReason::InQueue, &queued);
    assert_eq!(in_queue, "are ready in queue `pack`, which has at least 10000 tasks");
    let no_worker = plural(WaitReason::NoWorker, &Wait::Worker(Box::new(lacking(None, vec![]))));
    assert_eq!(no_worker, "are ready, but no worker has ever polled for `pack`");
}

#[test]
fn a_missing_worker_is_asked_for_where_it_is_missing() {
    let asked = |domain, polls| start_worker(&lacking(domain, polls));
    assert_eq!(asked(None, vec![]), "Start a worker that polls for `pack`.");
    assert_eq!(
        asked(Some("eu"), vec![poll(None, Some("w1"))]),
        "Start a worker that polls for `pack` in domain `eu`. Outside domains worker `w1` polls for it."
    );
    let http = Ready { task_type: "HTTP".into(), ..lacking(None, vec![]) };
    assert!(start_worker(&http).contains("`baton executor`"));
}

#[test]
fn long_failures_are_cut_and_lists_read_well() {
    let long = "x".repeat(QUOTE_CHARS_MAX + 1);
    assert_eq!(quoted(&long).chars().count(), QUOTE_CHARS_MAX + 1);
    assert!(quoted(&long).ends_with('…'));
    assert_eq!(listed(&awaited(&["a", "b", "c"]), 3), "`a`, `b` and `c`");
    assert_eq!(listed(&[], 0), "nothing");
    assert_eq!(listed(&[], 4), "4 more");
    assert_eq!(lowered("Task `T`"), "task `T`");
    assert_eq!([span(5), span(90), span(7_200)], ["5 s", "1 min", "2 h"]);
}

#[test]
fn a_full_limit_says_who_holds_it_or_when_it_lets_one_through() {
    let id = |n| ExecutionId::new(noon(0), n);
    let held = LimitUse {
        name: "pack".into(),
        concurrent: Some(9),
        in_use: 9,
        held_by: vec![id(1).task(1), id(2).task(3)],
        ..LimitUse::default()
    };
    let said_of = |limit: &LimitUse| {
        said(&Wait::Worker(Box::new(Ready {
            limit: Some(limit.clone()),
            ..ready(None, None, vec![])
        })))
    };
    let holders = format!("held by {}, {} and 7 more", id(1).task(1), id(2).task(3));
    let since = "t has been ready since 2026-11-21T11:59:00Z and waits for a slot";
    assert_eq!(said_of(&held), format!("{since}: limit `pack` has 9 of 9 in use, {holders}"));
    let rate = LimitUse {
        rate: Some(5),
        rate_seconds: Some(1),
        next_time: Some(noon(7)),
        ..LimitUse { concurrent: None, ..held }
    };
    let next = "lets 5 through in 1 second, the next at 2026-11-21T12:00:07Z";
    assert_eq!(said_of(&rate), format!("{since}: limit `pack` {next}"));
    assert!(free_a_slot(&rate).contains("rateLimitPerFrequency"));
}
