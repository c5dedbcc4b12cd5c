//! Slots and windows: moved in the commit of what they follow from.
use crate::rows::{bytes, execution_bytes, task_bytes, task_id};
use baton_common::{ExecutionId, TaskId};
use baton_store::{InUse, LimitMoves, LimitState, Slot};
use rusqlite::{Connection, OptionalExtension, Result, params};

/// Moves slots and windows. Answers how many slots are held then, or the limits that stand against it.
pub(crate) fn apply(
    connection: &Connection,
    moves: &LimitMoves,
) -> Result<Result<InUse, Vec<LimitState>>> {
    let (mut held, mut conflicts) = (InUse::new(), Vec::new());
    for name in moves.names() {
        let before = state(connection, name)?;
        let freed =
            move_slots(connection, include_str!("sql/commit_free_slot.sql"), &moves.freed, name)?;
        let taken =
            move_slots(connection, include_str!("sql/commit_take_slot.sql"), &moves.taken, name)?;
        let in_use = count(connection, name, taken - freed)?;
        let is_over = moves.most.get(name).is_some_and(|most| in_use > *most);
        if is_over || !put_windows(connection, moves, name)? {
            conflicts.push(before);
        }
        held.push((name.to_owned(), in_use));
    }
    Ok(if conflicts.is_empty() { Ok(held) } else { Err(conflicts) })
}

/// Takes or frees those of this limit; answers how many have moved.
fn move_slots(connection: &Connection, sql: &str, slots: &[Slot], name: &str) -> Result<i64> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut moved = 0;
    for slot in slots.iter().filter(|slot| slot.limit == name) {
        moved +=
            i64::try_from(statement.execute(params![name, task_bytes(slot.task)])?).unwrap_or(0);
    }
    Ok(moved)
}

fn count(connection: &Connection, name: &str, moved: i64) -> Result<u64> {
    let mut statement = connection.prepare_cached(include_str!("sql/commit_count_slots.sql"))?;
    statement.query_row(params![name, moved], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
}

/// Whether the windows were as the batch knows them.
fn put_windows(connection: &Connection, moves: &LimitMoves, name: &str) -> Result<bool> {
    let mut statement = connection.prepare_cached(include_str!("sql/commit_put_window.sql"))?;
    for write in moves.windows.iter().filter(|write| write.limit == name) {
        let values = params![name, write.expected_version, &write.body[..]];
        if statement.execute(values)? != 1 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is held of a limit.
pub(crate) fn state(connection: &Connection, name: &str) -> Result<LimitState> {
    let mut statement = connection.prepare_cached(include_str!("sql/limits_state.sql"))?;
    let found = statement.query_row([name], |row| {
        let in_use = row.get::<_, i64>(0)?.cast_unsigned();
        let (window_version, window) = (row.get(1)?, bytes(row, 2)?);
        Ok(LimitState { limit: name.to_owned(), in_use, window_version, window })
    });
    let none = || LimitState { limit: name.to_owned(), ..LimitState::default() };
    Ok(found.optional()?.unwrap_or_else(none))
}

/// Who holds slots of a limit.
pub(crate) fn holders(connection: &Connection, name: &str, most: u32) -> Result<Vec<TaskId>> {
    let mut statement = connection.prepare_cached(include_str!("sql/slot_holders.sql"))?;
    let holders = statement.query_map(params![name, most], |row| task_id(row, 0))?;
    holders.collect()
}

/// Frees what a removed execution holds.
pub(crate) fn forget(connection: &Connection, id: ExecutionId) -> Result<()> {
    let mut statement = connection.prepare_cached(include_str!("sql/remove_slots.sql"))?;
    let names = statement.query_map([execution_bytes(id)], |row| row.get::<_, String>(0))?;
    let names: Vec<String> = names.collect::<Result<_>>()?;
    names.iter().try_for_each(|name| count(connection, name, -1).map(drop))
}
