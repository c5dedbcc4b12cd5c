//! Writes that are no commits of executions, each inside its savepoint.
use crate::errors::store_error;
use crate::limits;
use crate::rows::{execution_bytes, task_bytes};
use baton_common::ExecutionId;
use baton_store::{
    DefinitionWrite, HISTORY_DROPPED_MAX, JournalHistory, PollRecord, Revision, Snapshot,
    SnapshotWrite, StoreError, TaskLog, Version,
};
use rusqlite::{Connection, OptionalExtension, Params, Result, params};

/// Runs a statement and counts the rows it changed.
fn execute(connection: &Connection, sql: &str, values: impl Params) -> Result<usize> {
    connection.prepare_cached(sql)?.execute(values)
}

pub(crate) fn definitions(
    connection: &Connection,
    writes: &[DefinitionWrite],
) -> Result<Revision, StoreError> {
    let next = include_str!("sql/write_definitions_next_revision.sql");
    let next = connection
        .prepare_cached(next)
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)));
    let revision = next.map_err(store_error)?;
    for write in writes {
        let passed = definition(connection, write, revision).map_err(store_error)?;
        if !passed {
            return Err(refusal(write));
        }
    }
    Ok(revision)
}

/// Whether the write found what it needs.
fn definition(
    connection: &Connection,
    write: &DefinitionWrite,
    revision: Revision,
) -> Result<bool> {
    let changed = match write {
        DefinitionWrite::PutWorkflow { name, version, body, overwrite } => {
            let sql = include_str!("sql/write_definitions_put_workflow.sql");
            execute(connection, sql, params![name, version, revision, body.get(), overwrite])
        }
        DefinitionWrite::DeleteWorkflow { name, version } => {
            let sql = include_str!("sql/write_definitions_delete_workflow.sql");
            execute(connection, sql, params![name, version, revision])
        }
        DefinitionWrite::PutTask { name, body } => {
            let sql = include_str!("sql/write_definitions_put_task.sql");
            execute(connection, sql, params![name, revision, body.get()])
        }
        DefinitionWrite::DeleteTask { name } => {
            let sql = include_str!("sql/write_definitions_delete_task.sql");
            execute(connection, sql, params![name, revision])
        }
    };
    changed.map(|rows| rows > 0)
}

fn refusal(write: &DefinitionWrite) -> StoreError {
    match write {
        DefinitionWrite::PutWorkflow { name, version, .. } => {
            StoreError::AlreadyExists(format!("workflow definition {name} version {version}"))
        }
        DefinitionWrite::DeleteWorkflow { name, version } => {
            StoreError::NotFound(format!("workflow definition {name} version {version}"))
        }
        DefinitionWrite::PutTask { name, .. } | DefinitionWrite::DeleteTask { name } => {
            StoreError::NotFound(format!("task definition {name}"))
        }
    }
}

pub(crate) fn task_logs(connection: &Connection, lines: &[TaskLog]) -> Result<()> {
    let sql = include_str!("sql/append_task_logs.sql");
    for TaskLog { task, at, line } in lines {
        execute(connection, sql, params![task_bytes(*task), at.millis(), line])?;
    }
    Ok(())
}

pub(crate) fn polls(connection: &Connection, polls: &[PollRecord]) -> Result<()> {
    let sql = include_str!("sql/record_polls.sql");
    for PollRecord { task_type, domain, worker, at } in polls {
        execute(connection, sql, params![task_type, domain, worker, at.millis()])?;
    }
    Ok(())
}

pub(crate) fn snapshot(connection: &Connection, write: &SnapshotWrite) -> Result<bool> {
    let SnapshotWrite { id, snapshot: Snapshot { version, body }, history } = write;
    let id = execution_bytes(*id);
    let put = include_str!("sql/put_snapshot.sql");
    let is_put = execute(connection, put, params![id, version, &body[..]])? > 0;
    if is_put && *history == JournalHistory::Drop {
        let drop = include_str!("sql/put_snapshot_drop.sql");
        execute(connection, drop, params![id, version, HISTORY_DROPPED_MAX])?;
    }
    Ok(is_put)
}

/// What is found by an execution's serial.
const REMOVALS_BY_SERIAL: [&str; 4] = [
    include_str!("sql/remove_journal.sql"),
    include_str!("sql/remove_snapshot.sql"),
    include_str!("sql/remove_input.sql"),
    include_str!("sql/remove_overview.sql"),
];

/// What is found by its id.
const REMOVALS_BY_ID: [&str; 4] = [
    include_str!("sql/remove_idempotency.sql"),
    include_str!("sql/remove_ready.sql"),
    include_str!("sql/remove_message.sql"),
    include_str!("sql/remove_task_log.sql"),
];

/// Whether the execution has ended; its key is free then.
pub(crate) fn release_key(connection: &Connection, id: ExecutionId) -> Result<bool> {
    let id = execution_bytes(id);
    execute(connection, include_str!("sql/release_key.sql"), [id])?;
    connection
        .prepare_cached(include_str!("sql/release_key_is_ended.sql"))?
        .query_row([id], |row| row.get(0))
}

/// Whether the execution was there at this version.
pub(crate) fn remove(connection: &Connection, id: ExecutionId, version: Version) -> Result<bool> {
    let bytes = execution_bytes(id);
    let serial = connection
        .prepare_cached(include_str!("sql/remove_execution.sql"))?
        .query_row(params![bytes, version], |row| row.get::<_, i64>(0))
        .optional()?;
    let Some(serial) = serial else { return Ok(false) };
    for sql in REMOVALS_BY_SERIAL {
        execute(connection, sql, [serial])?;
    }
    for sql in REMOVALS_BY_ID {
        execute(connection, sql, [bytes])?;
    }
    limits::forget(connection, id)?;
    Ok(true)
}
