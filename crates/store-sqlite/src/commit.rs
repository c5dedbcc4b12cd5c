//! One batch inside its savepoint: all writes, or the full list of what stood against them.
use crate::errors::store_error;
use crate::limits;
use crate::rows::{execution_bytes, execution_id, millis, task_bytes};
use baton_common::{ExecutionId, Timestamp};
use baton_store::error::Conflict;
use baton_store::{
    Batch, CommitError, ExecutionIndex, ExecutionWrite, InUse, MessageId, ReadyKey, StoreError,
    StoredMessage,
};
use rusqlite::{Connection, OptionalExtension, Result, params};
use std::collections::BTreeSet;

/// Writes the batch. On an error the caller takes back what was written so far.
pub(crate) fn batch(connection: &Connection, batch: &Batch) -> Result<InUse, CommitError> {
    let mut conflict = Conflict { stale_definitions: is_stale(connection, batch)?, ..none() };
    for write in &batch.writes {
        if let Some(holder) = key_holder(connection, write).map_err(store_error)? {
            conflict.idempotency.push((write.id, holder));
        }
        match execution(connection, write, batch.at)? {
            Some(serial) => {
                details(connection, write, serial, batch.at).map_err(store_error)?;
            }
            None => conflict.versions.push(write.id),
        }
    }
    plans(connection, batch).map_err(store_error)?;
    conflict.delivered = delivered(connection, batch).map_err(store_error)?;
    let moved = limits::apply(connection, &batch.limits).map_err(store_error)?;
    let in_use = moved.unwrap_or_else(|conflicts| {
        conflict.limits = conflicts;
        InUse::new()
    });
    if conflict == none() { Ok(in_use) } else { Err(CommitError::Conflict(conflict)) }
}

fn none() -> Conflict {
    Conflict::default()
}

fn is_stale(connection: &Connection, batch: &Batch) -> Result<bool, StoreError> {
    let Some(read) = batch.revision else { return Ok(false) };
    crate::read::revision(connection).map(|newest| newest > read).map_err(store_error)
}

/// Takes the key of a new execution, or says who else holds it.
fn key_holder(connection: &Connection, write: &ExecutionWrite) -> Result<Option<ExecutionId>> {
    let (0, Some(key), Some(index)) =
        (write.expected_version, &write.idempotency_key, &write.index)
    else {
        return Ok(None);
    };
    let insert = include_str!("sql/commit_insert_idempotency.sql");
    let id = execution_bytes(write.id);
    if connection.prepare_cached(insert)?.execute(params![index.workflow_name, key, id])? == 1 {
        return Ok(None);
    }
    let mut holder = connection.prepare_cached(include_str!("sql/commit_holder.sql"))?;
    let holder = holder.query_row(params![index.workflow_name, key], |row| execution_id(row, 0))?;
    Ok(Some(holder).filter(|holder| *holder != write.id))
}

/// Writes the execution's row and answers its serial; `None` when its version is another.
fn execution(
    connection: &Connection,
    write: &ExecutionWrite,
    at: Timestamp,
) -> Result<Option<i64>, StoreError> {
    if write.expected_version != 0 {
        return update(connection, write, at).map_err(store_error);
    }
    let (Some(index), Some(_), Some(_)) = (&write.index, &write.input, &write.overview) else {
        let what = format!("{} is inserted without index, input or overview", write.id);
        return Err(StoreError::Rejected(what));
    };
    insert(connection, write, index, at).map_err(store_error)
}

fn insert(
    connection: &Connection,
    write: &ExecutionWrite,
    index: &ExecutionIndex,
    at: Timestamp,
) -> Result<Option<i64>> {
    let sql = include_str!("sql/commit_insert_execution.sql");
    let values = params![
        execution_bytes(write.id),
        write.id.shard(),
        write.status.code(),
        write.waits.0,
        millis(write.wake_at),
        millis(write.ended_at),
        at.millis(),
        index.workflow_name,
        index.workflow_version,
        index.correlation_id,
        index.created_at.millis(),
        index.parent.map(task_bytes),
        index.plan.0,
    ];
    let inserted = connection.prepare_cached(sql)?.execute(values)?;
    Ok((inserted == 1).then(|| connection.last_insert_rowid()))
}

fn update(connection: &Connection, write: &ExecutionWrite, at: Timestamp) -> Result<Option<i64>> {
    let find = include_str!("sql/commit_find_execution.sql");
    let row = connection
        .prepare_cached(find)?
        .query_row(params![execution_bytes(write.id), write.expected_version], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some(row) = row else { return Ok(None) };
    let (serial, status, wake_at): (i64, i16, Option<i64>) = row;
    if (status, wake_at) == (write.status.code(), millis(write.wake_at)) {
        let sql = include_str!("sql/commit_touch_execution.sql");
        let values = params![serial, write.waits.0, millis(write.ended_at), at.millis()];
        connection.prepare_cached(sql)?.execute(values)?;
    } else {
        let sql = include_str!("sql/commit_update_execution.sql");
        let values = params![
            serial,
            write.status.code(),
            write.waits.0,
            millis(write.wake_at),
            millis(write.ended_at),
            at.millis(),
        ];
        connection.prepare_cached(sql)?.execute(values)?;
    }
    if let Some(index) = &write.index {
        update_index(connection, serial, index)?;
    }
    Ok(Some(serial))
}

fn update_index(connection: &Connection, serial: i64, index: &ExecutionIndex) -> Result<()> {
    let sql = include_str!("sql/commit_update_index.sql");
    let values = params![
        serial,
        index.workflow_name,
        index.workflow_version,
        index.correlation_id,
        index.created_at.millis(),
        index.parent.map(task_bytes),
        index.plan.0,
    ];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

/// Everything of one execution that has rows of its own.
fn details(
    connection: &Connection,
    write: &ExecutionWrite,
    serial: i64,
    at: Timestamp,
) -> Result<()> {
    if let Some(input) = &write.input {
        let sql = include_str!("sql/commit_put_input.sql");
        connection.prepare_cached(sql)?.execute(params![serial, input.get()])?;
    }
    if let Some(overview) = &write.overview {
        let sql = include_str!("sql/commit_put_overview.sql");
        connection.prepare_cached(sql)?.execute(params![serial, &overview[..]])?;
    }
    let sql = include_str!("sql/commit_insert_journal.sql");
    let version = write.expected_version + 1;
    let entry = params![write.id.shard(), serial, version, &write.journal[..]];
    connection.prepare_cached(sql)?.execute(entry)?;
    let add = include_str!("sql/commit_insert_ready.sql");
    write.ready_added.iter().try_for_each(|key| ready(connection, add, key))?;
    let remove = include_str!("sql/commit_delete_ready.sql");
    write.ready_removed.iter().try_for_each(|key| ready(connection, remove, key))?;
    write.sent.iter().try_for_each(|message| send(connection, message, at))
}

fn ready(connection: &Connection, sql: &str, key: &ReadyKey) -> Result<()> {
    let place = params![key.queue, key.priority, key.ready_at.millis(), task_bytes(key.task)];
    connection.prepare_cached(sql)?.execute(place).map(drop)
}

fn send(connection: &Connection, message: &StoredMessage, at: Timestamp) -> Result<()> {
    let sql = include_str!("sql/commit_insert_message.sql");
    let MessageId { from, version, number } = message.id;
    let (from, to) = (execution_bytes(from), execution_bytes(message.to));
    let values = params![at.millis(), from, version, number, to, &message.body[..]];
    connection.prepare_cached(sql)?.execute(values).map(drop)
}

fn plans(connection: &Connection, batch: &Batch) -> Result<()> {
    for (hash, plan) in &batch.plans {
        let sql = include_str!("sql/commit_insert_plan.sql");
        connection.prepare_cached(sql)?.execute(params![hash.0, plan.get()])?;
    }
    Ok(())
}

/// Deletes the delivered messages; answers those that are not there.
fn delivered(connection: &Connection, batch: &Batch) -> Result<Vec<MessageId>> {
    let mut delete = connection.prepare_cached(include_str!("sql/commit_delete_message.sql"))?;
    let mut is_there = |id: &MessageId| -> Result<bool> {
        let MessageId { from, version, number } = *id;
        Ok(delete.execute(params![execution_bytes(from), version, number])? == 1)
    };
    let must_be_there = batch.to_deliver();
    let mut gone = Vec::new();
    for id in batch.delivered.iter().collect::<BTreeSet<_>>() {
        if !is_there(id)? && must_be_there.contains(id) {
            gone.push(*id);
        }
    }
    Ok(gone)
}
