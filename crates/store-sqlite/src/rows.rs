//! Between columns and types: what does not fit is corrupt.
use baton_common::{ExecutionId, Payload, TaskId, Timestamp, WorkflowStatus};
use baton_store::{ExecutionIndex, ExecutionRow, PlanHash, Waits};
use bytes::Bytes;
use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};
use uuid::Uuid;

const SEQUENCE_MASK: u128 = 0x00ff_ffff;

/// The 16 bytes that the columns `id`, `execution`, `sender` and `receiver` hold.
pub(crate) fn execution_bytes(id: ExecutionId) -> [u8; 16] {
    id.uuid().into_bytes()
}

/// The 16 bytes that the columns `task` and `parent` hold.
pub(crate) fn task_bytes(id: TaskId) -> [u8; 16] {
    (id.execution().uuid().as_u128() | u128::from(id.seq())).to_be_bytes()
}

/// Milliseconds of a moment that may be absent.
pub(crate) fn millis(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::millis)
}

pub(crate) fn execution_id(row: &Row<'_>, column: usize) -> Result<ExecutionId> {
    let id = ExecutionId::from_uuid(Uuid::from_bytes(row.get(column)?));
    id.map_err(|error| corrupt(column, Type::Blob, error))
}

pub(crate) fn task_id(row: &Row<'_>, column: usize) -> Result<TaskId> {
    task(column, row.get(column)?)
}

fn task(column: usize, bytes: [u8; 16]) -> Result<TaskId> {
    let bits = u128::from_be_bytes(bytes);
    let execution = ExecutionId::from_uuid(Uuid::from_u128(bits & !SEQUENCE_MASK));
    let execution = execution.map_err(|error| corrupt(column, Type::Blob, error))?;
    Ok(execution.task(u32::try_from(bits & SEQUENCE_MASK).unwrap_or(0)))
}

pub(crate) fn timestamp(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}

pub(crate) fn bytes(row: &Row<'_>, column: usize) -> Result<Bytes> {
    row.get::<_, Vec<u8>>(column).map(Bytes::from)
}

pub(crate) fn payload(row: &Row<'_>, column: usize) -> Result<Payload> {
    Payload::parse(row.get(column)?).map_err(|error| corrupt(column, Type::Text, error))
}

pub(crate) fn payload_or_none(row: &Row<'_>, column: usize) -> Result<Option<Payload>> {
    let text: Option<String> = row.get(column)?;
    let body = text.map(Payload::parse).transpose();
    body.map_err(|error| corrupt(column, Type::Text, error))
}

/// An execution's serial and row, from the columns of `load_execution.sql` and `search_row.sql`.
pub(crate) fn execution(row: &Row<'_>) -> Result<(i64, ExecutionRow)> {
    let status = WorkflowStatus::from_code(row.get(3)?);
    let status = status.ok_or(Error::IntegralValueOutOfRange(3, row.get(3)?))?;
    let parent: Option<[u8; 16]> = row.get(12)?;
    let index = ExecutionIndex {
        workflow_name: row.get(8)?,
        workflow_version: row.get(9)?,
        correlation_id: row.get(10)?,
        created_at: timestamp(row, 11)?,
        parent: parent.map(|bytes| task(12, bytes)).transpose()?,
        plan: PlanHash(row.get(13)?),
    };
    let execution = ExecutionRow {
        id: execution_id(row, 1)?,
        version: row.get(2)?,
        status,
        waits: Waits(row.get(4)?),
        wake_at: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
        ended_at: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis),
        updated_at: timestamp(row, 7)?,
        index,
        input: payload(row, 14)?,
        overview: bytes(row, 15)?,
    };
    Ok((row.get(0)?, execution))
}

fn corrupt(
    column: usize,
    kind: Type,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    Error::FromSqlConversionFailure(column, kind, Box::new(error))
}
