//! The engine's clock: advances by a monotonic source and is set by the database's clock.
//!
//! A jump of this machine's wall clock changes nothing. When the database's clock jumps (somebody set
//! it, or another machine took over), this one follows it slowly, so that no hour of deadlines passes
//! at once and time never stands still.
use crate::environment::monotonic_ms;
use baton_common::Timestamp;
use baton_store::{Store, StoreError};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Readings of the database's clock in a row, of which the quickest counts: on a busy machine one
/// answer may take long.
const READINGS: usize = 3;
/// Largest difference that is corrected at once, ms: what two clocks drift apart between two readings.
const STEP_MS_MAX: i64 = 500;
/// Larger differences are corrected by at most this part of the time since the last reading.
const SLEW_PART: i64 = 10;

/// Tells the time by the database's clock. Never goes back within one process.
pub(crate) struct Clock {
    monotonic_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
    offset_ms: AtomicI64,
    /// What the offset may be wrong by.
    error_ms: AtomicI64,
    latest_ms: AtomicI64,
    /// When the offset was last corrected, by the monotonic source.
    corrected_at_ms: AtomicI64,
    is_set: AtomicBool,
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Clock").field("offset_ms", &self.offset_ms).finish_non_exhaustive()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(Arc::new(monotonic_ms))
    }
}

impl Clock {
    /// A clock that advances by this source.
    pub(crate) fn new(monotonic_ms: Arc<dyn Fn() -> i64 + Send + Sync>) -> Self {
        Self {
            monotonic_ms,
            offset_ms: AtomicI64::default(),
            error_ms: AtomicI64::default(),
            latest_ms: AtomicI64::default(),
            corrected_at_ms: AtomicI64::default(),
            is_set: AtomicBool::default(),
        }
    }

    /// Now, by the database's clock as far as known.
    pub(crate) fn now(&self) -> Timestamp {
        let now = (self.monotonic_ms)().saturating_add(self.offset_ms.load(Ordering::Relaxed));
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
            let (own_ms, took) = ((self.monotonic_ms)(), asked.elapsed());
            let reading = Reading { database, own_ms, took };
            best = best.filter(|best| best.took <= reading.took).or(Some(reading));
        }
        if let Some(best) = best {
            self.learn(best);
        }
        Ok(())
    }

    fn learn(&self, reading: Reading) {
        let known_ms = self.offset_ms.load(Ordering::Relaxed);
        let since_ms = reading.own_ms - self.corrected_at_ms.load(Ordering::Relaxed);
        let offset_ms = if self.is_set.swap(true, Ordering::Relaxed) {
            known_ms + correction_ms(reading.offset_ms() - known_ms, since_ms)
        } else {
            reading.offset_ms()
        };
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
        self.corrected_at_ms.store(reading.own_ms, Ordering::Relaxed);
        self.error_ms.store(reading.error_ms(), Ordering::Relaxed);
    }
}

/// By how much the clock is corrected now that is wrong by `wrong_ms`, after it was last corrected
/// `since_ms` ago.
fn correction_ms(wrong_ms: i64, since_ms: i64) -> i64 {
    if wrong_ms.abs() <= STEP_MS_MAX {
        return wrong_ms;
    }
    let most = (since_ms / SLEW_PART).max(STEP_MS_MAX);
    wrong_ms.clamp(-most, most)
}

/// One answer of the database, with our own time when it came.
#[derive(Clone, Copy, Debug)]
struct Reading {
    database: Timestamp,
    own_ms: i64,
    took: Duration,
}

impl Reading {
    /// As if the database had looked at its clock half-way between question and answer.
    /// **Source**: Cristian, "Probabilistic clock synchronization", 1989.
    fn offset_ms(self) -> i64 {
        self.database.millis() + self.half_ms() - self.own_ms
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

    fn reading(database_ms: i64, own_ms: i64) -> Reading {
        let database = Timestamp::from_millis(database_ms);
        Reading { database, own_ms, took: Duration::ZERO }
    }

    /// A clock at 1,000,000 ms whose monotonic source stands at 5,000 ms and moves by hand.
    fn clock() -> (Clock, Arc<AtomicI64>) {
        let own = Arc::new(AtomicI64::new(5_000));
        let source = own.clone();
        let clock = Clock::new(Arc::new(move || source.load(Ordering::Relaxed)));
        clock.learn(reading(1_000_000, 5_000));
        (clock, own)
    }

    #[test]
    fn a_jump_of_the_databases_clock_is_followed_slowly() {
        for jump_ms in [3_600_000, -3_600_000] {
            let (clock, own) = clock();
            let mut before = clock.now().millis();
            for n in 1..=100 {
                own.store(5_000 + n * 10_000, Ordering::Relaxed);
                clock.learn(reading(1_000_000 + jump_ms + n * 10_000, 5_000 + n * 10_000));
                let passed = clock.now().millis() - before;
                assert!((9_000..=11_000).contains(&passed), "{passed} ms in ten seconds");
                before = clock.now().millis();
            }
        }
    }

    #[test]
    fn a_small_difference_is_corrected_at_once() {
        let (clock, _) = clock();
        clock.learn(reading(1_000_000 + STEP_MS_MAX, 5_000));
        assert_eq!(clock.now().millis(), 1_000_000 + STEP_MS_MAX);
    }

    #[test]
    fn it_never_goes_back() {
        let (clock, _) = clock();
        clock.now();
        clock.learn(reading(1_000_000 - STEP_MS_MAX, 5_000));
        assert_eq!(clock.now().millis(), 1_000_000);
    }

    /// Wherever between question and answer the database looked at its clock, which is ahead by
    /// 1,000 ms here, the offset is wrong by no more than it admits.
    #[test]
    fn an_offset_is_wrong_by_no_more_than_its_error() {
        for (took, looked) in [(0, 0), (1, 0), (7, 0), (7, 3), (7, 7), (400, 400), (400, 0)] {
            let reading = Reading {
                database: Timestamp::from_millis(5_000 + looked + 1_000),
                own_ms: 5_000 + took,
                took: Duration::from_millis(u64::try_from(took).unwrap()),
            };
            let wrong = (reading.offset_ms() - 1_000).abs();
            assert!(wrong <= reading.error_ms(), "{wrong} of {}", reading.error_ms());
        }
    }
}
