//! A bounded pool of connections of one kind, and queries with a deadline.
use crate::error::{is_outage, store_error, too_late, unavailable};
use baton_store::StoreError;
use baton_telemetry::{Counter, Histogram, StoreMetrics};
use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Config, NoTls, Row};

/// How much longer than the server we wait for its answer.
const GRACE: Duration = Duration::from_secs(3);
/// How long a database that is not there is waited for: a restart takes less, and longer a caller
/// should not be kept from hearing of it.
const OUTAGE_MAX: Duration = Duration::from_secs(3);
/// How long between two tries to reach it.
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// One kind of parameter list.
pub(crate) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Connections that are all alike.
pub(crate) struct Database {
    pool: Pool,
    deadline: Duration,
    meter: PoolMeter,
    /// Whose turn it is to try, while the database is not there.
    turn: Mutex<()>,
}

/// What a pool records.
pub(crate) struct PoolMeter {
    round_trips: Counter,
    wait: Histogram,
}

impl PoolMeter {
    /// For the pool of this name.
    pub(crate) fn new(metrics: &StoreMetrics, pool: &str) -> Self {
        Self { round_trips: metrics.round_trips.clone(), wait: metrics.pool_wait(pool) }
    }
}

impl Database {
    /// A pool of at most `size` connections, made when they are needed.
    pub(crate) fn new(
        config: Config,
        size: usize,
        wait_ms: u64,
        timeout_ms: u32,
        meter: PoolMeter,
    ) -> Result<Self, StoreError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config, NoTls, recycling);
        let pool = Pool::builder(manager)
            .max_size(size.max(1))
            .wait_timeout(Some(Duration::from_millis(wait_ms)))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| unavailable(&error))?;
        Ok(Self { pool, deadline: deadline(timeout_ms), meter, turn: Mutex::default() })
    }

    /// Runs a statement that is prepared once per connection.
    pub(crate) async fn query(
        &self,
        sql: &'static str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let rows = self.query_raw(sql, params).await?;
        rows.map_err(|error| store_error(&error))
    }

    /// As [`Self::query`], with the server's refusals untranslated.
    pub(crate) async fn query_raw(
        &self,
        sql: &'static str,
        params: Params<'_>,
    ) -> Result<Result<Vec<Row>, tokio_postgres::Error>, StoreError> {
        let client = self.client().await?;
        let work = async {
            let statement = client.prepare_cached(sql).await?;
            client.query(&statement, params).await
        };
        let outcome = tokio::time::timeout(self.deadline, work).await;
        outcome.map_err(|_| discard(client))
    }

    /// Runs a statement that is planned for these values, in one round trip.
    pub(crate) async fn query_once(
        &self,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, StoreError> {
        let client = self.client().await?;
        let outcome = tokio::time::timeout(self.deadline, client.query_typed(sql, params)).await;
        outcome.map_err(|_| discard(client))?.map_err(|error| store_error(&error))
    }

    /// A connection for one statement.
    async fn client(&self) -> Result<Object, StoreError> {
        let began = Instant::now();
        let client = match self.pool.get().await {
            Err(error) if is_away(&error) => self.wait_for_return(error).await,
            outcome => outcome,
        };
        self.meter.wait.observe(began.elapsed());
        self.meter.round_trips.inc();
        client.map_err(|error| unavailable(&error))
    }

    /// A connection to a database that comes back soon. One caller tries for all that wait.
    async fn wait_for_return(&self, error: PoolError) -> Result<Object, PoolError> {
        let until = Instant::now() + OUTAGE_MAX;
        let Ok(_turn) = timeout_at(until, self.turn.lock()).await else { return Err(error) };
        until_there(until, || self.pool.get(), is_away).await
    }
}

fn is_away(error: &PoolError) -> bool {
    matches!(error, PoolError::Backend(error) if is_outage(error))
}

/// Opens a connection that no pool has; waits for a database that is not there but comes back soon.
pub(crate) async fn connect<T, F>(open: impl Fn() -> F) -> Result<T, tokio_postgres::Error>
where
    F: Future<Output = Result<T, tokio_postgres::Error>>,
{
    until_there(Instant::now() + OUTAGE_MAX, open, is_outage).await
}

/// Tries again and again to reach a database that is not there.
async fn until_there<T, E, F: Future<Output = Result<T, E>>>(
    until: Instant,
    open: impl Fn() -> F,
    is_away: fn(&E) -> bool,
) -> Result<T, E> {
    loop {
        let outcome = open().await;
        if !outcome.as_ref().is_err_and(is_away) || Instant::now() >= until {
            return outcome;
        }
        sleep(BETWEEN_TRIES).await;
    }
}

/// How long to wait for a statement that the server stops after `timeout_ms`.
pub(crate) fn deadline(timeout_ms: u32) -> Duration {
    Duration::from_millis(timeout_ms.into()) + GRACE
}

/// A connection that does not answer must not go back to the pool.
fn discard(client: Object) -> StoreError {
    drop(Object::take(client));
    too_late()
}
