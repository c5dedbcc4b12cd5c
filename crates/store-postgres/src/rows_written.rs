//! How many rows a commit inserts, updates or deletes: what `baton_commit` does with each part of a
//! batch. `tests/store.rs` compares it with what PostgreSQL itself counts.
use baton_store::{Batch, ExecutionWrite, LimitMoves};

/// The rows that this batch writes when it is committed. Rows to be deleted that are gone already,
/// and plans that are stored already, are counted as well.
pub(crate) fn rows_written(batch: &Batch) -> u64 {
    let of_writes: usize = batch.writes.iter().map(of_write).sum();
    let LimitMoves { taken, freed, windows, .. } = &batch.limits;
    let of_limits = taken.len() + freed.len() + batch.limits.names().len() + windows.len();
    (of_writes + batch.plans.len() + batch.delivered.len() + of_limits) as u64
}

fn of_write(write: &ExecutionWrite) -> usize {
    // Its row and its journal entry.
    let own = 2;
    let is_insert = write.expected_version == 0;
    let is_renewed = !is_insert && (write.index.is_some() || write.input.is_some());
    let has_key = is_insert && write.idempotency_key.is_some();
    let moves = write.ready_added.len() + write.ready_removed.len();
    own + usize::from(is_renewed) + usize::from(has_key) + moves + write.sent.len()
}
