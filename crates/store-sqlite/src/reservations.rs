//! Who has been named which ready task, in memory: one process serves the file, and what it has
//! named ends with it.
use crate::rows::task_id;
use baton_common::{ExecutionId, Timestamp};
use baton_store::{LANE, LANES_MAX, QueueDemand, ReadyKey};
use rusqlite::{Connection, Result, params};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Ended reservations are swept when there are so many, and again when there are twice as many as
/// the sweep has left.
const SWEEP_MIN: usize = 1_024;

/// The reservations of one file.
#[derive(Clone, Default)]
pub(crate) struct Reservations(Arc<Mutex<Reserved>>);

#[derive(Default)]
struct Reserved {
    until: HashMap<ReadyKey, Timestamp>,
    sweep_at: usize,
}

impl Reservations {
    fn reserved(&self) -> MutexGuard<'_, Reserved> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names free tasks and hides them. The caller has not read from `connection` yet: a snapshot
    /// older than the lock could show a task whose removal has ended its reservation.
    pub(crate) fn reserve(
        &self,
        connection: &Connection,
        demands: &[QueueDemand],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<ReadyKey>> {
        let mut reserved = self.reserved();
        reserved.sweep(now);
        let mut named = Vec::new();
        for demand in demands {
            let free = reserved.free(connection, demand, now)?;
            reserved.until.extend(free.iter().map(|key| (key.clone(), until)));
            named.extend(free);
        }
        Ok(named)
    }

    /// Forgets tasks whose rows are gone.
    pub(crate) fn forget<'a>(&self, gone: impl Iterator<Item = &'a ReadyKey>) {
        let mut reserved = self.reserved();
        for key in gone {
            reserved.until.remove(key);
        }
    }

    /// Forgets the tasks of a removed execution.
    pub(crate) fn forget_execution(&self, id: ExecutionId) {
        self.reserved().until.retain(|key, _| key.task.execution() != id);
    }
}

impl Reserved {
    fn sweep(&mut self, now: Timestamp) {
        if self.until.len() >= self.sweep_at.max(SWEEP_MIN) {
            self.until.retain(|_, until| *until > now);
            self.sweep_at = self.until.len() * 2;
        }
    }

    /// The first rows of a queue, and of each of its lanes, that are not reserved.
    fn free(
        &self,
        connection: &Connection,
        demand: &QueueDemand,
        now: Timestamp,
    ) -> Result<Vec<ReadyKey>> {
        let mut free = self.free_in(connection, demand, now)?;
        let mut next_lane = connection.prepare_cached(include_str!("sql/reserve_lane.sql"))?;
        // The lanes of a queue are the names that begin with it and the separator.
        let end = format!("{}{}", demand.queue, char::from(LANE as u8 + 1));
        let mut queue = format!("{}{LANE}", demand.queue);
        for _ in 0..LANES_MAX {
            let Some(lane) = next_lane.query_row(params![queue, end], |row| row.get(0))? else {
                break;
            };
            let lane = QueueDemand { queue: lane, count: demand.count };
            free.extend(self.free_in(connection, &lane, now)?);
            queue = lane.queue;
        }
        Ok(free)
    }

    fn free_in(
        &self,
        connection: &Connection,
        demand: &QueueDemand,
        now: Timestamp,
    ) -> Result<Vec<ReadyKey>> {
        let mut statement = connection.prepare_cached(include_str!("sql/reserve_ready.sql"))?;
        let mut rows = statement.query(params![demand.queue])?;
        let mut free = Vec::new();
        while free.len() < demand.count as usize {
            let Some(row) = rows.next()? else { break };
            let key = ReadyKey {
                queue: demand.queue.clone(),
                priority: row.get(0)?,
                ready_at: Timestamp::from_millis(row.get(1)?),
                task: task_id(row, 2)?,
            };
            if self.until.get(&key).is_none_or(|until| *until <= now) {
                free.push(key);
            }
        }
        Ok(free)
    }
}
