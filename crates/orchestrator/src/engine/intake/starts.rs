//! Starts that wait for their share of a batch.
//!
//! A busy engine starts one execution for each that ends. More starts would not raise its throughput,
//! and the number of open executions would grow until all of them are late.
use crate::engine::job::Job;
use crate::engine::mean::{Mean, count};
use crate::error::OrchestratorError;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// Most requests taken into one batch: enough to keep the commit's fixed cost small.
pub(super) const BATCH_REQUESTS_MAX: usize = 512;
/// The engine counts as busy when its batches hold more than this many other requests on average, and
/// commits take long as well (see [`LONG_COMMIT`]).
const BUSY_ABOVE: f32 = 8.0;
/// Commits take long when they take this many times the shortest one on average.
const LONG_COMMIT: f32 = 2.0;
/// How long a start waits for its turn before it is refused: shorter than callers wait for an answer.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How long starts are held back after other requests: workers are about to report, and must not wait
/// for a batch of starts.
const REQUESTS_RETURN_WITHIN: Duration = Duration::from_millis(100);
/// A busy engine takes at least one start for this many other requests, so that no start waits for
/// ever where few executions end.
const REQUESTS_FOR_A_START: i64 = 64;
/// The same while the engine is late. Hundreds of executions more are then open each second, and soon
/// more than memory holds.
const REQUESTS_FOR_A_START_WHEN_LATE: i64 = 4_096;
/// A task is late when it was ready for longer than this before a worker got it, ms.
const LATE_ABOVE_MS: i64 = 100;
/// The engine is late while more than this share of the tasks that workers get are late: their
/// executions may have left memory and must be loaded again. Fewer loads cost little.
const LATE_PART: f32 = 0.125;
/// Requests add up to a start in parts of this size.
const PARTS_OF_A_START: i64 = REQUESTS_FOR_A_START_WHEN_LATE;
/// Most unused starts that a busy engine saves for later; a steady flow needs few.
const CREDIT_MAX: i64 = 256;
/// Most ends of executions that offset requests towards a start.
const ENDS_REMEMBERED: i64 = 64;
/// While the engine is not busy but admission is full, one start is taken for this many other requests.
const REQUESTS_BESIDE_A_START: usize = 8;
/// Least starts that are taken then.
const BATCH_STARTS_LEAST: usize = 4;

/// Starts in the order they came; admission bounds them.
#[derive(Default)]
pub(super) struct Starts {
    /// With the time they arrived.
    waiting: VecDeque<(Instant, Job)>,
    /// Starts that a busy engine may take: one for each execution that has ended.
    credit: i64,
    /// What other requests have added up to towards a start, less the ends, in parts of a start.
    progress: i64,
    /// Other requests in a batch, on average.
    requests: Mean,
    /// When there was last another request.
    last_request_at: Option<Instant>,
    /// How long a commit takes on average, seconds.
    commit: Mean,
    /// The shortest commit so far: what a small one takes.
    shortest_commit: Option<Duration>,
    /// Share of late tasks among those that workers get.
    late: Mean,
}

impl Starts {
    pub(super) fn push(&mut self, start: Job, now: Instant) {
        self.waiting.push_back((now, start));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Records a commit by execution: one more is open (1), one fewer (-1), or neither (0).
    pub(super) fn opened(&mut self, executions: impl Iterator<Item = i64>) {
        for more in executions {
            self.credit -= more;
            self.progress += more.min(0) * PARTS_OF_A_START;
        }
        self.credit = self.credit.clamp(0, CREDIT_MAX);
        self.progress = self.progress.max(-ENDS_REMEMBERED * PARTS_OF_A_START);
    }

    /// Records for how long the tasks that workers got had been ready, ms.
    pub(super) fn waited(&mut self, waits_ms: impl Iterator<Item = i64>) {
        let (mut tasks, mut late) = (0, 0);
        for wait_ms in waits_ms {
            tasks += 1;
            late += usize::from(wait_ms > LATE_ABOVE_MS);
        }
        if tasks > 0 {
            self.late.see(count(late) / count(tasks));
        }
    }

    /// Records how long a commit took.
    pub(super) fn committed(&mut self, duration: Duration) {
        self.commit.see(duration.as_secs_f32());
        let shortest = self.shortest_commit.map_or(duration, |shortest| shortest.min(duration));
        self.shortest_commit = Some(shortest);
    }

    /// How long the next start must wait for other requests to come first; `None` when no start waits.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let wait = self.busy_for(now).filter(|_| self.credit == 0);
        (!self.is_empty()).then(|| wait.unwrap_or_default())
    }

    /// Refuses the starts that have waited too long.
    pub(super) fn refuse_overdue(&mut self, now: Instant) {
        while let Some((_, start)) = self.waiting.pop_front_if(|(came, _)| *came + WAIT_MAX <= now)
        {
            let waited = WAIT_MAX.as_secs();
            let message = format!("no start was possible for {waited} s; try again later");
            start.refuse(OrchestratorError::Overloaded(message));
        }
    }

    /// Takes the starts to decide together with that many other jobs. A start whose caller has gone is
    /// dropped.
    pub(super) fn beside(&mut self, others: usize, is_full: bool, now: Instant) -> Vec<Job> {
        if others > 0 {
            self.note_requests(others, now);
        }
        let share = if self.busy_for(now).is_some() {
            usize::try_from(self.credit).unwrap_or(0)
        } else if is_full && self.requests_expected_for(now).is_some() {
            (others / REQUESTS_BESIDE_A_START).max(BATCH_STARTS_LEAST)
        } else {
            BATCH_REQUESTS_MAX
        };
        let mut taken = Vec::with_capacity(share.min(self.waiting.len()));
        while taken.len() < share
            && let Some((_, start)) = self.waiting.pop_front()
        {
            if !start.is_abandoned() {
                taken.push(start);
            }
        }
        taken
    }

    fn note_requests(&mut self, others: usize, now: Instant) {
        if self.requests_expected_for(now).is_none() {
            self.requests = Mean::default();
        }
        self.requests.see(count(others));
        self.last_request_at = Some(now);
        if self.credit == 0 {
            let requests_for_a_start = if self.late.is_above(LATE_PART) {
                REQUESTS_FOR_A_START_WHEN_LATE
            } else {
                REQUESTS_FOR_A_START
            };
            let others = i64::try_from(others).unwrap_or(requests_for_a_start);
            self.progress += others * (PARTS_OF_A_START / requests_for_a_start);
            self.credit = (self.progress / PARTS_OF_A_START).max(0);
            self.progress -= self.credit * PARTS_OF_A_START;
        }
    }

    /// How long the engine still counts as busy, if it does.
    fn busy_for(&self, now: Instant) -> Option<Duration> {
        let is_long = self
            .shortest_commit
            .is_some_and(|shortest| self.commit.is_above(LONG_COMMIT * shortest.as_secs_f32()));
        self.requests_expected_for(now).filter(|_| is_long && self.requests.is_above(BUSY_ABOVE))
    }

    /// How long other requests are still expected, if they are.
    fn requests_expected_for(&self, now: Instant) -> Option<Duration> {
        let until = self.last_request_at? + REQUESTS_RETURN_WITHIN;
        Some(until.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::job::What;
    use baton_common::{ExecutionId, Timestamp};
    use baton_decider::command::Command;

    fn starts(number: u64) -> Starts {
        let mut starts = Starts::default();
        let now = Instant::now();
        for n in 0..number {
            starts.push(Job::wake_up(ExecutionId::new(Timestamp::from_millis(1), n << 12)), now);
        }
        starts
    }

    /// One commit takes so long, then many so long, ms.
    fn commit(starts: &mut Starts, [first, others]: [u64; 2]) {
        starts.committed(Duration::from_millis(first));
        (0..40).for_each(|_| starts.committed(Duration::from_millis(others)));
    }

    /// Workers get tasks that have waited for so long.
    fn take(starts: &mut Starts, wait_ms: i64) {
        (0..40).for_each(|_| starts.waited(std::iter::repeat_n(wait_ms, 30)));
    }

    /// Those of an engine that has become busy.
    fn busy_starts(now: Instant) -> Starts {
        let mut starts = starts(500);
        commit(&mut starts, [1, 4]);
        while starts.busy_for(now).is_none() {
            starts.beside(32, true, now);
        }
        (starts.credit, starts.progress) = (0, 0);
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
    fn large_batches_of_a_far_database_are_no_sign() {
        let now = Instant::now();
        let mut starts = starts(500);
        commit(&mut starts, [10, 15]);
        let taken: usize = (0..40).map(|_| starts.beside(32, false, now).len()).sum();
        assert_eq!(taken, 500);
    }

    #[test]
    fn a_busy_engine_starts_one_for_each_that_ends() {
        let now = Instant::now();
        let mut starts = busy_starts(now);
        for _ in 0..20 {
            starts.opened([-1, 0, -1].into_iter());
            assert_eq!(starts.beside(32, false, now).len(), 2);
            starts.opened([1, 1].into_iter());
        }
        // A batch can create more executions than it has requests.
        starts.opened(std::iter::repeat_n(1, 1_000));
        starts.opened(std::iter::repeat_n(-1, 10));
        assert_eq!(starts.beside(32, false, now).len(), 10);
    }

    #[test]
    fn where_none_ends_requests_allow_some() {
        let now = Instant::now();
        let mut starts = busy_starts(now);
        let mut taken = |ends: usize| {
            let mut taken = 0;
            for _ in 0..64 {
                starts.opened(std::iter::repeat_n(-1, ends));
                let begun = starts.beside(64, false, now).len();
                starts.opened(std::iter::repeat_n(1, begun));
                taken += begun;
            }
            taken
        };
        // One for 64 requests, whether one ends meanwhile or none; no more than end where more do.
        assert_eq!([0, 1, 2].map(&mut taken), [64, 64, 128]);
    }

    #[test]
    fn a_late_engine_starts_at_the_rate_of_ends() {
        let now = Instant::now();
        let mut starts = busy_starts(now);
        take(&mut starts, LATE_ABOVE_MS + 1);
        let taken: usize = (0..64).map(|_| starts.beside(64, false, now).len()).sum();
        assert_eq!(taken, 1);
        starts.opened([1, -1, -1, -1].into_iter());
        assert_eq!(starts.beside(64, false, now).len(), 3);
    }

    #[test]
    fn it_is_late_no_longer_than_tasks_wait() {
        let now = Instant::now();
        let mut starts = busy_starts(now);
        take(&mut starts, LATE_ABOVE_MS + 1);
        take(&mut starts, LATE_ABOVE_MS);
        assert_eq!(starts.beside(64, false, now).len(), 1);
    }

    #[test]
    fn a_queue_that_is_slow_beside_a_fast_one_does_not_make_it_late() {
        let now = Instant::now();
        let mut starts = busy_starts(now);
        let waits_ms = std::iter::once(60_000).chain(std::iter::repeat_n(5, 15));
        (0..40).for_each(|_| starts.waited(waits_ms.clone()));
        starts.waited(std::iter::empty());
        assert_eq!(starts.beside(64, false, now).len(), 1);
    }

    #[test]
    fn starts_wait_for_requests_that_are_expected_and_then_go() {
        let now = Instant::now();
        let mut starts = busy_starts(now);
        assert_eq!(starts.wait(now), Some(REQUESTS_RETURN_WITHIN));
        assert!(starts.beside(0, false, now).is_empty());
        let later = now + REQUESTS_RETURN_WITHIN;
        assert_eq!(starts.wait(later), Some(Duration::ZERO));
        assert!(!starts.beside(0, false, later).is_empty());
    }

    #[test]
    fn a_start_that_waited_too_long_is_refused() {
        let now = Instant::now();
        let mut starts = Starts::default();
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        let id = ExecutionId::new(Timestamp::from_millis(1), 1 << 12);
        starts.push(Job::new(id, What::Command(Command::Begin), Some(reply)), now);
        starts.push(Job::wake_up(id), now + WAIT_MAX);
        starts.refuse_overdue(now + WAIT_MAX / 2);
        assert_eq!(starts.waiting.len(), 2);
        starts.refuse_overdue(now + WAIT_MAX);
        assert_eq!(starts.waiting.len(), 1);
        assert!(matches!(answer.try_recv(), Ok(Err(OrchestratorError::Overloaded(_)))));
    }

    #[test]
    fn a_start_whose_caller_has_gone_is_not_made() {
        let now = Instant::now();
        let mut starts = Starts::default();
        let (patient, _answer) = tokio::sync::oneshot::channel();
        let (gone, answer) = tokio::sync::oneshot::channel();
        let id = |n: u64| ExecutionId::new(Timestamp::from_millis(1), n << 12);
        starts.push(Job::new(id(1), What::Command(Command::Begin), Some(gone)), now);
        starts.push(Job::new(id(2), What::Command(Command::Begin), Some(patient)), now);
        drop(answer);
        let targets = starts.beside(0, false, now).into_iter().map(|start| start.target);
        assert_eq!(targets.collect::<Vec<_>>(), [id(2)]);
        assert!(starts.is_empty());
    }

    #[test]
    fn too_many_starts_take_little_of_a_small_batch() {
        let now = Instant::now();
        let mut starts = starts(500);
        assert_eq!([1, 2, 7].map(|others| starts.beside(others, true, now).len()), [4; 3]);
    }
}
