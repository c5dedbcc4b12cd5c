//! Messages wait until a commit marks them as delivered.
use super::bench::{Bench, batch, id, insert, message, noon, update};
use super::fences::sorted;
use crate::error::Conflict;
use crate::{Batch, CommitError, ExecutionWrite, MessageId, Store, StoredMessage};
use bytes::Bytes;

fn sending(n: u64, sent: Vec<StoredMessage>) -> ExecutionWrite {
    ExecutionWrite { sent, ..insert(n) }
}

pub(super) async fn messages_wait_until_delivered(store: &dyn Store) {
    let second = StoredMessage {
        id: MessageId { from: id(1), version: 1, number: 1 },
        to: id(1),
        body: Bytes::from_static(&[0, 255, 10]),
    };
    let sent = vec![message(1, 1, 2), second];
    let mut bench = Bench::with(store, vec![sending(1, sent.clone()), insert(2)]).await;
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
    let both = batch(vec![sending(1, vec![sent.clone()]), insert(2)]);
    let both = Batch { delivered: vec![sent.id], ..both };
    Bench::new(store).await.lane.commit(&both).await.unwrap();
    assert_eq!(store.undelivered(noon(99), 9).await.unwrap(), []);
}

/// What was sent is delivered by the first; whoever comes later is told so and writes nothing, also
/// where the delivery is all there is to commit.
pub(super) async fn a_message_is_delivered_once(store: &dyn Store) {
    let sent = vec![message(1, 1, 2)];
    let mut bench = Bench::with(store, vec![sending(1, sent.clone()), insert(2)]).await;
    let delivered = vec![sent[0].id];
    let first = Batch { delivered: delivered.clone(), ..batch(vec![update(2, 1)]) };
    bench.lane.commit(&first).await.unwrap();
    let gone = Conflict { delivered: delivered.clone(), ..Conflict::default() };
    let again = Batch { delivered: delivered.clone(), ..batch(vec![update(2, 2), insert(3)]) };
    assert_eq!(bench.refused(&again).await, gone);
    assert_eq!((bench.get(2).await.row.version, bench.find(3).await), (2, None));
    let alone = Batch { delivered, ..batch(Vec::new()) };
    assert_eq!(bench.refused(&alone).await, gone);
}

pub(super) async fn unknown_deliveries_are_named(store: &dyn Store) {
    let mut bench = Bench::with(store, vec![sending(1, vec![message(1, 1, 2)])]).await;
    let known = message(1, 1, 2).id;
    let unknown = vec![MessageId { number: 1, ..known }, message(1, 2, 2).id, message(2, 1, 2).id];
    let delivered = [&unknown[..], &[known]].concat();
    let doomed = Batch { delivered, ..batch(vec![insert(2), update(3, 1)]) };
    let expected = Conflict { versions: vec![id(3)], delivered: unknown, ..Conflict::default() };
    assert_eq!(sorted(bench.refused(&doomed).await), sorted(expected));
    assert_eq!(bench.find(2).await, None);
    assert_eq!(store.undelivered(noon(99), 9).await.unwrap(), [message(1, 1, 2)]);
}

pub(super) async fn a_message_named_twice_is_delivered_once(store: &dyn Store) {
    let sent = message(1, 1, 2);
    let mut bench = Bench::with(store, vec![sending(1, vec![sent.clone()])]).await;
    let twice = Batch { delivered: vec![sent.id; 2], ..batch(vec![insert(2)]) };
    bench.lane.commit(&twice).await.unwrap();
    assert_eq!(store.undelivered(noon(99), 9).await.unwrap(), []);
}

/// A batch that loses for another reason is not told of the messages that it sends itself.
pub(super) async fn a_message_of_the_batch_itself_is_there(store: &dyn Store) {
    let mut bench = Bench::with(store, vec![insert(1), insert(2)]).await;
    let sent = message(1, 2, 2);
    let sending = ExecutionWrite { sent: vec![sent.clone()], ..update(1, 2) };
    let doomed = Batch { delivered: vec![sent.id], ..batch(vec![sending, update(2, 1)]) };
    let expected = Conflict { versions: vec![id(1)], ..Conflict::default() };
    assert_eq!(bench.refused(&doomed).await, expected);
}

/// A message to who is removed has gone with it; one from it is delivered, once.
pub(super) async fn what_a_removed_one_has_told_others_is_delivered(store: &dyn Store) {
    let writes =
        vec![sending(1, vec![message(1, 1, 2)]), insert(2), sending(3, vec![message(3, 1, 4)])];
    let mut bench = Bench::with(store, writes).await;
    bench.commit(vec![insert(4)]).await;
    assert!(store.remove(id(1), 1).await.unwrap() && store.remove(id(4), 1).await.unwrap());
    assert_eq!(store.undelivered(noon(0), 9).await.unwrap(), [message(1, 1, 2)]);
    let delivers = |delivered, version| Batch { delivered, ..batch(vec![update(2, version)]) };
    let gone = delivers(vec![message(3, 1, 4).id], 1);
    let expected = Conflict { delivered: gone.delivered.clone(), ..Conflict::default() };
    assert_eq!(bench.refused(&gone).await, expected);
    bench.lane.commit(&delivers(vec![message(1, 1, 2).id], 1)).await.unwrap();
    let again = delivers(vec![message(1, 1, 2).id], 2);
    let expected = Conflict { delivered: again.delivered.clone(), ..Conflict::default() };
    assert_eq!(bench.refused(&again).await, expected);
}

/// Of lanes that deliver one message at the same time exactly one does.
pub(super) async fn of_many_lanes_one_delivers(store: &dyn Store) {
    let sent: Vec<_> = (0..10)
        .map(|number| StoredMessage {
            id: MessageId { number, ..message(1, 1, 2).id },
            ..message(1, 1, 2)
        })
        .collect();
    let ids: Vec<_> = sent.iter().map(|message| message.id).collect();
    Bench::with(store, vec![sending(1, sent)]).await;
    let deliver = async || {
        let mut bench = Bench::new(store).await;
        let mut done = 0;
        for id in &ids {
            let alone = Batch { delivered: vec![*id], ..batch(Vec::new()) };
            match bench.lane.commit(&alone).await {
                Ok(_) => done += 1,
                Err(CommitError::Conflict(conflict)) => assert_eq!(conflict.delivered, [*id]),
                Err(CommitError::Store(error)) => unreachable!("{error}"),
            }
        }
        done
    };
    let (one, two, three) = tokio::join!(deliver(), deliver(), deliver());
    assert_eq!(one + two + three, 10);
}
