//! Wake-ups come due, and a wait without a reason to end is found.
use super::bench::{Bench, id, insert, message, noon, ready, update};
use crate::{ExecutionWrite, Store, Waits};
use baton_common::WorkflowStatus;

fn waking(n: u64, at: i64) -> ExecutionWrite {
    ExecutionWrite { wake_at: Some(noon(at)), ..insert(n) }
}

pub(super) async fn wake_ups_come_due_in_order(store: &dyn Store) {
    let writes = vec![waking(1, 30), waking(2, 10), insert(3), waking(4, 20), waking(5, 31)];
    let _bench = Bench::with(store, writes).await;
    let due = [(id(2), noon(10)), (id(4), noon(20)), (id(1), noon(30))];
    assert_eq!(store.due_wake_ups(noon(30), 9).await.unwrap(), due);
    assert_eq!(store.due_wake_ups(noon(30), 2).await.unwrap(), due[..2]);
    assert_eq!(store.due_wake_ups(noon(9), 9).await.unwrap(), []);
}

pub(super) async fn wake_ups_move_and_vanish(store: &dyn Store) {
    let mut bench = Bench::with(store, vec![waking(1, 10), waking(2, 10)]).await;
    let moved = ExecutionWrite { wake_at: Some(noon(20)), ..update(1, 1) };
    bench.commit(vec![moved, update(2, 1)]).await;
    assert_eq!(store.due_wake_ups(noon(19), 9).await.unwrap(), []);
    assert_eq!(store.due_wake_ups(noon(20), 9).await.unwrap(), [(id(1), noon(20))]);
}

fn waiting(n: u64, waits: i16) -> ExecutionWrite {
    ExecutionWrite { waits: Waits(waits), ..insert(n) }
}

pub(super) async fn each_lively_wait_is_alive(store: &dyn Store) {
    let wake_at = Some(noon(1));
    let paused = WorkflowStatus::Paused;
    let mut alive = vec![
        ExecutionWrite { wake_at, ..waiting(1, Waits::LEASE) },
        ExecutionWrite { wake_at, ..waiting(2, Waits::TIMER) },
        ExecutionWrite { ready_added: vec![ready("q", 0, 0, 3)], ..waiting(3, Waits::READY) },
        waiting(4, Waits::CHILD),
        waiting(5, Waits::EXTERNAL),
        ExecutionWrite { sent: vec![message(6, 1, 7)], ..waiting(6, 0) },
        waiting(7, 0),
        ExecutionWrite { status: paused, ..waiting(8, 0) },
        ExecutionWrite { status: paused, ..waiting(9, Waits::READY) },
        ExecutionWrite { wake_at, ..waiting(10, 0) },
    ];
    let ended = WorkflowStatus::ALL.into_iter().filter(|status| status.is_terminal());
    alive.extend((11..).zip(ended).map(|(n, status)| ExecutionWrite { status, ..waiting(n, 0) }));
    let _bench = Bench::with(store, alive).await;
    assert_eq!(store.dead_waits(99).await.unwrap(), []);
}

pub(super) async fn each_broken_wait_is_dead(store: &dyn Store) {
    let all = [0, Waits::LEASE, Waits::TIMER, Waits::READY, Waits::LEASE | Waits::READY];
    let mut writes: Vec<_> = (1..).zip(all).map(|(n, waits)| waiting(n, waits)).collect();
    let sends = ExecutionWrite { sent: vec![message(6, 1, 7)], ..waiting(6, 0) };
    let lists = ExecutionWrite { ready_added: vec![ready("q", 0, 0, 8)], ..waiting(8, 0) };
    writes.extend([sends, waiting(7, 0), lists]);
    let mut bench = Bench::with(store, writes).await;
    let mut dead: Vec<_> = (1..=5).map(id).collect();
    dead.sort();
    let mut found = store.dead_waits(99).await.unwrap();
    found.sort();
    assert_eq!(found, dead);
    let mut end = super::bench::batch(vec![ExecutionWrite {
        ready_removed: vec![ready("q", 0, 0, 8)],
        ..waiting(8, 0)
    }]);
    end.writes[0].expected_version = 1;
    end.delivered = vec![message(6, 1, 7).id];
    bench.lane.commit(&end).await.unwrap();
    assert_eq!(store.dead_waits(99).await.unwrap().len(), 8);
}

pub(super) async fn dead_waits_are_limited(store: &dyn Store) {
    let _bench = Bench::with(store, (1..=9).map(|n| waiting(n, 0)).collect()).await;
    assert_eq!(store.dead_waits(4).await.unwrap().len(), 4);
}
