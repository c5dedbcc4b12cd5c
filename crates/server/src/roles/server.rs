//! `baton server`: store, orchestrator, gateway and executor in one process.
use super::local_source::LocalSource;
use crate::config::{Config, Database, EngineConfig};
use crate::failure::{Exit, Failure};
use crate::spans::Export;
use baton_api_gateway::{ConnectionLimits, GatewayOptions, router, serve_within};
use baton_executor::Executor;
use baton_expression::script::{
    EvaluatorPool, PoolEvent, PoolLimits, Replaced, ScriptLimits, ShareKey,
};
use baton_orchestrator::{Evaluate, Orchestrator};
use baton_store::Store;
use baton_store_postgres::{PostgresConfig, PostgresStore};
use baton_store_sqlite::{Durability, Options, SqliteStore};
use baton_telemetry::{EvaluatorMetrics, Telemetry};
use std::hash::{BuildHasher, RandomState};
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Serves until the process is asked to stop.
pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    let telemetry = Telemetry::default();
    let store = open_store(&config.engine, &telemetry).await?;
    let (tracer, export) = Export::start(&config.traces)?;
    let evaluate = evaluator(&config.engine, &telemetry)?;
    let orchestrator = Orchestrator::start_traced(store, evaluate, tracer)
        .await
        .map_err(|error| unavailable(&error.to_string()))?;
    telemetry.add(orchestrator.metrics());
    let listener = super::listen(config.engine.listen, "--listen").await?;
    announce(config, listener.local_addr()?)?;
    let stop = CancellationToken::new();
    let executor = spawn_executor(config, &orchestrator, &telemetry, &stop)?;
    let (stopping, engine) = (stop.clone(), orchestrator.clone());
    let gateway = router(orchestrator, gateway_options(telemetry));
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
        executor.await.map_err(|error| Failure::new(Exit::Defect, error.to_string()))?;
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
fn evaluator(config: &EngineConfig, telemetry: &Telemetry) -> Result<Evaluate, Failure> {
    let program = std::env::current_exe()?;
    let arguments = vec!["__evaluate".to_owned()];
    let limits = PoolLimits::of_processes(config.evaluators);
    let metrics = EvaluatorMetrics::default();
    telemetry.add(&metrics);
    let observe = observer(metrics);
    let scripts = ScriptLimits::default();
    let pool = EvaluatorPool::observed(program, arguments, limits, scripts, observe);
    Ok(Arc::new(move |script| pool.evaluate(ShareKey::default(), script)))
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

/// Runs the built-in task types against the engine of this process, when wanted.
fn spawn_executor(
    config: &Config,
    orchestrator: &Orchestrator,
    telemetry: &Telemetry,
    stop: &CancellationToken,
) -> Result<Option<tokio::task::JoinHandle<()>>, Failure> {
    let registry = super::executor::registry(&config.worker);
    if !config.engine.task_workers || registry.names().next().is_none() {
        return Ok(None);
    }
    let source = Arc::new(LocalSource::new(orchestrator.clone()));
    let executor = Executor::new(source, registry, super::executor::executor_config(config))
        .map_err(|error| Failure::new(Exit::Config, error.to_string()))?;
    telemetry.add(executor.metrics());
    let stop = stop.clone();
    Ok(Some(tokio::spawn(async move {
        let drained = executor.run(stop.cancelled_owned()).await;
        tracing::info!(drained.finished, drained.handed_back, "executor stopped");
    })))
}

fn gateway_options(telemetry: Telemetry) -> GatewayOptions {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    GatewayOptions {
        instance: host.trim().to_owned(),
        version: VERSION.to_owned(),
        request_id_seed: RandomState::new().hash_one(1),
        telemetry,
    }
}
