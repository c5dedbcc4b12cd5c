//! The statements of the hot path, for one shard or for all of them: where the tables are distributed,
//! each goes to the one node that holds its shard, and several are under way at a time.
use crate::batch::{OneShard, shard};
use crate::config::IN_FLIGHT_MAX;
use crate::rows::{execution_id, get, ready_key};
use crate::store::PostgresStore;
use crate::text::text;
use baton_common::ids::SHARDS;
use baton_common::{ExecutionId, TaskId, Timestamp};
use baton_store::{CommitScope, LoadRequest, ReadyKey, StoreError};
use futures::stream::{self, StreamExt, TryStreamExt};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;
use tokio_postgres::Row;

/// Shards that are asked for ready tasks at once; the next ones only if these have too few.
const ASKED_AT_ONCE: u8 = 8;

impl PostgresStore {
    /// What a request about everything is cut into.
    pub(crate) fn parts(&self) -> Vec<OneShard> {
        match self.scope {
            CommitScope::Database => vec![None],
            CommitScope::Shard => (0..SHARDS).map(Some).collect(),
        }
    }

    /// The rows of `load.sql` for these requests.
    pub(crate) async fn load_rows(&self, requests: &[LoadRequest]) -> Result<Vec<Row>, StoreError> {
        let mut parts: BTreeMap<OneShard, Vec<(usize, LoadRequest)>> = BTreeMap::new();
        for numbered in requests.iter().copied().enumerate() {
            let part = match self.scope {
                CommitScope::Database => None,
                CommitScope::Shard => Some(numbered.1.id.shard()),
            };
            parts.entry(part).or_default().push(numbered);
        }
        let loads = parts.into_iter().map(|(part, requests)| self.load_part(part, requests));
        let rows: Vec<_> = stream::iter(loads).buffered(IN_FLIGHT_MAX).try_collect().await?;
        Ok(rows.into_iter().flatten().collect())
    }

    async fn load_part(
        &self,
        part: OneShard,
        requests: Vec<(usize, LoadRequest)>,
    ) -> Result<Vec<Row>, StoreError> {
        let shards: Vec<i16> = requests.iter().map(|(_, request)| shard(request.id)).collect();
        let ids: Vec<_> = requests.iter().map(|(_, request)| request.id.uuid()).collect();
        let after: Vec<_> = requests.iter().map(|(_, request)| request.journal_after).collect();
        let places: Vec<_> = requests.iter().map(|(n, _)| i64::try_from(*n).ok()).collect();
        let sql = include_str!("sql/load.sql");
        let part = part.map(i16::from);
        self.engine.query(sql, &[&part, &shards, &ids, &after, &places]).await
    }

    pub(crate) async fn due_in(
        &self,
        part: OneShard,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<(ExecutionId, Timestamp)>, StoreError> {
        let (sql, part) = (include_str!("sql/due_wake_ups.sql"), part.map(i16::from));
        let params: [crate::batch::Param<'_>; 3] = [&part, &until.millis(), &i64::from(limit)];
        let rows = self.engine.query(sql, &params).await?;
        let due = |row: &Row| {
            Ok((execution_id(get(row, "id")?)?, Timestamp::from_millis(get(row, "wake_at")?)))
        };
        rows.iter().map(due).collect()
    }

    pub(crate) async fn reserve_in(
        &self,
        part: OneShard,
        queues: &[Cow<'_, str>],
        counts: Vec<i64>,
        reserve_ms: u32,
    ) -> Result<Vec<ReadyKey>, StoreError> {
        let (sql, part) = (include_str!("sql/reserve_ready.sql"), part.map(i16::from));
        let reserve_ms = i64::from(reserve_ms);
        let rows = self.engine.query(sql, &[&part, &queues, &counts, &reserve_ms]).await?;
        rows.iter().map(ready_key).collect()
    }

    /// Asks a few shards at once, each for its part of what is still wanted, until all is found or no
    /// shard has any. The next request begins where this one ended.
    pub(crate) async fn reserve_by_turns(
        &self,
        queues: &[Cow<'_, str>],
        mut wanted: Vec<i64>,
        reserve_ms: u32,
    ) -> Result<Vec<ReadyKey>, StoreError> {
        let (mut next, mut barren) = (self.turn.load(Ordering::Relaxed), 0);
        let mut named = HashSet::new();
        while barren < SHARDS
            && let Some(width) = width(&wanted)
        {
            let asks = (0..width).map(|n| {
                let (shard, counts) = ((next + n) % SHARDS, shares(&wanted, n, width));
                self.reserve_in(Some(shard), queues, counts, reserve_ms)
            });
            let mut found = futures::future::try_join_all(asks).await?.concat();
            // A reservation may have ended since the shard was asked before.
            found.retain(|key| named.insert(key.clone()));
            next = (next + width) % SHARDS;
            barren = if found.is_empty() { barren + width } else { 0 };
            for (queue, count) in queues.iter().zip(&mut wanted) {
                let is_its = |key: &&ReadyKey| text(&key.queue) == *queue;
                *count -= i64::try_from(found.iter().filter(is_its).count()).unwrap_or(*count);
            }
        }
        self.turn.store(next, Ordering::Relaxed);
        let mut named: Vec<ReadyKey> = named.into_iter().collect();
        named.sort_unstable_by_key(urgency);
        Ok(named)
    }
}

/// How many shards are asked at once: each for at least one task of every queue that wants some.
fn width(wanted: &[i64]) -> Option<u8> {
    let least = wanted.iter().filter(|count| **count > 0).min()?;
    Some(u8::try_from(*least).unwrap_or(ASKED_AT_ONCE).min(ASKED_AT_ONCE))
}

/// The `n`th of `width` equal parts of each count.
fn shares(wanted: &[i64], n: u8, width: u8) -> Vec<i64> {
    let (n, width) = (i64::from(n), i64::from(width));
    wanted.iter().map(|count| count / width + i64::from(n < count % width)).collect()
}

fn urgency(key: &ReadyKey) -> (Reverse<u8>, Timestamp, TaskId) {
    (Reverse(key.priority), key.ready_at, key.task)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of a demand are a demand together, and nobody is asked for more than is wanted.
    #[test]
    fn shares_add_up() {
        for wanted in [[1, 40], [7, 8], [64, 3], [255, 0]] {
            let width = width(&wanted).expect("something is wanted");
            assert!((1..=ASKED_AT_ONCE).contains(&width));
            let parts: Vec<_> = (0..width).map(|n| shares(&wanted, n, width)).collect();
            for (queue, count) in wanted.iter().enumerate() {
                assert_eq!(parts.iter().map(|part| part[queue]).sum::<i64>(), *count);
                assert!(*count == 0 || parts.iter().all(|part| part[queue] > 0));
            }
        }
        assert_eq!(width(&[0, 0]), None);
    }
}
