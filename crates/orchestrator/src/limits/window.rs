//! How many tasks a rate has let through in the time that it looks back.
use baton_common::Timestamp;

/// Most entries of a window: a few hundred bytes. Beyond it neighbours are counted as of the later one, so
/// that never too many are let through, and at most one part in 64 of the time is lost.
const ENTRIES_MAX: usize = 64;

/// So many in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) most: u64,
    pub(crate) per_ms: i64,
}

/// When tasks were let through, and how many, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window(Vec<(Timestamp, u32)>);

impl Window {
    pub(crate) fn of(entries: Vec<(Timestamp, u32)>) -> Self {
        Self(entries)
    }

    pub(crate) fn entries(&self) -> &[(Timestamp, u32)] {
        &self.0
    }

    /// How many more may be let through now.
    pub(crate) fn room(&self, rate: Rate, now: Timestamp) -> u64 {
        let counted = self.0.iter().filter(|(at, _)| now.millis_since(*at) < rate.per_ms);
        rate.most.saturating_sub(counted.map(|(_, count)| u64::from(*count)).sum())
    }

    /// When one more may be let through; `None` for now.
    pub(crate) fn next_room(&self, rate: Rate, now: Timestamp) -> Option<Timestamp> {
        let mut left = 0;
        let mut newest_first = self.0.iter().rev();
        let stands_in_the_way = |(at, count): &&(Timestamp, u32)| {
            left += u64::from(*count);
            left >= rate.most && now.millis_since(*at) < rate.per_ms
        };
        newest_first.find(stands_in_the_way).map(|(at, _)| at.plus_millis(rate.per_ms))
    }

    /// Lets one through.
    pub(crate) fn take(&mut self, rate: Rate, now: Timestamp) {
        self.0.retain(|(at, _)| now.millis_since(*at) < rate.per_ms);
        let now = self.0.last().map_or(now, |(last, _)| now.max(*last));
        match self.0.last_mut() {
            Some((at, count)) if *at == now => *count += 1,
            _ => self.0.push((now, 1)),
        }
        if self.0.len() > ENTRIES_MAX {
            self.merge_nearest();
        }
    }

    /// Makes one entry of the two neighbours that are nearest in time; of even ones, of the oldest.
    fn merge_nearest(&mut self) {
        let gap = |place: &usize| self.0[place + 1].0.millis_since(self.0[*place].0);
        if let Some(place) = (0..self.0.len() - 1).min_by_key(gap) {
            let (_, count) = self.0.remove(place);
            self.0[place].1 += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { most: 3, per_ms: 1_000 };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn what_was_let_through_counts_until_its_time_is_over() {
        let mut window = Window::default();
        assert_eq!((window.room(RATE, at(0)), window.next_room(RATE, at(0))), (3, None));
        for millis in [0, 0, 400] {
            window.take(RATE, at(millis));
        }
        assert_eq!(
            (window.room(RATE, at(999)), window.next_room(RATE, at(999))),
            (0, Some(at(1_000)))
        );
        assert_eq!((window.room(RATE, at(1_000)), window.next_room(RATE, at(1_000))), (2, None));
        window.take(RATE, at(1_000));
        window.take(RATE, at(1_000));
        assert_eq!(window.next_room(RATE, at(1_001)), Some(at(1_400)));
        assert_eq!(window.entries(), [(at(400), 1), (at(1_000), 2)]);
    }

    /// A rate that was lowered waits until fewer than it allows are left.
    #[test]
    fn a_lower_rate_waits_for_more_to_pass() {
        let mut window = Window::default();
        for millis in [0, 100, 200] {
            window.take(RATE, at(millis));
        }
        let lower = Rate { most: 1, per_ms: 1_000 };
        assert_eq!(window.next_room(lower, at(300)), Some(at(1_200)));
        assert_eq!((window.room(lower, at(1_199)), window.room(lower, at(1_200))), (0, 1));
    }

    /// Whatever comes when, no span of the rate's length lets more through than it may, and the record
    /// stays small.
    #[test]
    fn no_span_lets_too_many_through() {
        let rate = Rate { most: 500, per_ms: 10_000 };
        let (mut window, mut let_through) = (Window::default(), Vec::new());
        for step in 0..40_000_i64 {
            let now = at(step * 3 + step % 7);
            if window.room(rate, now) > 0 {
                window.take(rate, now);
                let_through.push(now);
            }
            assert!(window.entries().len() <= ENTRIES_MAX);
        }
        let most = let_through.iter().enumerate().map(|(first, from)| {
            let_through[first..]
                .iter()
                .take_while(|at| at.millis_since(*from) < rate.per_ms)
                .count()
        });
        assert_eq!(most.max(), Some(500));
        // The whole time has room for 12 times the rate; little of it is lost.
        assert!(let_through.len() > 5_700, "{}", let_through.len());
    }
}
