//! The rows that pass between the engine and a store.
use baton_common::{ExecutionId, Payload, TaskId, Timestamp, WorkflowStatus};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Counts the commits of one execution; 0 = not inserted yet.
pub type Version = i64;

/// Counts the changes of the definitions of a database.
pub type Revision = i64;

/// What a transaction of a store reaches without a second round trip or a second node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommitScope {
    /// All executions.
    Database,
    /// The executions of one shard, with the idempotency keys and the messages that it keeps.
    Shard,
}

/// SHA-256 of a pinned definition.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PlanHash(pub [u8; 32]);

/// What an open execution waits for, as bits that SQL can test.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Waits(pub i16);

impl Waits {
    /// A worker holds a task; the lease's end is a wake-up time.
    pub const LEASE: i16 = 1;
    /// A task is ready for any worker.
    pub const READY: i16 = 2;
    /// A child execution is open.
    pub const CHILD: i16 = 4;
    /// A person or another system must act.
    pub const EXTERNAL: i16 = 8;
    /// A time must come; it is a wake-up time.
    pub const TIMER: i16 = 16;
    /// It is a child that went on after an end: its parent need not wait for it.
    pub const REOPENED: i16 = 32;

    /// Whether one of the bits is set.
    pub const fn has(self, bits: i16) -> bool {
        self.0 & bits != 0
    }
}

/// Everything that is committed together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The commit's time by the engine's clock, for message and poll rows.
    pub at: Timestamp,
    /// The revision of the definitions that the decisions read, when they read any.
    pub revision: Option<Revision>,
    /// Pinned definitions that the writes refer to and that may not be stored yet.
    pub plans: Vec<(PlanHash, Payload)>,
    /// One entry for each execution that changes; sorted by shard and id, no id twice.
    pub writes: Vec<ExecutionWrite>,
    /// Messages that have their effect in this commit; their rows go. A row that is not there is a
    /// conflict, as a lost version is, so that no message has its effect twice. One that is named
    /// twice counts once; one that this batch sends is there.
    pub delivered: Vec<MessageId>,
    /// What its tasks take and free of what is limited.
    pub limits: LimitMoves,
}

impl Batch {
    /// The delivered messages that must be stored before the commit: each once, in the order of their
    /// ids, without those that the batch itself sends.
    pub fn to_deliver(&self) -> BTreeSet<MessageId> {
        let mut stored: BTreeSet<_> = self.delivered.iter().copied().collect();
        if stored.is_empty() {
            return stored;
        }
        for message in self.writes.iter().flat_map(|write| &write.sent) {
            stored.remove(&message.id);
        }
        stored
    }
}

/// One execution's part of a batch.
#[derive(Clone, Debug)]
pub struct ExecutionWrite {
    /// Which execution.
    pub id: ExecutionId,
    /// The version it must have now; 0 = it must not exist. It has the next one afterwards.
    pub expected_version: Version,
    /// Its status.
    pub status: WorkflowStatus,
    /// What it waits for.
    pub waits: Waits,
    /// When it must be looked at; `None` = no deadline.
    pub wake_at: Option<Timestamp>,
    /// When it ended; `None` while open.
    pub ended_at: Option<Timestamp>,
    /// What it is found by; given at insert, later only when it changed.
    pub index: Option<ExecutionIndex>,
    /// Its input; given at insert, later only when it changed.
    pub input: Option<Payload>,
    /// Execution-level facts, opaque; given at insert, later only when they changed.
    pub overview: Option<Bytes>,
    /// The changes of this commit, opaque; kept under the new version.
    pub journal: Bytes,
    /// Only at insert: at most one execution per workflow name has this key.
    pub idempotency_key: Option<String>,
    /// Tasks that any worker may take now.
    pub ready_added: Vec<ReadyKey>,
    /// Tasks that no worker may take any more; missing rows are passed over.
    pub ready_removed: Vec<ReadyKey>,
    /// Messages to other executions.
    pub sent: Vec<StoredMessage>,
}

/// A place under a limit. It belongs to one task for as long as that holds it; slots of executions are
/// those of a task with number 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// The name of the limit.
    pub limit: String,
    /// Who holds it.
    pub task: TaskId,
}

/// What a batch takes and frees of what is limited. The slots that a task holds follow from its state,
/// so they move in the commit that changes the state and in no other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitMoves {
    /// Slots that the batch takes; one that is held already is passed over.
    pub taken: Vec<Slot>,
    /// Slots that it frees; one that nobody holds is passed over. None is taken and freed at once.
    pub freed: Vec<Slot>,
    /// How many slots of a limit may be held once the batch is committed. More is a conflict.
    pub most: BTreeMap<String, u64>,
    /// Windows that the batch writes, no limit twice.
    pub windows: Vec<WindowWrite>,
}

impl LimitMoves {
    /// Whether nothing is limited, as in most batches.
    pub fn is_empty(&self) -> bool {
        let Self { taken, freed, most: _, windows } = self;
        taken.is_empty() && freed.is_empty() && windows.is_empty()
    }

    /// The limits that it moves, in their order, each once.
    pub fn names(&self) -> BTreeSet<&str> {
        let slots = self.taken.iter().chain(&self.freed).map(|slot| slot.limit.as_str());
        slots.chain(self.windows.iter().map(|window| window.limit.as_str())).collect()
    }
}

/// What a limit has let through lately: the record of a rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowWrite {
    /// The name of the limit.
    pub limit: String,
    /// The version that its window must have now; 0 = it must not exist. It has the next one afterwards.
    pub expected_version: Version,
    /// The record, opaque.
    pub body: Bytes,
}

/// What the database knows of a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LimitState {
    /// Its name.
    pub limit: String,
    /// How many slots are held.
    pub in_use: u64,
    /// How often its window was written.
    pub window_version: Version,
    /// Its window; empty before the first write.
    pub window: Bytes,
}

/// How many slots of a limit are held after a commit.
pub type InUse = Vec<(String, u64)>;

/// What an execution is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionIndex {
    /// Name of its workflow definition.
    pub workflow_name: String,
    /// Version of its workflow definition.
    pub workflow_version: i32,
    /// The caller's own id.
    pub correlation_id: Option<String>,
    /// Start (of the last restart).
    pub created_at: Timestamp,
    /// The SUB_WORKFLOW task that started it.
    pub parent: Option<TaskId>,
    /// The pinned definition it runs on.
    pub plan: PlanHash,
}

/// Stands in a queue's name before the name of a lane, and nowhere else.
pub const LANE: char = '\u{1f}';

/// The queue that a lane belongs to; a queue is its own.
pub fn queue_of_lane(queue: &str) -> &str {
    queue.split_once(LANE).map_or(queue, |(queue, _)| queue)
}

/// What limits the tasks of a lane; `None` for a queue's other tasks.
pub fn limit_of_lane(queue: &str) -> Option<&str> {
    queue.split_once(LANE).map(|(_, limit)| limit)
}

/// Most lanes of a queue from which tasks are named at once.
pub const LANES_MAX: usize = 1_000;

/// A ready task's place in its queue, which is also its row's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReadyKey {
    /// `taskType` or `domain:taskType`. Tasks of a queue that have a limit of their own are in a lane, so
    /// that those that must wait are not in the way of the others: [`LANE`] and the limit's name follow.
    pub queue: String,
    /// 0 to 99; higher comes first.
    pub priority: u8,
    /// When it became ready; earlier comes first.
    pub ready_at: Timestamp,
    /// The task.
    pub task: TaskId,
}

/// How many tasks of a queue are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDemand {
    /// The queue; its lanes too.
    pub queue: String,
    /// At most this many of the queue and of each of its first [`LANES_MAX`] lanes, from 1.
    pub count: u32,
}

/// What waits in a queue, or in a lane of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueSize {
    /// The queue.
    pub queue: String,
    /// Ready tasks, from 1.
    pub ready: u64,
    /// Since when the oldest of them is ready.
    pub oldest: Timestamp,
}

/// Names a message by its sender's commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId {
    /// The execution that sent it.
    pub from: ExecutionId,
    /// The version at which it was sent.
    pub version: Version,
    /// Its number among the messages of that commit.
    pub number: i32,
}

/// Something one execution tells another, at least once; the receiver makes it idempotent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its name.
    pub id: MessageId,
    /// Who gets it.
    pub to: ExecutionId,
    /// What it says, opaque.
    pub body: Bytes,
}

/// Which part of an execution is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadRequest {
    /// Which execution.
    pub id: ExecutionId,
    /// Journal entries after this version, with the newest snapshot in place of those that it
    /// replaces; `None` = none of them.
    pub journal_after: Option<Version>,
}

/// An execution as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedExecution {
    /// Its row.
    pub row: ExecutionRow,
    /// Its newest snapshot, when journal entries were asked for and it is newer than the version
    /// asked for.
    pub snapshot: Option<Snapshot>,
    /// The journal entries asked for that are newer than the snapshot, by ascending version.
    pub journal: Vec<(Version, Bytes)>,
}

/// The whole state of an execution as of one version, in place of the journal entries up to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The version.
    pub version: Version,
    /// The state, opaque.
    pub body: Bytes,
}

/// A snapshot to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotWrite {
    /// Which execution.
    pub id: ExecutionId,
    /// Its state.
    pub snapshot: Snapshot,
    /// What becomes of the journal entries that it replaces.
    pub history: JournalHistory,
}

/// Whether journal entries that no load reads any more are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JournalHistory {
    /// They stay, as the execution's history.
    #[default]
    Keep,
    /// They are deleted, the oldest first, at most [`HISTORY_DROPPED_MAX`] with each snapshot.
    Drop,
}

/// Most journal entries deleted with one snapshot: ten times what one replaces, so that a database
/// which kept its history catches up, in transactions of a bounded size.
pub const HISTORY_DROPPED_MAX: u32 = 10_000;

/// What an explanation needs to know at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitQuery {
    /// Executions, each with the journal entries asked for.
    pub executions: Vec<LoadRequest>,
    /// Ready tasks whose places are wanted.
    pub places: Vec<ReadyKey>,
    /// Which last polls are wanted.
    pub polls: PollQuery,
}

impl WaitQuery {
    /// Asks for the last polls of a task type, or of all, and for nothing else.
    pub fn of_polls(task_type: Option<&str>) -> Self {
        let polls = task_type.map(|name| PollQuery::Of(vec![name.to_owned()]));
        Self { polls: polls.unwrap_or(PollQuery::All), ..Self::default() }
    }
}

/// Which last polls are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PollQuery {
    /// Those of these task types.
    Of(Vec<String>),
    /// All.
    All,
}

impl Default for PollQuery {
    fn default() -> Self {
        Self::Of(Vec::new())
    }
}

/// The answer to a [`WaitQuery`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitFacts {
    /// In the order asked; `None` where there is none.
    pub executions: Vec<Option<LoadedExecution>>,
    /// In the order asked; `None` for a task that is not ready.
    pub places: Vec<Option<ReadyPlace>>,
    /// The last poll of each task type asked for, in each domain, in no order.
    pub polls: Vec<PollRecord>,
}

/// Counting ready tasks stops at this number: an answer costs the same however long a queue is.
pub const READY_COUNT_MAX: u32 = 10_000;

/// A ready task's place in its queue; both numbers stop at [`READY_COUNT_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadyPlace {
    /// Tasks that are handed out before it, reserved ones included.
    pub ahead: u64,
    /// Tasks in the queue, itself and reserved ones included.
    pub size: u64,
}

/// An execution's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionRow {
    /// Its id.
    pub id: ExecutionId,
    /// How many commits it has had.
    pub version: Version,
    /// Its status.
    pub status: WorkflowStatus,
    /// What it waits for.
    pub waits: Waits,
    /// When it must be looked at.
    pub wake_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When it last changed: the `at` of its last commit.
    pub updated_at: Timestamp,
    /// What it is found by.
    pub index: ExecutionIndex,
    /// Its input.
    pub input: Payload,
    /// Execution-level facts.
    pub overview: Bytes,
}

/// A change of the definitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefinitionWrite {
    /// Creates a workflow definition, or replaces it when `overwrite`.
    PutWorkflow {
        /// Name.
        name: String,
        /// Version.
        version: i32,
        /// The whole definition.
        body: Payload,
        /// Whether one with this name and version may be replaced.
        overwrite: bool,
    },
    /// Deletes one version of a workflow definition.
    DeleteWorkflow {
        /// Name.
        name: String,
        /// Version.
        version: i32,
    },
    /// Creates or replaces a task definition.
    PutTask {
        /// Name.
        name: String,
        /// The whole definition.
        body: Payload,
    },
    /// Deletes a task definition.
    DeleteTask {
        /// Name.
        name: String,
    },
}

/// What changed among the definitions; a body of `None` means deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefinitionChanges {
    /// The newest revision.
    pub revision: Revision,
    /// Workflow definitions: name, version, body.
    pub workflows: Vec<(String, i32, Option<Payload>)>,
    /// Task definitions: name, body.
    pub tasks: Vec<(String, Option<Payload>)>,
}

/// Which executions a search wants; empty lists mean any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchQuery {
    /// Ids.
    pub ids: Vec<ExecutionId>,
    /// Statuses.
    pub statuses: Vec<WorkflowStatus>,
    /// Workflow names; a `*` stands for any text.
    pub workflow_names: Vec<String>,
    /// Version of the workflow definition.
    pub workflow_version: Option<i32>,
    /// Correlation ids; a `*` stands for any text.
    pub correlation_ids: Vec<String>,
    /// Parents.
    pub parent: Option<ParentFilter>,
    /// Started after this moment (exclusive).
    pub created_after: Option<Timestamp>,
    /// Started before this moment (exclusive).
    pub created_before: Option<Timestamp>,
    /// Ended after this moment (exclusive).
    pub ended_after: Option<Timestamp>,
    /// Ended before this moment (exclusive).
    pub ended_before: Option<Timestamp>,
    /// The order; what is equal by all of it comes by id.
    pub sort: Vec<(SortField, SortOrder)>,
    /// How many to pass over.
    pub start: u32,
    /// How many to return at most.
    pub size: u32,
}

/// Which parents a search wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentFilter {
    /// Executions that no other started.
    None,
    /// Executions that this one started.
    Of(ExecutionId),
}

/// What a search can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortField {
    /// Start time.
    CreatedAt,
    /// End time; open ones as the earliest.
    EndedAt,
    /// Last change.
    UpdatedAt,
    /// Workflow name.
    WorkflowName,
    /// Status, by name.
    Status,
    /// Correlation id; without one as the earliest.
    CorrelationId,
    /// The execution's id.
    Id,
}

/// Which way a search is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortOrder {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// One page of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchPage {
    /// How many match in all.
    pub total_hits: u64,
    /// This page.
    pub executions: Vec<ExecutionRow>,
}

/// One log line of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskLog {
    /// The task.
    pub task: TaskId,
    /// When it was written.
    pub at: Timestamp,
    /// The line.
    pub line: String,
}

/// When a worker last polled a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollRecord {
    /// The task type.
    pub task_type: String,
    /// The domain, empty for none.
    pub domain: String,
    /// The worker.
    pub worker: String,
    /// When.
    pub at: Timestamp,
}
