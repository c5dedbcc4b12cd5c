//! Draws operations that make sense often enough, from what the ones before have left.
use super::super::bench::{batch, id, insert, json, noon, update};
use super::dice::Dice;
use crate::{
    Batch, DefinitionWrite, ExecutionIndex, ExecutionWrite, JournalHistory, LimitMoves,
    LoadRequest, MessageId, ParentFilter, PlanHash, PollRecord, QueueDemand, ReadyKey, Revision,
    SearchQuery, Slot, Snapshot, SnapshotWrite, SortField, SortOrder, StoredMessage, TaskLog,
    Version, Waits, WindowWrite,
};
use baton_common::{ExecutionId, TaskId, Timestamp, WorkflowStatus};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

const NAMES: [&str; 4] = ["ship", "pack", "pick_it", "pick%it"];
const PATTERNS: [&str; 6] = ["ship", "pick_it", "p*", "*i*", "*", "nobody"];
const QUEUES: [&str; 5] = ["q", "q\u{1f}c:ship", "q\u{1f}k:eu", "eu:q", "r"];
const LIMITS: [&str; 3] = ["c:ship", "c:pack", "k:eu"];
const KEYS: [&str; 3] = ["k1", "k2", "k3"];
const WAITS: [i16; 7] = [0, 1, 2, 4, 8, 16, 1 | 16];

/// Hides a task for the whole test.
const LONG_MS: u32 = 3_600_000;

#[derive(Debug)]
pub(super) enum Operation {
    Commit(Batch),
    Load(Vec<LoadRequest>),
    Reserve(Vec<QueueDemand>, u32),
    WakeUps(Timestamp),
    Undelivered(Timestamp),
    WriteDefinitions(Vec<DefinitionWrite>),
    ReadDefinitions(Revision),
    LoadPlan(PlanHash),
    Search(SearchQuery),
    AppendLogs(Vec<TaskLog>),
    TaskLogs(TaskId, u32),
    RecordPolls(Vec<PollRecord>),
    Polls(Option<String>),
    PutSnapshot(SnapshotWrite),
    Remove(ExecutionId, Version),
}

/// What has been committed so far, as far as sensible operations need it.
pub(super) struct World {
    dice: Dice,
    /// Goes up with each operation, in milliseconds after noon.
    now: i64,
    inserted: u64,
    alive: BTreeMap<u64, Version>,
    ready: BTreeSet<ReadyKey>,
    slots: BTreeSet<Slot>,
    windows: BTreeMap<String, Version>,
    /// Undelivered messages and their receivers.
    sent: BTreeMap<MessageId, ExecutionId>,
    definitions: Revision,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            now: 0,
            inserted: 0,
            alive: BTreeMap::new(),
            ready: BTreeSet::new(),
            slots: BTreeSet::new(),
            windows: BTreeMap::new(),
            sent: BTreeMap::new(),
            definitions: 0,
        }
    }

    pub(super) fn next_operation(&mut self) -> Operation {
        self.now += 1;
        match self.dice.below(27) {
            0..=9 => Operation::Commit(self.batch()),
            10 | 11 => Operation::Load(self.requests()),
            12 | 13 => self.reserve(),
            14 => Operation::WakeUps(noon(self.dice.small(2_000))),
            15 => Operation::Undelivered(noon(self.now - self.dice.small(200))),
            16 => Operation::WriteDefinitions(self.definitions()),
            17 => Operation::LoadPlan(self.plan()),
            18 | 19 => Operation::Search(self.query()),
            20 => Operation::AppendLogs(self.logs()),
            21 => Operation::TaskLogs(self.task(), u32::try_from(self.dice.small(9)).unwrap()),
            22 => self.poll(),
            23 => Operation::ReadDefinitions(self.definitions - self.dice.small(4)),
            24 => self.removal(),
            _ => Operation::PutSnapshot(self.snapshot()),
        }
    }

    /// Learns what an operation left; `passed` is whether it was not refused.
    pub(super) fn note(&mut self, operation: &Operation, passed: bool) {
        match operation {
            Operation::Commit(batch) if passed => self.note_batch(batch),
            Operation::Remove(gone, version) => {
                let is_it = |n: &u64, held: &Version| id(*n) == *gone && held == version;
                if self.alive.iter().any(|(n, held)| is_it(n, held)) {
                    self.alive.retain(|n, held| !is_it(n, held));
                    self.sent.retain(|_, to| to != gone);
                    self.slots.retain(|slot| slot.task.execution() != *gone);
                }
            }
            Operation::WriteDefinitions(_) if passed => self.definitions += 1,
            Operation::Commit(_)
            | Operation::WriteDefinitions(_)
            | Operation::ReadDefinitions(_)
            | Operation::Load(_)
            | Operation::Reserve(..)
            | Operation::WakeUps(_)
            | Operation::Undelivered(_)
            | Operation::LoadPlan(_)
            | Operation::Search(_)
            | Operation::AppendLogs(_)
            | Operation::TaskLogs(..)
            | Operation::RecordPolls(_)
            | Operation::PutSnapshot(_)
            | Operation::Polls(_) => {}
        }
    }

    fn note_batch(&mut self, batch: &Batch) {
        for write in &batch.writes {
            let n = (0..=self.inserted).find(|n| id(*n) == write.id).unwrap();
            self.alive.insert(n, write.expected_version + 1);
            self.ready.extend(write.ready_added.iter().cloned());
            self.ready.retain(|key| !write.ready_removed.contains(key));
            self.sent.extend(write.sent.iter().map(|message| (message.id, message.to)));
        }
        self.sent.retain(|id, _| !batch.delivered.contains(id));
        self.slots.extend(batch.limits.taken.iter().cloned());
        self.slots.retain(|slot| !batch.limits.freed.contains(slot));
        for window in &batch.limits.windows {
            self.windows.insert(window.limit.clone(), window.expected_version + 1);
        }
    }

    pub(super) fn limits() -> Vec<String> {
        LIMITS.iter().map(|limit| (*limit).to_owned()).collect()
    }

    /// Takes and frees slots of the executions that are written, sometimes too many, and sometimes
    /// writes a window, now and then on an old version.
    fn limit_moves(&mut self, writes: &[ExecutionWrite]) -> LimitMoves {
        let mut moves = LimitMoves::default();
        for write in writes {
            let id = write.id;
            let own: Vec<Slot> =
                self.slots.iter().filter(|slot| slot.task.execution() == id).cloned().collect();
            let freed: BTreeSet<Slot> = self.dice.some(2, &own).into_iter().collect();
            moves.freed.extend(freed);
            for _ in 0..self.dice.below(3) {
                let task = id.task(u32::try_from(self.dice.below(4)).unwrap() + 1);
                let slot = Slot { limit: self.dice.pick(&LIMITS).to_owned(), task };
                if !moves.freed.contains(&slot) && !moves.taken.contains(&slot) {
                    moves.taken.push(slot);
                }
            }
        }
        for slot in &moves.taken {
            if !self.dice.once_in(5) {
                let most = self.dice.below(12);
                moves.most.insert(slot.limit.clone(), most);
            }
        }
        for limit in LIMITS {
            if self.dice.once_in(4) {
                let version = self.windows.get(limit).copied().unwrap_or(0);
                let expected_version = version + i64::from(self.dice.once_in(8));
                let body = Bytes::from(self.now.to_string());
                moves.windows.push(WindowWrite { limit: limit.to_owned(), expected_version, body });
            }
        }
        moves
    }

    /// Loads all executions that ever were, with their journals.
    pub(super) fn everyone(&self) -> Vec<LoadRequest> {
        (0..=self.inserted).map(|n| LoadRequest { id: id(n), journal_after: Some(0) }).collect()
    }

    /// Searches that look at everything in every order.
    pub(super) fn audits() -> Vec<SearchQuery> {
        let all = SearchQuery { size: 100, ..SearchQuery::default() };
        let by = |sort| SearchQuery { sort, ..all.clone() };
        let ascending = SORTS.map(|field| by(vec![(field, SortOrder::Ascending)]));
        let descending = SORTS.map(|field| by(vec![(field, SortOrder::Descending)]));
        [ascending, descending].concat()
    }

    fn someone(&mut self) -> u64 {
        let alive: Vec<_> = self.alive.keys().copied().collect();
        if alive.is_empty() || self.dice.once_in(30) {
            self.inserted
        } else {
            self.dice.pick(&alive)
        }
    }

    fn task(&mut self) -> TaskId {
        let sequence = u32::try_from(1 + self.dice.below(3)).unwrap();
        id(self.someone()).task(sequence)
    }

    fn plan(&mut self) -> PlanHash {
        PlanHash([self.dice.pick(&[1, 2, 3, 4, 5, 6]); 32])
    }
}

const SORTS: [SortField; 7] = [
    SortField::CreatedAt,
    SortField::EndedAt,
    SortField::UpdatedAt,
    SortField::WorkflowName,
    SortField::Status,
    SortField::CorrelationId,
    SortField::Id,
];

/// Commits.
impl World {
    fn batch(&mut self) -> Batch {
        let mut writes = BTreeMap::new();
        let mut keys = BTreeSet::new();
        for _ in 0..self.dice.below(6) {
            let mut write = if self.dice.once_in(3) { self.insert() } else { self.update() };
            let name = write.index.as_ref().map(|index| index.workflow_name.clone());
            if !keys.insert((name, write.idempotency_key.clone())) {
                write.idempotency_key = None;
            }
            writes.insert(write.id, write);
        }
        let sent: Vec<_> = self.sent.keys().copied().collect();
        let mut delivered = self.dice.some(3, &sent);
        if self.dice.once_in(20) {
            let from = id(self.someone());
            delivered.push(MessageId { from, version: 1, number: 99 });
        }
        let plans = self.dice.some(2, &[1, 2, 3, 4]);
        let writes: Vec<_> = writes.into_values().collect();
        let limits =
            if self.dice.once_in(2) { self.limit_moves(&writes) } else { LimitMoves::default() };
        Batch {
            at: noon(self.now),
            revision: self.dice.once_in(8).then(|| self.definitions - self.dice.small(3)),
            plans: plans.iter().map(|n| (PlanHash([*n; 32]), json(&n.to_string()))).collect(),
            delivered,
            limits,
            ..batch(writes)
        }
    }

    fn insert(&mut self) -> ExecutionWrite {
        self.inserted += 1;
        let again = self.dice.once_in(20);
        let n = if again { self.someone() } else { self.inserted };
        let key = self.dice.once_in(6).then(|| self.dice.pick(&KEYS).to_owned());
        let index = Some(self.index());
        self.filled(n, ExecutionWrite { index, idempotency_key: key, ..insert(n) })
    }

    fn update(&mut self) -> ExecutionWrite {
        let n = self.someone();
        let version = self.alive.get(&n).copied().unwrap_or(1);
        let expected = if self.dice.once_in(20) { version + 1 } else { version };
        let index = self.dice.once_in(5).then(|| self.index());
        let input = self.dice.once_in(5).then(|| json(&self.now.to_string()));
        let overview = self.dice.once_in(3).then(|| Bytes::from(self.now.to_string()));
        let write = ExecutionWrite { index, input, overview, ..update(n, expected) };
        self.filled(n, write)
    }

    fn index(&mut self) -> ExecutionIndex {
        let task = self.task();
        ExecutionIndex {
            workflow_name: self.dice.pick(&NAMES).to_owned(),
            workflow_version: self.dice.pick(&[1, 2]),
            correlation_id: self.dice.maybe(&NAMES).map(str::to_owned),
            created_at: noon(self.dice.small(50)),
            parent: self.dice.once_in(3).then_some(task),
            plan: self.plan(),
        }
    }

    /// The write with random times, tasks and messages.
    fn filled(&mut self, n: u64, write: ExecutionWrite) -> ExecutionWrite {
        let own: Vec<_> =
            self.ready.iter().filter(|key| key.task.execution() == id(n)).cloned().collect();
        let sent = (0..self.dice.below(3)).map(|_| self.someone()).collect::<Vec<_>>();
        let version = write.expected_version + 1;
        let sent = (0..).zip(sent).map(|(number, to)| StoredMessage {
            id: MessageId { from: id(n), version, number },
            to: id(to),
            body: Bytes::from(format!("{to} {number}")),
        });
        ExecutionWrite {
            status: self.dice.maybe(&WorkflowStatus::ALL).unwrap_or(WorkflowStatus::Running),
            waits: Waits(self.dice.pick(&WAITS)),
            wake_at: self.dice.once_in(2).then(|| noon(self.dice.small(2_000))),
            ended_at: self.dice.once_in(3).then(|| noon(self.dice.small(90))),
            ready_added: self.ready_added(n),
            ready_removed: self.dice.some(2, &own),
            sent: sent.collect(),
            ..write
        }
    }

    /// New places: each has a task number and a time of its own.
    fn ready_added(&mut self, n: u64) -> Vec<ReadyKey> {
        let key = |world: &mut Self, at: u64| ReadyKey {
            queue: world.dice.pick(&QUEUES).to_owned(),
            priority: world.dice.pick(&[0, 1, 50, 99]),
            ready_at: noon(world.now / 3),
            task: id(n).task(u32::try_from(world.now * 4).unwrap() + u32::try_from(at).unwrap()),
        };
        (0..self.dice.below(3)).map(|at| key(self, at)).collect()
    }
}

/// Everything else.
impl World {
    fn requests(&mut self) -> Vec<LoadRequest> {
        (0..self.dice.below(6))
            .map(|_| LoadRequest {
                id: id(self.someone()),
                journal_after: self.dice.maybe(&[0, 1, 2, 5, 90]),
            })
            .collect()
    }

    fn reserve(&mut self) -> Operation {
        let wanted: BTreeSet<_> = self.dice.some(3, &["q", "eu:q", "r"]).into_iter().collect();
        let demands = wanted.into_iter().map(|queue| QueueDemand {
            queue: queue.to_owned(),
            count: self.dice.pick(&[1, 2, 3, 9]),
        });
        let demands = demands.collect();
        Operation::Reserve(demands, self.dice.pick(&[0, 0, LONG_MS]))
    }

    fn definitions(&mut self) -> Vec<DefinitionWrite> {
        (0..=self.dice.below(2)).map(|_| self.definition()).collect()
    }

    fn definition(&mut self) -> DefinitionWrite {
        let (name, version) = (self.dice.pick(&NAMES).to_owned(), self.dice.pick(&[1, 2]));
        let body = json(&self.now.to_string());
        match self.dice.below(6) {
            0 => DefinitionWrite::DeleteWorkflow { name, version },
            1 => DefinitionWrite::DeleteTask { name },
            2 => DefinitionWrite::PutTask { name, body },
            _ => {
                let overwrite = self.dice.once_in(2);
                DefinitionWrite::PutWorkflow { name, version, body, overwrite }
            }
        }
    }

    fn logs(&mut self) -> Vec<TaskLog> {
        let alive: BTreeSet<_> = self.alive.keys().map(|n| id(*n)).collect();
        let tasks: Vec<_> = (0..self.dice.below(4)).map(|_| self.task()).collect();
        let tasks = tasks.into_iter().filter(|task| alive.contains(&task.execution()));
        let line = |task| TaskLog {
            task,
            at: noon(self.now + self.dice.small(5)),
            line: self.dice.bits().to_string(),
        };
        tasks.map(line).collect()
    }

    fn poll(&mut self) -> Operation {
        if self.dice.once_in(2) {
            return Operation::Polls(self.dice.maybe(&NAMES).map(str::to_owned));
        }
        let poll = PollRecord {
            task_type: self.dice.pick(&NAMES).to_owned(),
            domain: self.dice.pick(&["", "eu"]).to_owned(),
            worker: format!("worker {}", self.now),
            at: noon(self.now),
        };
        Operation::RecordPolls(vec![poll])
    }

    /// Of the version that it has, of an earlier one, or rarely of one to come.
    fn snapshot(&mut self) -> SnapshotWrite {
        let n = self.someone();
        let newest = self.alive.get(&n).copied().unwrap_or(1);
        let version = (newest + self.dice.pick(&[0, 0, -1, -2, 1])).max(1);
        let body = Bytes::from(format!("{version} {}", self.now));
        let history = self.dice.pick(&[JournalHistory::Keep, JournalHistory::Drop]);
        SnapshotWrite { id: id(n), snapshot: Snapshot { version, body }, history }
    }

    /// At the version that it has, or rarely at another.
    fn removal(&mut self) -> Operation {
        let n = self.someone();
        let newest = self.alive.get(&n).copied().unwrap_or(1);
        Operation::Remove(id(n), newest + self.dice.pick(&[0, 0, 0, -1, 1]))
    }

    fn query(&mut self) -> SearchQuery {
        let ids: Vec<_> = (0..3).map(|_| id(self.someone())).collect();
        let texts = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
        let parents = [ParentFilter::None, ParentFilter::Of(ids[0]), ParentFilter::Of(ids[1])];
        let ids = if self.dice.once_in(6) { ids } else { Vec::new() };
        let mut rarely = |end| self.dice.once_in(5).then(|| noon(self.dice.small(end)));
        let (created_after, created_before) = (rarely(50), rarely(50));
        let (ended_after, ended_before) = (rarely(90), rarely(90));
        let orders = [SortOrder::Ascending, SortOrder::Descending];
        let sort = self.dice.some(2, &SORTS).into_iter();
        SearchQuery {
            ids,
            sort: sort.map(|field| (field, self.dice.pick(&orders))).collect(),
            statuses: self.dice.some(2, &WorkflowStatus::ALL),
            workflow_names: texts(self.dice.some(2, &PATTERNS)),
            workflow_version: self.dice.once_in(4).then(|| self.dice.pick(&[1, 2, 3])),
            correlation_ids: if self.dice.once_in(3) {
                texts(self.dice.some(2, &PATTERNS))
            } else {
                Vec::new()
            },
            parent: self.dice.once_in(4).then(|| self.dice.pick(&parents)),
            created_after,
            created_before,
            ended_after,
            ended_before,
            start: u32::try_from(self.dice.small(4)).unwrap(),
            size: u32::try_from(self.dice.small(40)).unwrap(),
        }
    }
}
