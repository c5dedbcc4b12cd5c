//! Where executions start when each shard has a commit of its own: in a few shards at a time, so that a
//! process makes few commits with many decisions rather than many commits with few. The shards take
//! turns, so that in the end all have the same load.
use baton_common::Timestamp;
use baton_common::ids::SHARDS;

/// Shards in which a process starts executions at a time: enough to keep its connections busy.
const START_SHARDS: u8 = 8;
/// How long it stays with them, ms: longer than a short execution lives.
const STAY_MS: i64 = 1_000;

/// The shard of a new execution with this entropy; `salt` keeps processes apart.
pub(super) fn of(salt: u64, now: Timestamp, entropy: u64) -> u8 {
    let turn =
        (now.millis() / STAY_MS).rem_euclid(i64::from(SHARDS / START_SHARDS)).cast_unsigned();
    // The high bits: the low ones are the id's.
    let place = turn * u64::from(START_SHARDS) + (entropy >> 32) % u64::from(START_SHARDS);
    u8::try_from(salt.wrapping_add(place) % u64::from(SHARDS)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A few shards at a time, and every shard as often as the others in the end.
    #[test]
    fn shards_take_turns() {
        let mut all: BTreeMap<u8, u32> = BTreeMap::new();
        for turn in 0..i64::from(SHARDS / START_SHARDS) {
            let now = Timestamp::from_millis(1_795_000_000_000 + turn * STAY_MS);
            let mut start_shards: BTreeMap<u8, u32> = BTreeMap::new();
            for n in 0..800_u64 {
                *start_shards.entry(of(12_345, now, n << 32)).or_default() += 1;
            }
            assert_eq!(start_shards.len(), usize::from(START_SHARDS));
            for (shard, count) in start_shards {
                *all.entry(shard).or_default() += count;
            }
        }
        assert!(all.len() == usize::from(SHARDS) && all.values().all(|count| *count == 100));
    }
}
