//! Memory that does not grow with a run: some of many, and the newest of many.
use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

/// Tasks that are known again when they come a second time; about 40 MiB.
const RECENT_MAX: usize = 1 << 20;

/// Every first, second, fourth, … of what is offered, so that there are never too many.
#[derive(Debug)]
pub(crate) struct Sample<T> {
    most: usize,
    every: u64,
    offered: u64,
    kept: Vec<T>,
}

impl<T> Sample<T> {
    /// Keeps at most `most`, from 1.
    pub(crate) fn new(most: u32) -> Self {
        Self { most: most.max(1) as usize, every: 1, offered: 0, kept: Vec::new() }
    }

    pub(crate) fn offer(&mut self, item: T) {
        if self.offered.is_multiple_of(self.every) {
            if self.kept.len() == self.most {
                self.thin();
            }
            if self.offered.is_multiple_of(self.every) {
                self.kept.push(item);
            }
        }
        self.offered += 1;
    }

    fn thin(&mut self) {
        self.every *= 2;
        let mut place = 0_usize;
        self.kept.retain(|_| {
            place += 1;
            !place.is_multiple_of(2)
        });
    }

    /// What was kept, oldest first.
    pub(crate) fn into_kept(self) -> Vec<T> {
        self.kept
    }
}

/// Which of the newest texts have been seen, by their hashes: two alike among a million are one
/// chance in 10^7.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    hasher: RandomState,
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Recent {
    /// False when it was there already.
    pub(crate) fn insert(&mut self, text: &str) -> bool {
        let hash = self.hasher.hash_one(text);
        if !self.known.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > RECENT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_all_and_never_too_large() {
        for (offered, expected) in [
            (3, vec![0, 1, 2]),
            (4, vec![0, 1, 2, 3]),
            (5, vec![0, 2, 4]),
            (9, vec![0, 4, 8]),
            (16, vec![0, 4, 8, 12]),
        ] {
            let mut sample = Sample::new(4);
            (0..offered).for_each(|item| sample.offer(item));
            assert_eq!(sample.into_kept(), expected, "of {offered}");
        }
    }

    #[test]
    fn the_newest_are_known_again_and_the_oldest_forgotten() {
        let mut recent = Recent::default();
        assert!(recent.insert("first"));
        assert!(!recent.insert("first"));
        for number in 0..RECENT_MAX {
            assert!(recent.insert(&number.to_string()));
        }
        assert!(!recent.insert("7"));
        assert!(recent.insert("first"));
        assert!(recent.known.len() <= RECENT_MAX);
    }
}
