//! What the database knows of limits, read by name.
use crate::limits::{limit_state, shard_of_limit};
use crate::rows::{get, task_id};
use crate::store::PostgresStore;
use crate::text::text;
use baton_common::TaskId;
use baton_store::{LimitState, StoreError};

impl PostgresStore {
    pub(crate) async fn read_limits(
        &self,
        names: &[String],
    ) -> Result<Vec<LimitState>, StoreError> {
        let shards: Vec<i16> = names.iter().map(|name| shard_of_limit(name).into()).collect();
        let texts: Vec<_> = names.iter().map(|name| text(name)).collect();
        let rows = self.engine.query(include_str!("sql/limits.sql"), &[&shards, &texts]).await?;
        let found = rows.iter().map(limit_state).collect::<Result<Vec<_>, _>>()?;
        let state = |name: &String| {
            let none = || LimitState { limit: name.clone(), ..LimitState::default() };
            found.iter().find(|state| state.limit == *name).cloned().unwrap_or_else(none)
        };
        Ok(names.iter().map(state).collect())
    }

    pub(crate) async fn read_holders(
        &self,
        limit: &str,
        most: u32,
    ) -> Result<Vec<TaskId>, StoreError> {
        let sql = include_str!("sql/slot_holders.sql");
        let (shard, name, most) = (i16::from(shard_of_limit(limit)), text(limit), i64::from(most));
        let rows = self.searches.query(sql, &[&shard, &name, &most]).await?;
        rows.iter().map(|row| task_id(get(row, "execution_id")?, get(row, "seq")?)).collect()
    }
}
