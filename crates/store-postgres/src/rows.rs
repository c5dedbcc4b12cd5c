//! From rows of the database to the rows of the contract. A row that breaks an invariant is corrupt.
use crate::text::value;
use baton_common::{ExecutionId, Payload, TaskId, Timestamp, WorkflowStatus};
use baton_store::{
    ExecutionIndex, ExecutionRow, LoadRequest, LoadedExecution, PlanHash, ReadyKey, Snapshot,
    StoreError, Waits,
};
use bytes::Bytes;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

/// A column that must be there.
pub(crate) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Result<T, StoreError> {
    row.try_get(column).map_err(|error| StoreError::Corrupt(format!("{column}: {error}")))
}

/// A text that must be there.
pub(crate) fn text_of(row: &Row, column: &str) -> Result<String, StoreError> {
    get(row, column).map(value)
}

/// An execution's id.
pub(crate) fn execution_id(uuid: Uuid) -> Result<ExecutionId, StoreError> {
    ExecutionId::from_uuid(uuid).map_err(|error| StoreError::Corrupt(format!("{uuid}: {error}")))
}

/// A task's id from its columns.
pub(crate) fn task_id(execution: Uuid, seq: i32) -> Result<TaskId, StoreError> {
    let seq = u32::try_from(seq).map_err(|_| StoreError::Corrupt(format!("task number {seq}")))?;
    Ok(execution_id(execution)?.task(seq))
}

/// JSON that we wrote.
pub(crate) fn payload(bytes: &[u8]) -> Result<Payload, StoreError> {
    let json = String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string());
    json.and_then(|json| Payload::parse(json).map_err(|error| error.to_string()))
        .map_err(|error| StoreError::Corrupt(format!("stored JSON: {error}")))
}

/// A moment that may be absent.
fn moment(row: &Row, column: &str) -> Result<Option<Timestamp>, StoreError> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_millis))
}

/// An execution's row; `overview` comes as `body`.
pub(crate) fn execution_row(row: &Row) -> Result<ExecutionRow, StoreError> {
    let code: i16 = get(row, "status")?;
    let status = WorkflowStatus::from_code(code)
        .ok_or_else(|| StoreError::Corrupt(format!("status {code}")))?;
    Ok(ExecutionRow {
        id: execution_id(get(row, "id")?)?,
        version: get(row, "version")?,
        status,
        waits: Waits(get(row, "waits")?),
        wake_at: moment(row, "wake_at")?,
        ended_at: moment(row, "ended_at")?,
        updated_at: Timestamp::from_millis(get(row, "updated_at")?),
        index: execution_index(row)?,
        input: payload(get(row, "input")?)?,
        overview: Bytes::copy_from_slice(get(row, "body")?),
    })
}

fn execution_index(row: &Row) -> Result<ExecutionIndex, StoreError> {
    let parent: Option<Uuid> = get(row, "parent")?;
    let parent_seq: Option<i32> = get(row, "parent_seq")?;
    let hash: &[u8] = get(row, "plan")?;
    Ok(ExecutionIndex {
        workflow_name: text_of(row, "workflow_name")?,
        workflow_version: get(row, "workflow_version")?,
        correlation_id: get::<Option<String>>(row, "correlation_id")?.map(value),
        created_at: Timestamp::from_millis(get(row, "created_at")?),
        parent: parent.zip(parent_seq).map(|(id, seq)| task_id(id, seq)).transpose()?,
        plan: PlanHash(hash.try_into().map_err(|_| StoreError::Corrupt("a plan's hash".into()))?),
    })
}

/// The answer of `load.sql`, in the order of the requests.
pub(crate) fn loaded_executions(
    requests: &[LoadRequest],
    rows: &[Row],
) -> Result<Vec<Option<LoadedExecution>>, StoreError> {
    let mut loaded: Vec<Option<LoadedExecution>> = Vec::new();
    loaded.resize_with(requests.len(), || None);
    let mut entries: Vec<Vec<(i64, Bytes)>> = vec![Vec::new(); requests.len()];
    let mut snapshots: Vec<Option<Snapshot>> = vec![None; requests.len()];
    for row in rows {
        let n: i64 = get(row, "n")?;
        let place = usize::try_from(n).map_err(|_| StoreError::Corrupt("n".into()))?;
        if get::<Option<i16>>(row, "status")?.is_some() {
            let (snapshot, journal) = (None, Vec::new());
            loaded[place] = Some(LoadedExecution { row: execution_row(row)?, snapshot, journal });
        } else if get(row, "is_snapshot")? {
            let body = Bytes::copy_from_slice(get(row, "body")?);
            snapshots[place] = Some(Snapshot { version: get(row, "version")?, body });
        } else {
            entries[place].push((get(row, "version")?, Bytes::copy_from_slice(get(row, "body")?)));
        }
    }
    let kept = snapshots.into_iter().zip(entries);
    for ((request, loaded), (snapshot, mut journal)) in requests.iter().zip(&mut loaded).zip(kept) {
        let Some(loaded) = loaded else { continue };
        journal.sort_unstable_by_key(|(version, _)| *version);
        loaded.snapshot = snapshot;
        loaded.journal = journal;
        check_journal(request, loaded)?;
    }
    Ok(loaded)
}

/// A journal has one entry for each version after the snapshot.
fn check_journal(request: &LoadRequest, loaded: &LoadedExecution) -> Result<(), StoreError> {
    let Some(after) = request.journal_after else { return Ok(()) };
    let after = loaded.snapshot.as_ref().map_or(after.max(0), |snapshot| snapshot.version);
    let versions = loaded.journal.iter().map(|(version, _)| *version);
    if (after + 1..=loaded.row.version).eq(versions) {
        Ok(())
    } else {
        Err(StoreError::Corrupt(format!("the journal of {} has gaps", request.id)))
    }
}

/// A ready task's place.
pub(crate) fn ready_key(row: &Row) -> Result<ReadyKey, StoreError> {
    let rank: i16 = get(row, "priority_rank")?;
    let priority = u8::try_from(99 - rank)
        .map_err(|_| StoreError::Corrupt(format!("priority rank {rank}")))?;
    Ok(ReadyKey {
        queue: text_of(row, "queue")?,
        priority,
        ready_at: Timestamp::from_millis(get(row, "ready_at")?),
        task: task_id(get(row, "execution_id")?, get(row, "seq")?)?,
    })
}
