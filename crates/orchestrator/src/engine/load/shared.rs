//! Notices when other processes decide about the same executions.
use crate::engine::mean::{Mean, count};

/// Share of a batch's jobs whose execution had to be loaded: above it several other processes decide
/// about the same executions. With one other it is a third (a start needs no load), with three others
/// three fifths.
const WIDE_PART_LEAST: f32 = 0.5;
/// Share of a batch's jobs whose execution was in memory, but out of date: above it at least one other
/// process decides about it too. Where every call goes to another of two or four processes it is an
/// eighth to a sixth, where there is one process it is zero, also after a restart.
const SHARED_PART_LEAST: f32 = 0.02;

/// How much of what this process decides about other processes have changed in between.
#[derive(Default)]
pub(super) struct Shared {
    loaded: Mean,
    outdated: Mean,
}

impl Shared {
    /// Records a batch: its jobs, how many executions were loaded, and how many of these were out of date.
    pub(super) fn note(&mut self, jobs: usize, loaded: usize, outdated: usize) {
        if jobs > 0 {
            self.loaded.see(count(loaded) / count(jobs));
            self.outdated.see(count(outdated) / count(jobs));
        }
    }

    /// Whether another process decides about the same executions.
    pub(super) fn is_any(&self) -> bool {
        self.outdated.is_above(SHARED_PART_LEAST)
    }

    /// Whether several other processes decide about the same executions.
    pub(super) fn is_wide(&self) -> bool {
        self.loaded.is_above(WIDE_PART_LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_loaded_tells_of_others() {
        let after = |loaded, outdated| {
            let mut shared = Shared::default();
            (0..40).for_each(|_| shared.note(30, loaded, outdated));
            (shared.is_any(), shared.is_wide())
        };
        assert_eq!(after(0, 0), (false, false));
        assert_eq!(after(12, 4), (true, false));
        assert_eq!(after(17, 3), (true, true));
    }

    #[test]
    fn a_cold_memory_tells_of_nobody() {
        let mut shared = Shared::default();
        (0..4).for_each(|_| shared.note(30, 30, 0));
        assert!(!shared.is_any() && !shared.is_wide());
    }
}
