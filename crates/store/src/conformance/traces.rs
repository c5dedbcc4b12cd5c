//! What workers leave behind: log lines and polls; and the clock and the notification.
use super::bench::{Bench, id, insert, noon};
use crate::{PollRecord, Store, TaskLog, WaitQuery};
use tokio::sync::broadcast::error::TryRecvError;

fn line(n: u64, at: i64, line: &str) -> TaskLog {
    TaskLog { task: id(1).task(u32::try_from(n).unwrap()), at: noon(at), line: line.to_owned() }
}

pub(super) async fn logs_come_oldest_first(store: &dyn Store) {
    let _bench = Bench::with(store, vec![insert(1)]).await;
    store.append_task_logs(&[]).await.unwrap();
    store.append_task_logs(&[line(1, 5, "c"), line(1, 1, "b")]).await.unwrap();
    store.append_task_logs(&[line(1, 0, "a"), line(1, 5, "d"), line(1, 5, "d")]).await.unwrap();
    let lines = store.task_logs(id(1).task(1), 99).await.unwrap();
    assert_eq!(lines.iter().map(|log| log.line.as_str()).collect::<String>(), "abcdd");
    assert_eq!(lines[1], line(1, 1, "b"));
    assert_eq!(store.task_logs(id(1).task(1), 2).await.unwrap(), lines[..2]);
}

pub(super) async fn logs_of_a_task_are_its_own(store: &dyn Store) {
    let _bench = Bench::with(store, vec![insert(1)]).await;
    store.append_task_logs(&[line(1, 0, "mine"), line(2, 0, "yours")]).await.unwrap();
    assert_eq!(store.task_logs(id(1).task(2), 9).await.unwrap(), [line(2, 0, "yours")]);
    assert_eq!(store.task_logs(id(1).task(3), 9).await.unwrap(), []);
    assert_eq!(store.task_logs(id(2).task(1), 9).await.unwrap(), []);
}

pub(super) fn poll(task_type: &str, domain: &str, worker: &str, at: i64) -> PollRecord {
    PollRecord {
        task_type: task_type.to_owned(),
        domain: domain.to_owned(),
        worker: worker.to_owned(),
        at: noon(at),
    }
}

/// The last polls of a task type, or of all.
pub(super) async fn polls(store: &dyn Store, task_type: Option<&str>) -> Vec<PollRecord> {
    store.load_waits(&WaitQuery::of_polls(task_type)).await.unwrap().polls
}

/// Polls in an order that does not depend on the store.
pub(super) fn sorted(mut polls: Vec<PollRecord>) -> Vec<PollRecord> {
    polls.sort_by(|left, right| {
        (&left.task_type, &left.domain).cmp(&(&right.task_type, &right.domain))
    });
    polls
}

pub(super) async fn the_last_poll_is_kept(store: &dyn Store) {
    store.record_polls(&[]).await.unwrap();
    assert_eq!(polls(store, None).await, []);
    let first = [poll("t", "", "w1", 5), poll("t", "eu", "w1", 5), poll("u", "", "w1", 5)];
    store.record_polls(&first).await.unwrap();
    let second = [poll("t", "", "w2", 6), poll("t", "", "w3", 7), poll("t", "eu", "late", 4)];
    store.record_polls(&second).await.unwrap();
    let of_t = [poll("t", "", "w3", 7), poll("t", "eu", "w1", 5)];
    assert_eq!(sorted(polls(store, Some("t")).await), of_t);
    let all = [of_t.to_vec(), vec![poll("u", "", "w1", 5)]].concat();
    assert_eq!(sorted(polls(store, None).await), all);
    assert_eq!(polls(store, Some("T")).await, []);
}

pub(super) async fn the_clock_runs_forward(store: &dyn Store) {
    let first = store.now().await.unwrap();
    let second = store.now().await.unwrap();
    assert!(second >= first && first.millis() > 1_000_000_000_000, "{first:?} {second:?}");
}

pub(super) async fn notifications_do_no_harm(store: &dyn Store) {
    let mut notifications = store.notifications();
    store.notify(&["q".to_owned(), "it's; \"quoted\"".to_owned()]).await;
    store.notify(&[]).await;
    assert!(
        !matches!(notifications.try_recv(), Err(TryRecvError::Closed)),
        "the sender of notifications is gone"
    );
}
