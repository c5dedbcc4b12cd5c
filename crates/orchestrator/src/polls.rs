//! Who has polled lately, on this node; written to the database now and then.
use crate::clock::Clock;
use baton_common::Timestamp;
use baton_store::PollRecord;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A domain counts as active for this long after a poll, ms. **Source**: Conductor's
/// `activeWorkerLastPollTimeout`.
const ACTIVE_MS: i64 = 10_000;

/// Most (task type, domain) pairs remembered.
const PAIRS_MAX: usize = 20_000;

type Key = (String, String);
/// Who, when, and whether the database has not been told.
type Value = (String, Timestamp, bool);

/// The last poll of each task type and domain.
pub(crate) struct Polls {
    clock: Arc<Clock>,
    last: Mutex<HashMap<Key, Value>>,
}

impl Polls {
    pub(crate) fn new(clock: Arc<Clock>) -> Self {
        Self { clock, last: Mutex::default() }
    }

    /// Notes a poll.
    pub(crate) fn note(&self, task_type: &str, domain: Option<&str>, worker: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (task_type.to_owned(), domain.unwrap_or_default().to_owned());
        if last.len() >= PAIRS_MAX && !last.contains_key(&key) {
            return;
        }
        last.insert(key, (worker.to_owned(), self.clock.now(), true));
    }

    /// Whether workers of the domain have polled lately.
    pub(crate) fn is_active(&self, task_type: &str, domain: &str) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (task_type.to_owned(), domain.to_owned());
        let at = last.get(&key).map(|(_, at, _)| *at);
        at.is_some_and(|at| self.clock.now().millis_since(at) < ACTIVE_MS)
    }

    /// Polls noted since the last call.
    pub(crate) fn take_changes(&self) -> Vec<PollRecord> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = |(_, value): &(&Key, &mut Value)| value.2;
        let new = last.iter_mut().filter(is_new).map(|(key, value)| {
            value.2 = false;
            record(key, value)
        });
        new.collect()
    }

    /// The last poll of a task type in each domain.
    pub(crate) fn of(&self, task_type: &str) -> Vec<PollRecord> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let polls = last.iter().filter(|(key, _)| key.0 == task_type);
        polls.map(|(key, value)| record(key, value)).collect()
    }
}

fn record((task_type, domain): &Key, (worker, at, _): &Value) -> PollRecord {
    PollRecord {
        task_type: task_type.clone(),
        domain: domain.clone(),
        worker: worker.clone(),
        at: *at,
    }
}
