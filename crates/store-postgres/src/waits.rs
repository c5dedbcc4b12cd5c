//! What an explanation reads: executions, places in queues and polls, in one statement.
use crate::batch::{Param, ReadyRows, Requests};
use crate::database::Database;
use crate::rows::{get, loaded_executions};
use crate::store::poll;
use crate::text::text;
use baton_store::{READY_COUNT_MAX, ReadyPlace, StoreError, WaitFacts, WaitQuery};
use tokio_postgres::Row;

pub(crate) async fn load(database: &Database, query: &WaitQuery) -> Result<WaitFacts, StoreError> {
    let requests = Requests::of(&query.executions);
    let mut places = ReadyRows::default();
    query.places.iter().for_each(|key| places.push(key));
    let task_types: Vec<_> = query.task_types.iter().map(|name| text(name)).collect();
    let limit = i64::from(READY_COUNT_MAX);
    let mut params: Vec<Param<'_>> = Vec::new();
    params.extend(requests.params());
    params.extend(places.params());
    params.extend([&limit as Param<'_>, &task_types]);
    let rows = database.query(include_str!("sql/load_waits.sql"), &params).await?;
    facts(query, rows)
}

fn facts(query: &WaitQuery, rows: Vec<Row>) -> Result<WaitFacts, StoreError> {
    let mut executions = Vec::new();
    let mut places = vec![None; query.places.len()];
    let mut polls = Vec::new();
    for row in rows {
        match get::<&str>(&row, "kind")? {
            "execution" => executions.push(row),
            "place" => {
                let n: i64 = get(&row, "n")?;
                let n = usize::try_from(n - 1).map_err(|_| StoreError::Corrupt("n".into()))?;
                places[n] = Some(place(&row)?);
            }
            "poll" => polls.push(poll(&row)?),
            other => return Err(StoreError::Corrupt(format!("a row of kind {other}"))),
        }
    }
    let executions = loaded_executions(&query.executions, &executions)?;
    Ok(WaitFacts { executions, places, polls })
}

fn place(row: &Row) -> Result<ReadyPlace, StoreError> {
    let count = |column| Ok::<_, StoreError>(get::<i64>(row, column)?.unsigned_abs());
    Ok(ReadyPlace { ahead: count("ahead")?, size: count("size")? })
}
