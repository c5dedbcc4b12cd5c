//! A histogram of atomics. The library's takes a lock for each observation, which the threads of a
//! busy server would share; this one costs two atomic additions.
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::metrics::{MetricType, TypedMetric};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of times, microseconds: 0.25 ms to 1 h, from a commit to a retry's delay.
const TIME_BOUNDS: [u64; 20] = [
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    900_000_000,
    3_600_000_000,
];
/// Microseconds in a second. Divided by, not multiplied with its inverse, so that 25 ms are shown as
/// 0.025 s and not as a number next to it.
const MICROS_PER_SECOND: f64 = 1e6;

/// Upper bounds of the number of things taken together.
const SIZE_BOUNDS: [u64; 13] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096];

/// Counts observations by size. A clone is another handle to the same counts.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    bounds: &'static [u64],
    /// How many units of the bounds are shown as one.
    per_unit: f64,
    /// One more than bounds: the last counts what is above all of them.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// Of times, shown in seconds.
    pub fn seconds() -> Self {
        Self::new(&TIME_BOUNDS, MICROS_PER_SECOND)
    }

    /// Of numbers of things.
    pub fn sizes() -> Self {
        Self::new(&SIZE_BOUNDS, 1.0)
    }

    fn new(bounds: &'static [u64], per_unit: f64) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Counts { bounds, per_unit, buckets, sum: AtomicU64::new(0) }))
    }

    /// Observes a time.
    pub fn observe(&self, time: Duration) {
        self.add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// Observes a time in milliseconds; less than none counts as none.
    pub fn observe_ms(&self, millis: i64) {
        self.add(u64::try_from(millis).unwrap_or(0).saturating_mul(1_000));
    }

    /// Observes a number of things.
    pub fn observe_size(&self, size: usize) {
        self.add(size as u64);
    }

    fn add(&self, value: u64) {
        let Counts { bounds, buckets, sum, .. } = &*self.0;
        let index = bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = buckets.get(index) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        sum.fetch_add(value, Ordering::Relaxed);
    }

    /// How many were observed.
    pub fn count(&self) -> u64 {
        self.0.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    /// The sum of all: microseconds, or things.
    pub fn sum(&self) -> u64 {
        self.0.sum.load(Ordering::Relaxed)
    }
}

/// Of times.
impl Default for Histogram {
    fn default() -> Self {
        Self::seconds()
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    #[expect(clippy::cast_precision_loss, reason = "Prometheus knows only floating point")]
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Counts { bounds, per_unit, buckets, sum } = &*self.0;
        let bounds = bounds.iter().map(|bound| *bound as f64 / per_unit).chain([f64::INFINITY]);
        let counts = buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = sum.load(Ordering::Relaxed) as f64 / per_unit;
        let no_exemplars: Option<&HashMap<usize, Exemplar<NoLabelSet, f64>>> = None;
        encoder.encode_histogram(sum, count, &buckets, no_exemplars)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(histogram: &Histogram) -> Vec<(usize, u64)> {
        let counts = histogram.0.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        counts.enumerate().filter(|(_, count)| *count > 0).collect()
    }

    /// A bound belongs to its bucket; what is above the last has a bucket of its own.
    #[test]
    fn an_observation_is_counted_where_it_belongs() {
        let times = Histogram::seconds();
        times.observe(Duration::ZERO);
        times.observe(Duration::from_micros(250));
        times.observe(Duration::from_micros(251));
        times.observe(Duration::from_hours(1));
        times.observe(Duration::from_hours(2));
        times.observe_ms(-5);
        assert_eq!(filled(&times), [(0, 3), (1, 1), (19, 1), (20, 1)]);
        assert_eq!((times.count(), times.sum()), (6, 250 + 251 + 3 * 3_600_000_000));
    }

    #[test]
    fn sizes_are_counted_by_powers_of_two() {
        let sizes = Histogram::sizes();
        for size in [0, 1, 2, 3, 512, 10_000] {
            sizes.observe_size(size);
        }
        assert_eq!(filled(&sizes), [(0, 2), (1, 1), (2, 1), (9, 1), (13, 1)]);
    }
}
