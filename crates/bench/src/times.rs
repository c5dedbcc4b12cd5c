//! How long things took: a histogram that does not grow with their number.
use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::Duration;

/// Longest time told apart, µs: an hour. Longer ones count as this.
const LONGEST_US: u64 = 3_600_000_000;
/// Significant digits: a figure is off by at most 0.1 %.
const DIGITS: u8 = 3;

/// Times of one kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Option<Histogram<u64>>);

impl Times {
    /// Counts one.
    pub(crate) fn record(&mut self, time: Duration) {
        let histogram = self.0.get_or_insert_with(|| {
            let histogram = Histogram::new_with_bounds(1, LONGEST_US, DIGITS);
            histogram.unwrap_or_else(|_| unreachable!("the bounds are constants"))
        });
        // Below a microsecond is one: the histogram knows no zero.
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST_US);
        histogram.saturating_record(micros.max(1));
    }

    /// How they spread; `None` of none.
    pub(crate) fn spread(&self) -> Option<Spread> {
        let histogram = self.0.as_ref()?;
        Some(Spread {
            count: histogram.len(),
            mean: rounded(histogram.mean() / 1000.0),
            p50: ms(histogram.value_at_quantile(0.5)),
            p99: ms(histogram.value_at_quantile(0.99)),
            max: ms(histogram.max()),
        })
    }
}

/// How times spread, ms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// How many there are.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Half of them are at most this.
    pub p50: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// Microseconds as milliseconds.
#[expect(clippy::cast_precision_loss, reason = "no time has 2^52 microseconds")]
pub(crate) fn ms(micros: u64) -> f64 {
    rounded(micros as f64 / 1000.0)
}

/// To three places: more is noise.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(millis: impl IntoIterator<Item = u64>) -> Option<Spread> {
        let mut times = Times::default();
        for time in millis {
            times.record(Duration::from_millis(time));
        }
        times.spread()
    }

    #[track_caller]
    fn check(found: Option<Spread>, count: u64, expected: [f64; 4]) {
        let found = found.unwrap();
        assert_eq!(found.count, count);
        let found = [found.mean, found.p50, found.p99, found.max];
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() <= expected / 1000.0, "{found} is not {expected}");
        }
    }

    #[test]
    fn percentiles_are_right_to_a_thousandth() {
        assert_eq!(spread([]), None);
        check(spread([7]), 1, [7.0; 4]);
        check(spread([3, 1]), 2, [2.0, 1.0, 3.0, 3.0]);
        check(spread((1..=100).rev()), 100, [50.5, 50.0, 99.0, 100.0]);
        check(spread(1..=1000), 1000, [500.5, 500.0, 990.0, 1000.0]);
    }

    #[test]
    fn the_shortest_and_the_longest_times_are_counted_too() {
        let mut times = Times::default();
        times.record(Duration::ZERO);
        times.record(Duration::from_secs(100_000));
        let spread = times.spread().unwrap();
        assert_eq!(spread.count, 2);
        assert!(spread.p50 <= 0.001 && spread.max >= 3_600_000.0, "{spread:?}");
    }
}
