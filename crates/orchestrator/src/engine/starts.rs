//! Starts that wait for their share of a batch.
//!
//! An engine that has all it can do finishes what it has begun: it starts an execution for each that
//! ends. More starts would make it no faster, and what is open would grow until all of it is late.
use super::BATCH_WORKS_MAX;
use super::jobs::Job;
use super::mean::{Mean, count};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Above so many other works in a batch, in the mean, the engine has all it can do: with less to do
/// batches are smaller, whatever the machine.
const BUSY_ABOVE: f32 = 8.0;
/// How long after other work more of it is awaited: the workers are on their way with it, and must not
/// find the engine in a batch of starts.
const WORK_RETURNS_WITHIN: Duration = Duration::from_millis(100);
/// Other works that give a busy engine a start where nothing ends, so that no start waits for ever.
const WORKS_FOR_A_START: i64 = 32;
/// The same once much more is under way than when it became busy. A twentieth more for minutes would
/// be more than the memory holds, and then every work costs a load.
const WORKS_FOR_A_START_WHEN_GROWN: i64 = 4_096;
/// Executions with a task for a worker, beyond those when it became busy, from which on it counts as
/// grown.
const GROWN_ABOVE: i64 = 1_024;
/// How long it must have time left before it counts them anew: callers that only stop for a moment
/// must not gain anything by it.
const CALM_AFTER: Duration = Duration::from_secs(10);
/// Credit for a start while the engine is busy; an execution that ends gives it.
const CREDIT_FOR_A_START: i64 = WORKS_FOR_A_START_WHEN_GROWN;
/// Credit that is kept; an even flow of starts needs little of it.
const CREDIT_MAX: i64 = 256 * CREDIT_FOR_A_START;
/// Of how many other works one start is taken beside while the engine has time left, but too many
/// starts come.
const WORKS_BESIDE_A_START: usize = 8;
/// Starts that are taken then, whatever the batch.
const BATCH_STARTS_LEAST: usize = 4;

/// Starts in the order they came; admission bounds them.
#[derive(Default)]
pub(super) struct Starts {
    waiting: VecDeque<Job>,
    credit: i64,
    /// How many more executions have a task for a worker than when the engine became busy.
    grown: i64,
    /// Other works in a batch.
    works: Mean,
    /// When there was last other work.
    worked_at: Option<Instant>,
    /// When it was last busy.
    busy_at: Option<Instant>,
}

impl Starts {
    pub(super) fn push(&mut self, start: Job) {
        self.waiting.push_back(start);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// So many more executions are open, and so many more have a task for a worker, or fewer where it
    /// is negative.
    pub(super) fn opened(&mut self, executions: i64, under_way: i64) {
        self.credit = (self.credit - executions * CREDIT_FOR_A_START).clamp(0, CREDIT_MAX);
        self.grown = (self.grown + under_way).max(0);
    }

    /// How long the next start has to wait for other work to come first; `None` when none waits.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let wait = self.busy_for(now).filter(|_| self.credit < CREDIT_FOR_A_START);
        (!self.is_empty()).then(|| wait.unwrap_or_default())
    }

    /// The starts to decide together with that many other jobs.
    pub(super) fn beside(&mut self, others: usize, is_full: bool, now: Instant) -> Vec<Job> {
        if others > 0 {
            self.note_work(others, now);
        }
        let share = if self.busy_for(now).is_some() {
            usize::try_from(self.credit / CREDIT_FOR_A_START).unwrap_or(0)
        } else if is_full && self.work_awaited_for(now).is_some() {
            (others / WORKS_BESIDE_A_START).max(BATCH_STARTS_LEAST)
        } else {
            BATCH_WORKS_MAX
        };
        self.waiting.drain(..share.min(self.waiting.len())).collect()
    }

    fn note_work(&mut self, others: usize, now: Instant) {
        if self.work_awaited_for(now).is_none() {
            self.works = Mean::default();
        }
        self.works.see(count(others));
        self.worked_at = Some(now);
        if self.busy_for(now).is_some() {
            self.busy_at = Some(now);
        } else if self.busy_at.is_none_or(|busy_at| busy_at + CALM_AFTER < now) {
            self.grown = 0;
        }
        if self.credit < CREDIT_FOR_A_START {
            let works_for_a_start = if self.grown > GROWN_ABOVE {
                WORKS_FOR_A_START_WHEN_GROWN
            } else {
                WORKS_FOR_A_START
            };
            let others = i64::try_from(others).unwrap_or(works_for_a_start);
            self.credit += others * (CREDIT_FOR_A_START / works_for_a_start);
        }
    }

    /// How long the engine still counts as busy, if it does.
    fn busy_for(&self, now: Instant) -> Option<Duration> {
        self.work_awaited_for(now).filter(|_| self.works.is_above(BUSY_ABOVE))
    }

    /// How long other work is still awaited, if it is.
    fn work_awaited_for(&self, now: Instant) -> Option<Duration> {
        let until = self.worked_at? + WORK_RETURNS_WITHIN;
        Some(until.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton_common::{ExecutionId, Timestamp};

    fn starts(number: u64) -> Starts {
        let mut starts = Starts::default();
        for n in 0..number {
            starts.push(Job::wake_up(ExecutionId::new(Timestamp::from_millis(1), n << 12)));
        }
        starts
    }

    /// Those of an engine that has become busy.
    fn busy_starts(now: Instant) -> Starts {
        let mut starts = starts(500);
        while starts.busy_for(now).is_none() {
            starts.beside(32, true, now);
        }
        starts.credit = 0;
        starts
    }

    #[test]
    fn an_engine_with_time_left_takes_all() {
        let now = Instant::now();
        let mut starts = starts(500);
        assert_eq!(starts.wait(now), Some(Duration::ZERO));
        assert_eq!(starts.beside(4, false, now).len(), 500);
        assert_eq!(starts.wait(now), None);
    }

    #[test]
    fn a_busy_engine_starts_one_for_each_that_ends() {
        let now = Instant::now();
        let mut starts = busy_starts(now);
        for _ in 0..20 {
            assert_eq!(starts.beside(32, false, now).len(), 1);
            starts.opened(1, 1);
        }
        // A batch can bear more executions than it has works.
        starts.opened(100_000, 0);
        starts.opened(-10, -10);
        assert_eq!(starts.beside(32, false, now).len(), 10);
    }

    #[test]
    fn much_under_way_hardly_grows_and_goes_on_at_the_rate_of_ends() {
        let now = Instant::now();
        let mut starts = busy_starts(now);
        starts.opened(0, GROWN_ABOVE + 1);
        let taken: usize = (0..64).map(|_| starts.beside(64, false, now).len()).sum();
        assert_eq!(taken, 1);
        starts.opened(1, 1);
        starts.opened(-3, -3);
        assert_eq!(starts.beside(32, false, now).len(), 3);
        // With less under way as before.
        starts.opened(3, -10);
        assert_eq!(starts.beside(32, false, now).len(), 1);
    }

    #[test]
    fn a_moment_of_rest_does_not_make_it_count_anew() {
        let now = Instant::now();
        let mut starts = busy_starts(now);
        starts.opened(0, GROWN_ABOVE + 1);
        let rests = [2 * WORK_RETURNS_WITHIN, 2 * CALM_AFTER];
        let grown = rests.map(|rest| {
            starts.beside(1, false, now + rest);
            starts.grown
        });
        assert_eq!(grown, [GROWN_ABOVE + 1, 0]);
    }

    #[test]
    fn starts_wait_for_work_that_is_on_its_way_and_then_go() {
        let now = Instant::now();
        let mut starts = busy_starts(now);
        assert_eq!(starts.wait(now), Some(WORK_RETURNS_WITHIN));
        assert!(starts.beside(0, false, now).is_empty());
        let later = now + WORK_RETURNS_WITHIN;
        assert_eq!(starts.wait(later), Some(Duration::ZERO));
        assert!(!starts.beside(0, false, later).is_empty());
    }

    #[test]
    fn too_many_starts_take_little_of_a_small_batch() {
        let now = Instant::now();
        let mut starts = starts(500);
        assert_eq!([1, 2, 7].map(|others| starts.beside(others, true, now).len()), [4; 3]);
    }
}
