//! The engine's clock: this machine's, corrected by what the database's says.
use crate::environment::machine_ms;
use baton_common::Timestamp;
use baton_store::{Store, StoreError};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Readings of the database's clock in a row, of which the quickest counts: on a busy machine an
/// answer may lie about for a while.
const READINGS: usize = 3;

/// Tells the time by the database's clock. Never goes back within one process.
#[expect(clippy::struct_field_names, reason = "the postfix is the unit")]
pub(crate) struct Clock {
    machine_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
    offset_ms: AtomicI64,
    /// What the offset may be wrong by.
    error_ms: AtomicI64,
    latest_ms: AtomicI64,
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Clock").field("offset_ms", &self.offset_ms).finish_non_exhaustive()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(Arc::new(machine_ms))
    }
}

impl Clock {
    /// A clock that reads this machine's.
    pub(crate) fn new(machine_ms: Arc<dyn Fn() -> i64 + Send + Sync>) -> Self {
        Self {
            machine_ms,
            offset_ms: AtomicI64::default(),
            error_ms: AtomicI64::default(),
            latest_ms: AtomicI64::default(),
        }
    }

    /// Now, by the database's clock as far as known.
    pub(crate) fn now(&self) -> Timestamp {
        let now = (self.machine_ms)().saturating_add(self.offset_ms.load(Ordering::Relaxed));
        let latest = self.latest_ms.fetch_max(now, Ordering::Relaxed);
        Timestamp::from_millis(now.max(latest))
    }

    /// The latest moment that has passed for sure, also by the clock of another process that knows the
    /// database's about as well: no deadline that was set there is kept too early here.
    pub(crate) fn passed(&self) -> Timestamp {
        self.now().plus_millis(-2 * self.error_ms.load(Ordering::Relaxed))
    }

    /// Learns the database's time.
    pub(crate) async fn adjust(&self, store: &dyn Store) -> Result<(), StoreError> {
        let mut best: Option<Reading> = None;
        for _ in 0..READINGS {
            let asked = Instant::now();
            let database = store.now().await?;
            let (machine_ms, took) = ((self.machine_ms)(), asked.elapsed());
            let reading = Reading { database, machine_ms, took };
            best = best.filter(|best| best.took <= reading.took).or(Some(reading));
        }
        if let Some(best) = best {
            self.offset_ms.store(best.offset_ms(), Ordering::Relaxed);
            self.error_ms.store(best.error_ms(), Ordering::Relaxed);
        }
        Ok(())
    }
}

/// One answer of the database, with this machine's time when it came.
#[derive(Clone, Copy, Debug)]
struct Reading {
    database: Timestamp,
    machine_ms: i64,
    took: Duration,
}

impl Reading {
    /// As if the database had looked at its clock half-way between question and answer.
    /// **Source**: Cristian, "Probabilistic clock synchronization", 1989.
    fn offset_ms(self) -> i64 {
        self.database.millis() + self.half_ms() - self.machine_ms
    }

    /// Half of the way, and the millisecond that two clocks lose by telling whole ones.
    fn error_ms(self) -> i64 {
        self.half_ms() + 1
    }

    fn half_ms(self) -> i64 {
        i64::try_from(self.took.as_micros().div_ceil(2_000)).unwrap_or(i64::MAX / 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wherever between question and answer the database looked at its clock, which is ahead by
    /// 1,000 ms here, the offset is wrong by no more than it admits.
    #[test]
    fn an_offset_is_wrong_by_no_more_than_its_error() {
        for (took, looked) in [(0, 0), (1, 0), (7, 0), (7, 3), (7, 7), (400, 400), (400, 0)] {
            let reading = Reading {
                database: Timestamp::from_millis(5_000 + looked + 1_000),
                machine_ms: 5_000 + took,
                took: Duration::from_millis(u64::try_from(took).unwrap()),
            };
            let wrong = (reading.offset_ms() - 1_000).abs();
            assert!(wrong <= reading.error_ms(), "{wrong} of {}", reading.error_ms());
        }
    }
}
