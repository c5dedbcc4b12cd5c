//! Work that no caller waits for: executions with more to decide, and starts that executions ask for.
//!
//! While others have requests, it takes turns with them: after each batch of theirs comes one of the
//! background, which is kept short. How much fits into it is learned from how long the last ones took.
use crate::engine::job::Job;
use baton_common::ExecutionId;
use baton_decider::decide::agenda::SliceLimits;
use baton_store::StoredMessage;
use std::collections::{HashSet, VecDeque};
use std::time::Duration;

/// How long a turn of the background may make requests wait.
const TURN: Duration = Duration::from_millis(2);
/// Slices in a batch while nobody has requests: they share the fixed cost of a commit.
const SLICES_ALONE_MAX: usize = 8;
/// Starts in a batch while nobody has requests.
const STARTS_ALONE_MAX: usize = 128;
/// Starts in a turn between requests that has its full share.
const STARTS_IN_A_TURN_MAX: u16 = 16;
/// Most starts that are kept; the others are found in the database again.
const STARTS_KEPT_MAX: usize = 16_384;
/// The least share of a whole slice that a turn gets, so that the background always comes further.
const SHARE_LEAST: f32 = 1.0 / 32.0;
/// By how much a share may grow or shrink at once.
const STEP: f32 = 2.0;

/// What waits in the background. A crash loses nothing: the database has each of them as due at once.
pub(super) struct Background {
    slices: VecDeque<ExecutionId>,
    queued: HashSet<ExecutionId>,
    starts: VecDeque<Job>,
    whole: SliceLimits,
    /// How much of a whole slice takes about a [`TURN`].
    share: f32,
    turn: Turn,
}

/// Whose the batch under way is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Requests,
    /// The background's, between those of requests.
    Background,
    /// The background's, while nobody has requests.
    Alone,
}

impl Background {
    /// Nothing waits; `whole` is what a decision may do at most.
    pub(super) fn new(whole: SliceLimits) -> Self {
        let (slices, queued, starts) = (VecDeque::new(), HashSet::new(), VecDeque::new());
        Self { slices, queued, starts, whole, share: 1.0, turn: Turn::Alone }
    }

    /// Adds an execution that has more to decide.
    pub(super) fn add_slice(&mut self, id: ExecutionId) {
        if self.queued.insert(id) {
            self.slices.push_back(id);
        }
    }

    /// Adds the starts that committed executions ask for, as far as there is room.
    pub(super) fn add_starts(&mut self, starts: Vec<StoredMessage>) {
        let room = STARTS_KEPT_MAX.saturating_sub(self.starts.len());
        self.starts.extend(starts.into_iter().take(room).map(Job::message));
    }

    /// Whether the execution's turn will come without a wake-up.
    pub(super) fn contains(&self, id: ExecutionId) -> bool {
        self.queued.contains(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slices.is_empty() && self.starts.is_empty()
    }

    /// How many executions have more to decide, and how many starts wait.
    pub(super) fn len(&self) -> [usize; 2] {
        [self.slices.len(), self.starts.len()]
    }

    /// Whether it has the next batch, because requests had the last one.
    pub(super) fn is_next(&self) -> bool {
        self.turn == Turn::Requests && !self.is_empty()
    }

    /// Whether requests have the batch under way.
    pub(super) fn waits_for_requests(&self) -> bool {
        self.turn == Turn::Requests
    }

    /// Requests have the batch: the next one is the background's. What a decision of theirs may do.
    pub(super) fn give_way(&mut self) -> SliceLimits {
        self.turn = Turn::Requests;
        self.slice()
    }

    /// The jobs of a turn between requests.
    pub(super) fn take_turn(&mut self) -> (Vec<Job>, SliceLimits) {
        self.turn = Turn::Background;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 16")]
        let starts = (f32::from(STARTS_IN_A_TURN_MAX) * self.share).ceil() as usize;
        (self.take(1, starts), self.slice())
    }

    /// The jobs of a batch while nobody has requests.
    pub(super) fn take_alone(&mut self) -> (Vec<Job>, SliceLimits) {
        self.turn = Turn::Alone;
        (self.take(SLICES_ALONE_MAX, STARTS_ALONE_MAX), self.whole)
    }

    /// The batch under way took so long.
    pub(super) fn took(&mut self, took: Duration) {
        if self.turn != Turn::Background {
            return;
        }
        let fits = TURN.as_secs_f32() / took.as_secs_f32().max(f32::MIN_POSITIVE);
        let share = self.share * fits.clamp(1.0 / STEP, STEP);
        self.share = share.clamp(SHARE_LEAST, 1.0);
    }

    fn slice(&self) -> SliceLimits {
        self.whole.share(self.share)
    }

    fn take(&mut self, slices: usize, starts: usize) -> Vec<Job> {
        let taken: Vec<ExecutionId> = self.slices.drain(..slices.min(self.slices.len())).collect();
        for id in &taken {
            self.queued.remove(id);
        }
        let starts = self.starts.drain(..starts.min(self.starts.len()));
        taken.into_iter().map(Job::wake_up).chain(starts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton_common::Timestamp;

    fn id(n: u64) -> ExecutionId {
        ExecutionId::new(Timestamp::from_millis(1), n << 12)
    }

    fn targets(jobs: Vec<Job>) -> Vec<ExecutionId> {
        jobs.into_iter().map(|job| job.target).collect()
    }

    #[test]
    fn each_execution_waits_once_and_requests_come_in_between() {
        let mut background = Background::new(SliceLimits::DEFAULT);
        assert!(!background.is_next());
        (0..20).chain(0..20).for_each(|n| background.add_slice(id(n)));
        assert_eq!(background.len(), [20, 0]);
        background.give_way();
        assert!(background.is_next());
        assert_eq!(targets(background.take_turn().0), [id(0)]);
        assert!(!background.is_next(), "requests come first");
        assert!(!background.contains(id(0)) && background.contains(id(1)));
        assert_eq!(targets(background.take_alone().0).len(), SLICES_ALONE_MAX);
    }

    #[test]
    fn a_turn_is_as_large_as_what_takes_two_milliseconds() {
        let mut background = Background::new(SliceLimits::DEFAULT);
        let changes = |background: &Background| background.slice().changes;
        background.take_turn();
        assert_eq!(changes(&background), 512);
        background.took(Duration::from_millis(3));
        assert_eq!(changes(&background), 341);
        background.took(Duration::from_secs(1));
        assert_eq!(changes(&background), 170, "one long turn says little");
        (0..9).for_each(|_| background.took(Duration::from_secs(1)));
        assert_eq!(changes(&background), 16);
        assert_eq!(background.slice().starts, 4);
        (0..9).for_each(|_| background.took(Duration::ZERO));
        assert_eq!(changes(&background), 512);
    }
}
