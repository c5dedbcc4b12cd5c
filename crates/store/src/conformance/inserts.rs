//! What a commit writes is what a load reads.
use super::bench::{Bench, NOON, batch, id, index, insert, json, noon, update};
use crate::{
    Batch, ExecutionIndex, ExecutionRow, ExecutionWrite, LoadRequest, PlanHash, Store, StoreError,
    Waits,
};
use baton_common::WorkflowStatus;
use bytes::Bytes;

pub(super) async fn an_insert_is_loaded_as_it_was_written(store: &dyn Store) {
    let index = ExecutionIndex {
        workflow_version: 3,
        correlation_id: Some("order 1".to_owned()),
        created_at: noon(-5),
        parent: Some(id(9).task(4)),
        ..index()
    };
    let write = ExecutionWrite {
        status: WorkflowStatus::Paused,
        waits: Waits(Waits::LEASE | Waits::TIMER),
        wake_at: Some(noon(30)),
        ended_at: Some(noon(31)),
        index: Some(index.clone()),
        input: Some(json(r#"{"b": 1.0, "a": null}"#)),
        ..insert(1)
    };
    let bench = Bench::with(store, vec![write]).await;
    let row = ExecutionRow {
        id: id(1),
        version: 1,
        status: WorkflowStatus::Paused,
        waits: Waits(Waits::LEASE | Waits::TIMER),
        wake_at: Some(noon(30)),
        ended_at: Some(noon(31)),
        updated_at: NOON,
        index,
        input: json(r#"{"b": 1.0, "a": null}"#),
        overview: Bytes::from_static(b"overview"),
    };
    let loaded = bench.get(1).await;
    assert_eq!(loaded.row, row);
    assert_eq!(loaded.journal, [(1, Bytes::from_static(b"inserted"))]);
}

pub(super) async fn absent_facts_stay_absent(store: &dyn Store) {
    let row = Bench::with(store, vec![insert(1)]).await.get(1).await.row;
    assert_eq!((row.wake_at, row.ended_at), (None, None));
    assert_eq!((row.index.correlation_id, row.index.parent), (None, None));
}

pub(super) async fn later_writes_keep_what_they_do_not_give(store: &dyn Store) {
    let mut bench = Bench::with(store, vec![insert(1)]).await;
    let before = bench.get(1).await.row;
    let later = Batch { at: noon(5), ..batch(vec![update(1, 1)]) };
    bench.lane.commit(&later).await.unwrap();
    let after = bench.get(1).await.row;
    assert_eq!(after, ExecutionRow { version: 2, updated_at: noon(5), ..before });
}

pub(super) async fn later_writes_replace_what_they_give(store: &dyn Store) {
    let inserted = ExecutionWrite { wake_at: Some(noon(9)), ..insert(1) };
    let mut bench = Bench::with(store, vec![inserted]).await;
    let index = ExecutionIndex {
        workflow_name: "ship again".to_owned(),
        workflow_version: 2,
        correlation_id: Some("c".to_owned()),
        created_at: noon(1),
        parent: Some(id(2).task(1)),
        plan: PlanHash([8; 32]),
    };
    let write = ExecutionWrite {
        status: WorkflowStatus::Completed,
        waits: Waits(0),
        ended_at: Some(noon(2)),
        index: Some(index.clone()),
        input: Some(json("[]")),
        overview: Some(Bytes::from_static(b"other")),
        ..update(1, 1)
    };
    bench.commit(vec![write]).await;
    let row = bench.get(1).await.row;
    assert_eq!((row.status, row.waits), (WorkflowStatus::Completed, Waits(0)));
    assert_eq!((row.wake_at, row.ended_at), (None, Some(noon(2))));
    assert_eq!((row.index, row.input), (index, json("[]")));
    assert_eq!(row.overview, "other");
}

pub(super) async fn every_status_is_kept(store: &dyn Store) {
    let all = (1..).zip(WorkflowStatus::ALL);
    let writes = all.clone().map(|(n, status)| ExecutionWrite { status, ..insert(n) }).collect();
    let bench = Bench::with(store, writes).await;
    for (n, status) in all {
        assert_eq!(bench.get(n).await.row.status, status);
    }
}

pub(super) async fn the_journal_is_read_after_a_version(store: &dyn Store) {
    let mut bench = Bench::with(store, vec![insert(1), insert(2)]).await;
    for version in 1..12 {
        bench.commit(vec![update(1, version)]).await;
    }
    for (after, expected) in [(None, 0..0), (Some(0), 1..13), (Some(9), 10..13), (Some(12), 0..0)] {
        let request = LoadRequest { id: id(1), journal_after: after };
        let loaded = store.load(&[request]).await.unwrap().remove(0).unwrap();
        let versions: Vec<_> = loaded.journal.iter().map(|(version, _)| *version).collect();
        assert_eq!(versions, expected.collect::<Vec<_>>(), "after {after:?}");
    }
    assert_eq!(bench.get(1).await.journal[11].1, "after 11");
}

pub(super) async fn loads_answer_in_the_order_asked(store: &dyn Store) {
    let _bench = Bench::with(store, (1..=20).map(insert).collect()).await;
    let order = [7, 3, 99, 20, 1, 98, 7];
    let requests = order.map(|n| LoadRequest { id: id(n), journal_after: Some(0) });
    let loaded = store.load(&requests).await.unwrap();
    let found = loaded.iter().map(|loaded| loaded.as_ref().map(|loaded| loaded.row.id));
    let expected = order.map(|n| (n <= 20).then(|| id(n)));
    assert_eq!(found.collect::<Vec<_>>(), expected);
    assert!(loaded.iter().flatten().all(|loaded| loaded.journal.len() == 1));
    assert_eq!(store.load(&[]).await, Ok(Vec::new()));
}

pub(super) async fn a_plan_is_kept_with_its_batch(store: &dyn Store) {
    let mut bench = Bench::new(store).await;
    let (hash, plan) = (PlanHash([1; 32]), json(r#"{"name":"ship", "n": 1.0}"#));
    assert!(matches!(store.load_plan(hash).await, Err(StoreError::NotFound(_))));
    let plans = vec![(hash, plan.clone())];
    let refused = Batch { plans: plans.clone(), ..batch(vec![update(1, 4)]) };
    bench.refused(&refused).await;
    assert!(matches!(store.load_plan(hash).await, Err(StoreError::NotFound(_))));
    for n in 1..3 {
        let brings = Batch { plans: plans.clone(), ..batch(vec![insert(n)]) };
        bench.lane.commit(&brings).await.unwrap();
    }
    assert_eq!(store.load_plan(hash).await, Ok(plan));
}

pub(super) async fn an_empty_batch_commits(store: &dyn Store) {
    let mut bench = Bench::new(store).await;
    bench.lane.commit(&Batch::default()).await.unwrap();
    bench.commit(vec![insert(1)]).await;
}

pub(super) async fn a_large_batch_commits_whole(store: &dyn Store) {
    let mut bench = Bench::with(store, (0..700).map(insert).collect()).await;
    bench.commit((0..700).map(|n| update(n, 1)).collect()).await;
    let requests = (0..700).map(|n| LoadRequest { id: id(n), journal_after: Some(0) });
    let loaded = store.load(&requests.collect::<Vec<_>>()).await.unwrap();
    assert!(loaded.iter().flatten().all(|held| held.row.version == 2 && held.journal.len() == 2));
    assert_eq!(loaded.iter().flatten().count(), 700);
}
