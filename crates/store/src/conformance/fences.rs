//! Who loses a race writes nothing and is told against whom.
use super::bench::{Bench, batch, id, index, insert, json, message, noon, ready, update};
use crate::error::Conflict;
use crate::{
    Batch, CommitError, DefinitionWrite, ExecutionIndex, ExecutionWrite, LoadRequest, MessageId,
    PlanHash, Store, Waits,
};
use baton_common::WorkflowStatus;

fn keyed(n: u64, key: &str) -> ExecutionWrite {
    ExecutionWrite { idempotency_key: Some(key.to_owned()), ..insert(n) }
}

fn versions(ids: impl IntoIterator<Item = u64>) -> Conflict {
    let mut versions: Vec<_> = ids.into_iter().map(id).collect();
    versions.sort();
    Conflict { versions, ..Conflict::default() }
}

/// A conflict in an order that does not depend on the store.
pub(super) fn sorted(mut conflict: Conflict) -> Conflict {
    conflict.versions.sort();
    conflict.idempotency.sort();
    conflict.delivered.sort();
    conflict.limits.sort();
    conflict
}

pub(super) async fn a_stale_version_writes_nothing(store: &dyn Store) {
    let sent = ExecutionWrite { sent: vec![message(3, 1, 1)], ..insert(3) };
    let mut bench = Bench::with(store, vec![insert(1), insert(2), sent]).await;
    bench.commit(vec![update(1, 1)]).await;
    let full = ExecutionWrite {
        ready_added: vec![ready("q", 0, 0, 4)],
        sent: vec![message(4, 1, 1)],
        wake_at: Some(noon(0)),
        ..keyed(4, "key")
    };
    let doomed = Batch {
        plans: vec![(PlanHash([9; 32]), json("{}"))],
        delivered: vec![MessageId { from: id(3), version: 1, number: 0 }],
        ..batch(vec![update(1, 1), update(2, 1), full.clone()])
    };
    assert_eq!(bench.refused(&doomed).await, versions([1]));
    assert_eq!((bench.get(1).await.row.version, bench.get(2).await.row.version), (2, 1));
    assert_eq!(bench.get(2).await.journal.len(), 1);
    assert_eq!(bench.find(4).await, None);
    assert_eq!(store.queue_sizes().await.unwrap(), []);
    assert_eq!(store.due_wake_ups(noon(1), 9).await.unwrap(), []);
    assert_eq!(store.undelivered(noon(1), 9).await.unwrap(), [message(3, 1, 1)]);
    assert!(store.load_plan(PlanHash([9; 32])).await.is_err());
    bench.commit(vec![full]).await;
}

pub(super) async fn a_second_insert_is_a_conflict(store: &dyn Store) {
    let mut bench = Bench::with(store, vec![keyed(1, "key")]).await;
    assert_eq!(bench.refused(&batch(vec![insert(1)])).await, versions([1]));
    let again = batch(vec![keyed(1, "key")]);
    assert_eq!(bench.refused(&again).await, versions([1]), "the key is its own");
}

pub(super) async fn an_update_of_nobody_is_a_conflict(store: &dyn Store) {
    let mut bench = Bench::new(store).await;
    assert_eq!(bench.refused(&batch(vec![update(1, 1)])).await, versions([1]));
    assert_eq!(bench.find(1).await, None);
}

pub(super) async fn every_conflict_is_named_at_once(store: &dyn Store) {
    let mut bench = Bench::with(store, vec![keyed(1, "a"), keyed(2, "b"), insert(3)]).await;
    let first = store.write_definitions(&[put_task()]).await.unwrap();
    store.write_definitions(&[put_task()]).await.unwrap();
    let writes =
        vec![insert(1), update(2, 2), update(3, 1), update(9, 1), keyed(5, "a"), keyed(6, "b")];
    let mut doomed = batch(writes);
    let idempotency = vec![(id(5), id(1)), (id(6), id(2))];
    let expected = Conflict { idempotency, ..versions([1, 2, 9]) };
    assert_eq!(sorted(bench.refused(&doomed).await), sorted(expected.clone()));
    doomed.revision = Some(first);
    let expected = Conflict { stale_definitions: true, ..expected };
    assert_eq!(sorted(bench.refused(&doomed).await), sorted(expected));
    assert_eq!(bench.get(3).await.row.version, 1);
}

pub(super) async fn the_rest_commits_after_a_conflict(store: &dyn Store) {
    let mut bench = Bench::with(store, vec![insert(1), insert(2)]).await;
    let conflict = bench.refused(&batch(vec![update(1, 2), update(2, 1)])).await;
    assert_eq!(conflict, versions([1]));
    bench.commit(vec![update(2, 1)]).await;
    bench.commit(vec![update(1, 1)]).await;
}

pub(super) async fn an_idempotency_key_is_taken_once_per_workflow(store: &dyn Store) {
    let mut bench = Bench::with(store, vec![keyed(1, "key")]).await;
    let clash = bench.refused(&batch(vec![keyed(2, "key")])).await;
    assert_eq!(clash, Conflict { idempotency: vec![(id(2), id(1))], ..Conflict::default() });
    assert_eq!(bench.find(2).await, None);
    let index = ExecutionIndex { workflow_name: "other".to_owned(), ..index() };
    let other = ExecutionWrite { index: Some(index), ..keyed(3, "key") };
    bench.commit(vec![other, keyed(4, "KEY"), keyed(5, "key "), insert(6)]).await;
    bench.commit(vec![update(1, 1)]).await;
    assert_eq!(bench.refused(&batch(vec![keyed(7, "key")])).await.idempotency, [(id(7), id(1))]);
    assert!(store.remove(id(1), 2).await.unwrap());
    bench.commit(vec![keyed(8, "key")]).await;
}

/// Only the key of an execution that has ended is given free, and nobody else's.
pub(super) async fn the_key_of_an_ended_execution_can_be_released(store: &dyn Store) {
    let ended = ExecutionWrite {
        status: WorkflowStatus::Completed,
        waits: Waits::default(),
        ended_at: Some(noon(1)),
        ..keyed(2, "ended")
    };
    let mut bench = Bench::with(store, vec![keyed(1, "open"), ended, keyed(3, "other")]).await;
    let before = bench.get(2).await;
    let release = async |n| store.release_key(id(n)).await.unwrap();
    assert!(!release(1).await && release(2).await && release(2).await && !release(9).await);
    assert_eq!(bench.get(2).await, before);
    for (n, key, holder) in [(4, "open", 1), (5, "other", 3)] {
        assert_eq!(
            bench.refused(&batch(vec![keyed(n, key)])).await.idempotency,
            [(id(n), id(holder))]
        );
    }
    bench.commit(vec![keyed(6, "ended")]).await;
    assert!(release(2).await, "it has no key any more");
    assert_eq!(bench.refused(&batch(vec![keyed(7, "ended")])).await.idempotency, [(id(7), id(6))]);
}

pub(super) async fn one_key_twice_in_a_batch_goes_to_the_first(store: &dyn Store) {
    let mut bench = Bench::new(store).await;
    let doomed = batch(vec![keyed(1, "key"), keyed(2, "key")]);
    let [first, second] = [doomed.writes[0].id, doomed.writes[1].id];
    assert_eq!(bench.refused(&doomed).await.idempotency, [(second, first)]);
    assert_eq!((bench.find(1).await, bench.find(2).await), (None, None));
}

fn put_task() -> DefinitionWrite {
    DefinitionWrite::PutTask { name: "t".to_owned(), body: json("{}") }
}

pub(super) async fn newer_definitions_refuse_the_batch(store: &dyn Store) {
    let mut bench = Bench::new(store).await;
    let old = store.read_definitions(0).await.unwrap().revision;
    let at = |revision, n| Batch { revision: Some(revision), ..batch(vec![insert(n)]) };
    bench.lane.commit(&at(old, 1)).await.unwrap();
    let new = store.write_definitions(&[put_task()]).await.unwrap();
    let stale = Conflict { stale_definitions: true, ..Conflict::default() };
    assert_eq!(bench.refused(&at(old, 2)).await, stale);
    assert_eq!(bench.find(2).await, None);
    bench.lane.commit(&at(new, 2)).await.unwrap();
    bench.commit(vec![insert(3)]).await;
}

pub(super) async fn of_two_lanes_one_wins(store: &dyn Store) {
    let mut one = Bench::with(store, vec![insert(1)]).await;
    let mut other = Bench::new(store).await;
    for version in 1..30 {
        let batch = batch(vec![update(1, version), insert(version.unsigned_abs() + 100)]);
        let (one, other) = tokio::join!(one.lane.commit(&batch), other.lane.commit(&batch));
        let lost = [one, other].into_iter().filter_map(Result::err).collect::<Vec<_>>();
        let [CommitError::Conflict(lost)] = &lost[..] else {
            unreachable!("exactly one lane had to lose: {lost:?}")
        };
        assert!(lost.versions.contains(&id(1)), "{lost:?}");
    }
    assert_eq!(one.get(1).await.row.version, 30);
}

/// Four lanes each add ten to one execution, loading again whenever they lose.
pub(super) async fn many_lanes_lose_no_update(store: &dyn Store) {
    let bench = Bench::with(store, vec![insert(1), insert(2)]).await;
    tokio::join!(add_ten(store), add_ten(store), add_ten(store), add_ten(store));
    let loaded = bench.get(1).await;
    assert_eq!((loaded.row.version, loaded.journal.len()), (41, 41));
    assert_eq!(bench.get(2).await.row.version, 41);
}

async fn add_ten(store: &dyn Store) {
    let mut bench = Bench::new(store).await;
    let mut added = 0;
    for _ in 0..2_000 {
        let version = bench.get(1).await.row.version;
        match bench.lane.commit(&batch(vec![update(1, version), update(2, version)])).await {
            Ok(_) => added += 1,
            Err(CommitError::Conflict(_)) => {}
            Err(CommitError::Store(error)) => unreachable!("{error}"),
        }
        if added == 10 {
            return;
        }
    }
    unreachable!("one lane loses for ever");
}

pub(super) async fn a_load_sees_whole_batches(store: &dyn Store) {
    // In one shard, where every store promises it.
    let near = |write: ExecutionWrite| ExecutionWrite { id: write.id.in_shard(7), ..write };
    let mut bench = Bench::with(store, vec![near(insert(1)), near(insert(2))]).await;
    let writes = async {
        for version in 1..40 {
            bench.commit(vec![near(update(1, version)), near(update(2, version))]).await;
        }
    };
    let reads = async {
        let ids = [1, 2].map(|n| id(n).in_shard(7));
        let requests = ids.map(|id| LoadRequest { id, journal_after: Some(0) });
        for _ in 0..60 {
            let loaded = store.load(&requests).await.unwrap();
            let seen = loaded.iter().flatten().map(|held| (held.row.version, held.journal.len()));
            let seen: Vec<_> = seen.collect();
            assert_eq!(seen[0], seen[1]);
            assert_eq!(usize::try_from(seen[0].0).unwrap(), seen[0].1);
        }
    };
    tokio::join!(writes, reads);
}
