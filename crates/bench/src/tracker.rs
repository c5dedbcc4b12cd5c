//! Where every execution of a run is, and how long everything took. Times come in as arguments.
//! What is kept grows with what is open, not with what has been.
use crate::sample::{Recent, Sample};
use crate::timeline::{Gauges, Timeline};
use crate::times::Times;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Servers keep time in whole milliseconds: a timer that is less than one too early is on time.
const TIMER_GRAIN: Duration = Duration::from_millis(1);

/// An execution that was started: to be read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Started {
    pub(crate) id: String,
    pub(crate) number: u32,
    /// Whether all its results were taken; if not, nobody will send what it lacks.
    pub(crate) is_worked: bool,
}

/// The start of an execution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) number: u32,
    /// When it was to be sent: at a fixed rate, latency counts from here, so that a server that makes
    /// the client wait does not shorten its own figures.
    pub(crate) intended: Instant,
    /// When it was sent.
    pub(crate) called: Instant,
    /// How many results it needs.
    pub(crate) tasks: u32,
    /// How long it waits before its first task.
    pub(crate) wait: Option<Duration>,
}

/// What is known of an open execution; a task may come before the answer to the start.
#[derive(Debug, Default)]
struct Progress {
    id: Option<String>,
    start: Option<Start>,
    has_tasks: bool,
    /// When the result of the newest answered task was sent.
    sent: Option<Instant>,
    answered: u32,
}

/// What a run measured.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Result of a task sent → next task of that execution in the worker's hands.
    pub(crate) step: Times,
    /// Start intended → first task in the worker's hands.
    pub(crate) first_task: Times,
    /// Start intended → last result answered.
    pub(crate) whole: Times,
    /// Timer due → its task in the worker's hands.
    pub(crate) late: Times,
    /// Timers that were early.
    pub(crate) early: u64,
    /// When the first and the last timer were due, from the beginning on.
    pub(crate) due: Option<(Duration, Duration)>,
    /// Start intended → start sent.
    pub(crate) start_late: Times,
    /// The calls that start.
    pub(crate) start_call: Times,
    /// The calls that report.
    pub(crate) report_call: Times,
    pub(crate) timeline: Timeline,
    /// First tasks over time, by when their executions were to be started: a server that stands still
    /// makes starts wait, and steps that are not begun are not slow.
    pub(crate) first_tasks: Timeline,
    pub(crate) started: u32,
    /// Executions all of whose results were taken.
    pub(crate) worked: u32,
    pub(crate) tasks: u64,
    pub(crate) polled_twice: u64,
    /// Starts that an overloaded server refused.
    pub(crate) refused: u64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    /// Worked executions, or some of them.
    pub(crate) sample: Sample<Started>,
    /// Executions that were started and not worked.
    pub(crate) open: Vec<Started>,
}

impl Measured {
    fn new(begin: Instant, sample_max: u32) -> Self {
        Self {
            step: Times::default(),
            first_task: Times::default(),
            whole: Times::default(),
            late: Times::default(),
            early: 0,
            due: None,
            start_late: Times::default(),
            start_call: Times::default(),
            report_call: Times::default(),
            timeline: Timeline::new(begin),
            first_tasks: Timeline::new(begin),
            started: 0,
            worked: 0,
            tasks: 0,
            polled_twice: 0,
            refused: 0,
            errors: 0,
            first_error: None,
            sample: Sample::new(sample_max),
            open: Vec::new(),
        }
    }
}

/// The books of a run.
#[derive(Debug)]
pub(crate) struct Tracker {
    begin: Instant,
    sample_max: u32,
    /// By number.
    open: HashMap<u32, Progress>,
    seen: Recent,
    measured: Measured,
}

impl Tracker {
    pub(crate) fn new(begin: Instant, sample_max: u32) -> Self {
        let measured = Measured::new(begin, sample_max);
        Self { begin, sample_max, open: HashMap::new(), seen: Recent::default(), measured }
    }

    /// The time from which everything counts.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.begin = now;
        self.measured.timeline = Timeline::new(now);
        self.measured.first_tasks = Timeline::new(now);
    }

    /// The server answered a start; true when the execution's tasks have all been answered already.
    pub(crate) fn started(&mut self, id: &str, start: Start, now: Instant) -> bool {
        let measured = &mut self.measured;
        measured.started += 1;
        measured.start_call.record(now - start.called);
        measured.start_late.record(start.called.saturating_duration_since(start.intended));
        measured.timeline.started(now);
        if let Some(wait) = start.wait {
            let due = start.called.saturating_duration_since(self.begin) + wait;
            let (first, last) = measured.due.unwrap_or((due, due));
            measured.due = Some((first.min(due), last.max(due)));
        }
        let progress = self.open.entry(start.number).or_default();
        progress.id = Some(id.to_owned());
        self.close_if_worked(start.number, now)
    }

    /// A start is sent.
    pub(crate) fn starting(&mut self, start: Start) {
        self.open.entry(start.number).or_default().start = Some(start);
    }

    /// A task is in the worker's hands; false when it was before, and is not to be worked again.
    pub(crate) fn arrived(&mut self, number: u32, task: &str, now: Instant) -> bool {
        if !self.seen.insert(task) {
            self.measured.polled_twice += 1;
            return false;
        }
        let progress = self.open.entry(number).or_default();
        let is_first = !progress.has_tasks;
        progress.has_tasks = true;
        if let Some(sent) = progress.sent {
            self.measured.step.record(now - sent);
            self.measured.timeline.latency(now, now - sent);
        } else if let Some(start) = progress.start.filter(|_| is_first) {
            self.first_task(start, now);
        }
        true
    }

    fn first_task(&mut self, start: Start, now: Instant) {
        let Some(wait) = start.wait else {
            self.measured.first_tasks.task(now);
            self.measured.first_tasks.latency(now, now - start.intended);
            return self.measured.first_task.record(now - start.intended);
        };
        // Due by what the client knows: the server has begun to count after the call was sent.
        let due = start.called + wait;
        let late = now.saturating_duration_since(due);
        self.measured.late.record(late);
        self.measured.timeline.latency(now, late);
        self.measured.early += u64::from(now + TIMER_GRAIN < due);
    }

    /// A result goes out. In a fork there is no next task to wait for.
    pub(crate) fn sending(&mut self, number: u32, is_in_row: bool, now: Instant) {
        if let Some(progress) = self.open.get_mut(&number).filter(|_| is_in_row) {
            progress.sent = Some(now);
        }
    }

    /// A result was taken; true when it was the execution's last.
    pub(crate) fn answered(&mut self, number: u32, called: Instant, now: Instant) -> bool {
        self.measured.tasks += 1;
        self.measured.report_call.record(now - called);
        self.measured.timeline.task(now);
        if let Some(progress) = self.open.get_mut(&number) {
            progress.answered += 1;
        }
        self.close_if_worked(number, now)
    }

    /// A call failed.
    pub(crate) fn failed(&mut self, error: &anyhow::Error) {
        self.measured.errors += 1;
        self.measured.first_error.get_or_insert_with(|| format!("{error:#}"));
    }

    /// An overloaded server refused a start.
    pub(crate) fn refused(&mut self) {
        self.measured.refused += 1;
    }

    /// A result was never taken, or a start never answered; true when the execution was not given up
    /// before.
    pub(crate) fn given_up(&mut self, number: u32) -> bool {
        let Some(Progress { id, .. }) = self.open.remove(&number) else { return false };
        self.measured.open.extend(id.map(|id| Started { id, number, is_worked: false }));
        true
    }

    /// What is seen of the server and its database.
    pub(crate) fn gauges(&mut self, now: Instant, gauges: Gauges) {
        self.measured.timeline.gauges(now, gauges);
    }

    fn close_if_worked(&mut self, number: u32, now: Instant) -> bool {
        let Some(Progress { id: Some(_), start: Some(start), answered, .. }) =
            self.open.get(&number)
        else {
            return false;
        };
        let (start, answered) = (*start, *answered);
        if answered < start.tasks {
            return false;
        }
        let whole = now - start.intended;
        let Some(Progress { id: Some(id), has_tasks, sent, .. }) = self.open.remove(&number) else {
            unreachable!("it was looked at above");
        };
        self.measured.worked += 1;
        self.measured.sample.offer(Started { id, number, is_worked: true });
        if has_tasks {
            self.measured.whole.record(whole);
        }
        // Where no step follows another, the whole is what people wait for.
        if sent.is_none() && start.wait.is_none() {
            self.measured.timeline.latency(now, whole);
        }
        true
    }

    /// Closes the books. Executions still open are to be read back too.
    pub(crate) fn close(&mut self) -> Measured {
        let next = Measured::new(self.begin, self.sample_max);
        let mut measured = std::mem::replace(&mut self.measured, next);
        for (number, progress) in self.open.drain() {
            let id = progress.id;
            measured.open.extend(id.map(|id| Started { id, number, is_worked: false }));
        }
        measured
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::times::Spread;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn tracker(zero: Instant, tasks: u32) -> (Tracker, Start) {
        let mut tracker = Tracker::new(zero, 10);
        let start = Start { number: 3, intended: zero, called: zero, tasks, wait: None };
        tracker.starting(start);
        (tracker, start)
    }

    fn left(is_worked: bool) -> Started {
        Started { id: "e".into(), number: 3, is_worked }
    }

    #[track_caller]
    fn took(times: &Times, millis: &[f64]) {
        let found = times.spread().map(|Spread { count, mean, .. }| (count, mean));
        let sum: f64 = millis.iter().sum();
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let wanted = (!millis.is_empty()).then(|| sum / millis.len() as f64);
        assert_eq!(found.map_or(0, |(count, _)| count), millis.len() as u64);
        let off = found.map_or(0.0, |(_, mean)| mean) - wanted.unwrap_or(0.0);
        assert!(off.abs() < 0.02, "{found:?} is not {wanted:?}");
    }

    #[test]
    fn a_row_is_timed_from_result_to_next_task() {
        let zero = Instant::now();
        let (mut tracker, start) = tracker(zero, 2);
        assert!(!tracker.started("e", start, zero + at(2)));
        assert!(tracker.arrived(3, "t1", zero + at(5)));
        assert!(!tracker.arrived(3, "t1", zero + at(6)));
        tracker.sending(3, true, zero + at(10));
        assert!(!tracker.answered(3, zero + at(10), zero + at(14)));
        assert!(tracker.arrived(3, "t2", zero + at(13)));
        tracker.sending(3, true, zero + at(20));
        assert!(tracker.answered(3, zero + at(20), zero + at(21)));
        let measured = tracker.close();
        took(&measured.step, &[3.0]);
        took(&measured.first_task, &[5.0]);
        let first = measured.first_tasks.points()[0];
        assert!((first.p50.unwrap() - 5.0).abs() < 0.05, "{first:?}");
        took(&measured.whole, &[21.0]);
        took(&measured.start_call, &[2.0]);
        took(&measured.report_call, &[4.0, 1.0]);
        assert_eq!((measured.started, measured.tasks, measured.polled_twice), (1, 2, 1));
        assert_eq!(measured.worked, 1);
        assert_eq!(measured.sample.into_kept(), [left(true)]);
    }

    #[test]
    fn tasks_may_come_before_the_answer_to_the_start() {
        let zero = Instant::now();
        let (mut tracker, start) = tracker(zero, 1);
        assert!(tracker.arrived(3, "t1", zero + at(3)));
        tracker.sending(3, true, zero + at(4));
        assert!(!tracker.answered(3, zero + at(4), zero + at(5)));
        assert!(tracker.started("e", start, zero + at(6)));
        let measured = tracker.close();
        took(&measured.first_task, &[3.0]);
        took(&measured.whole, &[6.0]);
    }

    /// A start that the client could only send late is late all the same.
    #[test]
    fn times_count_from_the_intended_start() {
        let zero = Instant::now();
        let (mut tracker, start) = tracker(zero, 1);
        let start = Start { called: zero + at(40), ..start };
        tracker.starting(start);
        tracker.started("e", start, zero + at(42));
        tracker.arrived(3, "t1", zero + at(45));
        tracker.answered(3, zero + at(46), zero + at(50));
        let measured = tracker.close();
        took(&measured.start_late, &[40.0]);
        took(&measured.start_call, &[2.0]);
        took(&measured.first_task, &[45.0]);
        took(&measured.whole, &[50.0]);
    }

    #[test]
    fn a_timer_is_late_or_early_but_never_by_less_than_the_clocks_grain() {
        let zero = Instant::now();
        let mut tracker = Tracker::new(zero, 10);
        for (number, millis) in [(0, 1007), (1, 1000), (2, 998)] {
            let wait = Some(at(1000));
            let start = Start { number, intended: zero, called: zero, tasks: 1, wait };
            tracker.starting(start);
            tracker.started("e", start, zero + at(1));
            tracker.arrived(number, &number.to_string(), zero + at(millis));
        }
        let measured = tracker.close();
        assert_eq!((measured.early, measured.late.spread().unwrap().count), (1, 3));
        assert!((measured.late.spread().unwrap().max - 7.0).abs() < 0.02);
        assert_eq!(measured.due, Some((at(1000), at(1000))));
        took(&measured.first_task, &[]);
    }

    #[test]
    fn executions_left_open_are_to_be_verified_too() {
        let zero = Instant::now();
        let (mut tracker, start) = tracker(zero, 2);
        tracker.started("e", start, zero + at(1));
        tracker.failed(&anyhow::anyhow!("no").context("POST /tasks"));
        tracker.failed(&anyhow::anyhow!("later"));
        let measured = tracker.close();
        assert_eq!(measured.open, [left(false)]);
        took(&measured.whole, &[]);
        assert_eq!(measured.errors, 2);
        assert_eq!(measured.first_error.as_deref(), Some("POST /tasks: no"));
    }

    #[test]
    fn an_execution_is_given_up_once() {
        let zero = Instant::now();
        let (mut tracker, start) = tracker(zero, 2);
        tracker.started("e", start, zero + at(1));
        assert!(tracker.given_up(3));
        assert!(!tracker.given_up(3));
        assert_eq!(tracker.close().open, [left(false)]);
    }
}
