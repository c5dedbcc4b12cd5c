//! Limits how often the queues are counted, however often metrics are read.
use baton_common::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering};

/// Least time between two counts of the queues, ms: however often metrics are read, the database is
/// asked once in this time.
const SAMPLE_MS_MIN: i64 = 1_000;
/// When the queues were last counted, ms since 1970; 0 for never.
#[derive(Debug, Default)]
pub(crate) struct LastSample(AtomicI64);

impl LastSample {
    /// Whether the queues are due to be counted again; true for one caller only, which then counts them.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        let is_over = now.millis().saturating_sub(last) >= SAMPLE_MS_MIN;
        let take = || {
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            self.0.compare_exchange(last, now.millis(), success, failure).is_ok()
        };
        is_over && take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However many ask at once, one looks, and the next only after a second.
    #[test]
    fn the_queues_are_counted_once_in_a_second() {
        let last = LastSample::default();
        let at = Timestamp::from_millis;
        assert!(last.is_over(at(5_000)));
        assert!(!last.is_over(at(5_000)) && !last.is_over(at(5_999)));
        assert!(last.is_over(at(6_000)));
    }
}
