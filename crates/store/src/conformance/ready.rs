//! Ready tasks: named in order, hidden while reserved, gone when removed.
use super::bench::{Bench, batch, insert, noon, ready, sizes, update};
use crate::{ExecutionWrite, LANE, QueueDemand, QueueSize, ReadyKey, Store};

/// Longer than any test.
const LONG_MS: u32 = 3_600_000;

/// Most tries until a reservation of a millisecond has ended.
const TRIES_MAX: u32 = 100_000;

fn demand(queue: &str, count: u32) -> QueueDemand {
    QueueDemand { queue: queue.to_owned(), count }
}

fn holding(n: u64, ready_added: Vec<ReadyKey>) -> ExecutionWrite {
    ExecutionWrite { ready_added, ..insert(n) }
}

/// The same task in the shard of all others, where the order is every store's promise.
fn near(key: ReadyKey) -> ReadyKey {
    ReadyKey { task: key.task.execution().in_shard(7).task(1), ..key }
}

async fn reserve(store: &dyn Store, queue: &str, count: u32, reserve_ms: u32) -> Vec<ReadyKey> {
    store.reserve_ready(&[demand(queue, count)], reserve_ms).await.unwrap()
}

pub(super) async fn the_most_urgent_comes_first(store: &dyn Store) {
    let mut tied = [ready("q", 5, 1, 4), ready("q", 5, 1, 5)].map(near);
    tied.sort();
    let [first, second] = tied;
    let others = [ready("q", 99, 9, 1), ready("q", 5, -7, 2), ready("q", 0, -9, 3)];
    let [top, oldest, lowest] = others.map(near);
    let order = [top, oldest, first, second, lowest];
    let writes = (1..).zip([3, 1, 4, 0, 2]).map(|(n, at)| holding(n, vec![order[at].clone()]));
    let _bench = Bench::with(store, writes.collect()).await;
    assert_eq!(reserve(store, "q", 3, LONG_MS).await, order[..3]);
    assert_eq!(reserve(store, "q", 3, LONG_MS).await, order[3..]);
    assert_eq!(reserve(store, "q", 3, LONG_MS).await, []);
}

pub(super) async fn each_queue_gives_what_is_demanded(store: &dyn Store) {
    let keys = |queue: &str| (1..=5).map(|n| ready(queue, 0, 0, n)).collect::<Vec<_>>();
    let all = ["q", "eu:q", "Q"].iter().flat_map(|queue| keys(queue)).collect();
    let _bench = Bench::with(store, vec![holding(1, all)]).await;
    let demands = [demand("q", 2), demand("eu:q", 9), demand("none", 3)];
    let named = store.reserve_ready(&demands, LONG_MS).await.unwrap();
    let count = |queue: &str| named.iter().filter(|key| key.queue == queue).count();
    assert_eq!((named.len(), count("q"), count("eu:q")), (7, 2, 5));
    assert_eq!(store.reserve_ready(&[], LONG_MS).await, Ok(Vec::new()));
}

pub(super) async fn reserved_tasks_are_hidden(store: &dyn Store) {
    let keys = [ready("q", 0, 0, 1), ready("q", 0, 1, 2)].map(near).to_vec();
    let mut bench = Bench::with(store, vec![holding(1, keys.clone())]).await;
    assert_eq!(reserve(store, "q", 1, LONG_MS).await, keys[..1]);
    assert_eq!(reserve(store, "q", 5, LONG_MS).await, keys[1..]);
    bench.commit(vec![update(1, 1)]).await;
    assert_eq!(reserve(store, "q", 5, LONG_MS).await, []);
}

pub(super) async fn a_reservation_ends_by_itself(store: &dyn Store) {
    let keys = vec![ready("q", 0, 0, 1)];
    let _bench = Bench::with(store, vec![holding(1, keys.clone())]).await;
    for reserve_ms in [1, 0, 0, LONG_MS] {
        let mut tries = 0;
        while reserve(store, "q", 1, reserve_ms).await != keys {
            tries += 1;
            assert!(tries < TRIES_MAX, "the task never came back");
        }
    }
}

pub(super) async fn removed_tasks_are_not_named(store: &dyn Store) {
    let keys: Vec<_> = (1..=4).map(|n| ready("q", 0, 0, n)).collect();
    let mut bench = Bench::with(store, vec![holding(1, keys.clone()), insert(2)]).await;
    let mut gone = reserve(store, "q", 1, LONG_MS).await;
    gone.extend([ready("q", 1, 0, 77), ready("other", 0, 0, 1)]);
    gone.extend(keys.iter().filter(|key| !gone.contains(key)).take(1).cloned().collect::<Vec<_>>());
    let removes = ExecutionWrite { ready_removed: gone.clone(), ..update(1, 1) };
    bench.commit(vec![removes]).await;
    let mut left: Vec<_> = keys.into_iter().filter(|key| !gone.contains(key)).collect();
    left.sort();
    assert_eq!(reserve(store, "q", 9, LONG_MS).await, left);
    assert_eq!(sizes(store).await, [("q".to_owned(), 2)]);
}

/// A reservation belongs to the row and goes with it.
pub(super) async fn a_task_made_ready_again_is_free(store: &dyn Store) {
    let keys = vec![ready("q", 0, 0, 1)];
    let mut bench = Bench::with(store, vec![holding(1, keys.clone())]).await;
    assert_eq!(reserve(store, "q", 1, LONG_MS).await, keys);
    bench.commit(vec![ExecutionWrite { ready_removed: keys.clone(), ..update(1, 1) }]).await;
    bench.commit(vec![ExecutionWrite { ready_added: keys.clone(), ..update(1, 2) }]).await;
    assert_eq!(reserve(store, "q", 1, LONG_MS).await, keys);
}

pub(super) async fn callers_at_once_get_different_tasks(store: &dyn Store) {
    let keys: Vec<_> = (0..40).map(|n| ready("q", 0, 0, n)).collect();
    let _bench = Bench::with(store, vec![holding(1, keys.clone())]).await;
    let (a, b, c, d) = tokio::join!(
        reserve(store, "q", 10, LONG_MS),
        reserve(store, "q", 10, LONG_MS),
        reserve(store, "q", 10, LONG_MS),
        reserve(store, "q", 10, LONG_MS)
    );
    let mut named = [a, b, c, d].concat();
    named.extend(reserve(store, "q", 40, LONG_MS).await);
    named.sort();
    let mut all = keys;
    all.sort();
    assert_eq!(named, all);
}

/// A lane gives its own share, so that what waits in one lane is in nobody's way.
pub(super) async fn lanes_come_with_their_queue(store: &dyn Store) {
    let lane = |name: &str| format!("q{LANE}{name}");
    let queues = ["q".to_owned(), lane("a"), lane("b"), "q2".to_owned(), "q ".to_owned()];
    let keys = |queue: &String| {
        (1..=3).map(|n| near(ready(queue, 0, n, n.cast_unsigned()))).collect::<Vec<_>>()
    };
    let all = queues.iter().flat_map(keys).collect();
    let _bench = Bench::with(store, vec![holding(1, all)]).await;
    let mut named = reserve(store, "q", 2, LONG_MS).await;
    let first = |queue| keys(queue).into_iter().take(2);
    let mut expected: Vec<_> = queues[..3].iter().flat_map(first).collect();
    named.sort();
    expected.sort();
    assert_eq!(named, expected);
    assert_eq!(reserve(store, "q", 2, LONG_MS).await.len(), 3);
    assert_eq!(reserve(store, &lane("a"), 2, LONG_MS).await, []);
    assert_eq!(sizes(store).await.len(), queues.len());
}

pub(super) async fn queues_are_counted_with_reserved_tasks(store: &dyn Store) {
    assert_eq!(store.queue_sizes().await.unwrap(), []);
    let keys = [("b", 1_u64), ("a", 1), ("b", 2), ("b", 3)];
    let keys = keys.map(|(queue, n)| ready(queue, u8::from(n == 2), 10 - n.cast_signed(), n));
    let added = batch(vec![holding(1, keys[..2].to_vec()), holding(2, keys[2..].to_vec())]);
    Bench::new(store).await.lane.commit(&added).await.unwrap();
    assert_eq!(reserve(store, "b", 1, LONG_MS).await.len(), 1);
    let mut sizes = store.queue_sizes().await.unwrap();
    sizes.sort();
    let size = |queue: &str, ready, oldest| {
        let (queue, oldest) = (queue.to_owned(), noon(oldest));
        QueueSize { queue, ready, oldest }
    };
    assert_eq!(sizes, [size("a", 1, 9), size("b", 3, 7)]);
}
