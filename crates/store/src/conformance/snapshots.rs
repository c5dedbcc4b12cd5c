//! A snapshot stands for the journal entries up to its version.
use super::bench::{Bench, id, insert, update};
use crate::{
    JournalHistory, LoadRequest, LoadedExecution, Snapshot, SnapshotWrite, Store, Version,
    WaitQuery,
};
use bytes::Bytes;

/// A snapshot of the `n`th execution.
fn snapshot(n: u64, version: Version) -> SnapshotWrite {
    let body = Bytes::from(format!("state at {version}"));
    let snapshot = Snapshot { version, body };
    SnapshotWrite { id: id(n), snapshot, history: JournalHistory::Keep }
}

/// The first execution, at version `newest`.
async fn grown(store: &dyn Store, newest: Version) -> Bench<'_> {
    let mut bench = Bench::with(store, vec![insert(1), insert(2)]).await;
    for version in 1..newest {
        bench.commit(vec![update(1, version)]).await;
    }
    bench
}

async fn load(store: &dyn Store, after: Option<Version>) -> LoadedExecution {
    let request = LoadRequest { id: id(1), journal_after: after };
    store.load(&[request]).await.unwrap().remove(0).unwrap()
}

/// The version of the snapshot and those of the entries that are read.
fn read(loaded: &LoadedExecution) -> (Option<Version>, Vec<Version>) {
    let entries = loaded.journal.iter().map(|(version, _)| *version).collect();
    (loaded.snapshot.as_ref().map(|snapshot| snapshot.version), entries)
}

pub(super) async fn a_snapshot_stands_for_the_entries_before_it(store: &dyn Store) {
    let _bench = grown(store, 6).await;
    let before = load(store, Some(0)).await;
    assert_eq!(read(&before), (None, vec![1, 2, 3, 4, 5, 6]));
    assert_eq!(store.put_snapshot(&snapshot(1, 4)).await, Ok(true));
    let after = load(store, Some(0)).await;
    assert_eq!(read(&after), (Some(4), vec![5, 6]));
    assert_eq!(after.snapshot, Some(snapshot(1, 4).snapshot));
    assert_eq!((&after.row, &after.journal[..]), (&before.row, &before.journal[4..]));
    let other = LoadRequest { id: id(2), journal_after: Some(0) };
    let other = store.load(&[other]).await.unwrap().remove(0).unwrap();
    assert_eq!(read(&other), (None, vec![1]));
}

pub(super) async fn only_who_is_behind_it_gets_a_snapshot(store: &dyn Store) {
    let _bench = grown(store, 6).await;
    store.put_snapshot(&snapshot(1, 4)).await.unwrap();
    for (after, expected) in [
        (None, (None, vec![])),
        (Some(3), (Some(4), vec![5, 6])),
        (Some(4), (None, vec![5, 6])),
        (Some(5), (None, vec![6])),
        (Some(6), (None, vec![])),
    ] {
        assert_eq!(read(&load(store, after).await), expected, "after {after:?}");
    }
    store.put_snapshot(&snapshot(1, 6)).await.unwrap();
    assert_eq!(read(&load(store, Some(0)).await), (Some(6), vec![]));
}

pub(super) async fn a_newer_snapshot_takes_the_place_of_an_older_one(store: &dyn Store) {
    let _bench = grown(store, 9).await;
    assert_eq!(store.put_snapshot(&snapshot(1, 3)).await, Ok(true));
    assert_eq!(store.put_snapshot(&snapshot(1, 7)).await, Ok(true));
    let mut again = snapshot(1, 7);
    again.snapshot.body = Bytes::from_static(b"another");
    for late in [again, snapshot(1, 6), snapshot(1, 3)] {
        assert_eq!(store.put_snapshot(&late).await, Ok(false));
    }
    let loaded = load(store, Some(0)).await;
    assert_eq!(loaded.snapshot, Some(snapshot(1, 7).snapshot));
    assert_eq!(read(&loaded), (Some(7), vec![8, 9]));
}

pub(super) async fn a_snapshot_of_no_committed_version_is_refused(store: &dyn Store) {
    let _bench = grown(store, 3).await;
    for wrong in [snapshot(1, 4), snapshot(7, 1)] {
        assert_eq!(store.put_snapshot(&wrong).await, Ok(false));
    }
    assert_eq!(read(&load(store, Some(0)).await), (None, vec![1, 2, 3]));
    assert_eq!(store.put_snapshot(&snapshot(1, 3)).await, Ok(true));
}

pub(super) async fn a_snapshot_disturbs_no_commit(store: &dyn Store) {
    let mut bench = grown(store, 3).await;
    let row = load(store, None).await.row;
    store.put_snapshot(&snapshot(1, 3)).await.unwrap();
    assert_eq!(load(store, None).await.row, row);
    bench.commit(vec![update(1, 3)]).await;
    assert_eq!(read(&load(store, Some(0)).await), (Some(3), vec![4]));
}

pub(super) async fn history_is_kept_or_dropped(store: &dyn Store) {
    let mut bench = grown(store, 5).await;
    store.put_snapshot(&snapshot(1, 3)).await.unwrap();
    let dropped = SnapshotWrite { history: JournalHistory::Drop, ..snapshot(1, 4) };
    assert_eq!(store.put_snapshot(&dropped).await, Ok(true));
    for after in [0, 2, 3] {
        assert_eq!(read(&load(store, Some(after)).await), (Some(4), vec![5]), "after {after}");
    }
    assert_eq!(read(&load(store, Some(4)).await), (None, vec![5]));
    bench.commit(vec![update(1, 5)]).await;
    assert_eq!(read(&load(store, Some(0)).await), (Some(4), vec![5, 6]));
    let other = LoadRequest { id: id(2), journal_after: Some(0) };
    let other = store.load(&[other]).await.unwrap().remove(0).unwrap();
    assert_eq!(other.journal.len(), 1, "the journals of others stay");
}

pub(super) async fn a_snapshot_goes_with_its_execution(store: &dyn Store) {
    let mut bench = grown(store, 3).await;
    store.put_snapshot(&snapshot(1, 2)).await.unwrap();
    assert!(store.remove(id(1), 3).await.unwrap());
    assert_eq!(store.put_snapshot(&snapshot(1, 3)).await, Ok(false));
    bench.commit(vec![insert(1)]).await;
    assert_eq!(read(&load(store, Some(0)).await), (None, vec![1]));
}

pub(super) async fn an_explanation_reads_snapshots_too(store: &dyn Store) {
    let _bench = grown(store, 6).await;
    store.put_snapshot(&snapshot(1, 4)).await.unwrap();
    for after in [None, Some(0), Some(4), Some(5)] {
        let executions = vec![LoadRequest { id: id(1), journal_after: after }];
        let query = WaitQuery { executions, ..WaitQuery::default() };
        let facts = store.load_waits(&query).await.unwrap();
        assert_eq!(facts.executions, [Some(load(store, after).await)], "after {after:?}");
    }
}

pub(super) async fn a_large_snapshot_comes_back_whole(store: &dyn Store) {
    let _bench = grown(store, 2).await;
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
    let mut large = snapshot(1, 2);
    large.snapshot.body = body.into();
    store.put_snapshot(&large).await.unwrap();
    assert_eq!(load(store, Some(0)).await.snapshot, Some(large.snapshot));
}
