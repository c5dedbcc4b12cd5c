//! Texts as long as callers may make them, and longer ones, which a caller's mistake may bring here.
use super::bench::{Bench, batch, everyone, id, index, insert, json, noon, ready};
use super::random::noise;
use super::traces::polls;
use crate::{
    Batch, CommitError, DefinitionWrite, ExecutionIndex, ExecutionWrite, PollRecord, QueueDemand,
    SearchQuery, Store, StoreError,
};
use baton_common::limits::{
    CORRELATION_ID_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX, NAME_BYTES_MAX, QUEUE_BYTES_MAX,
};

/// More than any index takes, bytes; no compression makes it fit.
const FAR_BEYOND: usize = 9_000;

/// The `n`th insert, with texts of these lengths wherever an index holds one.
fn wordy(n: u64, name: usize, key: usize, correlation_id: usize, queue: usize) -> ExecutionWrite {
    let index = ExecutionIndex {
        workflow_name: noise(n, name),
        correlation_id: Some(noise(n + 1_000, correlation_id)),
        ..index()
    };
    ExecutionWrite {
        index: Some(index),
        idempotency_key: Some(noise(n + 2_000, key)),
        ready_added: vec![ready(&noise(n + 3_000, queue), 0, 0, n)],
        ..insert(n)
    }
}

/// Neither store nor index minds a text at its limit, nor one byte more: the limits leave room.
pub(super) async fn texts_at_their_limits_are_kept(store: &dyn Store) {
    let mut bench = Bench::new(store).await;
    for (n, more) in [(1, 0), (2, 1)] {
        let write = wordy(
            n,
            NAME_BYTES_MAX + more,
            IDEMPOTENCY_KEY_BYTES_MAX + more,
            CORRELATION_ID_BYTES_MAX + more,
            QUEUE_BYTES_MAX + more,
        );
        bench.commit(vec![write.clone()]).await;
        is_found(store, &write).await;
        let again = ExecutionWrite { id: id(n + 50), ready_added: Vec::new(), ..write };
        let conflict = bench.refused(&batch(vec![again])).await;
        assert_eq!(conflict.idempotency, [(id(n + 50), id(n))]);
        keeps_names(store, NAME_BYTES_MAX + more).await;
    }
}

async fn is_found(store: &dyn Store, write: &ExecutionWrite) {
    let index = write.index.clone().unwrap();
    let by_name = SearchQuery { workflow_names: vec![index.workflow_name], ..everyone() };
    let correlation_ids = vec![index.correlation_id.unwrap()];
    let by_correlation_id = SearchQuery { correlation_ids, ..everyone() };
    for query in [by_name, by_correlation_id] {
        assert_eq!(store.search(&query).await.unwrap().executions[0].id, write.id);
    }
    let demand = QueueDemand { queue: write.ready_added[0].queue.clone(), count: 2 };
    assert_eq!(store.reserve_ready(&[demand], 60_000).await.unwrap(), write.ready_added);
}

async fn keeps_names(store: &dyn Store, bytes: usize) {
    let poll = poll(bytes);
    store.record_polls(std::slice::from_ref(&poll)).await.unwrap();
    assert_eq!(polls(store, Some(&poll.task_type)).await, [poll]);
    store.write_definitions(&definitions(bytes)).await.unwrap();
}

fn poll(bytes: usize) -> PollRecord {
    let [task_type, domain, worker] = [1, 2, 3].map(|seed| noise(seed, bytes));
    PollRecord { task_type, domain, worker, at: noon(0) }
}

fn definitions(bytes: usize) -> [DefinitionWrite; 2] {
    let (name, body) = (noise(4, bytes), json("{}"));
    let task = DefinitionWrite::PutTask { name: name.clone(), body: body.clone() };
    [task, DefinitionWrite::PutWorkflow { name, version: 1, body, overwrite: true }]
}

/// One text alone is to blame: it is kept as it is, or refused as content, which takes nothing else
/// with it once it stands alone.
pub(super) async fn texts_beyond_their_limits_are_kept_or_refused_whole(store: &dyn Store) {
    let mut bench = Bench::new(store).await;
    let far = FAR_BEYOND;
    let hostile = [
        wordy(1, far, 9, 9, 9),
        wordy(2, 9, far, 9, 9),
        wordy(3, 9, 9, far, 9),
        wordy(4, 9, 9, 9, far),
    ];
    for (n, hostile) in (11..).zip(hostile) {
        let outcome = bench.lane.commit(&batch(vec![hostile.clone(), insert(n)])).await;
        let stored = [bench.is_stored(hostile.id).await, bench.find(n).await.is_some()];
        match outcome {
            Ok(_) => assert_eq!(stored, [true; 2]),
            Err(CommitError::Store(StoreError::Rejected(_))) => {
                assert_eq!(stored, [false; 2]);
                bench.commit(vec![insert(n)]).await;
            }
            Err(error) => unreachable!("{error:?}"),
        }
    }
    is_kept_or_refused(&store.record_polls(&[poll(far)]).await);
    is_kept_or_refused(&store.write_definitions(&definitions(far)).await);
    reads_answer(store, &noise(9, far)).await;
    let empty = Batch { at: noon(1), ..Batch::default() };
    bench.lane.commit(&empty).await.unwrap();
}

fn is_kept_or_refused<T: std::fmt::Debug>(outcome: &Result<T, StoreError>) {
    assert!(matches!(outcome, Ok(_) | Err(StoreError::Rejected(_))), "{outcome:?}");
}

/// Who asks for a text that cannot be there is told that it is not there.
async fn reads_answer(store: &dyn Store, text: &str) {
    let texts = || vec![text.to_owned()];
    let pattern = || vec![format!("{text}*")];
    let queries = [
        SearchQuery { workflow_names: texts(), ..everyone() },
        SearchQuery { workflow_names: pattern(), ..everyone() },
        SearchQuery { correlation_ids: texts(), ..everyone() },
        SearchQuery { correlation_ids: pattern(), ..everyone() },
    ];
    for query in queries {
        assert_eq!(store.search(&query).await.unwrap().total_hits, 0);
    }
    let demand = QueueDemand { queue: text.to_owned(), count: 1 };
    assert_eq!(store.reserve_ready(&[demand], 1_000).await.unwrap(), []);
    assert_eq!(polls(store, Some(text)).await, []);
}
