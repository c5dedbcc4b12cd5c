//! A run over time, in a number of intervals that does not grow: they get longer instead.
use crate::times::{ms, rounded};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::{Duration, Instant};

/// Most intervals; when there would be more, each two become one.
const INTERVALS_MAX: usize = 240;
/// Length of an interval at first.
const FIRST_WIDTH: Duration = Duration::from_millis(100);
/// Longest latency told apart, µs: an hour.
const LONGEST_US: u64 = 3_600_000_000;

/// What happened in one interval.
#[derive(Clone, Debug)]
struct Interval {
    tasks: u64,
    started: u64,
    latency: Histogram<u32>,
    gauges: Gauges,
}

/// What was seen at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gauges {
    /// Memory of the server, MiB; of several moments the largest.
    pub(crate) server_mib: Option<f64>,
    /// Dead tuples in the database.
    pub(crate) dead_tuples: Option<i64>,
}

/// A run over time.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    begin: Instant,
    width: Duration,
    intervals: Vec<Interval>,
}

/// One interval, as reported.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// Its end, seconds from the first start.
    pub s: f64,
    /// Results that the server took, per second.
    pub tasks_per_s: f64,
    /// Executions started, per second.
    pub starts_per_s: f64,
    /// Half of the latencies are at most this, ms; absent when there was none.
    pub p50: Option<f64>,
    /// 99 of 100 are at most this, ms.
    pub p99: Option<f64>,
    /// The longest, ms.
    pub max: Option<f64>,
    /// Memory of the server, MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_mib: Option<f64>,
    /// Dead tuples in the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_tuples: Option<i64>,
}

impl Interval {
    fn empty() -> Self {
        let latency = Histogram::new_with_bounds(1, LONGEST_US, 2);
        let latency = latency.unwrap_or_else(|_| unreachable!("the bounds are constants"));
        Self { tasks: 0, started: 0, latency, gauges: Gauges::default() }
    }

    fn add(&mut self, later: &Self) {
        self.tasks += later.tasks;
        self.started += later.started;
        if self.latency.add(&later.latency).is_err() {
            unreachable!("all intervals have the same bounds");
        }
        self.gauges = later.gauges.or(self.gauges);
    }

    fn point(&self, end: Duration, width: Duration) -> Point {
        #[expect(clippy::cast_precision_loss, reason = "no interval has 2^52 tasks")]
        let per_second = |count: u64| rounded(count as f64 / width.as_secs_f64());
        let quantile = |quantile: f64| {
            (!self.latency.is_empty()).then(|| ms(self.latency.value_at_quantile(quantile)))
        };
        Point {
            s: rounded(end.as_secs_f64()),
            tasks_per_s: per_second(self.tasks),
            starts_per_s: per_second(self.started),
            p50: quantile(0.5),
            p99: quantile(0.99),
            max: quantile(1.0),
            server_mib: self.gauges.server_mib,
            dead_tuples: self.gauges.dead_tuples,
        }
    }
}

impl Gauges {
    fn or(self, earlier: Self) -> Self {
        let mib = [self.server_mib, earlier.server_mib].into_iter().flatten();
        Self {
            server_mib: mib.reduce(f64::max),
            dead_tuples: self.dead_tuples.or(earlier.dead_tuples),
        }
    }
}

impl Timeline {
    pub(crate) fn new(begin: Instant) -> Self {
        Self { begin, width: FIRST_WIDTH, intervals: Vec::new() }
    }

    /// A result was taken.
    pub(crate) fn task(&mut self, now: Instant) {
        self.at(now).tasks += 1;
    }

    /// An execution was started.
    pub(crate) fn started(&mut self, now: Instant) {
        self.at(now).started += 1;
    }

    /// What the scenario is about took this long.
    pub(crate) fn latency(&mut self, now: Instant, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST_US);
        self.at(now).latency.saturating_record(micros.max(1));
    }

    /// What was seen.
    pub(crate) fn gauges(&mut self, now: Instant, gauges: Gauges) {
        let interval = self.at(now);
        interval.gauges = gauges.or(interval.gauges);
    }

    fn at(&mut self, now: Instant) -> &mut Interval {
        let since = now.saturating_duration_since(self.begin);
        while since.as_nanos() / self.width.as_nanos() >= INTERVALS_MAX as u128 {
            self.halve();
        }
        let index = usize::try_from(since.as_nanos() / self.width.as_nanos()).unwrap_or(0);
        while self.intervals.len() <= index {
            self.intervals.push(Interval::empty());
        }
        &mut self.intervals[index]
    }

    fn halve(&mut self) {
        self.width *= 2;
        self.intervals = merged(&self.intervals, 2);
    }

    /// Every interval.
    pub(crate) fn points(&self) -> Vec<Point> {
        points(&self.intervals, self.width)
    }

    /// What happened between two moments, in the intervals that lie there whole; `None` if none does.
    pub(crate) fn between(&self, from: Instant, to: Instant) -> Option<Point> {
        let nanos = |moment: Instant| moment.saturating_duration_since(self.begin).as_nanos();
        let width = self.width.as_nanos();
        let first = usize::try_from(nanos(from).div_ceil(width)).ok()?;
        let last = usize::try_from(nanos(to) / width).ok()?.min(self.intervals.len());
        let inside = self.intervals.get(first..last).filter(|inside| !inside.is_empty())?;
        let width = self.width * u32::try_from(inside.len()).ok()?;
        Some(merged(inside, inside.len())[0].point(to.saturating_duration_since(self.begin), width))
    }

    /// The end of the first interval after `from` in which at least so many results were taken in a
    /// second.
    pub(crate) fn is_back(&self, from: Instant, tasks_per_s: f64) -> Option<Instant> {
        let ends = (1..).map(|number: u32| self.begin + self.width * number);
        let later =
            self.points().into_iter().zip(ends).filter(|(_, end)| *end >= from + self.width);
        later.filter(|(point, _)| point.tasks_per_s >= tasks_per_s).map(|(_, end)| end).next()
    }

    /// The first and the last quarter; `None` where there are fewer than four intervals.
    pub(crate) fn first_and_last_quarter(&self) -> Option<[Point; 2]> {
        let size = self.intervals.len() / 4;
        let width = self.width * u32::try_from(size).ok().filter(|size| *size > 0)?;
        // The last interval is cut off, so the last quarter ends before it.
        let last = &self.intervals[self.intervals.len() - 1 - size..self.intervals.len() - 1];
        let first = merged(&self.intervals[..size], size);
        let end = self.width * u32::try_from(self.intervals.len() - 1).ok()?;
        Some([first[0].point(width, width), merged(last, size)[0].point(end, width)])
    }
}

fn points(intervals: &[Interval], width: Duration) -> Vec<Point> {
    let ends = (1..).map(|number: u32| width * number);
    intervals.iter().zip(ends).map(|(interval, end)| interval.point(end, width)).collect()
}

/// Each `size` intervals as one.
fn merged(intervals: &[Interval], size: usize) -> Vec<Interval> {
    let merge = |chunk: &[Interval]| {
        let mut sum = chunk[0].clone();
        chunk[1..].iter().for_each(|later| sum.add(later));
        sum
    };
    intervals.chunks(size).map(merge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(begin: Instant, millis: u64) -> Instant {
        begin + Duration::from_millis(millis)
    }

    #[test]
    fn what_happens_is_counted_in_its_interval() {
        let begin = Instant::now();
        let mut timeline = Timeline::new(begin);
        timeline.task(at(begin, 10));
        timeline.task(at(begin, 99));
        timeline.started(at(begin, 250));
        timeline.latency(at(begin, 260), Duration::from_millis(4));
        for (dead, mib) in [(9, Some(5.0)), (7, None), (7, Some(4.0))] {
            let gauges = Gauges { dead_tuples: Some(dead), server_mib: mib };
            timeline.gauges(at(begin, 270), gauges);
        }
        let points = timeline.points();
        assert_eq!(points.len(), 3);
        let rates = |point: &Point| [point.tasks_per_s, point.starts_per_s];
        assert_eq!(points.iter().map(rates).collect::<Vec<_>>(), [[20., 0.], [0., 0.], [0., 10.]]);
        assert_eq!((points[0].p50, points[2].dead_tuples, points[2].s), (None, Some(7), 0.3));
        assert_eq!(points[2].server_mib, Some(5.0), "of memory the largest, of others the newest");
        assert!((points[2].p99.unwrap() - 4.0).abs() < 0.05);
    }

    #[test]
    fn a_long_run_has_longer_intervals_and_not_more() {
        let begin = Instant::now();
        let mut timeline = Timeline::new(begin);
        for second in 0..1800 {
            timeline.task(at(begin, second * 1000 + 500));
            timeline.latency(at(begin, second * 1000 + 500), Duration::from_secs(1 + second / 900));
        }
        let points = timeline.points();
        assert!((INTERVALS_MAX / 2..=INTERVALS_MAX).contains(&points.len()), "{}", points.len());
        assert!((points[3].tasks_per_s - 1.0).abs() < 0.1, "{:?}", points[3]);
        let [first, last] = timeline.first_and_last_quarter().unwrap();
        let about = |found: f64, wanted: f64| (found - wanted).abs() < 0.05 * wanted;
        assert!(about(first.tasks_per_s, 1.0) && about(first.p50.unwrap(), 1000.0), "{first:?}");
        assert!(about(last.tasks_per_s, 1.0) && about(last.p50.unwrap(), 2000.0), "{last:?}");
    }

    #[test]
    fn a_part_of_a_run_is_told_alone() {
        let begin = Instant::now();
        let mut timeline = Timeline::new(begin);
        for tenth in 0..40 {
            let is_flooded = (10..20).contains(&tenth);
            for _ in 0..if is_flooded { 5 } else { 10 } {
                timeline.task(at(begin, tenth * 100 + 50));
            }
        }
        let rate =
            |from, to| timeline.between(at(begin, from), at(begin, to)).map(|p| p.tasks_per_s);
        assert_eq!([rate(0, 1000), rate(950, 2010)], [Some(100.0), Some(50.0)]);
        assert_eq!([rate(1010, 1090), rate(9000, 9900), rate(300, 200)], [None; 3]);
        assert_eq!(timeline.is_back(at(begin, 2000), 90.0), Some(at(begin, 2100)));
        assert_eq!(timeline.is_back(at(begin, 1000), 90.0), Some(at(begin, 2100)));
        assert_eq!(timeline.is_back(at(begin, 2000), 101.0), None);
    }

    #[test]
    fn a_short_run_has_no_quarters() {
        let begin = Instant::now();
        let mut timeline = Timeline::new(begin);
        timeline.task(at(begin, 250));
        assert_eq!(timeline.first_and_last_quarter(), None);
    }
}
