//! Wake-ups come due, and a wait without a reason to end is found.
use super::bench::{Bench, batch, id, index, insert, message, noon, ready, update};
use crate::{ExecutionIndex, ExecutionWrite, MessageId, Store, StoredMessage, Waits};
use baton_common::{ExecutionId, WorkflowStatus};
use bytes::Bytes;

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
    let mut end =
        batch(vec![ExecutionWrite { ready_removed: vec![ready("q", 0, 0, 8)], ..waiting(8, 0) }]);
    end.writes[0].expected_version = 1;
    end.delivered = vec![message(6, 1, 7).id];
    bench.lane.commit(&end).await.unwrap();
    assert_eq!(store.dead_waits(99).await.unwrap().len(), 8);
}

/// A child of the `n`th execution, in its shard.
fn child_of(n: u64, waits: i16) -> ExecutionWrite {
    let task = id(n).task(1);
    let index = Some(ExecutionIndex { parent: Some(task), ..index() });
    ExecutionWrite { id: ExecutionId::child_of(task, noon(5)), index, ..waiting(n, waits) }
}

fn ended(write: ExecutionWrite) -> ExecutionWrite {
    let status = WorkflowStatus::Failed;
    ExecutionWrite { status, ended_at: Some(noon(9)), waits: Waits(0), ..write }
}

fn tells(write: ExecutionWrite, from: ExecutionId, to: ExecutionId) -> ExecutionWrite {
    let told = MessageId { from, version: 1, number: 0 };
    let sent = vec![StoredMessage { id: told, to, body: Bytes::new() }];
    ExecutionWrite { sent, ..write }
}

pub(super) async fn who_waits_for_a_child_needs_an_open_one(store: &dyn Store) {
    let parent = |n| ExecutionWrite { wake_at: Some(noon(1)), ..waiting(n, Waits::CHILD) };
    let (told, tells_it) = (child_of(3, 0).id, child_of(4, 0).id);
    let paused = WorkflowStatus::Paused;
    let alive = vec![
        parent(1),
        child_of(1, Waits::EXTERNAL),
        parent(2),
        ExecutionWrite { status: paused, ..child_of(2, Waits::EXTERNAL) },
        tells(parent(3), id(3), told),
        tells(ended(child_of(4, 0)), tells_it, id(4)),
        parent(4),
        ExecutionWrite { status: paused, ..parent(5) },
        ended(parent(6)),
    ];
    let mut bench = Bench::with(store, alive).await;
    assert_eq!(store.dead_waits(99).await.unwrap(), []);
    bench.commit(vec![parent(7), parent(8), ended(child_of(8, 0))]).await;
    let other = ExecutionIndex { parent: Some(id(9).task(1)), ..index() };
    bench.commit(vec![parent(9), ExecutionWrite { index: Some(other), ..insert(10) }]).await;
    let mut delivers = batch(vec![ExecutionWrite { expected_version: 1, ..parent(4) }]);
    delivers.delivered = vec![MessageId { from: tells_it, version: 1, number: 0 }];
    bench.lane.commit(&delivers).await.unwrap();
    // The child of 9 is in another shard, where none is.
    assert_eq!(sorted_dead(store).await, sorted(vec![id(4), id(7), id(8), id(9), id(10)]));
}

pub(super) async fn a_child_needs_an_open_parent(store: &dyn Store) {
    let (told, tells_it) = (child_of(2, 0).id, child_of(3, 0).id);
    let alone = Waits::EXTERNAL | Waits::REOPENED;
    let alive = vec![
        insert(1),
        child_of(1, Waits::EXTERNAL),
        tells(ended(insert(2)), id(2), told),
        child_of(2, Waits::EXTERNAL),
        tells(child_of(3, Waits::EXTERNAL), tells_it, id(3)),
        ended(insert(4)),
        child_of(4, alone),
        child_of(5, alone),
        ended(child_of(6, 0)),
        ExecutionWrite { status: WorkflowStatus::Paused, ..child_of(7, Waits::EXTERNAL) },
    ];
    let mut bench = Bench::with(store, alive).await;
    assert_eq!(store.dead_waits(99).await.unwrap(), []);
    let (gone, over) = (child_of(8, Waits::EXTERNAL), child_of(9, Waits::EXTERNAL));
    let dead = vec![gone.id, over.id, child_of(1, 0).id];
    bench.commit(vec![gone, over, ended(insert(9)), ended(update(1, 1))]).await;
    assert_eq!(sorted_dead(store).await, sorted(dead));
}

async fn sorted_dead(store: &dyn Store) -> Vec<ExecutionId> {
    sorted(store.dead_waits(99).await.unwrap())
}

fn sorted(mut ids: Vec<ExecutionId>) -> Vec<ExecutionId> {
    ids.sort();
    ids
}

pub(super) async fn dead_waits_are_limited(store: &dyn Store) {
    let _bench = Bench::with(store, (1..=9).map(|n| waiting(n, 0)).collect()).await;
    assert_eq!(store.dead_waits(4).await.unwrap().len(), 4);
}
