//! Slots: held from the commit that takes them to the one that frees them, and never too many.
use super::bench::{Bench, batch, id, insert, update};
use crate::{
    Batch, CommitError, Conflict, ExecutionWrite, InUse, LimitMoves, LimitState, Slot, Store,
    WindowWrite,
};
use baton_common::TaskId;
use bytes::Bytes;

const LIMIT: &str = "c:press";

fn slot(n: u64) -> Slot {
    Slot { limit: LIMIT.to_owned(), task: id(n).task(1) }
}

fn most(most: u64) -> LimitMoves {
    LimitMoves { most: [(LIMIT.to_owned(), most)].into(), ..LimitMoves::default() }
}

fn takes(slots: impl IntoIterator<Item = u64>, limit: u64) -> LimitMoves {
    LimitMoves { taken: slots.into_iter().map(slot).collect(), ..most(limit) }
}

fn frees(slots: impl IntoIterator<Item = u64>) -> LimitMoves {
    LimitMoves { freed: slots.into_iter().map(slot).collect(), ..LimitMoves::default() }
}

async fn commit(
    bench: &mut Bench<'_>,
    writes: Vec<ExecutionWrite>,
    limits: LimitMoves,
) -> Result<InUse, CommitError> {
    bench.lane.commit(&Batch { limits, ..batch(writes) }).await
}

fn in_use(count: u64) -> InUse {
    vec![(LIMIT.to_owned(), count)]
}

fn held(count: u64) -> LimitState {
    LimitState { limit: LIMIT.to_owned(), in_use: count, ..LimitState::default() }
}

fn full(count: u64) -> CommitError {
    CommitError::Conflict(Conflict { limits: vec![held(count)], ..Conflict::default() })
}

async fn holders(store: &dyn Store) -> Vec<TaskId> {
    let holders = store.slot_holders(LIMIT, 99).await.unwrap();
    let states = store.limits(&[LIMIT.to_owned()]).await.unwrap();
    assert_eq!(states, [held(holders.len() as u64)], "the count and the holders agree");
    holders
}

fn tasks(slots: impl IntoIterator<Item = u64>) -> Vec<TaskId> {
    let mut tasks: Vec<_> = slots.into_iter().map(|n| slot(n).task).collect();
    tasks.sort();
    tasks
}

pub(super) async fn what_is_taken_is_held_until_it_is_freed(store: &dyn Store) {
    let mut bench = Bench::new(store).await;
    assert_eq!(holders(store).await, []);
    let taken = commit(&mut bench, vec![insert(1), insert(2)], takes([1, 2], 2)).await;
    assert_eq!(taken, Ok(in_use(2)));
    assert_eq!(holders(store).await, tasks([1, 2]));
    let freed = commit(&mut bench, vec![update(1, 1)], frees([1])).await;
    assert_eq!(freed, Ok(in_use(1)));
    assert_eq!(holders(store).await, tasks([2]));
    assert_eq!(store.slot_holders("c:other", 9).await, Ok(Vec::new()));
    assert_eq!(store.slot_holders(LIMIT, 0).await, Ok(Vec::new()));
    let names = ["c:other", LIMIT].map(str::to_owned);
    let other = LimitState { limit: names[0].clone(), ..LimitState::default() };
    assert_eq!(store.limits(&names).await, Ok(vec![other, held(1)]), "in the order asked");
}

pub(super) async fn more_than_a_limit_is_a_conflict(store: &dyn Store) {
    let mut bench = Bench::new(store).await;
    let all = vec![insert(1), insert(2), insert(3)];
    assert_eq!(commit(&mut bench, all, takes([1, 2, 3], 2)).await, Err(full(0)));
    assert_eq!((bench.find(1).await, holders(store).await), (None, vec![]));
    commit(&mut bench, vec![insert(1), insert(2)], takes([1, 2], 2)).await.unwrap();
    assert_eq!(commit(&mut bench, vec![insert(3)], takes([3], 2)).await, Err(full(2)));
    assert_eq!(commit(&mut bench, vec![insert(3)], takes([3], 3)).await, Ok(in_use(3)));
}

pub(super) async fn a_slot_is_handed_on_in_one_commit(store: &dyn Store) {
    let mut bench = Bench::new(store).await;
    commit(&mut bench, vec![insert(1), insert(2)], takes([1], 1)).await.unwrap();
    let moves = LimitMoves { freed: vec![slot(1)], ..takes([2], 1) };
    let handed = commit(&mut bench, vec![update(1, 1), update(2, 1)], moves).await;
    assert_eq!(handed, Ok(in_use(1)));
    assert_eq!(holders(store).await, tasks([2]));
}

/// What is held stays held when the limit is less than that; nothing is taken until there is room.
pub(super) async fn a_lowered_limit_waits_for_its_holders(store: &dyn Store) {
    let mut bench = Bench::new(store).await;
    let all = (1..=3).map(insert).collect();
    commit(&mut bench, all, takes([1, 2, 3], 3)).await.unwrap();
    let moves = LimitMoves { freed: vec![slot(1)], ..takes([4], 2) };
    let handed_on = commit(&mut bench, vec![update(1, 1), insert(4)], moves).await;
    assert_eq!(handed_on, Err(full(3)));
    let freed = commit(&mut bench, vec![update(1, 1), update(2, 1)], frees([1, 2])).await;
    assert_eq!(freed, Ok(in_use(1)));
    assert_eq!(commit(&mut bench, vec![insert(4)], takes([4], 2)).await, Ok(in_use(2)));
}

pub(super) async fn a_refused_batch_moves_no_slot(store: &dyn Store) {
    let mut bench = Bench::new(store).await;
    commit(&mut bench, vec![insert(1)], takes([1], 2)).await.unwrap();
    let stale = vec![update(1, 7), insert(2)];
    let moves = LimitMoves { freed: vec![slot(1)], ..takes([2], 2) };
    assert!(matches!(
        commit(&mut bench, stale, moves).await,
        Err(CommitError::Conflict(Conflict { versions, limits, .. }))
            if versions == [id(1)] && limits.is_empty()
    ));
    assert_eq!(holders(store).await, tasks([1]));
}

/// A slot that is taken again, or freed without being held, changes no count.
pub(super) async fn a_slot_counts_once(store: &dyn Store) {
    let mut bench = Bench::new(store).await;
    commit(&mut bench, vec![insert(1)], takes([1], 1)).await.unwrap();
    assert_eq!(commit(&mut bench, vec![update(1, 1)], takes([1], 1)).await, Ok(in_use(1)));
    assert_eq!(commit(&mut bench, vec![insert(2)], frees([2])).await, Ok(in_use(1)));
    assert_eq!(holders(store).await, tasks([1]));
}

pub(super) async fn what_is_removed_holds_nothing(store: &dyn Store) {
    let mut bench = Bench::new(store).await;
    let mut moves = takes([1, 2], 2);
    moves.taken.push(Slot { task: id(1).task(2), limit: "k:eu".to_owned() });
    commit(&mut bench, vec![insert(1), insert(2)], moves).await.unwrap();
    assert!(store.remove(id(1), 1).await.unwrap());
    assert_eq!(holders(store).await, tasks([2]));
    assert_eq!(store.slot_holders("k:eu", 9).await, Ok(Vec::new()));
    assert_eq!(commit(&mut bench, vec![insert(3)], takes([3], 2)).await, Ok(in_use(2)));
}

pub(super) async fn of_many_lanes_none_exceeds_a_limit(store: &dyn Store) {
    let take = async |n| {
        let mut bench = Bench::new(store).await;
        commit(&mut bench, vec![insert(n)], takes([n], 2)).await
    };
    let at_once = tokio::join!(take(1), take(2), take(3), take(4));
    let (won, lost): (Vec<_>, Vec<_>) =
        <[_; 4]>::from(at_once).into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), holders(store).await.len()), (2, 2));
    assert!(lost.iter().all(|lost| *lost == Err(full(2))), "{lost:?}");
}

pub(super) async fn a_window_is_fenced_by_its_version(store: &dyn Store) {
    let mut bench = Bench::new(store).await;
    let window = |expected_version, body: &'static str| LimitMoves {
        windows: vec![WindowWrite {
            limit: LIMIT.to_owned(),
            expected_version,
            body: Bytes::from_static(body.as_bytes()),
        }],
        ..LimitMoves::default()
    };
    let state = |window_version, window: &'static str| LimitState {
        window_version,
        window: Bytes::from_static(window.as_bytes()),
        ..held(1)
    };
    let lost = |state| {
        let conflict = Conflict { limits: vec![state], ..Conflict::default() };
        Err(CommitError::Conflict(conflict))
    };
    commit(&mut bench, vec![insert(1)], takes([1], 1)).await.unwrap();
    assert_eq!(commit(&mut bench, vec![insert(2)], window(1, "a")).await, lost(held(1)));
    assert_eq!(commit(&mut bench, vec![insert(2)], window(0, "a")).await, Ok(in_use(1)));
    assert_eq!(commit(&mut bench, vec![insert(3)], window(0, "b")).await, lost(state(1, "a")));
    assert_eq!(commit(&mut bench, vec![insert(3)], window(1, "b")).await, Ok(in_use(1)));
    assert_eq!(store.limits(&[LIMIT.to_owned()]).await, Ok(vec![state(2, "b")]));
}

pub(super) async fn names_of_limits_are_kept(store: &dyn Store) {
    let mut bench = Bench::new(store).await;
    let names = ["k:ä\u{1f600}", "k:A", "k:a", "k:'\"\\", "k: "].map(str::to_owned);
    let taken = names.iter().map(|name| Slot { limit: name.clone(), ..slot(1) });
    let moves = LimitMoves { taken: taken.collect(), ..LimitMoves::default() };
    let mut counts = commit(&mut bench, vec![insert(1)], moves).await.unwrap();
    let mut expected = names.clone().map(|name| (name, 1));
    counts.sort();
    expected.sort();
    assert_eq!(counts, expected);
    for name in names {
        assert_eq!(store.slot_holders(&name, 9).await, Ok(tasks([1])), "{name}");
    }
}
