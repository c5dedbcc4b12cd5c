//! Seeded random operations against the model and a store, with equal answers after each.
//!
//! Only answers that the contract fixes are compared: lists without a promised order are sorted, and
//! reservations are so long or so short that no clock matters.
mod dice;
mod world;

use super::{Named, definitions, fences, traces};
use crate::memory::MemoryStore;
use crate::{
    Batch, CommitError, CommitLane, CommitScope, InUse, LoadedExecution, QueueDemand, ReadyKey,
    Store, StoreError, StoredMessage, WaitFacts, WaitQuery,
};
use baton_common::Timestamp;
use dice::Dice;
use std::sync::Arc;
use world::{Operation, World};

/// After so many steps everything is compared.
const STEPS_BETWEEN_AUDITS: u32 = 100;

/// What noise is made of.
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// More than there are rows of any kind.
const ALL: u32 = 1_000_000;

/// Letters that no compression makes shorter by much, the same for a seed.
pub(super) fn noise(seed: u64, bytes: usize) -> String {
    let mut dice = Dice::new(seed);
    (0..bytes).map(|_| char::from(dice.pick(LETTERS))).collect()
}

/// Does `steps` operations, drawn from `seed`, on the model and on an empty store of `make`.
///
/// # Panics
/// At the first answer that differs, after naming seed, step and operation on standard error.
pub async fn model_equality<S: Store>(make: impl AsyncFn() -> S, seed: u64, steps: u32) {
    let store = make().await;
    let model = MemoryStore::new(Arc::new(|| Timestamp::from_millis(0)));
    let mut pair = Pair {
        model_lane: model.open_lane().await.unwrap(),
        store_lane: store.open_lane().await.unwrap(),
        model: &model,
        store: &store,
    };
    let mut world = World::new(seed);
    for step in 0..steps {
        let operation = world.next_operation();
        let _named = Named(format!("model equality: seed {seed}, step {step}, {operation:?}"));
        let committed = pair.compare(&operation).await;
        world.note(&operation, committed);
        if step % STEPS_BETWEEN_AUDITS == 0 || step + 1 == steps {
            pair.audit(&world).await;
        }
    }
}

struct Pair<'a> {
    model: &'a MemoryStore,
    model_lane: Box<dyn CommitLane>,
    store: &'a dyn Store,
    store_lane: Box<dyn CommitLane>,
}

/// Asks both and demands equal answers, made comparable by `$order`.
macro_rules! same {
    ($pair:ident, $order:expr, $method:ident($($argument:expr),*)) => {{
        let expected = $pair.model.$method($($argument),*).await.map($order);
        let answer = $pair.store.$method($($argument),*).await.map($order);
        let passed = expected.is_ok();
        assert_eq!(answer.map_err(|error| kind(&error)), expected.map_err(|error| kind(&error)));
        passed
    }};
}

impl Pair<'_> {
    /// Whether the operation was not refused.
    async fn compare(&mut self, operation: &Operation) -> bool {
        match operation {
            Operation::Commit(batch) => self.commit(batch).await,
            Operation::Load(requests) => same!(self, known, load(requests)),
            Operation::Reserve(demands, ms) => {
                let demands = &self.comparable(demands);
                same!(self, by_queue, reserve_ready(demands, *ms))
            }
            Operation::WakeUps(until) => same!(self, ordered, due_wake_ups(*until, ALL)),
            Operation::Undelivered(before) => {
                same!(self, by_message, undelivered(*before, ALL))
            }
            Operation::WriteDefinitions(writes) => {
                same!(self, |revision| revision, write_definitions(writes))
            }
            Operation::ReadDefinitions(since) => {
                same!(self, definitions::sorted, read_definitions(*since))
            }
            Operation::LoadPlan(hash) => same!(self, |plan| plan, load_plan(*hash)),
            Operation::Search(query) => same!(self, |page| page, search(query)),
            Operation::AppendLogs(lines) => same!(self, |()| (), append_task_logs(lines)),
            Operation::TaskLogs(task, limit) => same!(self, |logs| logs, task_logs(*task, *limit)),
            Operation::RecordPolls(polls) => same!(self, |()| (), record_polls(polls)),
            Operation::Polls(task_type) => {
                same!(self, sorted_polls, load_waits(&WaitQuery::of_polls(task_type.as_deref())))
            }
            Operation::PutSnapshot(write) => same!(self, |is_put| is_put, put_snapshot(write)),
            Operation::Remove(id, version) => same!(self, |is_gone| is_gone, remove(*id, *version)),
        }
    }

    /// Where shards take turns, only who asks for all gets what the model gives.
    fn comparable(&self, demands: &[QueueDemand]) -> Vec<QueueDemand> {
        let mut demands = demands.to_vec();
        if self.store.scope() == CommitScope::Shard {
            for demand in &mut demands {
                demand.count = ALL;
            }
        }
        demands
    }

    async fn commit(&mut self, batch: &Batch) -> bool {
        let outcome = |result: Result<InUse, CommitError>| {
            result.map_err(|error| match error {
                CommitError::Conflict(conflict) => Ok(fences::sorted(conflict)),
                CommitError::Store(error) => Err(kind(&error)),
            })
        };
        let expected = outcome(self.model_lane.commit(batch).await);
        assert_eq!(outcome(self.store_lane.commit(batch).await), expected);
        expected.is_ok()
    }

    /// Compares all that can be read.
    async fn audit(&self, world: &World) {
        let last = Timestamp::from_millis(i64::MAX >> 1);
        same!(self, known, load(&world.everyone()));
        same!(self, ordered, due_wake_ups(last, ALL));
        same!(self, by_message, undelivered(last, ALL));
        same!(self, ordered, queue_sizes());
        same!(self, ordered, dead_waits(ALL));
        same!(self, sorted_polls, load_waits(&WaitQuery::of_polls(None)));
        same!(self, definitions::sorted, read_definitions(0));
        same!(self, |states| states, limits(&World::limits()));
        for limit in World::limits() {
            same!(self, |holders| holders, slot_holders(&limit, ALL));
        }
        for query in World::audits() {
            same!(self, |page| page, search(&query));
        }
    }
}

/// What the caller can do about an error, without its words.
fn kind(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable(_) => "unavailable",
        StoreError::TimedOut(_) => "timed out",
        StoreError::Rejected(_) => "rejected",
        StoreError::AlreadyExists(_) => "already exists",
        StoreError::NotFound(_) => "not found",
        StoreError::Corrupt(_) => "corrupt",
    }
}

fn sorted_polls(facts: WaitFacts) -> WaitFacts {
    WaitFacts { polls: traces::sorted(facts.polls), ..facts }
}

fn known(loaded: Vec<Option<LoadedExecution>>) -> Vec<Option<LoadedExecution>> {
    loaded
}

fn ordered<T: Ord>(mut rows: Vec<T>) -> Vec<T> {
    rows.sort();
    rows
}

fn by_message(mut messages: Vec<StoredMessage>) -> Vec<StoredMessage> {
    messages.sort_by_key(|message| message.id);
    messages
}

/// Groups by queue and keeps the order within each.
fn by_queue(mut keys: Vec<ReadyKey>) -> Vec<ReadyKey> {
    keys.sort_by(|left, right| left.queue.cmp(&right.queue));
    keys
}
