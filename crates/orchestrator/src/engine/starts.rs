//! Starts that wait for their share of a batch.
//!
//! An engine that has all it can do finishes what it has begun: it starts an execution for each that
//! ends. More starts would make it no faster, and what is open would grow until all of it is late.
use super::BATCH_WORKS_MAX;
use super::jobs::Job;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Other works in a batch, in the mean of the last ones, with which the engine has all it can do:
/// with less to do batches are smaller, whatever the machine.
const BUSY_WORKS_LEAST: f32 = 8.0;
/// How much of that mean is what the last batch says.
const BUSY_WEIGHT: f32 = 0.125;
/// How long after other work more of it is awaited: the workers are on their way with it, and must not
/// find the engine in a batch of starts.
const WORK_RETURNS_WITHIN: Duration = Duration::from_millis(100);
/// Of how many other works one start is taken beside although nothing ends, so that none waits for
/// ever.
const BUSY_WORKS_FOR_A_START: f32 = 32.0;
/// Executions that have ended and for which none was started yet; more of them are forgotten.
const CREDIT_MAX: f32 = 256.0;
/// Where the engine has time left, but too many starts come: of how many other works one is taken
/// beside, and the least in a batch.
const WORKS_FOR_A_START: usize = 8;
const BATCH_STARTS_LEAST: usize = 4;

/// Starts in the order they came; admission bounds them.
#[derive(Default)]
pub(super) struct Starts {
    waiting: VecDeque<Job>,
    /// How many may be taken while the engine is busy.
    credit: f32,
    /// Works in a batch, in the mean.
    works: f32,
    /// When there was last other work.
    worked_at: Option<Instant>,
}

impl Starts {
    pub(super) fn push(&mut self, start: Job) {
        self.waiting.push_back(start);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// So many more executions are open, or fewer where it is negative.
    pub(super) fn opened(&mut self, executions: i16) {
        self.credit = (self.credit - f32::from(executions)).clamp(0.0, CREDIT_MAX);
    }

    /// How long the next start has to wait for other work to come first; `None` when none waits.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let wait = self.left_of_busy(now).filter(|_| self.credit < 1.0);
        (!self.is_empty()).then(|| wait.unwrap_or_default())
    }

    /// The starts to decide together with that many other jobs.
    pub(super) fn beside(&mut self, others: usize, is_full: bool, now: Instant) -> Vec<Job> {
        let share = self.share(others, is_full, now).min(self.waiting.len());
        self.waiting.drain(..share).collect()
    }

    fn share(&mut self, others: usize, is_full: bool, now: Instant) -> usize {
        if others > 0 {
            let works = if self.is_working(now) { self.works } else { 0.0 };
            self.works = works + (count(others) - works) * BUSY_WEIGHT;
            self.worked_at = Some(now);
        }
        if self.left_of_busy(now).is_some() {
            if self.credit < 1.0 {
                self.credit += count(others) / BUSY_WORKS_FOR_A_START;
            }
            return whole(self.credit);
        }
        if is_full && self.is_working(now) {
            return (others / WORKS_FOR_A_START).max(BATCH_STARTS_LEAST);
        }
        BATCH_WORKS_MAX
    }

    fn is_working(&self, now: Instant) -> bool {
        self.worked_at.is_some_and(|at| now < at + WORK_RETURNS_WITHIN)
    }

    /// How long the engine still counts as busy, if it does.
    fn left_of_busy(&self, now: Instant) -> Option<Duration> {
        let is_busy = self.works >= BUSY_WORKS_LEAST && self.is_working(now);
        let until = self.worked_at.filter(|_| is_busy)? + WORK_RETURNS_WITHIN;
        Some(until - now)
    }
}

fn count(number: usize) -> f32 {
    f32::from(u16::try_from(number).unwrap_or(u16::MAX))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 256")]
fn whole(credit: f32) -> usize {
    credit as usize
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
        let mut starts = starts(500);
        while starts.left_of_busy(now).is_none() {
            starts.beside(32, true, now);
        }
        starts.credit = 0.0;
        for _ in 0..20 {
            assert_eq!(starts.beside(32, false, now).len(), 1);
            starts.opened(1);
        }
        starts.opened(-10);
        assert_eq!(starts.beside(32, false, now).len(), 10);
    }

    #[test]
    fn starts_wait_for_work_that_is_on_its_way_and_then_go() {
        let now = Instant::now();
        let mut starts = starts(500);
        while starts.left_of_busy(now).is_none() {
            starts.beside(30, true, now);
        }
        starts.credit = 0.0;
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
