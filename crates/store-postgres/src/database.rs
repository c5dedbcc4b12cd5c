//! A bounded pool of connections of one kind, and queries with a deadline.
use crate::connector::{CONNECT_MAX, Connector};
use crate::error::{is_outage, is_spoiled, is_undone, store_error, unavailable};
use crate::liveness::{Prober, Silence, process_of};
use baton_store::StoreError;
use baton_telemetry::{Counter, Histogram, StoreMetrics};
use deadpool::managed::{self, Metrics, RecycleError, RecycleResult, TimeoutType};
use deadpool_postgres::{ClientWrapper, ManagerConfig, RecyclingMethod, Runtime};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row};

/// How much longer than the server we wait for its answer.
const GRACE: Duration = Duration::from_secs(3);
/// How long to wait for a database that cannot be reached: longer than a restart takes, and short
/// enough that the caller learns of the outage in time.
pub(crate) const OUTAGE_MAX: Duration = Duration::from_secs(3);
/// How long between two tries to reach it.
const BETWEEN_TRIES: Duration = Duration::from_millis(50);
/// How often a statement is sent that the server undoes for the sake of another.
const ATTEMPTS: u32 = 3;

/// One kind of parameter list.
pub(crate) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

type Pool = managed::Pool<Links>;
type Object = managed::Object<Links>;
type PoolError = managed::PoolError<Error>;

/// Connections that are all alike.
pub(crate) struct Database {
    pool: Pool,
    deadline: Duration,
    meter: PoolMeter,
    prober: Arc<Prober>,
    /// Whose turn it is to try, while the database is not there.
    turn: tokio::sync::Mutex<()>,
}

/// How much of a database a pool may use.
pub(crate) struct Bounds {
    pub(crate) connections: usize,
    pub(crate) wait_ms: u64,
    pub(crate) statement_ms: u32,
}

/// What a pool records.
pub(crate) struct PoolMeter {
    round_trips: Counter,
    wait: Histogram,
    name: &'static str,
}

impl PoolMeter {
    /// For the pool of this name.
    pub(crate) fn new(metrics: &StoreMetrics, name: &'static str) -> Self {
        Self { round_trips: metrics.round_trips.clone(), wait: metrics.pool_wait(name), name }
    }
}

/// A pooled connection, and the server's process behind it.
pub(crate) struct Link {
    client: ClientWrapper,
    process: i32,
}

/// Opens pooled connections, and looks at them before they are used again.
struct Links {
    manager: deadpool_postgres::Manager,
    prober: Arc<Prober>,
    /// When a connection was found dead; those that were idle then are not trusted either.
    found_dead: Mutex<Option<Instant>>,
}

impl Links {
    /// Whether a connection that was last handed out so long ago may be used again.
    async fn is_usable(&self, link: &Link, unused: Duration) -> bool {
        if link.client.is_closed() {
            return false;
        }
        if unused < self.prober.patience {
            return true;
        }
        let used_at = Instant::now().checked_sub(unused);
        let found_dead = *self.found_dead.lock().unwrap_or_else(PoisonError::into_inner);
        found_dead.is_none_or(|at| used_at > Some(at)) && self.prober.is_alive(&link.client).await
    }

    fn note_dead(&self) {
        *self.found_dead.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

impl managed::Manager for Links {
    type Type = Link;
    type Error = Error;

    async fn create(&self) -> Result<Link, Error> {
        let client = managed::Manager::create(&self.manager).await?;
        let process = process_of(&client).await?;
        Ok(Link { client, process })
    }

    async fn recycle(&self, link: &mut Link, metrics: &Metrics) -> RecycleResult<Error> {
        if self.is_usable(link, metrics.last_used()).await {
            return Ok(());
        }
        self.note_dead();
        Err(RecycleError::message("the connection is dead"))
    }

    fn detach(&self, link: &mut Link) {
        self.manager.detach(&mut link.client);
    }
}

/// A statement and its values.
#[derive(Clone, Copy)]
enum Question<'a> {
    /// Prepared once per connection.
    Prepared(&'static str, Params<'a>),
    /// Planned for these values.
    Once(&'a str, &'a [(&'a (dyn ToSql + Sync), Type)]),
}

impl Question<'_> {
    async fn put_to(self, client: &ClientWrapper) -> Result<Vec<Row>, Error> {
        match self {
            Self::Prepared(sql, params) => {
                let statement = client.prepare_cached(sql).await?;
                client.query(&statement, params).await
            }
            Self::Once(sql, params) => client.query_typed(sql, params).await,
        }
    }
}

/// Why a statement was not answered.
pub(crate) enum Failure {
    /// No connection was to be had.
    Store(StoreError),
    /// The server, or the connection, said so.
    Server(Error),
    /// Nobody said anything.
    Silent(Silence),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Store(error) => error,
            Failure::Server(error) => store_error(&error),
            Failure::Silent(silence) => silence.into(),
        }
    }
}

impl Failure {
    /// Whether the connection alone was at fault.
    fn is_of_connection(&self) -> bool {
        match self {
            Self::Store(_) | Self::Silent(Silence::OfServer) => false,
            Self::Server(error) => error.as_db_error().is_none() && is_spoiled(error),
            Self::Silent(Silence::OfConnection) => true,
        }
    }

    /// Whether the statement left nothing and may pass when it is sent again.
    fn is_undone(&self) -> bool {
        matches!(self, Self::Server(error) if is_undone(error))
    }
}

impl Database {
    /// A pool of connections that are made when they are needed.
    pub(crate) fn new(
        connector: Connector,
        bounds: &Bounds,
        meter: PoolMeter,
        prober: Arc<Prober>,
    ) -> Result<Self, StoreError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let config = connector.config().clone();
        let manager = deadpool_postgres::Manager::from_connect(config, connector, recycling);
        let (found_dead, prober_of_links) = (Mutex::default(), Arc::clone(&prober));
        let pool = Pool::builder(Links { manager, prober: prober_of_links, found_dead })
            .max_size(bounds.connections.max(1))
            .wait_timeout(Some(Duration::from_millis(bounds.wait_ms)))
            .create_timeout(Some(CONNECT_MAX))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| unavailable(&error))?;
        let deadline = deadline(bounds.statement_ms);
        Ok(Self { pool, deadline, meter, prober, turn: tokio::sync::Mutex::default() })
    }

    /// Reads by a statement that is prepared once per connection. Where a connection turns out to be
    /// dead, another is tried.
    pub(crate) async fn query(
        &self,
        sql: &'static str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        self.read(Question::Prepared(sql, params)).await
    }

    /// Reads by a statement that is planned for these values, in one round trip.
    pub(crate) async fn query_once(
        &self,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, StoreError> {
        self.read(Question::Once(sql, params)).await
    }

    /// Writes by a statement that is prepared once per connection. Nothing is known of it after an
    /// error of the connection.
    pub(crate) async fn write(
        &self,
        sql: &'static str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, Failure> {
        self.ask(Question::Prepared(sql, params)).await
    }

    async fn read(&self, question: Question<'_>) -> Result<Vec<Row>, StoreError> {
        match self.ask(question).await {
            Err(failure) if failure.is_of_connection() => Ok(self.ask(question).await?),
            answer => Ok(answer?),
        }
    }

    /// Asks again what the server undoes for the sake of another.
    async fn ask(&self, question: Question<'_>) -> Result<Vec<Row>, Failure> {
        for _ in 1..ATTEMPTS {
            match self.ask_once(question).await {
                Err(failure) if failure.is_undone() => {}
                answer => return answer,
            }
        }
        self.ask_once(question).await
    }

    /// One statement on one connection, which goes back to the pool only if it is in order.
    async fn ask_once(&self, question: Question<'_>) -> Result<Vec<Row>, Failure> {
        let link = self.link().await.map_err(Failure::Store)?;
        let work = question.put_to(&link.client);
        let answer = self.prober.answer(link.process, self.deadline, work).await;
        match answer {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => {
                if is_spoiled(&error) {
                    drop(Object::take(link));
                }
                Err(Failure::Server(error))
            }
            Err(silence) => {
                drop(Object::take(link));
                self.pool.manager().note_dead();
                Err(Failure::Silent(silence))
            }
        }
    }

    /// A connection for one statement.
    async fn link(&self) -> Result<Object, StoreError> {
        let began = Instant::now();
        let link = match self.pool.get().await {
            Err(error) if is_away(&error) => self.wait_for_return(began, error).await,
            outcome => outcome,
        };
        self.meter.wait.observe(began.elapsed());
        self.meter.round_trips.inc();
        link.map_err(|error| self.refusal(&error))
    }

    fn refusal(&self, error: &PoolError) -> StoreError {
        match error {
            PoolError::Timeout(TimeoutType::Wait) => {
                let (name, size) = (self.meter.name, self.pool.status().max_size);
                let what = format!("all {size} connections of the {name} pool are in use");
                StoreError::Unavailable(what)
            }
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => {
                Silence::OfServer.into()
            }
            PoolError::Backend(_)
            | PoolError::Closed
            | PoolError::NoRuntimeSpecified
            | PoolError::PostCreateHook(_) => unavailable(error),
        }
    }

    /// A connection to a database that comes back soon. One caller tries for all that wait.
    async fn wait_for_return(&self, began: Instant, error: PoolError) -> Result<Object, PoolError> {
        let until = began + OUTAGE_MAX;
        let Ok(_turn) = timeout_at(until, self.turn.lock()).await else { return Err(error) };
        let back = until_there(until, || self.pool.get(), is_away);
        timeout_at(until, back).await.unwrap_or(Err(error))
    }
}

fn is_away(error: &PoolError) -> bool {
    match error {
        PoolError::Backend(error) => is_outage(error),
        PoolError::Timeout(TimeoutType::Create) => true,
        PoolError::Timeout(TimeoutType::Wait | TimeoutType::Recycle)
        | PoolError::Closed
        | PoolError::NoRuntimeSpecified
        | PoolError::PostCreateHook(_) => false,
    }
}

/// Opens a connection that no pool has; waits for a database that is not there but comes back soon.
pub(crate) async fn connect<T, F>(open: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, Error>>,
{
    let until = Instant::now() + OUTAGE_MAX;
    let opened = timeout_at(until, until_there(until, open, is_outage)).await;
    opened.map_err(|_| Silence::OfServer)?.map_err(|error| unavailable(&error))
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
