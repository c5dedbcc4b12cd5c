//! Messages wait until a commit marks them as delivered.
use super::bench::{Bench, batch, birth, id, message, noon, update};
use crate::{Batch, ExecutionWrite, Message, MessageId, Store};
use bytes::Bytes;

fn sending(n: u64, sent: Vec<Message>) -> ExecutionWrite {
    ExecutionWrite { sent, ..birth(n) }
}

pub(super) async fn messages_wait_until_delivered(store: &dyn Store) {
    let second = Message {
        id: MessageId { from: id(1), version: 1, number: 1 },
        to: id(1),
        body: Bytes::from_static(&[0, 255, 10]),
    };
    let sent = vec![message(1, 1, 2), second];
    let mut bench = Bench::with(store, vec![sending(1, sent.clone()), birth(2)]).await;
    let mut waiting = store.undelivered(noon(0), 9).await.unwrap();
    waiting.sort_by_key(|message| message.id);
    assert_eq!(waiting, sent);
    assert_eq!(store.undelivered(noon(-1), 9).await.unwrap(), []);
    let done = Batch { delivered: vec![sent[0].id], ..batch(vec![update(2, 1)]) };
    bench.lane.commit(&done).await.unwrap();
    assert_eq!(store.undelivered(noon(0), 9).await.unwrap(), sent[1..]);
    let alone = Batch { delivered: vec![sent[1].id], ..batch(Vec::new()) };
    bench.lane.commit(&alone).await.unwrap();
    assert_eq!(store.undelivered(noon(0), 9).await.unwrap(), []);
}

pub(super) async fn messages_come_oldest_first(store: &dyn Store) {
    let mut bench = Bench::new(store).await;
    for (n, at) in [(1, 30), (2, 10), (3, 20)] {
        let batch = Batch { at: noon(at), ..batch(vec![sending(n, vec![message(n, 1, 9)])]) };
        bench.lane.commit(&batch).await.unwrap();
    }
    let all = [message(2, 1, 9), message(3, 1, 9), message(1, 1, 9)];
    assert_eq!(store.undelivered(noon(99), 9).await.unwrap(), all);
    assert_eq!(store.undelivered(noon(99), 2).await.unwrap(), all[..2]);
    assert_eq!(store.undelivered(noon(20), 9).await.unwrap(), all[..2]);
}

pub(super) async fn a_message_delivered_where_it_was_sent_leaves_nothing(store: &dyn Store) {
    let sent = message(1, 1, 2);
    let both = batch(vec![sending(1, vec![sent.clone()]), birth(2)]);
    let both = Batch { delivered: vec![sent.id], ..both };
    Bench::new(store).await.lane.commit(&both).await.unwrap();
    assert_eq!(store.undelivered(noon(99), 9).await.unwrap(), []);
}

pub(super) async fn unknown_deliveries_are_passed_over(store: &dyn Store) {
    let mut bench = Bench::with(store, vec![sending(1, vec![message(1, 1, 2)])]).await;
    let unknown = [message(1, 2, 2).id, message(2, 1, 2).id];
    let unknown = unknown.into_iter().chain([MessageId { number: 1, ..message(1, 1, 2).id }]);
    let batch = Batch { delivered: unknown.collect(), ..batch(vec![birth(2)]) };
    bench.lane.commit(&batch).await.unwrap();
    assert_eq!(store.undelivered(noon(99), 9).await.unwrap(), [message(1, 1, 2)]);
}
