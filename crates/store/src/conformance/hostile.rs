//! Text and bytes that break careless stores.
use super::bench::{Bench, everyone, id, index, insert, json, noon, ready, text, update};
use super::traces::polls;
use crate::{
    DefinitionWrite, ExecutionIndex, ExecutionWrite, PollRecord, QueueDemand, ReadyKey, Store,
    TaskLog,
};
use baton_common::{ExecutionId, Timestamp};
use bytes::Bytes;

const TEXTS: &[&str] = &[
    "it's",
    "\"quoted\" and \\ escaped",
    "'; drop table execution; --",
    "$1 ?1 :a @b %s {}",
    "%_*[a-z]?",
    "ünïcödé 漢字 🦀 \u{202e}rtl \u{feff}",
    "e\u{301} is not \u{e9}",
    "tab\tline\nreturn\r\u{1}\u{7f}",
    " spaces around ",
    "NULL",
    "{a,b,\"c\"}",
    "nul \0 inside",
];

/// Whatever is answered, no other text than what was given is ever kept. A text with a NUL may be
/// refused, every other one must pass.
pub(super) async fn any_text_is_kept_or_refused(store: &dyn Store) {
    let mut bench = Bench::new(store).await;
    for (n, hostile) in (1..).zip(TEXTS) {
        let index = ExecutionIndex {
            workflow_name: (*hostile).to_owned(),
            correlation_id: Some((*hostile).to_owned()),
            ..index()
        };
        let write = ExecutionWrite {
            index: Some(index.clone()),
            input: Some(text(hostile)),
            idempotency_key: Some((*hostile).to_owned()),
            ready_added: vec![ready(hostile, 0, 0, n)],
            ..insert(n)
        };
        let passed = bench.lane.commit(&super::bench::batch(vec![write])).await.is_ok();
        assert!(passed || hostile.contains('\0'), "{hostile:?} was refused");
        let found = bench.find(n).await;
        assert_eq!(found.is_some(), passed, "{hostile:?}");
        if let Some(found) = found {
            assert_eq!((found.row.index, found.row.input), (index, text(hostile)));
            is_found_by(store, hostile, id(n)).await;
        }
        keeps_traces(store, hostile).await;
    }
}

async fn is_found_by(store: &dyn Store, hostile: &str, id: ExecutionId) {
    let mut query = everyone();
    query.correlation_ids = vec![hostile.to_owned()];
    query.workflow_names = vec![format!("{hostile}*")];
    let page = store.search(&query).await.unwrap();
    assert_eq!((page.total_hits, page.executions[0].id), (1, id), "{hostile:?}");
    let demand = QueueDemand { queue: hostile.to_owned(), count: 2 };
    assert_eq!(store.reserve_ready(&[demand], 60_000).await.unwrap().len(), 1);
}

async fn keeps_traces(store: &dyn Store, hostile: &str) {
    let given = hostile.to_owned();
    let poll = PollRecord {
        task_type: given.clone(),
        domain: given.clone(),
        worker: given.clone(),
        at: noon(0),
    };
    if store.record_polls(std::slice::from_ref(&poll)).await.is_ok() {
        assert_eq!(polls(store, Some(hostile)).await, [poll]);
    }
    let log = TaskLog { task: id(1).task(9), at: noon(0), line: given.clone() };
    if store.append_task_logs(std::slice::from_ref(&log)).await.is_ok() {
        assert!(store.task_logs(log.task, 99).await.unwrap().contains(&log));
    }
    let put = DefinitionWrite::PutTask { name: given.clone(), body: text(hostile) };
    if store.write_definitions(&[put]).await.is_ok() {
        let tasks = store.read_definitions(0).await.unwrap().tasks;
        assert!(tasks.contains(&(given, Some(text(hostile)))), "{hostile:?}");
    }
}

pub(super) async fn a_megabyte_passes(store: &dyn Store) {
    let input = text(&"x\u{e9}\"".repeat(1 << 18));
    let bytes: Bytes = (0..1 << 20).map(|n: u32| n.to_le_bytes()[0]).collect();
    let write = ExecutionWrite {
        input: Some(input.clone()),
        overview: Some(bytes.clone()),
        journal: bytes.clone(),
        ..insert(1)
    };
    let bench = Bench::with(store, vec![write]).await;
    let loaded = bench.get(1).await;
    assert!(loaded.row.input == input && loaded.row.overview == bytes);
    assert!(loaded.journal == [(1, bytes)]);
}

/// The ends of what columns of 64, 32 and 16 bits must hold.
pub(super) async fn extreme_numbers_are_kept(store: &dyn Store) {
    let far = Timestamp::from_millis(253_402_300_799_999);
    let index = ExecutionIndex {
        workflow_version: i32::MAX,
        created_at: Timestamp::from_millis(0),
        parent: Some(id(2).task(0x00ff_ffff)),
        ..index()
    };
    let key = ReadyKey { queue: "q".to_owned(), priority: 99, ready_at: far, task: id(1).task(1) };
    let write = ExecutionWrite {
        wake_at: Some(far),
        index: Some(index.clone()),
        ready_added: vec![key.clone()],
        ..insert(1)
    };
    let bench = Bench::with(store, vec![write]).await;
    let row = bench.get(1).await.row;
    assert_eq!((row.wake_at, row.index), (Some(far), index));
    let demand = QueueDemand { queue: "q".to_owned(), count: u32::MAX >> 1 };
    assert_eq!(store.reserve_ready(&[demand], 0).await.unwrap(), [key]);
}

pub(super) async fn empty_texts_and_bytes_are_kept(store: &dyn Store) {
    let index = ExecutionIndex {
        workflow_name: String::new(),
        correlation_id: Some(String::new()),
        ..index()
    };
    let write = ExecutionWrite {
        index: Some(index.clone()),
        input: Some(json("null")),
        overview: Some(Bytes::new()),
        journal: Bytes::new(),
        ..insert(1)
    };
    let mut bench = Bench::with(store, vec![write]).await;
    bench.commit(vec![ExecutionWrite { journal: Bytes::new(), ..update(1, 1) }]).await;
    let loaded = bench.get(1).await;
    assert_eq!((loaded.row.index, loaded.row.input), (index, json("null")));
    assert_eq!((loaded.row.overview, loaded.journal.len()), (Bytes::new(), 2));
}
