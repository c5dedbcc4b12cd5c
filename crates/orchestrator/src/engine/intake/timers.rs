//! Wake-ups that are due soon, in memory. Later ones wait in the database until they are near.
use baton_common::{ExecutionId, Timestamp};
use std::collections::{BTreeSet, HashMap};

/// How far ahead wake-ups are kept in memory, ms; the database is asked for nearer ones in time.
pub(crate) const HORIZON_MS: i64 = 3_000;
/// Longest sleep of the engine's loop, ms.
const WAIT_MS_MAX: u64 = 60_000;

/// The near wake-ups of executions, at most one each.
#[derive(Default)]
pub(crate) struct Timers {
    by_time: BTreeSet<(Timestamp, ExecutionId)>,
    by_id: HashMap<ExecutionId, Timestamp>,
}

impl Timers {
    /// Remembers a wake-up, unless an earlier one of the execution is remembered.
    pub(crate) fn add(&mut self, id: ExecutionId, at: Timestamp) {
        match self.by_id.get(&id) {
            Some(known) if *known <= at => return,
            Some(known) => {
                self.by_time.remove(&(*known, id));
            }
            None => {}
        }
        self.by_id.insert(id, at);
        self.by_time.insert((at, id));
    }

    /// Remembers a wake-up if it is near.
    pub(crate) fn add_near(&mut self, id: ExecutionId, at: Timestamp, now: Timestamp) {
        if at.millis_since(now) <= HORIZON_MS {
            self.add(id, at);
        }
    }

    /// Takes out the executions that must be looked at now, each with its time, earliest first, at
    /// most `limit`.
    pub(crate) fn due(&mut self, now: Timestamp, limit: usize) -> Vec<(Timestamp, ExecutionId)> {
        let mut due = Vec::new();
        while due.len() < limit
            && let Some((at, id)) = self.by_time.first().copied().filter(|(at, _)| *at <= now)
        {
            self.by_time.remove(&(at, id));
            self.by_id.remove(&id);
            due.push((at, id));
        }
        due
    }

    /// Milliseconds until the next wake-up.
    pub(crate) fn wait_ms(&self, now: Timestamp) -> u64 {
        let next = self.by_time.first().map(|(at, _)| at.millis_since(now).max(0));
        next.and_then(|wait| u64::try_from(wait).ok()).unwrap_or(WAIT_MS_MAX).min(WAIT_MS_MAX)
    }
}
