//! Connections that die without a word: a firewall forgets them, or a proxy stops to pass bytes on.
mod rows;

use anyhow::{Context, Result};
use baton_common::ExecutionId;
use baton_store::{
    Batch, CommitError, CommitLane, ExecutionWrite, LoadRequest, QueueDemand, SearchQuery, Store,
    StoreError,
};
use baton_store_postgres::{PostgresConfig, PostgresStore};
use baton_test_support::Postgres;
use rows::{AT, insert};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long our connections may be silent in these tests.
const PATIENCE_MS: u64 = 300;

/// What a request may take at most: far below the 18 s that a dead connection used to cost, far above
/// what a busy machine needs.
const BOUND: Duration = Duration::from_secs(8);

/// Passes bytes between us and the server until it is told to forget.
struct Proxy {
    port: u16,
    opened: Arc<AtomicU64>,
    /// Connections before this number are silent.
    silent_below: watch::Sender<u64>,
}

impl Proxy {
    async fn new(server: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (silent_below, silence) = watch::channel(0);
        let opened = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&opened);
        tokio::spawn(async move {
            while let Ok((ours, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(pass(ours, server, number, silence.clone()));
            }
        });
        Ok(Self { port, opened, silent_below })
    }

    /// Connections that are there go silent, later ones work.
    fn forget(&self) {
        self.silent_below.send_replace(self.opened.load(Ordering::SeqCst));
    }

    /// All go silent, new ones too.
    fn stop(&self) {
        self.silent_below.send_replace(u64::MAX);
    }
}

/// A silent connection stays open, and what is sent into it is never answered.
async fn pass(mut ours: TcpStream, server: u16, number: u64, mut silent: watch::Receiver<u64>) {
    let Ok(mut theirs) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut ours, &mut theirs) => return,
        _ = silent.wait_for(|below| number < *below) => {}
    }
    // Until the test ends.
    std::future::pending::<()>().await;
}

async fn proxied() -> Result<(Proxy, PostgresStore)> {
    let (proxy, store, _) = proxied_at().await?;
    Ok((proxy, store))
}

/// And the URL of the database itself.
async fn proxied_at() -> Result<(Proxy, PostgresStore, String)> {
    let server = Postgres::shared()?;
    let url = server.database()?;
    PostgresStore::migrate(&url).await?;
    let proxy = Proxy::new(server.port()).await?;
    let by_proxy = url.replace(&format!(":{}/", server.port()), &format!(":{}/", proxy.port));
    let config = PostgresConfig { patience_ms: PATIENCE_MS, ..PostgresConfig::new(by_proxy) };
    Ok((proxy, PostgresStore::connect(config).await?, url))
}

fn id(n: u64) -> ExecutionId {
    ExecutionId::new(AT, n << 12)
}

fn batch(write: ExecutionWrite) -> Batch {
    Batch { at: AT, writes: vec![write], ..Batch::default() }
}

async fn read_all(store: &PostgresStore) -> Vec<Result<(), StoreError>> {
    let load =
        async { store.load(&[LoadRequest { id: id(1), journal_after: Some(0) }]).await.map(drop) };
    let search = async { store.search(&SearchQuery::default()).await.map(drop) };
    let claim = async {
        store.reserve_ready(&[QueueDemand { queue: "q".into(), count: 1 }], 10).await.map(drop)
    };
    let timers = async { store.due_wake_ups(AT, 9).await.map(drop) };
    let (load, search, claim, timers) = tokio::join!(load, search, claim, timers);
    vec![load, search, claim, timers]
}

/// Commits; a commit that nothing is known of is followed by another, which must pass.
async fn commit(lane: &mut dyn CommitLane, n: u64) -> Result<()> {
    let first =
        timeout(BOUND, lane.commit(&batch(insert(id(n))))).await.context("a commit hangs")?;
    if let Err(CommitError::Store(StoreError::Unavailable(_))) = first {
        let next = timeout(BOUND, lane.commit(&batch(insert(id(n + 1))))).await;
        next.context("the next commit hangs")??;
        return Ok(());
    }
    first?;
    Ok(())
}

/// Goal: connections that a firewall has forgotten cost the patience and no request of a reader; of a
/// commit at most nothing is known, and the next one passes. Method: all connections go silent right
/// after they were used, new ones work.
#[tokio::test]
async fn forgotten_connections_are_replaced() -> Result<()> {
    let (proxy, store) = proxied().await?;
    let mut lane = store.open_lane().await?;
    commit(&mut *lane, 1).await?;
    for round in 0..3 {
        for read in timeout(BOUND, read_all(&store)).await.context("reads hang")? {
            read.with_context(|| format!("round {round}"))?;
        }
        proxy.forget();
        commit(&mut *lane, 10 * (round + 1)).await?;
    }
    for read in timeout(BOUND, read_all(&store)).await.context("reads hang")? {
        read?;
    }
    Ok(())
}

/// Goal: a network that swallows everything is answered with an error soon, and is forgotten once it
/// works again. Method: all connections go silent, new ones too, and then new ones work.
#[tokio::test]
async fn a_silent_network_is_told_soon_and_heals() -> Result<()> {
    let (proxy, store) = proxied().await?;
    let mut lane = store.open_lane().await?;
    commit(&mut *lane, 1).await?;
    proxy.stop();
    let reads = async { timeout(BOUND, read_all(&store)).await.context("reads hang") };
    let committed = async {
        let outcome = timeout(BOUND, lane.commit(&batch(insert(id(5))))).await;
        outcome.context("a commit hangs")
    };
    let (reads, committed) = tokio::join!(reads, committed);
    for read in reads? {
        assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    }
    let committed = committed?;
    let is_unknown = matches!(committed, Err(CommitError::Store(StoreError::Unavailable(_))));
    assert!(is_unknown, "{committed:?}");
    proxy.forget();
    commit(&mut *lane, 7).await?;
    for read in timeout(BOUND, read_all(&store)).await.context("reads hang")? {
        read?;
    }
    Ok(())
}

/// Goal: a server that takes its time is not taken for dead. Method: a commit waits for a lock until
/// the server has been asked about it at least once.
#[tokio::test]
async fn a_slow_statement_is_waited_for() -> Result<()> {
    const ASKED: &str = "select count(*) from pg_stat_activity \
        where datname = current_database() and query like '-- One row when the server%'";
    let (_proxy, store, database) = proxied_at().await?;
    let mut lane = store.open_lane().await?;
    let server = Postgres::shared()?;
    let (client, driver) = tokio_postgres::connect(&database, tokio_postgres::NoTls).await?;
    tokio::spawn(driver);
    client.batch_execute("begin; lock table journal in exclusive mode").await?;
    let slow = batch(insert(id(1)));
    let released = async {
        let asked = async {
            while server.sql(&database, ASKED)? == "0" {
                tokio::task::yield_now().await;
            }
            anyhow::Ok(())
        };
        timeout(BOUND, asked).await.context("nobody asks")??;
        client.batch_execute("rollback").await?;
        anyhow::Ok(())
    };
    let (committed, released) = tokio::join!(lane.commit(&slow), released);
    released?;
    committed?;
    Ok(())
}
