//! What a batch takes and frees of what is limited, as columns, and what the database knows of limits.
use crate::batch::{Column, OneShard, Param, seq};
use crate::rows::{get, text_of};
use crate::text::text;
use baton_common::ids::shard_of_key;
use baton_store::{LimitMoves, LimitState, Slot, StoreError};
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::BTreeSet;
use tokio_postgres::Row;
use uuid::Uuid;

/// The shard that counts a limit.
pub(crate) fn shard_of_limit(name: &str) -> u8 {
    shard_of_key(name, "")
}

/// The shards of the limits that a batch moves.
pub(crate) fn shards_of_limits(moves: &LimitMoves) -> BTreeSet<u8> {
    moves.names().into_iter().map(shard_of_limit).collect()
}

#[derive(Default)]
struct Slots<'a> {
    shard: Column<i16>,
    name: Column<Cow<'a, str>>,
    id: Column<Uuid>,
    seq: Column<i32>,
}

impl<'a> Slots<'a> {
    fn of(slots: &'a [Slot], only: OneShard) -> Self {
        let mut columns = Self::default();
        for slot in slots.iter().filter(|slot| is_in(only, &slot.limit)) {
            columns.shard.push(shard_of_limit(&slot.limit).into());
            columns.name.push(text(&slot.limit));
            columns.id.push(slot.task.execution().uuid());
            columns.seq.push(seq(slot.task));
        }
        columns
    }

    fn params(&self) -> [Param<'_>; 4] {
        [&self.shard, &self.name, &self.id, &self.seq]
    }
}

fn count_of(slots: &[Slot], limit: &str) -> i64 {
    let count = slots.iter().filter(|slot| slot.limit == limit).count();
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn is_in(only: OneShard, limit: &str) -> bool {
    only.is_none_or(|only| only == shard_of_limit(limit))
}

/// The limits that a batch moves, in the order of their rows' key.
#[derive(Default)]
pub(crate) struct Moves<'a> {
    /// As the rows of the answer come.
    pub(crate) names: Vec<&'a str>,
    only: Option<i16>,
    shard: Column<i16>,
    name: Column<Cow<'a, str>>,
    count: Column<i64>,
    most: Column<i64>,
    taken: Slots<'a>,
    freed: Slots<'a>,
    window_shard: Column<i16>,
    window_name: Column<Cow<'a, str>>,
    window_version: Column<i64>,
    window_body: Column<&'a [u8]>,
}

impl<'a> Moves<'a> {
    /// Those of limits in shard `only`.
    pub(crate) fn of(moves: &'a LimitMoves, only: OneShard) -> Self {
        let mut names: Vec<&str> =
            moves.names().into_iter().filter(|name| is_in(only, name)).collect();
        names.sort_by_key(|name| (shard_of_limit(name), *name));
        let mut columns = Self { only: only.map(i16::from), ..Self::default() };
        for name in &names {
            let most = moves.most.get(*name).map(|most| i64::try_from(*most).unwrap_or(i64::MAX));
            columns.shard.push(shard_of_limit(name).into());
            columns.name.push(text(name));
            columns.count.push(count_of(&moves.taken, name) - count_of(&moves.freed, name));
            columns.most.push_option(most);
        }
        for write in moves.windows.iter().filter(|write| is_in(only, &write.limit)) {
            columns.window_shard.push(shard_of_limit(&write.limit).into());
            columns.window_name.push(text(&write.limit));
            columns.window_version.push(write.expected_version);
            columns.window_body.push(&write.body);
        }
        columns.taken = Slots::of(&moves.taken, only);
        columns.freed = Slots::of(&moves.freed, only);
        Self { names, ..columns }
    }

    /// The parameters of `move_slots.sql` after the shard.
    pub(crate) fn params(&self) -> Vec<Param<'_>> {
        let mut params: Vec<Param<'_>> = vec![&self.shard, &self.name, &self.count, &self.most];
        params.extend(self.taken.params());
        params.extend(self.freed.params());
        let windows: [Param<'_>; 4] =
            [&self.window_shard, &self.window_name, &self.window_version, &self.window_body];
        params.extend(windows);
        params
    }

    /// The parameters of `move_slots.sql`.
    pub(crate) fn params_with_shard(&self) -> Vec<Param<'_>> {
        let mut params: Vec<Param<'_>> = vec![&self.only];
        params.extend(self.params());
        params
    }

    /// The parameters of `limit_conflicts.sql`.
    pub(crate) fn questions(&self) -> Vec<Param<'_>> {
        let mut params = self.params_with_shard();
        params.pop();
        params
    }
}

/// A row of `limits.sql` or `limit_conflicts.sql`.
pub(crate) fn limit_state(row: &Row) -> Result<LimitState, StoreError> {
    Ok(LimitState {
        limit: text_of(row, "name")?,
        in_use: u64::try_from(get::<i64>(row, "in_use")?).unwrap_or(0),
        window_version: get(row, "window_version")?,
        window: Bytes::copy_from_slice(get(row, "window_body")?),
    })
}
