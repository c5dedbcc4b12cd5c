//! Executions whose last decision left a rest: they take turns behind what others wait for.
use crate::engine::job::Job;
use baton_common::ExecutionId;
use std::collections::{HashSet, VecDeque};

/// Slices in a batch that has other work to do: few, so that what others wait for is not late.
const SLICES_BESIDE_MAX: usize = 2;
/// Slices in a batch that has nothing else to do: the commit's fixed cost is shared by several.
const SLICES_ALONE_MAX: usize = 8;

/// Executions with a rest, in the order in which they take turns. A crash loses nothing: each of them
/// is due at once in the database.
#[derive(Default)]
pub(super) struct Slices {
    queue: VecDeque<ExecutionId>,
    queued: HashSet<ExecutionId>,
}

impl Slices {
    /// The execution has a rest.
    pub(super) fn push(&mut self, id: ExecutionId) {
        if self.queued.insert(id) {
            self.queue.push_back(id);
        }
    }

    /// Whether the execution's turn will come without a wake-up.
    pub(super) fn contains(&self, id: ExecutionId) -> bool {
        self.queued.contains(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many wait for their turn.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// The slices to decide together with that many other jobs.
    pub(super) fn beside(&mut self, others: usize) -> Vec<Job> {
        let most = if others > 0 { SLICES_BESIDE_MAX } else { SLICES_ALONE_MAX };
        let taken: Vec<ExecutionId> = self.queue.drain(..most.min(self.queue.len())).collect();
        for id in &taken {
            self.queued.remove(id);
        }
        taken.into_iter().map(Job::wake_up).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton_common::Timestamp;

    #[test]
    fn each_takes_its_turn_once_and_few_beside_other_work() {
        let id = |n: u64| ExecutionId::new(Timestamp::from_millis(1), n << 12);
        let mut slices = Slices::default();
        (0..20).chain(0..20).for_each(|n| slices.push(id(n)));
        assert_eq!(slices.len(), 20);
        let targets = |jobs: Vec<Job>| jobs.into_iter().map(|job| job.target).collect::<Vec<_>>();
        assert_eq!(targets(slices.beside(1)), [id(0), id(1)]);
        assert!(!slices.contains(id(1)) && slices.contains(id(2)));
        assert_eq!(targets(slices.beside(0)).len(), SLICES_ALONE_MAX);
    }
}
