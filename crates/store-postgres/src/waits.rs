//! What an explanation reads: executions, places in queues and polls, in one statement, or in one for
//! each shard where the tables are distributed.
use crate::batch::{OneShard, Param, ReadyRows, shard};
use crate::config::IN_FLIGHT_MAX;
use crate::rows::{get, loaded_executions};
use crate::store::{PostgresStore, poll};
use crate::text::text;
use baton_store::{
    LoadRequest, PollQuery, PollRecord, READY_COUNT_MAX, ReadyPlace, StoreError, WaitFacts,
    WaitQuery,
};
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio_postgres::Row;

impl PostgresStore {
    pub(crate) async fn read_waits(&self, query: &WaitQuery) -> Result<WaitFacts, StoreError> {
        if let PollQuery::All = query.polls {
            let of_none = WaitQuery { polls: PollQuery::default(), ..query.clone() };
            let facts = self.waits_of_parts(&of_none).await?;
            return Ok(WaitFacts { polls: self.all_polls().await?, ..facts });
        }
        self.waits_of_parts(query).await
    }

    async fn all_polls(&self) -> Result<Vec<PollRecord>, StoreError> {
        let rows = self.searches.query(include_str!("sql/polls.sql"), &[]).await?;
        rows.iter().map(poll).collect()
    }

    async fn waits_of_parts(&self, query: &WaitQuery) -> Result<WaitFacts, StoreError> {
        if *query == WaitQuery::default() {
            return Ok(WaitFacts::default());
        }
        let parts = self.parts().into_iter().map(|part| self.waits_of(part, query));
        let parts: Vec<_> = stream::iter(parts).buffered(IN_FLIGHT_MAX).try_collect().await?;
        let mut found = Found::new(query);
        for rows in parts {
            found.add(rows)?;
        }
        found.facts(query)
    }

    /// The rows of `load_waits.sql` in one part.
    async fn waits_of(&self, part: OneShard, query: &WaitQuery) -> Result<Vec<Row>, StoreError> {
        let is_here = |request: &LoadRequest| part.is_none_or(|part| request.id.shard() == part);
        let requests = query.executions.iter().zip(0_i64..);
        let requests: Vec<_> = requests.filter(|(request, _)| is_here(request)).collect();
        let shards: Vec<i16> = requests.iter().map(|(request, _)| shard(request.id)).collect();
        let ids: Vec<_> = requests.iter().map(|(request, _)| request.id.uuid()).collect();
        let after: Vec<_> = requests.iter().map(|(request, _)| request.journal_after).collect();
        let numbers: Vec<i64> = requests.iter().map(|(_, n)| *n).collect();
        let mut places = ReadyRows::default();
        query.places.iter().for_each(|key| places.push(key));
        let task_types: Vec<_> = match &query.polls {
            PollQuery::Of(types) if part.unwrap_or(0) == 0 => {
                types.iter().map(|name| text(name)).collect()
            }
            PollQuery::Of(_) | PollQuery::All => Vec::new(),
        };
        let (part, limit) = (part.map(i16::from), i64::from(READY_COUNT_MAX));
        let mut params: Vec<Param<'_>> = vec![&part, &shards, &ids, &after, &numbers];
        params.extend(places.params());
        params.extend([&limit as Param<'_>, &task_types]);
        self.searches.query(include_str!("sql/load_waits.sql"), &params).await
    }
}

/// What the parts have answered so far.
struct Found {
    executions: Vec<Row>,
    /// Counts, and whether the task itself was found.
    places: Vec<(ReadyPlace, bool)>,
    polls: Vec<PollRecord>,
}

impl Found {
    fn new(query: &WaitQuery) -> Self {
        let none = (ReadyPlace { ahead: 0, size: 0 }, false);
        Self { executions: Vec::new(), places: vec![none; query.places.len()], polls: Vec::new() }
    }

    fn add(&mut self, rows: Vec<Row>) -> Result<(), StoreError> {
        for row in rows {
            match get::<&str>(&row, "kind")? {
                "execution" => self.executions.push(row),
                "place" => self.add_place(&row)?,
                "poll" => self.polls.push(poll(&row)?),
                other => return Err(StoreError::Corrupt(format!("a row of kind {other}"))),
            }
        }
        Ok(())
    }

    fn add_place(&mut self, row: &Row) -> Result<(), StoreError> {
        let n: i64 = get(row, "n")?;
        let n = usize::try_from(n - 1).map_err(|_| StoreError::Corrupt("n".into()))?;
        let (place, is_ready) = &mut self.places[n];
        place.ahead += get::<i64>(row, "ahead")?.unsigned_abs();
        place.size += get::<i64>(row, "size")?.unsigned_abs();
        *is_ready |= get::<bool>(row, "is_ready")?;
        Ok(())
    }

    fn facts(self, query: &WaitQuery) -> Result<WaitFacts, StoreError> {
        let bounded = |count: u64| count.min(READY_COUNT_MAX.into());
        let places = self.places.into_iter().map(|(place, is_ready)| {
            let ReadyPlace { ahead, size } = place;
            is_ready.then(|| ReadyPlace { ahead: bounded(ahead), size: bounded(size) })
        });
        let executions = loaded_executions(&query.executions, &self.executions)?;
        Ok(WaitFacts { executions, places: places.collect(), polls: self.polls })
    }
}
