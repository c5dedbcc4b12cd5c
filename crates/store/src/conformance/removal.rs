//! What is removed leaves nothing behind and takes nothing else along.
use super::bench::{Bench, everyone, id, insert, message, noon, ready, sizes, update};
use crate::{ExecutionWrite, Store, TaskLog};
use baton_common::ids::SEQ_MAX;

/// One of everything that belongs to the `n`th execution.
fn rich(n: u64, to: u64) -> ExecutionWrite {
    ExecutionWrite {
        wake_at: Some(noon(1)),
        idempotency_key: Some(format!("key {n}")),
        ready_added: vec![ready("q", 0, 0, n)],
        sent: vec![message(n, 1, to)],
        ..insert(n)
    }
}

fn log(n: u64) -> TaskLog {
    TaskLog { task: id(n).task(1), at: noon(0), line: format!("line of {n}") }
}

pub(super) async fn removal_leaves_nothing(store: &dyn Store) {
    let mut bench = Bench::with(store, vec![rich(1, 2), rich(2, 1)]).await;
    bench.commit(vec![update(1, 1)]).await;
    let last = TaskLog { task: id(1).task(SEQ_MAX), ..log(1) };
    store.append_task_logs(&[log(1), log(2), last.clone()]).await.unwrap();
    assert!(store.remove(id(1), 2).await.unwrap() && store.remove(id(2), 1).await.unwrap());
    assert_eq!(store.task_logs(last.task, 9).await.unwrap(), []);
    assert_eq!((bench.find(1).await, bench.find(2).await), (None, None));
    assert_eq!(store.search(&everyone()).await.unwrap().total_hits, 0);
    assert_eq!(store.queue_sizes().await.unwrap(), []);
    assert_eq!(store.due_wake_ups(noon(99), 9).await.unwrap(), []);
    assert_eq!(store.undelivered(noon(99), 9).await.unwrap(), []);
    assert_eq!(store.dead_waits(9).await.unwrap(), []);
    assert_eq!(store.task_logs(id(1).task(1), 9).await.unwrap(), []);
    bench.commit(vec![rich(1, 2)]).await;
    assert_eq!(bench.get(1).await.journal.len(), 1);
}

pub(super) async fn removal_spares_the_others(store: &dyn Store) {
    let bench = Bench::with(store, vec![rich(1, 9), rich(2, 8), rich(3, 1)]).await;
    store.append_task_logs(&[log(1), log(2)]).await.unwrap();
    let before = bench.get(2).await;
    assert!(store.remove(id(1), 1).await.unwrap());
    assert_eq!(bench.find(1).await, None);
    assert_eq!(bench.get(2).await, before);
    assert_eq!(sizes(store).await, [("q".to_owned(), 2)]);
    assert_eq!(store.due_wake_ups(noon(99), 9).await.unwrap().len(), 2);
    let mut left = store.undelivered(noon(99), 9).await.unwrap();
    left.sort_by_key(|message| message.id);
    assert_eq!(left, [message(1, 1, 9), message(2, 1, 8)], "those to the removed one are gone");
    assert_eq!(store.task_logs(id(2).task(1), 9).await.unwrap(), [log(2)]);
}

/// What has gone on since somebody looked at it, or is not there, is not removed, and neither is
/// anything that belongs to it.
pub(super) async fn nothing_is_removed_at_another_version(store: &dyn Store) {
    let mut bench = Bench::with(store, vec![rich(1, 9), rich(3, 1)]).await;
    bench.commit(vec![update(1, 1)]).await;
    store.append_task_logs(&[log(1)]).await.unwrap();
    let before = bench.get(1).await;
    for (n, version) in [(1, 1), (1, 3), (1, 0), (7, 1), (7, 0)] {
        assert!(!store.remove(id(n), version).await.unwrap(), "{n} at {version}");
    }
    assert_eq!(bench.get(1).await, before);
    assert_eq!(sizes(store).await, [("q".to_owned(), 2)]);
    assert_eq!(store.undelivered(noon(99), 9).await.unwrap().len(), 2);
    assert_eq!(store.task_logs(id(1).task(1), 9).await.unwrap(), [log(1)]);
    assert!(store.remove(id(1), 2).await.unwrap());
    assert!(!store.remove(id(1), 2).await.unwrap());
}
