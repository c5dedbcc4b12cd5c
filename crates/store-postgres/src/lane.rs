//! One connection that commits batches, one at a time.
use crate::batch::{Columns, Fences, Keys, OneShard, Param, shards_of};
use crate::connector::Connector;
use crate::database::{connect, deadline};
use crate::error::{is_lost_race, is_spoiled, is_undone, store_error};
use crate::limits::{Moves, limit_state, shards_of_limits};
use crate::liveness::{Prober, Silence, process_of};
use crate::rows::execution_id;
use crate::rows_written::rows_written;
use async_trait::async_trait;
use baton_common::ExecutionId;
use baton_store::error::Conflict;
use baton_store::{
    Batch, CommitError, CommitLane, CommitScope, InUse, LimitState, MessageId, StoreError,
};
use baton_telemetry::StoreMetrics;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_postgres::{Client, Row, Statement};

/// How often a batch is sent that was undone for the sake of another transaction, or lost a race to
/// somebody who cannot be found afterwards: an execution that was removed, a key that was given free.
const ATTEMPTS: u32 = 3;

/// Connections of an engine's lane where each shard has a commit of its own: as many as keep the nodes
/// busy while answers travel. Each has its own connections from the coordinator to the nodes.
const LANES: usize = 8;

/// A lane; its connection is driven on the runtime that made it.
pub(crate) struct Lane {
    setting: LaneSetting,
    link: Option<Link>,
}

/// What all lanes of a store have in common.
#[derive(Clone)]
pub(crate) struct LaneSetting {
    pub(crate) connector: Connector,
    pub(crate) scope: CommitScope,
    pub(crate) statement_timeout_ms: u32,
    pub(crate) metrics: StoreMetrics,
    pub(crate) prober: Arc<Prober>,
}

/// What became of a batch that was sent.
enum Sent {
    Committed(InUse),
    /// Somebody was faster.
    Lost,
    /// The database undid it for the sake of another transaction: the same may pass now.
    Undone,
}

/// An open connection with the lane's two statements.
struct Link {
    client: Client,
    commit: Statement,
    commit_limited: Statement,
    move_slots: Statement,
    losers: Statement,
    driver: JoinHandle<()>,
    /// The server's process behind the connection.
    process: i32,
    used_at: Instant,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Link {
    async fn open(connector: &Connector) -> Result<Self, tokio_postgres::Error> {
        let (client, driver) = connector.open_driven().await?;
        let process = process_of(&client).await?;
        let commit = client.prepare(include_str!("sql/commit.sql")).await?;
        let commit_limited = client.prepare(include_str!("sql/commit_limited.sql")).await?;
        let move_slots = client.prepare(include_str!("sql/move_slots.sql")).await?;
        let losers = client.prepare(include_str!("sql/commit_losers.sql")).await?;
        Ok(Self {
            client,
            commit,
            commit_limited,
            move_slots,
            losers,
            driver,
            process,
            used_at: Instant::now(),
        })
    }

    /// One transaction: one call where the batch has one part, which is the rule; else a call for
    /// each, in the order of the shards, so that lanes do not deadlock.
    async fn commit(
        &mut self,
        batch: &Batch,
        parts: &[OneShard],
    ) -> Result<InUse, tokio_postgres::Error> {
        if let [part] = parts
            && (batch.limits.is_empty() || part.is_none())
        {
            return self.commit_at_once(batch, *part).await;
        }
        let transaction = self.client.transaction().await?;
        for part in parts {
            let columns = Columns::of(batch, *part);
            transaction.query(&self.commit, &columns.params()).await?;
        }
        let mut held = InUse::new();
        for shard in shards_of_limits(&batch.limits) {
            let moves = Moves::of(&batch.limits, Some(shard));
            let rows = transaction.query(&self.move_slots, &moves.params_with_shard()).await?;
            held.extend(in_use(&moves, &rows));
        }
        transaction.commit().await?;
        Ok(held)
    }

    async fn commit_at_once(
        &self,
        batch: &Batch,
        part: OneShard,
    ) -> Result<InUse, tokio_postgres::Error> {
        let columns = Columns::of(batch, part);
        let mut params = columns.params();
        if batch.limits.is_empty() {
            return self.client.query(&self.commit, &params).await.map(|_| InUse::new());
        }
        let moves = Moves::of(&batch.limits, part);
        params.extend(moves.params());
        let rows = self.client.query(&self.commit_limited, &params).await?;
        Ok(in_use(&moves, &rows))
    }
}

#[async_trait]
impl CommitLane for Lane {
    async fn commit(&mut self, batch: &Batch) -> Result<InUse, CommitError> {
        if says_nothing(batch) {
            return Ok(InUse::new());
        }
        for _ in 0..ATTEMPTS {
            let is_doubled = !Keys::of(&batch.writes, None).doubled.is_empty();
            let sent = if is_doubled { Sent::Lost } else { self.try_commit(batch).await? };
            match sent {
                Sent::Committed(held) => {
                    self.setting.metrics.rows_written.inc_by(rows_written(batch));
                    return Ok(held);
                }
                Sent::Undone => continue,
                Sent::Lost => {}
            }
            let conflict = self.conflict(batch).await?;
            if conflict != Conflict::default() {
                return Err(CommitError::Conflict(conflict));
            }
        }
        Err(StoreError::Unavailable("a race was lost to nobody, again and again".into()).into())
    }
}

impl Lane {
    pub(crate) async fn open(setting: LaneSetting) -> Result<Self, StoreError> {
        let mut lane = Self { setting, link: None };
        lane.link().await?;
        Ok(lane)
    }

    /// The parts of a batch that are a statement each.
    fn parts(&self, batch: &Batch) -> Vec<OneShard> {
        match self.setting.scope {
            CommitScope::Database => vec![None],
            CommitScope::Shard => {
                let shards = shards_of(batch);
                // A batch without rows still brings plans and a revision.
                if shards.is_empty() {
                    vec![Some(0)]
                } else {
                    shards.into_iter().map(Some).collect()
                }
            }
        }
    }

    async fn try_commit(&mut self, batch: &Batch) -> Result<Sent, StoreError> {
        let parts = self.parts(batch);
        self.setting.metrics.round_trips.inc_by(parts.len() as u64);
        let prober = Arc::clone(&self.setting.prober);
        let limit = deadline(self.setting.statement_timeout_ms);
        let link = self.link().await?;
        match prober.answer(link.process, limit, link.commit(batch, &parts)).await {
            Ok(Ok(held)) => Ok(Sent::Committed(held)),
            Ok(Err(error)) if is_lost_race(&error) => Ok(Sent::Lost),
            Ok(Err(error)) if is_undone(&error) => Ok(Sent::Undone),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(silence) => Err(self.hangs(silence)),
        }
    }

    /// Who was faster, by name.
    async fn conflict(&mut self, batch: &Batch) -> Result<Conflict, StoreError> {
        let mut conflict = Conflict::default();
        for part in self.parts(batch) {
            let fences = Fences::of(batch, part);
            for row in self.losers(&fences).await? {
                add_loser(&mut conflict, &row)?;
            }
            fences.add_doubled(&mut conflict.idempotency);
        }
        if !batch.limits.is_empty() {
            conflict.limits = self.exceeded(batch).await?;
        }
        Ok(conflict)
    }

    /// The limits that stand against the batch.
    async fn exceeded(&mut self, batch: &Batch) -> Result<Vec<LimitState>, StoreError> {
        let parts: Vec<OneShard> = match self.setting.scope {
            CommitScope::Database => vec![None],
            CommitScope::Shard => shards_of_limits(&batch.limits).into_iter().map(Some).collect(),
        };
        let mut exceeded = Vec::new();
        for part in parts {
            let moves = Moves::of(&batch.limits, part);
            let link = self.link().await?;
            let sql = link.client.prepare(include_str!("sql/limit_conflicts.sql")).await;
            let sql = sql.map_err(|error| store_error(&error))?;
            for row in self.ask(&sql, &moves.questions()).await? {
                exceeded.push(limit_state(&row)?);
            }
        }
        Ok(exceeded)
    }

    async fn losers(&mut self, fences: &Fences<'_>) -> Result<Vec<Row>, StoreError> {
        let losers = self.link().await?.losers.clone();
        self.ask(&losers, &fences.params()).await
    }

    async fn ask(&mut self, sql: &Statement, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
        self.setting.metrics.round_trips.inc();
        let prober = Arc::clone(&self.setting.prober);
        let limit = deadline(self.setting.statement_timeout_ms);
        let link = self.link().await?;
        let asked = link.client.query(sql, params);
        match prober.answer(link.process, limit, asked).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(silence) => Err(self.hangs(silence)),
        }
    }

    /// The connection; one that was not used for a while must answer before it is trusted.
    async fn link(&mut self) -> Result<&mut Link, StoreError> {
        let LaneSetting { prober, connector, .. } = &self.setting;
        let mut usable = self.link.take().filter(|link| !link.client.is_closed());
        if let Some(link) = &usable
            && link.used_at.elapsed() > prober.patience
            && !prober.is_alive(&link.client).await
        {
            usable = None;
        }
        let mut link = match usable {
            Some(link) => link,
            None => connect(|| Link::open(connector)).await?,
        };
        link.used_at = Instant::now();
        Ok(self.link.insert(link))
    }

    /// Keeps the connection only where it may serve the next batch.
    fn failed(&mut self, error: &tokio_postgres::Error) -> StoreError {
        if is_spoiled(error) {
            self.link = None;
        }
        store_error(error)
    }

    fn hangs(&mut self, silence: Silence) -> StoreError {
        self.link = None;
        silence.into()
    }
}

/// Nothing to write and nothing to fence.
fn says_nothing(batch: &Batch) -> bool {
    let Batch { at: _, revision, plans, writes, delivered, limits } = batch;
    let is_empty = plans.is_empty() && writes.is_empty() && delivered.is_empty();
    revision.is_none() && is_empty && limits.is_empty()
}

/// Several lanes side by side, for a database of many nodes: batches of one shard each do not wait
/// for one another.
pub(crate) struct Lanes(Vec<Lane>);

impl Lanes {
    pub(crate) async fn open(setting: &LaneSetting) -> Result<Self, StoreError> {
        let lanes = (0..LANES).map(|_| Lane::open(setting.clone()));
        Ok(Self(futures::future::try_join_all(lanes).await?))
    }
}

#[async_trait]
impl CommitLane for Lanes {
    async fn commit(&mut self, batch: &Batch) -> Result<InUse, CommitError> {
        match self.0.first_mut() {
            Some(lane) => lane.commit(batch).await,
            None => unreachable!("there are {LANES}"),
        }
    }

    async fn commit_each(&mut self, batches: &[Batch]) -> Vec<Result<InUse, CommitError>> {
        let next = AtomicUsize::new(0);
        let take = || {
            let place = next.fetch_add(1, Ordering::Relaxed);
            batches.get(place).map(|batch| (place, batch))
        };
        let work = self.0.iter_mut().map(|lane| async {
            let mut done = Vec::new();
            while let Some((place, batch)) = take() {
                done.push((place, lane.commit(batch).await));
            }
            done
        });
        let mut done = futures::future::join_all(work).await.concat();
        done.sort_unstable_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, outcome)| outcome).collect()
    }
}

/// The answer of `baton_move_slots`: a number for each limit, in their order.
fn in_use(moves: &Moves<'_>, rows: &[Row]) -> InUse {
    let held: Vec<i64> = rows.first().map(|row| row.get("held")).unwrap_or_default();
    let held = held.into_iter().map(|count| u64::try_from(count).unwrap_or(0));
    moves.names.iter().map(|name| (*name).to_owned()).zip(held).collect()
}

fn add_loser(conflict: &mut Conflict, row: &Row) -> Result<(), StoreError> {
    let id = |column: &str| -> Result<ExecutionId, StoreError> { execution_id(row.get(column)) };
    match row.get::<_, i16>("kind") {
        0 => conflict.versions.push(id("id")?),
        1 => conflict.idempotency.push((id("id")?, id("holder")?)),
        3 => {
            let (version, number) = (row.get("version"), row.get("number"));
            conflict.delivered.push(MessageId { from: id("id")?, version, number });
        }
        _ => conflict.stale_definitions = true,
    }
    Ok(())
}
