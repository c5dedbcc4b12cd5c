//! Ids of executions and tasks.
//!
//! An execution's id is a UUIDv7 whose last 24 bits are zero. A task's id is its execution's id with
//! the task's sequence number in those bits. So a task id alone finds its execution and its shard,
//! without an index and without a byte of storage.
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

const SEQ_BITS: u32 = 24;
const SEQ_MASK: u128 = (1 << SEQ_BITS) - 1;

/// Number of logical shards; an execution's shard is fixed when it starts.
pub const SHARDS: u8 = 64;

/// Largest sequence number a task of one execution can have.
pub const SEQ_MAX: u32 = (1 << SEQ_BITS) - 1;

/// The shard that keeps an idempotency key of a workflow. An execution that starts under a key is
/// created there, so that one shard alone knows whether the key is used.
pub fn shard_of_key(workflow_name: &str, key: &str) -> u8 {
    // The names' lengths keep ("ab", "c") and ("a", "bc") apart.
    let start = fold(GOLDEN.wrapping_add(workflow_name.len() as u64));
    let bytes = workflow_name.bytes().chain(key.bytes());
    let hash = bytes.fold(start, |hash, byte| fold(hash.wrapping_add(u64::from(byte))));
    u8::try_from(hash & u64::from(SHARDS - 1)).unwrap_or(0)
}

/// Names one execution; the API calls it `workflowId`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExecutionId(Uuid);

/// Names one task of one execution.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(Uuid);

/// The text names no execution or task that this engine can have made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this engine")]
pub struct UnknownId;

impl ExecutionId {
    /// An id made at `now`; 50 bits of `entropy` tell it from others of that moment.
    pub fn new(now: Timestamp, entropy: u64) -> Self {
        let millis = u128::from(now.millis().cast_unsigned()) & ((1 << 48) - 1);
        let entropy = u128::from(entropy);
        let high = entropy & 0xfff;
        let low = (entropy >> 12) & ((1 << 38) - 1);
        let bits = (millis << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | (low << SEQ_BITS);
        Self(Uuid::from_u128(bits))
    }

    /// The id of a child that the task `parent` starts; the same task always gets the same child.
    /// It is in its parent's shard, so that one shard's commit creates it and carries their messages.
    pub fn child_of(parent: TaskId, now: Timestamp) -> Self {
        Self::new(now, mix(parent.0)).in_shard(parent.execution().shard())
    }

    /// The same id but for its shard, which becomes `shard` (modulo [`SHARDS`]).
    #[must_use]
    pub fn in_shard(self, shard: u8) -> Self {
        let mask = u128::from(SHARDS - 1) << SEQ_BITS;
        let bits = (u128::from(shard) << SEQ_BITS) & mask;
        Self(Uuid::from_u128((self.0.as_u128() & !mask) | bits))
    }

    /// When the id was made, ms precise.
    pub fn made_at(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0.as_u128() >> 80).unwrap_or(i64::MAX))
    }

    /// The logical shard, `0..SHARDS`.
    pub fn shard(self) -> u8 {
        u8::try_from((self.0.as_u128() >> SEQ_BITS) & u128::from(SHARDS - 1)).unwrap_or(0)
    }

    /// The id of this execution's task number `seq` (at most [`SEQ_MAX`]).
    pub fn task(self, seq: u32) -> TaskId {
        TaskId(Uuid::from_u128(self.0.as_u128() | (u128::from(seq) & SEQ_MASK)))
    }

    /// 64 well-mixed bits that depend on this id alone.
    pub fn mixed(self) -> u64 {
        mix(self.0)
    }

    /// The id as a UUID.
    pub fn uuid(self) -> Uuid {
        self.0
    }

    /// The execution that a stored UUID names.
    ///
    /// # Errors
    /// [`UnknownId`] when the last 24 bits are not zero.
    pub fn from_uuid(uuid: Uuid) -> Result<Self, UnknownId> {
        if uuid.as_u128() & SEQ_MASK == 0 { Ok(Self(uuid)) } else { Err(UnknownId) }
    }
}

impl TaskId {
    /// The execution that owns this task.
    pub fn execution(self) -> ExecutionId {
        ExecutionId(Uuid::from_u128(self.0.as_u128() & !SEQ_MASK))
    }

    /// The task's number in its execution, from 1.
    pub fn seq(self) -> u32 {
        u32::try_from(self.0.as_u128() & SEQ_MASK).unwrap_or(0)
    }

    /// 64 well-mixed bits that depend on this id alone: jitter without a random source.
    pub fn mixed(self) -> u64 {
        mix(self.0)
    }
}

/// SplitMix64's finisher over both halves.
/// **Source**: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
fn mix(id: Uuid) -> u64 {
    let (high, low) = id.as_u64_pair();
    fold(low.wrapping_add(fold(high.wrapping_add(GOLDEN))))
}

/// What keeps a small number from being mixed to a small one.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn fold(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

macro_rules! shown_as_uuid {
    ($($id:ty),*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(formatter)
            }
        }
        impl fmt::Debug for $id {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(formatter)
            }
        }
    )*};
}
shown_as_uuid!(ExecutionId, TaskId);

impl FromStr for ExecutionId {
    type Err = UnknownId;

    fn from_str(text: &str) -> Result<Self, UnknownId> {
        Self::from_uuid(Uuid::parse_str(text).map_err(|_| UnknownId)?)
    }
}

impl FromStr for TaskId {
    type Err = UnknownId;

    fn from_str(text: &str) -> Result<Self, UnknownId> {
        let id = Self(Uuid::parse_str(text).map_err(|_| UnknownId)?);
        if id.seq() == 0 { Err(UnknownId) } else { Ok(id) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_id_leads_back_to_its_execution() {
        let execution =
            ExecutionId::new(Timestamp::from_millis(1_795_329_039_876), 0x1234_5678_9abc);
        let task = execution.task(77);
        assert_eq!((task.execution(), task.seq()), (execution, 77));
        assert_eq!(execution.uuid().get_version_num(), 7);
        assert_eq!(execution.to_string().parse(), Ok(execution));
        assert_eq!(task.to_string().parse(), Ok(task));
        assert_eq!(task.to_string().parse::<ExecutionId>(), Err(UnknownId));
    }

    /// Keys are spread over all shards, and none gets twice its part.
    #[test]
    fn keys_use_the_shards_evenly() {
        let mut keys = [0_u32; SHARDS as usize];
        for n in 0..64_000 {
            keys[usize::from(shard_of_key("ship", &format!("order {n}")))] += 1;
        }
        assert!(keys.iter().all(|count| (500..2_000).contains(count)), "{keys:?}");
        assert_eq!(shard_of_key("ship", "order 1"), shard_of_key("ship", "order 1"));
    }

    /// Children and their children's children stay in the shard of the first of them, and differ.
    #[test]
    fn a_family_lives_in_one_shard() {
        let now = Timestamp::from_millis(1_795_329_039_876);
        for shard in 0..SHARDS {
            let parent = ExecutionId::new(now, 5).in_shard(shard);
            assert_eq!(parent.shard(), shard);
            let child = ExecutionId::child_of(parent.task(3), now);
            let grandchild = ExecutionId::child_of(child.task(1), now);
            assert_eq!((child.shard(), grandchild.shard()), (shard, shard));
            assert_ne!(ExecutionId::child_of(parent.task(4), now), child);
        }
    }
}
