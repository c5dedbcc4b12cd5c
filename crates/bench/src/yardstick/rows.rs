//! What the engine would commit for `steps` of three tasks, in steady state.
//!
//! Where a worker waits, an execution is four commits: its insert with the first task leased, two
//! steps that end a task and lease the next, and its end. Where none waits, each lease is a commit of
//! its own, and a ready row comes before it and goes with it. A batch holds executions at all of
//! these, so that a run has them in their ratio.
use baton_common::ids::SHARDS;
use baton_common::{ExecutionId, Payload, Timestamp, WorkflowStatus};
use baton_store::{
    Batch, CommitLane, CommitScope, ExecutionIndex, ExecutionWrite, PlanHash, ReadyKey, Waits,
};
use bytes::Bytes;

/// Tasks of an execution.
const TASKS: i64 = 3;
/// Executions open at once: more than any batch holds.
const OPEN: usize = 4_096;
/// Those of each shard, where they stand by shard.
const OF_SHARD: usize = OPEN / SHARDS as usize;
/// Shards that are committed to at the same time, where each needs a commit of its own.
const SHARDS_AT_ONCE: usize = 16;
/// Where an id's entropy holds its shard.
const SHARD_BIT: u32 = 12;
/// When a task's lease ends, ms from now: after any run, so that nobody comes to look.
const LEASE_MS: i64 = 86_400_000;
/// Bytes of the changes in the journal, as an engine of this version writes them.
const INSERT: usize = 412;
const REPORT_AND_NEXT: usize = 346;
const REPORT_AND_END: usize = 179;
const LEASED: usize = 63;
/// Bytes of an execution's facts beside its journal.
const OVERVIEW: usize = 45;
/// An execution's input.
const INPUT: &str = r#"{"n":7,"key":"1795577897234:7"}"#;

/// What one commit does to an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It is inserted with its first task.
    Insert,
    /// A task that was ready is leased.
    Lease,
    /// A task ends, and the next one comes.
    Report,
    /// The last task ends, and the execution with it.
    End,
}

/// One open execution.
#[derive(Clone, Copy)]
struct Slot {
    id: ExecutionId,
    version: i64,
}

/// The executions, and what the next commit writes of them.
pub(super) struct Rows {
    at: Timestamp,
    queued: bool,
    scope: CommitScope,
    /// Where a commit reaches one shard only, those of a shard stand together.
    slots: Vec<Slot>,
    next: usize,
    /// Every execution that was ever inserted.
    pub(super) made: Vec<ExecutionId>,
    /// Tasks that have ended.
    pub(super) tasks: u64,
    plan: (PlanHash, Payload),
    input: Payload,
}

impl Rows {
    pub(super) fn new(at: Timestamp, queued: bool, scope: CommitScope) -> anyhow::Result<Self> {
        let mut rows = Self {
            at,
            queued,
            scope,
            slots: Vec::new(),
            next: 0,
            made: Vec::new(),
            tasks: 0,
            plan: (PlanHash([1; 32]), Payload::empty_object()),
            input: Payload::parse(INPUT.to_owned())?,
        };
        rows.slots = (0..OPEN).map(|place| rows.inserted(place)).collect();
        Ok(rows)
    }

    fn inserted(&mut self, place: usize) -> Slot {
        // As far apart as the random ones of an engine.
        let mut entropy = (self.made.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if self.scope == CommitScope::Shard {
            let shard = (place / OF_SHARD) as u64;
            entropy = (entropy & !(u64::from(SHARDS - 1) << SHARD_BIT)) | (shard << SHARD_BIT);
        }
        let id = ExecutionId::new(self.at, entropy);
        self.made.push(id);
        Slot { id, version: 0 }
    }

    /// Brings the executions to different stages, so that each batch has all of them.
    pub(super) async fn stagger(
        &mut self,
        lane: &mut dyn CommitLane,
        size: usize,
    ) -> anyhow::Result<()> {
        let commits = usize::try_from(self.commits())?;
        let at_once = if self.scope == CommitScope::Shard { OF_SHARD } else { OPEN };
        for round in 1..commits {
            for first in (0..OPEN).step_by(at_once) {
                let ahead = (first..first + at_once).filter(|place| place % commits >= round);
                let ahead: Vec<usize> = ahead.collect();
                for places in ahead.chunks(size) {
                    let batch = self.batch_of(places);
                    lane.commit(&Batch { plans: vec![self.plan.clone()], ..batch }).await?;
                }
            }
        }
        Ok(())
    }

    /// What is committed next, at the same time: `size` executions, each one commit further; where a
    /// commit reaches one shard only, as many of each of the next shards, up to those that there are.
    pub(super) fn turn(&mut self, size: usize) -> Vec<Batch> {
        match self.scope {
            CommitScope::Database => {
                let places: Vec<usize> = (0..size).map(|n| (self.next + n) % OPEN).collect();
                self.next = (self.next + size) % OPEN;
                vec![self.batch_of(&places)]
            }
            CommitScope::Shard => {
                (0..SHARDS_AT_ONCE).map(|_| self.batch_of_next_shard(size)).collect()
            }
        }
    }

    fn batch_of_next_shard(&mut self, size: usize) -> Batch {
        let (round, shard) = (self.next / usize::from(SHARDS), self.next % usize::from(SHARDS));
        self.next = self.next.wrapping_add(1);
        let size = size.min(OF_SHARD);
        let place = |n: usize| shard * OF_SHARD + (round.wrapping_mul(size) + n) % OF_SHARD;
        let places: Vec<usize> = (0..size).map(place).collect();
        self.batch_of(&places)
    }

    fn batch_of(&mut self, places: &[usize]) -> Batch {
        let mut writes: Vec<ExecutionWrite> =
            places.iter().map(|place| self.advance(*place)).collect();
        writes.sort_unstable_by_key(|write| (write.id.shard(), write.id));
        Batch { at: self.at, writes, ..Batch::default() }
    }

    fn advance(&mut self, place: usize) -> ExecutionWrite {
        let slot = self.slots[place];
        let stage = self.stage(slot.version);
        let write = self.write(slot, stage);
        self.tasks += u64::from(matches!(stage, Stage::Report | Stage::End));
        self.slots[place] = match stage {
            Stage::End => self.inserted(place),
            Stage::Insert | Stage::Lease | Stage::Report => {
                Slot { version: slot.version + 1, ..slot }
            }
        };
        write
    }

    /// How many commits an execution takes.
    fn commits(&self) -> i64 {
        if self.queued { 1 + 2 * TASKS } else { 1 + TASKS }
    }

    fn stage(&self, version: i64) -> Stage {
        match version {
            0 => Stage::Insert,
            last if last + 1 == self.commits() => Stage::End,
            odd if self.queued && odd % 2 == 1 => Stage::Lease,
            _ => Stage::Report,
        }
    }

    fn write(&self, Slot { id, version }: Slot, stage: Stage) -> ExecutionWrite {
        let (is_insert, is_end) = (stage == Stage::Insert, stage == Stage::End);
        let becomes_ready = self.queued && matches!(stage, Stage::Insert | Stage::Report);
        let is_leased = !is_end && !becomes_ready;
        let ready = |wanted: bool, version: i64| {
            let key = wanted.then(|| self.ready(id, version));
            key.into_iter().collect()
        };
        let waits = match (is_end, is_leased) {
            (true, _) => 0,
            (false, true) => Waits::LEASE,
            (false, false) => Waits::READY,
        };
        ExecutionWrite {
            id,
            expected_version: version,
            status: if is_end { WorkflowStatus::Completed } else { WorkflowStatus::Running },
            waits: Waits(waits),
            wake_at: is_leased.then(|| self.at.plus_millis(LEASE_MS + version)),
            ended_at: is_end.then_some(self.at),
            index: is_insert.then(|| self.index()),
            input: is_insert.then(|| self.input.clone()),
            overview: (is_insert || is_end).then(|| filler(OVERVIEW)),
            journal: filler(self.journal_bytes(stage)),
            idempotency_key: None,
            ready_added: ready(becomes_ready, version),
            ready_removed: ready(stage == Stage::Lease, version - 1),
            sent: Vec::new(),
        }
    }

    fn journal_bytes(&self, stage: Stage) -> usize {
        let with_lease = if self.queued { 0 } else { LEASED };
        match stage {
            Stage::Insert => INSERT + with_lease,
            Stage::Lease => LEASED,
            Stage::Report => REPORT_AND_NEXT + with_lease,
            Stage::End => REPORT_AND_END,
        }
    }

    /// The ready row that the commit at `version` brings.
    fn ready(&self, id: ExecutionId, version: i64) -> ReadyKey {
        let task = version / 2 + 1;
        ReadyKey {
            queue: format!("step_{task}"),
            priority: 0,
            ready_at: self.at,
            task: id.task(u32::try_from(task).unwrap_or(1)),
        }
    }

    fn index(&self) -> ExecutionIndex {
        ExecutionIndex {
            workflow_name: "yardstick".to_owned(),
            workflow_version: 1,
            correlation_id: None,
            created_at: self.at,
            parent: None,
            plan: self.plan.0,
        }
    }
}

fn filler(bytes: usize) -> Bytes {
    vec![b'j'; bytes].into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// Runs until every execution has come round a few times; how often each version was written.
    fn stages(queued: bool, scope: CommitScope) -> (BTreeMap<i64, usize>, Rows) {
        let mut rows = Rows::new(Timestamp::from_millis(1), queued, scope).unwrap();
        let mut found = BTreeMap::new();
        let wanted = OPEN * usize::try_from(rows.commits() * 3).unwrap();
        let mut written = 0;
        while written < wanted {
            let turn = rows.turn(64);
            for batch in turn {
                let key = |write: &ExecutionWrite| (write.id.shard(), write.id);
                assert!(batch.writes.is_sorted_by_key(key));
                let shards = batch.writes.iter().map(|write| write.id.shard());
                let shards: BTreeSet<u8> = shards.collect();
                assert!(scope == CommitScope::Database || shards.len() == 1, "{shards:?}");
                for write in batch.writes {
                    *found.entry(write.expected_version).or_default() += 1;
                    written += 1;
                }
            }
        }
        (found, rows)
    }

    #[test]
    fn an_execution_is_four_commits_where_a_worker_waits() {
        let each = 3 * OPEN;
        for scope in [CommitScope::Database, CommitScope::Shard] {
            let (found, rows) = stages(false, scope);
            assert_eq!(found, BTreeMap::from([(0, each), (1, each), (2, each), (3, each)]));
            assert_eq!(rows.tasks, 3 * each as u64);
        }
        let (_, rows) = stages(false, CommitScope::Database);
        let kinds = [0, 1, 2, 3].map(|version| rows.stage(version));
        assert_eq!(kinds, [Stage::Insert, Stage::Report, Stage::Report, Stage::End]);
    }

    #[test]
    fn an_execution_is_seven_commits_where_none_waits() {
        let (found, rows) = stages(true, CommitScope::Database);
        assert_eq!(found.len(), 7);
        assert_eq!(rows.tasks, 9 * OPEN as u64);
        let slot = rows.slots[0];
        let [insert, lease] =
            [0, 1].map(|version| rows.write(Slot { version, ..slot }, rows.stage(version)));
        assert_eq!(insert.ready_added, lease.ready_removed);
        assert!(insert.wake_at.is_none() && lease.wake_at.is_some());
        let end = rows.write(Slot { version: 6, ..slot }, rows.stage(6));
        assert!(end.ended_at.is_some() && end.ready_added.is_empty() && end.wake_at.is_none());
    }

    #[test]
    fn no_two_executions_are_one() {
        for scope in [CommitScope::Database, CommitScope::Shard] {
            let (_, rows) = stages(false, scope);
            let mut ids = rows.made.clone();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), rows.made.len());
        }
    }
}
