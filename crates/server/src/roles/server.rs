//! `baton server`: store, orchestrator, gateway and executor in one process.
use super::local_source::LocalSource;
use crate::config::{Config, Database, EngineConfig};
use crate::failure::{Exit, Failure};
use crate::spans::Export;
use baton_api_gateway::{ConnectionLimits, GatewayOptions, router, serve_within};
use baton_common::Payload;
use baton_executor::Executor;
use baton_executor::http::{Endpoint, HostPort};
use baton_expression::script::{
    EvaluatorPool, PoolEvent, PoolLimits, Replaced, Script, ScriptError, ScriptLimits, ShareKey,
};
use baton_orchestrator::{Orchestrator, RunScript};
use baton_store::Store;
use baton_store_postgres::{PostgresConfig, PostgresStore, hosts_of};
use baton_store_sqlite::{Durability, Options, SqliteStore};
use baton_telemetry::{EvaluatorMetrics, Telemetry, WorkerMetrics};
use std::hash::{BuildHasher, RandomState};
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long a script waits before it asks again whether a full pool has room.
const POOL_PAUSE: Duration = Duration::from_millis(20);

/// Serves until the process is asked to stop.
pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    let telemetry = Telemetry::default();
    let store = open_store(&config.engine, &telemetry).await?;
    let (tracer, export) = Export::start(&config.traces)?;
    let run_script = evaluator(&config.engine, &telemetry)?;
    let orchestrator = Orchestrator::start_traced(store, run_script, tracer)
        .await
        .map_err(|error| unavailable(&error.to_string()))?;
    telemetry.add(orchestrator.metrics());
    let listener = super::listen(config.engine.listen, "--listen").await?;
    let address = listener.local_addr()?;
    announce(config, address)?;
    let stop = CancellationToken::new();
    let executor = spawn_executor(config, &orchestrator, own_endpoints(config, address), &stop)?;
    if let Some(executor) = &executor {
        telemetry.add(&executor.metrics);
    }
    let (stopping, engine) = (stop.clone(), orchestrator.clone());
    let gateway = router(orchestrator, gateway_options(telemetry, config.engine.bodies_bytes_max));
    let (lost, engine_lost) = oneshot::channel();
    let limits = ConnectionLimits { drain_max: config.drain, ..ConnectionLimits::STANDARD };
    serve_within(listener, gateway, limits, async move {
        tokio::select! {
            () = super::requested() => {}
            () = engine.ended() => {
                tracing::error!("the engine has ended by a fault of its own; so does this process");
                let _ = lost.send(());
            }
        }
        stopping.cancel();
        engine.stop_waiting();
    })
    .await;
    if let Some(executor) = executor {
        executor.task.await.map_err(|error| Failure::new(Exit::Defect, error.to_string()))?;
    }
    if let Some(export) = export {
        export.finish().await;
    }
    tracing::info!("stopped");
    let lost = engine_lost.await.map(|()| "the engine has ended by a fault of its own");
    lost.map_or(Ok(()), |cause| Err(Failure::new(Exit::Defect, cause)))
}

/// Says where to find this process and its data: a line for people, or a log line for programs.
fn announce(config: &Config, address: SocketAddr) -> Result<(), Failure> {
    let (url, database) = (format!("http://{address}"), config.engine.database.to_string());
    if config.log_format.is_json(std::io::stderr().is_terminal()) {
        tracing::info!(url, database, version = VERSION, "serving");
    } else {
        let line = format!("baton {VERSION} serves {url}, database {database}");
        writeln!(std::io::stderr().lock(), "{line}")?;
    }
    Ok(())
}

/// Opens the database, brought up to date.
async fn open_store(
    config: &EngineConfig,
    telemetry: &Telemetry,
) -> Result<Arc<dyn Store>, Failure> {
    match &config.database {
        Database::Sqlite(path) => {
            let path = path.clone();
            let options = Options { durability: Durability::Full };
            let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&path, &options));
            let store = opened.await.map_err(|error| unavailable(&error.to_string()))?;
            let store = store.map_err(|error| unavailable(&error.to_string()))?;
            telemetry.add(store.metrics());
            Ok(Arc::new(store))
        }
        Database::Postgres(url) => {
            let migrated = PostgresStore::migrate(url).await;
            migrated.map_err(|error| unavailable(&error.to_string()))?;
            let config =
                PostgresConfig { pool_size: config.database_pool_size, ..PostgresConfig::new(url) };
            let store = PostgresStore::connect(config).await;
            let store = store.map_err(|error| unavailable(&error.to_string()))?;
            telemetry.add(store.metrics());
            Ok(Arc::new(store))
        }
    }
}

fn unavailable(cause: &str) -> Failure {
    Failure::new(Exit::Unavailable, cause.to_owned()).fix("check --database-url")
}

/// Scripts run in children of this very program.
fn evaluator(config: &EngineConfig, telemetry: &Telemetry) -> Result<RunScript, Failure> {
    let program = std::env::current_exe()?;
    let arguments = vec!["__evaluate".to_owned()];
    let limits = PoolLimits::of_processes(config.evaluators);
    let metrics = EvaluatorMetrics::default();
    telemetry.add(&metrics);
    let observe = observer(metrics);
    let scripts = ScriptLimits::default();
    let pool = EvaluatorPool::observed(program, arguments, limits, scripts, observe);
    let pool = Arc::new(pool);
    Ok(Arc::new(move |share, script| Box::pin(run_in(pool.clone(), share, script))))
}

/// Runs a script when it is its share's turn. A full pool makes it wait, never fail.
async fn run_in(
    pool: Arc<EvaluatorPool>,
    share: ShareKey,
    script: Script,
) -> Result<Payload, ScriptError> {
    loop {
        let (sender, receiver) = oneshot::channel();
        let done = move |result| drop(sender.send(result));
        if pool.submit(share, script.clone(), done).is_ok() {
            let ended = |_| Err(ScriptError::EngineLost { message: "the pool has ended".into() });
            return receiver.await.unwrap_or_else(ended);
        }
        tokio::time::sleep(POOL_PAUSE).await;
    }
}

/// Records what happens in a pool of evaluators.
fn observer(metrics: EvaluatorMetrics) -> impl Fn(PoolEvent) + Send + Sync + 'static {
    let replaced = ["memory", "evaluations", "timed_out", "lost"];
    let [memory, evaluations, timed_out, lost] = replaced.map(|reason| metrics.replaced(reason));
    move |event| match event {
        PoolEvent::Queued => {
            metrics.waiting.inc();
        }
        PoolEvent::Began { waited } => {
            metrics.waiting.dec();
            metrics.wait.observe(waited);
        }
        PoolEvent::Refused => {
            metrics.refused.inc();
        }
        PoolEvent::Replaced(why) => {
            let counter = match why {
                Replaced::Memory => &memory,
                Replaced::Evaluations => &evaluations,
                Replaced::TimedOut => &timed_out,
                Replaced::Lost => &lost,
            };
            counter.inc();
        }
    }
}

/// What HTTP tasks must not call: this very process and its database.
fn own_endpoints(config: &Config, address: SocketAddr) -> Vec<Endpoint> {
    let hosts = match &config.engine.database {
        Database::Sqlite(_) => Vec::new(),
        Database::Postgres(url) => hosts_of(url),
    };
    // A host that no URL can name, as fe80::1%eth0, no task can call.
    let services = hosts.iter().filter_map(|(host, port)| HostPort::new(host, *port).ok());
    [Endpoint::Listener(address)].into_iter().chain(services.map(Endpoint::Service)).collect()
}

/// An executor under way in this process.
struct Running {
    task: tokio::task::JoinHandle<()>,
    metrics: WorkerMetrics,
}

/// Runs the built-in task types against the engine of this process, when wanted.
fn spawn_executor(
    config: &Config,
    orchestrator: &Orchestrator,
    own: Vec<Endpoint>,
    stop: &CancellationToken,
) -> Result<Option<Running>, Failure> {
    let registry = super::executor::registry(&config.worker, own)?;
    if !config.engine.task_workers || registry.names().next().is_none() {
        return Ok(None);
    }
    let source = Arc::new(LocalSource::new(orchestrator.clone()));
    let executor = Executor::new(source, registry, super::executor::executor_config(config))
        .map_err(|error| Failure::new(Exit::Config, error.to_string()))?;
    let (metrics, stop) = (executor.metrics().clone(), stop.clone());
    let task = tokio::spawn(async move {
        let drained = executor.run(stop.cancelled_owned()).await;
        tracing::info!(drained.finished, drained.handed_back, "executor stopped");
    });
    Ok(Some(Running { task, metrics }))
}

fn gateway_options(telemetry: Telemetry, bodies_bytes_max: usize) -> GatewayOptions {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    GatewayOptions {
        instance: host.trim().to_owned(),
        version: VERSION.to_owned(),
        request_id_seed: RandomState::new().hash_one(1),
        bodies_bytes_max,
        telemetry,
    }
}
