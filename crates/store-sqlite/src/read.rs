//! What readers ask, each inside one snapshot.
use crate::rows::{
    bytes, execution, execution_bytes, execution_id, payload, payload_or_none, task_bytes,
    timestamp,
};
use baton_common::{ExecutionId, Payload, TaskId, Timestamp};
use baton_store::{
    DefinitionChanges, LoadRequest, LoadedExecution, MessageId, PlanHash, PollQuery, PollRecord,
    QueueSize, READY_COUNT_MAX, ReadyKey, ReadyPlace, Revision, Snapshot, StoredMessage, TaskLog,
    Version, WaitFacts, WaitQuery,
};
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Params, Result, Row, params};
use std::collections::BTreeSet;

/// All rows of a statement.
fn rows<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(values, read)?;
    rows.collect()
}

pub(crate) fn load(
    connection: &Connection,
    requests: &[LoadRequest],
) -> Result<Vec<Option<LoadedExecution>>> {
    requests.iter().map(|request| load_one(connection, request)).collect()
}

pub(crate) fn waits(connection: &Connection, query: &WaitQuery) -> Result<WaitFacts> {
    let places = query.places.iter().map(|key| place(connection, key));
    let types: BTreeSet<Option<&str>> = match &query.polls {
        PollQuery::Of(types) => types.iter().map(|name| Some(name.as_str())).collect(),
        PollQuery::All => BTreeSet::from([None]),
    };
    let found = types.into_iter().map(|task_type| polls(connection, task_type));
    let found: Vec<_> = found.collect::<Result<_>>()?;
    Ok(WaitFacts {
        executions: load(connection, &query.executions)?,
        places: places.collect::<Result<_>>()?,
        polls: found.concat(),
    })
}

fn place(connection: &Connection, key: &ReadyKey) -> Result<Option<ReadyPlace>> {
    let mut statement = connection.prepare_cached(include_str!("sql/load_waits_place.sql"))?;
    let (at, task) = (key.ready_at.millis(), task_bytes(key.task));
    let values = params![key.queue, key.priority, at, task, READY_COUNT_MAX];
    let count = |row: &Row<'_>, column| row.get::<_, i64>(column).map(i64::cast_unsigned);
    let read = |row: &Row<'_>| Ok(ReadyPlace { ahead: count(row, 0)?, size: count(row, 1)? });
    statement.query_row(values, read).optional()
}

fn load_one(connection: &Connection, request: &LoadRequest) -> Result<Option<LoadedExecution>> {
    let mut statement = connection.prepare_cached(include_str!("sql/load_execution.sql"))?;
    let found = statement.query_row(params![execution_bytes(request.id)], execution).optional()?;
    let Some((serial, row)) = found else { return Ok(None) };
    let Some(after) = request.journal_after else {
        return Ok(Some(LoadedExecution { row, snapshot: None, journal: Vec::new() }));
    };
    let snapshot = snapshot(connection, serial, after)?;
    let after = snapshot.as_ref().map_or(after, |snapshot| snapshot.version);
    let journal = journal(connection, serial, after)?;
    Ok(Some(LoadedExecution { row, snapshot, journal }))
}

fn snapshot(connection: &Connection, serial: i64, after: Version) -> Result<Option<Snapshot>> {
    let mut statement = connection.prepare_cached(include_str!("sql/load_snapshot.sql"))?;
    let read = |row: &Row<'_>| Ok(Snapshot { version: row.get(0)?, body: bytes(row, 1)? });
    statement.query_row(params![serial, after], read).optional()
}

fn journal(connection: &Connection, serial: i64, after: Version) -> Result<Vec<(Version, Bytes)>> {
    let sql = include_str!("sql/load_journal.sql");
    rows(connection, sql, params![serial, after], |row| Ok((row.get(0)?, bytes(row, 1)?)))
}

pub(crate) fn due_wake_ups(
    connection: &Connection,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<(ExecutionId, Timestamp)>> {
    let sql = include_str!("sql/due_wake_ups.sql");
    let read = |row: &Row<'_>| Ok((execution_id(row, 0)?, timestamp(row, 1)?));
    rows(connection, sql, params![until.millis(), limit], read)
}

pub(crate) fn undelivered(
    connection: &Connection,
    sent_before: Timestamp,
    limit: u32,
) -> Result<Vec<StoredMessage>> {
    let sql = include_str!("sql/undelivered.sql");
    rows(connection, sql, params![sent_before.millis(), limit], |row| {
        let from = execution_id(row, 0)?;
        let id = MessageId { from, version: row.get(1)?, number: row.get(2)? };
        Ok(StoredMessage { id, to: execution_id(row, 3)?, body: bytes(row, 4)? })
    })
}

pub(crate) fn revision(connection: &Connection) -> Result<Revision> {
    let mut statement = connection.prepare_cached(include_str!("sql/read_revision.sql"))?;
    statement.query_row([], |row| row.get(0))
}

pub(crate) fn definitions(connection: &Connection, since: Revision) -> Result<DefinitionChanges> {
    let workflows = include_str!("sql/read_definitions_workflows.sql");
    let tasks = include_str!("sql/read_definitions_tasks.sql");
    Ok(DefinitionChanges {
        revision: revision(connection)?,
        workflows: rows(connection, workflows, [since], |row| {
            Ok((row.get(0)?, row.get(1)?, payload_or_none(row, 2)?))
        })?,
        tasks: rows(connection, tasks, [since], |row| Ok((row.get(0)?, payload_or_none(row, 1)?)))?,
    })
}

pub(crate) fn plan(connection: &Connection, hash: PlanHash) -> Result<Option<Payload>> {
    let mut statement = connection.prepare_cached(include_str!("sql/load_plan.sql"))?;
    statement.query_row([hash.0], |row| payload(row, 0)).optional()
}

pub(crate) fn queue_sizes(connection: &Connection) -> Result<Vec<QueueSize>> {
    rows(connection, include_str!("sql/queue_sizes.sql"), [], |row| {
        let ready = row.get::<_, i64>(1)?.cast_unsigned();
        Ok(QueueSize { queue: row.get(0)?, ready, oldest: timestamp(row, 2)? })
    })
}

pub(crate) fn task_logs(connection: &Connection, task: TaskId, limit: u32) -> Result<Vec<TaskLog>> {
    let sql = include_str!("sql/task_logs.sql");
    rows(connection, sql, params![task_bytes(task), limit], |row| {
        Ok(TaskLog { task, at: timestamp(row, 0)?, line: row.get(1)? })
    })
}

fn polls(connection: &Connection, task_type: Option<&str>) -> Result<Vec<PollRecord>> {
    rows(connection, include_str!("sql/polls.sql"), [task_type], |row| {
        Ok(PollRecord {
            task_type: row.get(0)?,
            domain: row.get(1)?,
            worker: row.get(2)?,
            at: timestamp(row, 3)?,
        })
    })
}

pub(crate) fn dead_waits(connection: &Connection, limit: u32) -> Result<Vec<ExecutionId>> {
    rows(connection, include_str!("sql/dead_waits.sql"), [limit], |row| execution_id(row, 0))
}
