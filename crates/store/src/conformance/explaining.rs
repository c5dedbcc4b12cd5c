//! What an explanation reads: executions, places in queues and polls, of one moment.
use super::bench::{Bench, id, insert, ready, update};
use super::traces::{poll, sorted};
use crate::{
    ExecutionWrite, LoadRequest, PollQuery, READY_COUNT_MAX, ReadyKey, ReadyPlace, Store,
    WaitFacts, WaitQuery,
};

async fn places(store: &dyn Store, places: Vec<ReadyKey>) -> Vec<Option<ReadyPlace>> {
    let query = WaitQuery { places, ..WaitQuery::default() };
    store.load_waits(&query).await.unwrap().places
}

pub(super) async fn places_follow_the_order_of_the_queue(store: &dyn Store) {
    let queue =
        [ready("q", 99, 9, 1), ready("q", 5, -7, 2), ready("q", 5, 1, 3), ready("q", 0, -9, 4)];
    let others = [ready("eu:q", 99, -9, 5), ready("Q", 99, -9, 6)];
    let ready_added = [&queue[..], &others[..]].concat();
    let mut bench = Bench::with(store, vec![ExecutionWrite { ready_added, ..insert(1) }]).await;
    let place = |ahead, size| Some(ReadyPlace { ahead, size });
    let [first, second, third, last] = queue;
    let absent = ready("q", 5, 1, 77);
    let asked = vec![last.clone(), absent, first.clone(), others[0].clone(), third, first.clone()];
    let expected = [place(3, 4), None, place(0, 4), place(0, 1), place(2, 4), place(0, 4)];
    assert_eq!(places(store, asked).await, expected);
    let ready_removed = vec![second];
    bench.commit(vec![ExecutionWrite { ready_removed, ..update(1, 1) }]).await;
    assert_eq!(places(store, vec![last, first]).await, [place(2, 3), place(0, 3)]);
}

pub(super) async fn counting_stops_at_its_limit(store: &dyn Store) {
    let many = u64::from(READY_COUNT_MAX) + 3;
    let keys: Vec<_> = (0..many).map(|n| ready("q", 0, n.cast_signed(), n)).collect();
    let ready_added = keys.clone();
    let _bench = Bench::with(store, vec![ExecutionWrite { ready_added, ..insert(1) }]).await;
    let (first, last) = (keys[2].clone(), keys[keys.len() - 1].clone());
    let size = u64::from(READY_COUNT_MAX);
    let expected = [ReadyPlace { ahead: 2, size }, ReadyPlace { ahead: size, size }];
    assert_eq!(places(store, vec![first, last]).await, expected.map(Some));
}

pub(super) async fn only_the_polls_asked_for_are_read(store: &dyn Store) {
    let polls = [poll("t", "", "w1", 5), poll("t", "eu", "w2", 6), poll("u", "", "w1", 5)];
    store.record_polls(&polls).await.unwrap();
    for (task_types, expected) in
        [(vec!["t"], &polls[..2]), (vec!["nobody", "u", "u"], &polls[2..]), (vec!["T"], &[])]
    {
        let wanted = PollQuery::Of(task_types.into_iter().map(str::to_owned).collect());
        let query = WaitQuery { polls: wanted, ..WaitQuery::default() };
        assert_eq!(sorted(store.load_waits(&query).await.unwrap().polls), expected);
    }
}

pub(super) async fn executions_come_with_places_and_polls(store: &dyn Store) {
    let key = ready("q", 0, 0, 1);
    let ready_added = vec![key.clone()];
    let mut bench = Bench::with(store, vec![ExecutionWrite { ready_added, ..insert(1) }]).await;
    bench.commit(vec![insert(2)]).await;
    bench.commit(vec![update(1, 1)]).await;
    store.record_polls(&[poll("q", "", "w", 5)]).await.unwrap();
    let executions = [(1, Some(1)), (9, Some(0)), (2, Some(0)), (1, None)]
        .map(|(n, journal_after)| LoadRequest { id: id(n), journal_after });
    let query = WaitQuery {
        executions: executions.to_vec(),
        places: vec![key],
        polls: PollQuery::Of(vec!["q".to_owned()]),
    };
    let facts = store.load_waits(&query).await.unwrap();
    assert_eq!(facts.executions, store.load(&executions).await.unwrap());
    let entries = facts.executions.iter().map(|held| held.as_ref().map(|held| held.journal.len()));
    assert_eq!(entries.collect::<Vec<_>>(), [Some(1), None, Some(1), Some(0)]);
    assert_eq!(facts.places, [Some(ReadyPlace { ahead: 0, size: 1 })]);
    assert_eq!(facts.polls, [poll("q", "", "w", 5)]);
}

pub(super) async fn nothing_asked_is_nothing_answered(store: &dyn Store) {
    let _bench = Bench::with(store, vec![insert(1)]).await;
    assert_eq!(store.load_waits(&WaitQuery::default()).await, Ok(WaitFacts::default()));
}
