//! Which wake-ups are this process's to see to, where several share a database.
//!
//! Each could see to all of them, since every commit is fenced, but all but one would decide in vain.
//! So every process holds a lock on a number of its own, on the connection by which it listens: the
//! database knows who lives without anybody's having to write it down or to be told of a death. The
//! shards go round among the numbers. What nobody has seen to a while after its time is everybody's:
//! a process that lives and does nothing keeps nobody's timer from firing.
use baton_common::{ExecutionId, Timestamp};

/// How long after its time a wake-up is everybody's, ms: longer than the second between two reads, so
/// that its own process has had one.
const OVERDUE_MS: i64 = 1_500;

/// A number that no other process is likely to have.
pub(crate) fn number_of(token: u64) -> i32 {
    // The low bits alone; the sign would come back as another number.
    i32::try_from(token & 0x7fff_ffff).unwrap_or_default()
}

/// A part of the wake-ups, as of a moment.
#[derive(Debug, PartialEq)]
pub(crate) struct Share {
    /// This process's place among those that live, and how many these are.
    place: usize,
    of: usize,
    /// What was due before then is everybody's.
    overdue: Timestamp,
}

impl Share {
    /// The part of the process of this number. All of them while the database does not know it, as when
    /// its listening connection is being made anew: done twice is better than not at all.
    pub(crate) fn new(own: i32, processes: &[i64], now: Timestamp) -> Self {
        let place = processes.iter().position(|process| *process == i64::from(own));
        let (place, of) = place.map_or((0, 1), |place| (place, processes.len()));
        Self { place, of, overdue: now.plus_millis(-OVERDUE_MS) }
    }

    /// Whether this process sees to that wake-up.
    pub(crate) fn holds(&self, id: ExecutionId, at: Timestamp) -> bool {
        at <= self.overdue || usize::from(id.shard()) % self.of == self.place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton_common::ids::SHARDS;

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    fn holders(at: Timestamp, shares: &[Share]) -> Vec<usize> {
        let id = |shard| ExecutionId::new(NOW, 7).in_shard(shard);
        let held = |shard| shares.iter().filter(|share| share.holds(id(shard), at)).count();
        (0..SHARDS).map(held).collect()
    }

    #[test]
    fn each_wake_up_is_one_processs_and_what_is_overdue_everybodys() {
        let processes = [3, 5, 2_000_000_000];
        let shares = [3, 5, 2_000_000_000].map(|own| Share::new(own, &processes, NOW));
        assert!(holders(NOW.plus_seconds(2), &shares).iter().all(|holders| *holders == 1));
        assert!(holders(NOW.plus_seconds(-2), &shares).iter().all(|holders| *holders == 3));
    }

    #[test]
    fn a_process_that_is_not_known_sees_to_everything() {
        let shares = [Share::new(9, &[3, 5], NOW), Share::new(9, &[], NOW)];
        assert!(holders(NOW, &shares).iter().all(|holders| *holders == 2));
    }

    #[test]
    fn numbers_are_those_that_the_database_shows() {
        assert_eq!(number_of(0xffff_ffff_8000_0005), 5);
        assert!(number_of(u64::MAX) > 0);
    }
}
