//! Where every execution of a run is, and how long everything took. Times come in as arguments.
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// An execution that was started and whose tasks were all answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Worked {
    pub(crate) id: String,
    pub(crate) number: u32,
}

/// The start of an execution: its number and when the call was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) number: u32,
    pub(crate) called: Instant,
}

/// What is known of an open execution; a task may come before the answer to the start.
#[derive(Debug, Default)]
struct Progress {
    start: Option<Start>,
    first_task: Option<Instant>,
    /// When the result of the newest answered task was sent.
    sent: Option<Instant>,
    answered: u32,
}

/// Times of one kind.
pub(crate) type Times = Vec<Duration>;

/// What a run measured.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Result of a task sent → next task of that execution in the worker's hands.
    pub(crate) step: Times,
    /// Start sent → first task in the worker's hands.
    pub(crate) first_task: Times,
    /// Start sent → last result answered.
    pub(crate) whole: Times,
    /// The calls that start.
    pub(crate) start_call: Times,
    /// The calls that report.
    pub(crate) report_call: Times,
    pub(crate) started: u32,
    pub(crate) tasks: u64,
    pub(crate) polled_twice: u64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    pub(crate) worked: Vec<Worked>,
}

/// The books of a run.
#[derive(Debug)]
pub(crate) struct Tracker {
    tasks_per_workflow: u32,
    open: HashMap<String, Progress>,
    seen: HashSet<String>,
    measured: Measured,
}

impl Tracker {
    pub(crate) fn new(tasks_per_workflow: u32) -> Self {
        Self {
            tasks_per_workflow,
            open: HashMap::new(),
            seen: HashSet::new(),
            measured: Measured::default(),
        }
    }

    /// The server answered a start; true when the execution's tasks have all been answered already.
    pub(crate) fn started(&mut self, id: &str, start: Start, now: Instant) -> bool {
        self.measured.started += 1;
        self.measured.start_call.push(now - start.called);
        let progress = self.open.entry(id.to_owned()).or_default();
        progress.start = Some(start);
        if let Some(first_task) = progress.first_task {
            self.measured.first_task.push(first_task.saturating_duration_since(start.called));
        }
        self.close_if_worked(id, now)
    }

    /// A task is in the worker's hands; false when it was before, and is not to be worked again.
    pub(crate) fn arrived(&mut self, execution: &str, task: &str, now: Instant) -> bool {
        if !self.seen.insert(task.to_owned()) {
            self.measured.polled_twice += 1;
            return false;
        }
        let progress = self.open.entry(execution.to_owned()).or_default();
        if let Some(sent) = progress.sent {
            self.measured.step.push(now - sent);
        } else if progress.first_task.is_none() {
            progress.first_task = Some(now);
            let called = progress.start.map(|start| start.called);
            self.measured.first_task.extend(called.map(|called| now - called));
        }
        true
    }

    /// A result goes out. In a fork there is no next task to wait for.
    pub(crate) fn sending(&mut self, execution: &str, is_in_row: bool, now: Instant) {
        if let Some(progress) = self.open.get_mut(execution).filter(|_| is_in_row) {
            progress.sent = Some(now);
        }
    }

    /// A result was taken; true when it was the execution's last.
    pub(crate) fn answered(&mut self, execution: &str, called: Instant, now: Instant) -> bool {
        self.measured.tasks += 1;
        self.measured.report_call.push(now - called);
        if let Some(progress) = self.open.get_mut(execution) {
            progress.answered += 1;
        }
        self.close_if_worked(execution, now)
    }

    /// A call failed.
    pub(crate) fn failed(&mut self, error: &anyhow::Error) {
        self.measured.errors += 1;
        self.measured.first_error.get_or_insert_with(|| format!("{error:#}"));
    }

    fn close_if_worked(&mut self, id: &str, now: Instant) -> bool {
        let Some(progress) = self.open.get(id) else { return false };
        let Some(start) = progress.start.filter(|_| progress.answered >= self.tasks_per_workflow)
        else {
            return false;
        };
        self.open.remove(id);
        self.measured.whole.push(now - start.called);
        self.measured.worked.push(Worked { id: id.to_owned(), number: start.number });
        true
    }

    /// Closes the books. Executions still open come with the worked ones: their ends are to be
    /// verified too.
    pub(crate) fn close(&mut self) -> Measured {
        for (id, progress) in self.open.drain() {
            let started = progress.start.map(|start| Worked { id, number: start.number });
            self.measured.worked.extend(started);
        }
        std::mem::take(&mut self.measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_row_is_timed_from_result_to_next_task() {
        let zero = Instant::now();
        let mut tracker = Tracker::new(2);
        assert!(!tracker.started("e", Start { number: 3, called: zero }, zero + at(2)));
        assert!(tracker.arrived("e", "t1", zero + at(5)));
        assert!(!tracker.arrived("e", "t1", zero + at(6)));
        tracker.sending("e", true, zero + at(10));
        assert!(!tracker.answered("e", zero + at(10), zero + at(14)));
        assert!(tracker.arrived("e", "t2", zero + at(13)));
        tracker.sending("e", true, zero + at(20));
        assert!(tracker.answered("e", zero + at(20), zero + at(21)));
        let measured = tracker.close();
        assert_eq!((measured.step, measured.first_task), (vec![at(3)], vec![at(5)]));
        assert_eq!((measured.whole, measured.start_call), (vec![at(21)], vec![at(2)]));
        assert_eq!(measured.report_call, [at(4), at(1)]);
        assert_eq!((measured.started, measured.tasks, measured.polled_twice), (1, 2, 1));
        assert_eq!(measured.worked, [Worked { id: "e".into(), number: 3 }]);
    }

    #[test]
    fn tasks_may_come_before_the_answer_to_the_start() {
        let zero = Instant::now();
        let mut tracker = Tracker::new(1);
        assert!(tracker.arrived("e", "t1", zero + at(3)));
        tracker.sending("e", true, zero + at(4));
        assert!(!tracker.answered("e", zero + at(4), zero + at(5)));
        assert!(tracker.started("e", Start { number: 0, called: zero }, zero + at(6)));
        let measured = tracker.close();
        assert_eq!((measured.first_task, measured.whole), (vec![at(3)], vec![at(6)]));
    }

    #[test]
    fn executions_left_open_are_to_be_verified_too() {
        let zero = Instant::now();
        let mut tracker = Tracker::new(2);
        tracker.started("e", Start { number: 1, called: zero }, zero + at(1));
        tracker.failed(&anyhow::anyhow!("no").context("POST /tasks"));
        tracker.failed(&anyhow::anyhow!("later"));
        let measured = tracker.close();
        assert_eq!(measured.worked, [Worked { id: "e".into(), number: 1 }]);
        assert!(measured.whole.is_empty());
        assert_eq!(measured.errors, 2);
        assert_eq!(measured.first_error.as_deref(), Some("POST /tasks: no"));
    }
}
