//! The rows of the model and what each method does to them.
use super::limits::Limits;
use crate::error::Conflict;
use crate::queue_of_lane;
use crate::{
    Batch, CommitError, DefinitionChanges, DefinitionWrite, ExecutionRow, ExecutionWrite,
    HISTORY_DROPPED_MAX, InUse, JournalHistory, LoadRequest, LoadedExecution, MessageId, PlanHash,
    PollQuery, PollRecord, QueueDemand, QueueSize, READY_COUNT_MAX, ReadyKey, ReadyPlace, Revision,
    Snapshot, SnapshotWrite, StoreError, StoredMessage, TaskLog, Version, WaitFacts, WaitQuery,
    Waits,
};
use baton_common::planted::{Planted, is};
use baton_common::{ExecutionId, Payload, TaskId, Timestamp, WorkflowStatus};
use bytes::Bytes;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::collections::btree_map::{BTreeMap, Entry};

/// A ready task's place: queue, most urgent priority first, ready time, task.
type Place = (String, Reverse<u8>, Timestamp, TaskId);

/// What a definition is now, and since which revision; `None` = deleted.
type Versioned = (Revision, Option<Payload>);

#[derive(Default)]
pub(super) struct State {
    executions: BTreeMap<ExecutionId, Execution>,
    /// The value is the end of the last reservation.
    ready: BTreeMap<Place, Timestamp>,
    /// By the time they were sent.
    messages: BTreeMap<(Timestamp, MessageId), StoredMessage>,
    idempotency: BTreeMap<(String, String), ExecutionId>,
    plans: BTreeMap<PlanHash, Payload>,
    pub(super) definitions: Definitions,
    pub(super) limits: Limits,
    logs: BTreeMap<TaskId, Vec<TaskLog>>,
    polls: BTreeMap<(String, String), PollRecord>,
}

struct Execution {
    row: ExecutionRow,
    journal: BTreeMap<Version, Bytes>,
    snapshot: Option<Snapshot>,
}

impl Execution {
    /// `None` when a fact is missing, which the commit has refused before.
    fn inserted(write: &ExecutionWrite, at: Timestamp) -> Option<Self> {
        let row = ExecutionRow {
            id: write.id,
            version: 1,
            status: write.status,
            waits: write.waits,
            wake_at: write.wake_at,
            ended_at: write.ended_at,
            updated_at: at,
            index: write.index.clone()?,
            input: write.input.clone()?,
            overview: write.overview.clone()?,
        };
        let journal = BTreeMap::from([(1, write.journal.clone())]);
        Some(Self { row, journal, snapshot: None })
    }

    fn change(&mut self, write: &ExecutionWrite, at: Timestamp) {
        let row = &mut self.row;
        row.version += 1;
        row.status = write.status;
        row.waits = write.waits;
        row.wake_at = write.wake_at;
        row.ended_at = write.ended_at;
        row.updated_at = at;
        row.index = write.index.clone().unwrap_or_else(|| row.index.clone());
        row.input = write.input.clone().unwrap_or_else(|| row.input.clone());
        row.overview = write.overview.clone().unwrap_or_else(|| row.overview.clone());
        self.journal.insert(row.version, write.journal.clone());
    }
}

/// Commits.
impl State {
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<InUse, CommitError> {
        let conflict = self.conflict(batch);
        if conflict != Conflict::default() {
            return Err(CommitError::Conflict(conflict));
        }
        if let Some(write) = batch.writes.iter().find(|write| inserted_without_facts(write)) {
            let what = format!("{} is inserted without index, input or overview", write.id);
            return Err(StoreError::Rejected(what).into());
        }
        for (hash, plan) in &batch.plans {
            self.plans.entry(*hash).or_insert_with(|| plan.clone());
        }
        for write in &batch.writes {
            self.write(write, batch.at);
        }
        let delivered: HashSet<_> = batch.delivered.iter().copied().collect();
        if !is(Planted::KeepDelivered) {
            self.messages.retain(|(_, id), _| !delivered.contains(id));
        }
        Ok(self.limits.apply(&batch.limits))
    }

    fn conflict(&self, batch: &Batch) -> Conflict {
        let mut conflict = Conflict::default();
        let mut inserted = BTreeMap::new();
        for write in &batch.writes {
            let version = self.executions.get(&write.id).map_or(0, |held| held.row.version);
            if version != write.expected_version && !is(Planted::DropTheFence) {
                conflict.versions.push(write.id);
            }
            let Some(key) = key_of_inserted(write) else { continue };
            let in_batch = *inserted.entry(key.clone()).or_insert(write.id);
            let holder = self.idempotency.get(&key).copied().unwrap_or(in_batch);
            if holder != write.id && !is(Planted::IgnoreTheKey) {
                conflict.idempotency.push((write.id, holder));
            }
        }
        conflict.stale_definitions =
            batch.revision.is_some_and(|read| read < self.definitions.revision);
        conflict.delivered = self.gone(batch);
        conflict.limits = self.limits.conflicts(&batch.limits);
        conflict
    }

    /// The messages of a batch whose rows are not there and do not come with it.
    fn gone(&self, batch: &Batch) -> Vec<MessageId> {
        if batch.delivered.is_empty() {
            return Vec::new();
        }
        let stored: HashSet<_> = self.messages.keys().map(|(_, id)| *id).collect();
        batch.to_deliver().into_iter().filter(|id| !stored.contains(id)).collect()
    }

    fn write(&mut self, write: &ExecutionWrite, at: Timestamp) {
        if let Some(key) = key_of_inserted(write) {
            self.idempotency.insert(key, write.id);
        }
        for key in &write.ready_added {
            self.ready.insert(place(key), Timestamp::from_millis(i64::MIN));
        }
        for key in &write.ready_removed {
            self.ready.remove(&place(key));
        }
        for message in &write.sent {
            self.messages.insert((at, message.id), message.clone());
        }
        match self.executions.entry(write.id) {
            Entry::Occupied(held) => held.into_mut().change(write, at),
            Entry::Vacant(free) => {
                if let Some(inserted) = Execution::inserted(write, at) {
                    free.insert(inserted);
                }
            }
        }
    }

    pub(super) fn remove(&mut self, id: ExecutionId, version: Version) -> bool {
        if self.executions.get(&id).is_none_or(|held| held.row.version != version) {
            return false;
        }
        self.executions.remove(&id);
        self.ready.retain(|(_, _, _, task), _| task.execution() != id);
        self.messages.retain(|_, message| message.to != id);
        self.idempotency.retain(|_, holder| *holder != id);
        self.logs.retain(|task, _| task.execution() != id);
        self.limits.forget(id);
        true
    }

    pub(super) fn release_key(&mut self, id: ExecutionId) -> bool {
        let is_ended = self.executions.get(&id).is_some_and(|held| held.row.ended_at.is_some());
        if is_ended {
            self.idempotency.retain(|_, holder| *holder != id);
        }
        is_ended
    }
}

/// Reads and reservations.
impl State {
    pub(super) fn rows(&self) -> impl Iterator<Item = &ExecutionRow> {
        self.executions.values().map(|execution| &execution.row)
    }

    pub(super) fn load(&self, request: &LoadRequest) -> Option<LoadedExecution> {
        let held = self.executions.get(&request.id)?;
        let row = held.row.clone();
        let Some(after) = request.journal_after else {
            return Some(LoadedExecution { row, snapshot: None, journal: Vec::new() });
        };
        let snapshot = held.snapshot.clone().filter(|snapshot| snapshot.version > after);
        let after = snapshot.as_ref().map_or(after, |snapshot| snapshot.version);
        let later = held.journal.iter().filter(|(version, _)| **version > after);
        let journal = later.map(|(version, entry)| (*version, entry.clone())).collect();
        Some(LoadedExecution { row, snapshot, journal })
    }

    pub(super) fn put_snapshot(&mut self, write: &SnapshotWrite) -> bool {
        let version = write.snapshot.version;
        let Some(held) = self.executions.get_mut(&write.id) else { return false };
        let is_known = held.snapshot.as_ref().is_some_and(|snapshot| snapshot.version >= version);
        if is_known || held.row.version < version {
            return false;
        }
        held.snapshot = Some(write.snapshot.clone());
        if write.history == JournalHistory::Drop {
            let replaced = held.journal.keys().copied().filter(|entry| *entry <= version);
            let replaced: Vec<_> = replaced.take(HISTORY_DROPPED_MAX as usize).collect();
            for entry in replaced {
                held.journal.remove(&entry);
            }
        }
        true
    }

    pub(super) fn reserve(
        &mut self,
        demands: &[QueueDemand],
        now: Timestamp,
        reserve_ms: u32,
    ) -> Vec<ReadyKey> {
        let mut named = Vec::new();
        for demand in demands {
            let mut counts: BTreeMap<String, u32> = BTreeMap::new();
            let free = (self.ready.iter_mut())
                .filter(|(place, until)| queue_of_lane(&place.0) == demand.queue && **until <= now);
            for (place, until) in free {
                let count = counts.entry(place.0.clone()).or_default();
                if *count == demand.count {
                    continue;
                }
                *count += 1;
                *until = now.plus_millis(i64::from(reserve_ms));
                named.push(key_at(place));
            }
        }
        named
    }

    pub(super) fn due_wake_ups(
        &self,
        until: Timestamp,
        limit: u32,
    ) -> Vec<(ExecutionId, Timestamp)> {
        let wake_ups = self.rows().filter_map(|row| Some((row.wake_at?, row.id)));
        let mut due: Vec<_> = wake_ups.filter(|(at, _)| *at <= until).collect();
        due.sort_unstable();
        due.into_iter().take(limit as usize).map(|(at, id)| (id, at)).collect()
    }

    pub(super) fn undelivered(&self, sent_before: Timestamp, limit: u32) -> Vec<StoredMessage> {
        let sent = self.messages.iter().filter(|((at, _), _)| *at <= sent_before);
        sent.take(limit as usize).map(|(_, message)| message.clone()).collect()
    }

    pub(super) fn plan(&self, hash: PlanHash) -> Result<Payload, StoreError> {
        let missing = || StoreError::NotFound("the plan of an execution".to_owned());
        self.plans.get(&hash).cloned().ok_or_else(missing)
    }

    pub(super) fn queue_sizes(&self) -> Vec<QueueSize> {
        let mut sizes: BTreeMap<&String, QueueSize> = BTreeMap::new();
        for (queue, _, ready_at, _) in self.ready.keys() {
            let empty = || QueueSize { queue: queue.clone(), ready: 0, oldest: *ready_at };
            let size = sizes.entry(queue).or_insert_with(empty);
            (size.ready, size.oldest) = (size.ready + 1, size.oldest.min(*ready_at));
        }
        sizes.into_values().collect()
    }

    pub(super) fn load_waits(&self, query: &WaitQuery) -> WaitFacts {
        let polls = self.polls.values().filter(|poll| match &query.polls {
            PollQuery::Of(types) => types.contains(&poll.task_type),
            PollQuery::All => true,
        });
        WaitFacts {
            executions: query.executions.iter().map(|request| self.load(request)).collect(),
            places: query.places.iter().map(|key| self.place_of(key)).collect(),
            polls: polls.cloned().collect(),
        }
    }

    fn place_of(&self, key: &ReadyKey) -> Option<ReadyPlace> {
        let place = place(key);
        self.ready.get(&place)?;
        let queued = || self.ready.keys().filter(|other| other.0 == key.queue);
        let bounded = |count: usize| (count as u64).min(READY_COUNT_MAX.into());
        let ahead = bounded(queued().filter(|other| **other < place).count());
        Some(ReadyPlace { ahead, size: bounded(queued().count()) })
    }

    pub(super) fn dead_waits(&self, limit: u32) -> Vec<ExecutionId> {
        let told: HashSet<_> =
            self.messages.values().flat_map(|message| [message.id.from, message.to]).collect();
        let ready: HashSet<_> = self.ready.keys().map(|(_, _, _, task)| task.execution()).collect();
        let open = || self.rows().filter(|row| row.ended_at.is_none());
        let families: HashSet<_> = open().filter_map(family_of).collect();
        let dead = self.rows().filter(|row| {
            let is_still = row.wake_at.is_none()
                && !row.waits.has(Waits::CHILD | Waits::EXTERNAL)
                && !ready.contains(&row.id);
            let is_childless = row.waits.has(Waits::CHILD) && !families.contains(&row.id);
            row.status == WorkflowStatus::Running
                && !told.contains(&row.id)
                && (is_still || is_childless || self.is_orphan(row))
        });
        dead.take(limit as usize).map(|row| row.id).collect()
    }

    /// Whether it should have ended with its parent.
    fn is_orphan(&self, row: &ExecutionRow) -> bool {
        let is_open = |parent: ExecutionId| {
            self.executions.get(&parent).is_some_and(|parent| parent.row.ended_at.is_none())
        };
        row.index.parent.is_some()
            && !row.waits.has(Waits::REOPENED)
            && !family_of(row).is_some_and(is_open)
    }
}

/// The parent of an execution, if it is in its shard, where parents are.
fn family_of(row: &ExecutionRow) -> Option<ExecutionId> {
    let parent = row.index.parent?.execution();
    (parent.shard() == row.id.shard()).then_some(parent)
}

/// What workers leave behind.
impl State {
    pub(super) fn append_task_logs(&mut self, lines: &[TaskLog]) {
        for line in lines {
            self.logs.entry(line.task).or_default().push(line.clone());
        }
    }

    pub(super) fn task_logs(&self, task: TaskId, limit: u32) -> Vec<TaskLog> {
        let mut lines = self.logs.get(&task).cloned().unwrap_or_default();
        lines.sort_by_key(|line| line.at);
        lines.truncate(limit as usize);
        lines
    }

    pub(super) fn record_polls(&mut self, polls: &[PollRecord]) {
        for poll in polls {
            let last = self
                .polls
                .entry((poll.task_type.clone(), poll.domain.clone()))
                .or_insert_with(|| poll.clone());
            if last.at <= poll.at {
                last.clone_from(poll);
            }
        }
    }

    pub(super) fn write_definitions(
        &mut self,
        writes: &[DefinitionWrite],
    ) -> Result<Revision, StoreError> {
        let mut changed = self.definitions.clone();
        changed.revision += 1;
        for write in writes {
            changed.write(write)?;
        }
        self.definitions = changed;
        Ok(self.definitions.revision)
    }
}

#[derive(Clone, Default)]
pub(super) struct Definitions {
    revision: Revision,
    workflows: BTreeMap<(String, i32), Versioned>,
    tasks: BTreeMap<String, Versioned>,
}

impl Definitions {
    fn write(&mut self, write: &DefinitionWrite) -> Result<(), StoreError> {
        match write {
            DefinitionWrite::PutWorkflow { name, version, body, overwrite } => {
                let key = (name.clone(), *version);
                if !overwrite && is_there(self.workflows.get(&key)) {
                    let what = format!("workflow definition {name} version {version}");
                    return Err(StoreError::AlreadyExists(what));
                }
                self.workflows.insert(key, (self.revision, Some(body.clone())));
            }
            DefinitionWrite::DeleteWorkflow { name, version } => {
                let key = (name.clone(), *version);
                if !is_there(self.workflows.get(&key)) {
                    let what = format!("workflow definition {name} version {version}");
                    return Err(StoreError::NotFound(what));
                }
                self.workflows.insert(key, (self.revision, None));
            }
            DefinitionWrite::PutTask { name, body } => {
                self.tasks.insert(name.clone(), (self.revision, Some(body.clone())));
            }
            DefinitionWrite::DeleteTask { name } => {
                if !is_there(self.tasks.get(name)) {
                    return Err(StoreError::NotFound(format!("task definition {name}")));
                }
                self.tasks.insert(name.clone(), (self.revision, None));
            }
        }
        Ok(())
    }

    pub(super) fn since(&self, since: Revision) -> DefinitionChanges {
        let workflows = self.workflows.iter().filter(|(_, (revision, _))| *revision > since);
        let tasks = self.tasks.iter().filter(|(_, (revision, _))| *revision > since);
        DefinitionChanges {
            revision: self.revision,
            workflows: workflows
                .map(|((name, version), (_, body))| (name.clone(), *version, body.clone()))
                .collect(),
            tasks: tasks.map(|(name, (_, body))| (name.clone(), body.clone())).collect(),
        }
    }
}

fn is_there(definition: Option<&Versioned>) -> bool {
    definition.is_some_and(|(_, body)| body.is_some())
}

fn key_of_inserted(write: &ExecutionWrite) -> Option<(String, String)> {
    let key = write.idempotency_key.clone().filter(|_| write.expected_version == 0)?;
    Some((write.index.as_ref()?.workflow_name.clone(), key))
}

fn place(key: &ReadyKey) -> Place {
    (key.queue.clone(), Reverse(key.priority), key.ready_at, key.task)
}

fn key_at((queue, priority, ready_at, task): &Place) -> ReadyKey {
    ReadyKey { queue: queue.clone(), priority: priority.0, ready_at: *ready_at, task: *task }
}

fn inserted_without_facts(write: &ExecutionWrite) -> bool {
    let complete = write.index.is_some() && write.input.is_some() && write.overview.is_some();
    write.expected_version == 0 && !complete
}
