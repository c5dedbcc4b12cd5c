//! A batch as columns: the arrays that `baton_commit` takes.
use crate::text::text;
use baton_common::ids::shard_of_key;
use baton_common::{ExecutionId, TaskId, Timestamp};
use baton_store::{
    Batch, ExecutionIndex, ExecutionWrite, MessageId, PlanHash, ReadyKey, StoredMessage,
};
use bytes::BytesMut;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::error::Error;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

/// One parameter of a statement.
pub(crate) type Param<'a> = &'a (dyn ToSql + Sync);

/// An array; null as a whole when it is empty or holds only nulls, which the server skips.
#[derive(Debug)]
pub(crate) struct Column<T>(Vec<Option<T>>);

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Column<T> {
    pub(crate) fn push(&mut self, value: T) {
        self.0.push(Some(value));
    }

    pub(crate) fn push_option(&mut self, value: Option<T>) {
        self.0.push(value);
    }
}

impl<T: ToSql> ToSql for Column<T> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        if self.0.iter().all(Option::is_none) { Ok(IsNull::Yes) } else { self.0.to_sql(ty, out) }
    }

    fn accepts(ty: &Type) -> bool {
        <Vec<Option<T>> as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}

/// The shard as the columns have it.
pub(crate) fn shard(id: ExecutionId) -> i16 {
    id.shard().into()
}

/// The task's number as the columns have it; 24 bits always fit.
pub(crate) fn seq(task: TaskId) -> i32 {
    task.seq().cast_signed()
}

type Text<'a> = Cow<'a, str>;

/// The shard that a statement is about: `None` = any.
pub(crate) type OneShard = Option<u8>;

fn holds(only: OneShard, shard: u8) -> bool {
    only.is_none_or(|only| only == shard)
}

/// The shards in which a batch has rows; its own executions' and those of what else it touches.
pub(crate) fn shards_of(batch: &Batch) -> BTreeSet<u8> {
    let mut shards: BTreeSet<u8> = batch.delivered.iter().map(|id| id.from.shard()).collect();
    for write in &batch.writes {
        shards.insert(write.id.shard());
        let ready = write.ready_added.iter().chain(&write.ready_removed);
        shards.extend(ready.map(|key| key.task.execution().shard()));
        shards.extend(write.sent.iter().map(|message| message.id.from.shard()));
        shards.extend(key(write).map(|key| key.shard));
    }
    shards
}

/// A batch, cut into the sections of `baton_commit` in the order of its parameters.
#[derive(Default)]
pub(crate) struct Columns<'a> {
    shard: Option<i16>,
    at: i64,
    revision: Option<i64>,
    plan_hash: Column<&'a [u8]>,
    plan_body: Column<&'a [u8]>,
    steps: Steps<'a>,
    renewals: Renewals<'a>,
    inserts: Inserts<'a>,
    keys: Keys<'a>,
    ready: ReadyRows<'a>,
    gone: ReadyRows<'a>,
    sent: Messages<'a>,
    done: MessageIds,
    done_count: i32,
}

impl<'a> Columns<'a> {
    /// The rows of the batch that lie in shard `only`.
    pub(crate) fn of(batch: &'a Batch, only: OneShard) -> Self {
        let mut columns = Self {
            shard: only.map(i16::from),
            at: batch.at.millis(),
            revision: batch.revision,
            ..Self::default()
        };
        let mut plans: Vec<_> = batch.plans.iter().collect();
        plans.sort_unstable_by_key(|(hash, _)| *hash);
        for (PlanHash(hash), body) in plans {
            columns.plan_hash.push(hash);
            columns.plan_body.push(body.get().as_bytes());
        }
        for write in &batch.writes {
            columns.push(write, only);
        }
        columns.keys = Keys::of(&batch.writes, only);
        let mut delivered: Vec<&MessageId> =
            batch.delivered.iter().filter(|id| holds(only, id.from.shard())).collect();
        delivered.sort_unstable_by_key(|id| (id.from.shard(), **id));
        delivered.dedup();
        for id in delivered {
            columns.done.push(id);
            columns.done_count += 1;
        }
        columns
    }

    fn push(&mut self, write: &'a ExecutionWrite, only: OneShard) {
        if holds(only, write.id.shard()) {
            if write.expected_version == 0 {
                self.inserts.push(write);
            } else {
                self.steps.push(write);
                self.renewals.push(write);
            }
        }
        let is_here = |key: &&ReadyKey| holds(only, key.task.execution().shard());
        write.ready_added.iter().filter(is_here).for_each(|key| self.ready.push(key));
        write.ready_removed.iter().filter(is_here).for_each(|key| self.gone.push(key));
        let is_here = |message: &&StoredMessage| holds(only, message.id.from.shard());
        write.sent.iter().filter(is_here).for_each(|message| self.sent.push(message));
    }

    pub(crate) fn params(&self) -> Vec<Param<'_>> {
        let first: [Param<'_>; 5] =
            [&self.shard, &self.at, &self.revision, &self.plan_hash, &self.plan_body];
        let mut params = first.to_vec();
        params.extend(self.steps.params());
        params.extend(self.renewals.params());
        params.extend(self.inserts.params());
        params.extend(self.keys.params());
        params.extend(self.ready.params());
        params.extend(self.gone.params());
        params.extend(self.sent.params());
        params.extend(self.done.params());
        params.push(&self.done_count);
        params
    }
}

#[derive(Default)]
struct Steps<'a> {
    shard: Column<i16>,
    id: Column<Uuid>,
    version: Column<i64>,
    status: Column<i16>,
    waits: Column<i16>,
    wake_at: Column<i64>,
    ended_at: Column<i64>,
    overview: Column<&'a [u8]>,
    journal: Column<&'a [u8]>,
}

impl<'a> Steps<'a> {
    fn push(&mut self, write: &'a ExecutionWrite) {
        self.shard.push(shard(write.id));
        self.id.push(write.id.uuid());
        self.version.push(write.expected_version);
        self.status.push(write.status.code());
        self.waits.push(write.waits.0);
        self.wake_at.push_option(write.wake_at.map(Timestamp::millis));
        self.ended_at.push_option(write.ended_at.map(Timestamp::millis));
        self.overview.push_option(write.overview.as_deref());
        self.journal.push(&write.journal);
    }

    fn params(&self) -> [Param<'_>; 9] {
        [
            &self.shard,
            &self.id,
            &self.version,
            &self.status,
            &self.waits,
            &self.wake_at,
            &self.ended_at,
            &self.overview,
            &self.journal,
        ]
    }
}

#[derive(Default)]
struct Index<'a> {
    workflow_name: Column<Text<'a>>,
    workflow_version: Column<i32>,
    correlation_id: Column<Text<'a>>,
    created_at: Column<i64>,
    parent: Column<Uuid>,
    parent_seq: Column<i32>,
    plan: Column<&'a [u8]>,
}

impl<'a> Index<'a> {
    fn push(&mut self, index: Option<&'a ExecutionIndex>) {
        let correlation_id = index.and_then(|index| index.correlation_id.as_deref());
        let parent = index.and_then(|index| index.parent);
        self.workflow_name.push_option(index.map(|index| text(&index.workflow_name)));
        self.workflow_version.push_option(index.map(|index| index.workflow_version));
        self.correlation_id.push_option(correlation_id.map(text));
        self.created_at.push_option(index.map(|index| index.created_at.millis()));
        self.parent.push_option(parent.map(|task| task.execution().uuid()));
        self.parent_seq.push_option(parent.map(seq));
        self.plan.push_option(index.map(|index| index.plan.0.as_slice()));
    }

    fn params(&self) -> [Param<'_>; 7] {
        [
            &self.workflow_name,
            &self.workflow_version,
            &self.correlation_id,
            &self.created_at,
            &self.parent,
            &self.parent_seq,
            &self.plan,
        ]
    }
}

#[derive(Default)]
struct Renewals<'a> {
    shard: Column<i16>,
    id: Column<Uuid>,
    index: Index<'a>,
    input: Column<&'a [u8]>,
}

impl<'a> Renewals<'a> {
    fn push(&mut self, write: &'a ExecutionWrite) {
        if write.index.is_none() && write.input.is_none() {
            return;
        }
        self.shard.push(shard(write.id));
        self.id.push(write.id.uuid());
        self.index.push(write.index.as_ref());
        self.input.push_option(write.input.as_ref().map(|input| input.get().as_bytes()));
    }

    fn params(&self) -> Vec<Param<'_>> {
        let mut params: Vec<Param<'_>> = vec![&self.shard, &self.id];
        params.extend(self.index.params());
        params.push(&self.input);
        params
    }
}

#[derive(Default)]
struct Inserts<'a> {
    shard: Column<i16>,
    id: Column<Uuid>,
    status: Column<i16>,
    waits: Column<i16>,
    wake_at: Column<i64>,
    ended_at: Column<i64>,
    index: Index<'a>,
    input: Column<&'a [u8]>,
    overview: Column<&'a [u8]>,
    journal: Column<&'a [u8]>,
}

impl<'a> Inserts<'a> {
    fn push(&mut self, write: &'a ExecutionWrite) {
        self.shard.push(shard(write.id));
        self.id.push(write.id.uuid());
        self.status.push(write.status.code());
        self.waits.push(write.waits.0);
        self.wake_at.push_option(write.wake_at.map(Timestamp::millis));
        self.ended_at.push_option(write.ended_at.map(Timestamp::millis));
        self.index.push(write.index.as_ref());
        self.input.push_option(write.input.as_ref().map(|input| input.get().as_bytes()));
        self.overview.push_option(write.overview.as_deref());
        self.journal.push(&write.journal);
    }

    fn params(&self) -> Vec<Param<'_>> {
        let mut params: Vec<Param<'_>> =
            vec![&self.shard, &self.id, &self.status, &self.waits, &self.wake_at, &self.ended_at];
        params.extend(self.index.params());
        let rest: [Param<'_>; 3] = [&self.input, &self.overview, &self.journal];
        params.extend(rest);
        params
    }
}

/// The idempotency keys that a batch's inserts bring, in the order of their rows' key.
#[derive(Default)]
pub(crate) struct Keys<'a> {
    shard: Column<i16>,
    workflow_name: Column<Text<'a>>,
    key: Column<Text<'a>>,
    id: Column<Uuid>,
    /// New executions that bring the same key as an earlier one of the batch, each with that one.
    pub(crate) doubled: Vec<(ExecutionId, ExecutionId)>,
}

/// A key and the new execution that brings it. The key has a shard of its own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    shard: u8,
    workflow_name: Text<'a>,
    text: Text<'a>,
}

impl<'a> Keys<'a> {
    pub(crate) fn of(writes: &'a [ExecutionWrite], only: OneShard) -> Self {
        let keyed = writes.iter().filter_map(|write| Some((key(write)?, write.id)));
        let mut keys: Vec<_> = keyed.filter(|(key, _)| holds(only, key.shard)).collect();
        keys.sort_by(|(key, _), (other, _)| key.cmp(other));
        let mut columns = Self::default();
        let mut last: Option<(Key<'a>, ExecutionId)> = None;
        for (key, id) in keys {
            match &last {
                Some((held, holder)) if *held == key => columns.doubled.push((id, *holder)),
                _ => last = Some((key.clone(), id)),
            }
            columns.shard.push(key.shard.into());
            columns.workflow_name.push(key.workflow_name);
            columns.key.push(key.text);
            columns.id.push(id.uuid());
        }
        columns
    }

    fn params(&self) -> [Param<'_>; 4] {
        [&self.shard, &self.workflow_name, &self.key, &self.id]
    }
}

fn key(write: &ExecutionWrite) -> Option<Key<'_>> {
    let (key, index) = (write.idempotency_key.as_ref()?, write.index.as_ref()?);
    let shard = shard_of_key(&index.workflow_name, key);
    let workflow_name = text(&index.workflow_name);
    (write.expected_version == 0).then(|| Key { shard, workflow_name, text: text(key) })
}

/// Places in queues, as columns.
#[derive(Default)]
pub(crate) struct ReadyRows<'a> {
    queue: Column<Text<'a>>,
    rank: Column<i16>,
    at: Column<i64>,
    id: Column<Uuid>,
    seq: Column<i32>,
    shard: Column<i16>,
}

impl<'a> ReadyRows<'a> {
    pub(crate) fn push(&mut self, key: &'a ReadyKey) {
        let id = key.task.execution();
        self.queue.push(text(&key.queue));
        self.rank.push(99 - i16::from(key.priority));
        self.at.push(key.ready_at.millis());
        self.id.push(id.uuid());
        self.seq.push(seq(key.task));
        self.shard.push(shard(id));
    }

    pub(crate) fn params(&self) -> [Param<'_>; 6] {
        [&self.queue, &self.rank, &self.at, &self.id, &self.seq, &self.shard]
    }
}

#[derive(Default)]
struct MessageIds {
    shard: Column<i16>,
    from: Column<Uuid>,
    version: Column<i64>,
    number: Column<i32>,
}

impl MessageIds {
    fn push(&mut self, id: &MessageId) {
        self.shard.push(shard(id.from));
        self.from.push(id.from.uuid());
        self.version.push(id.version);
        self.number.push(id.number);
    }

    fn params(&self) -> [Param<'_>; 4] {
        [&self.shard, &self.from, &self.version, &self.number]
    }
}

#[derive(Default)]
struct Messages<'a> {
    id: MessageIds,
    to_shard: Column<i16>,
    to: Column<Uuid>,
    body: Column<&'a [u8]>,
}

impl<'a> Messages<'a> {
    fn push(&mut self, message: &'a StoredMessage) {
        self.id.push(&message.id);
        self.to_shard.push(shard(message.to));
        self.to.push(message.to.uuid());
        self.body.push(&message.body);
    }

    fn params(&self) -> Vec<Param<'_>> {
        let mut params = self.id.params().to_vec();
        let rest: [Param<'_>; 3] = [&self.to_shard, &self.to, &self.body];
        params.extend(rest);
        params
    }
}

/// The same batch as `commit_losers.sql` asks about it.
#[derive(Default)]
pub(crate) struct Fences<'a> {
    only: Option<i16>,
    shard: Column<i16>,
    id: Column<Uuid>,
    version: Column<i64>,
    keys: Keys<'a>,
    revision: Option<i64>,
    messages: MessageIds,
}

impl<'a> Fences<'a> {
    pub(crate) fn of(batch: &'a Batch, only: OneShard) -> Self {
        let keys = Keys::of(&batch.writes, only);
        let shard_only = only.map(i16::from);
        let mut fences =
            Self { only: shard_only, keys, revision: batch.revision, ..Self::default() };
        for write in batch.writes.iter().filter(|write| holds(only, write.id.shard())) {
            fences.shard.push(shard(write.id));
            fences.id.push(write.id.uuid());
            fences.version.push(write.expected_version);
        }
        let messages = batch.to_deliver().into_iter();
        messages.filter(|id| holds(only, id.from.shard())).for_each(|id| fences.messages.push(&id));
        fences
    }

    pub(crate) fn params(&self) -> Vec<Param<'_>> {
        let mut params: Vec<Param<'_>> = vec![&self.only, &self.shard, &self.id, &self.version];
        params.extend(self.keys.params());
        params.push(&self.revision);
        params.extend(self.messages.params());
        params
    }

    /// Adds the new executions whose key is free but comes twice in this batch.
    pub(crate) fn add_doubled(&self, idempotency: &mut Vec<(ExecutionId, ExecutionId)>) {
        for double in &self.keys.doubled {
            if !idempotency.iter().any(|(inserted, _)| *inserted == double.0) {
                idempotency.push(*double);
            }
        }
        idempotency.sort_unstable_by_key(|(inserted, _)| (inserted.shard(), *inserted));
    }
}
