//! `baton executor`: runs the built-in task types for a server elsewhere.
use crate::commands::client;
use crate::config::{Config, WorkerConfig};
use crate::failure::{Exit, Failure};
use baton_api_gateway::{metrics_router, serve};
use baton_client::Client;
use baton_executor::command::{CommandConfig, CommandTask, Helper};
use baton_executor::http::{Endpoint, HostPort, HttpConfig, HttpTask, Reach};
use baton_executor::{Executor, ExecutorConfig, HttpSource, Registry, samples};
use baton_telemetry::Telemetry;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Most bytes of stdout kept from a program: what fits a task's output.
const COMMAND_STDOUT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Works until the process is asked to stop, then drains.
pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    let client = client(config)?;
    let registry = registry(&config.worker, own_endpoints(config, &client)?)?;
    let types: Vec<String> = registry.names().map(str::to_owned).collect();
    let server = client.base_url().to_owned();
    let source = Arc::new(HttpSource::new(client));
    let executor = Executor::new(source, registry, executor_config(config)).map_err(|error| {
        Failure::new(Exit::Config, error.to_string())
            .fix("give --http-slots, --command-programs or --samples")
    })?;
    let stop = CancellationToken::new();
    let metrics = match config.worker.metrics_listen {
        Some(address) => Some(serve_metrics(address, &executor, &stop).await?),
        None => None,
    };
    tracing::info!(server, ?types, "executor started");
    let drained = executor.run(super::requested()).await;
    stop.cancel();
    if let Some(metrics) = metrics {
        metrics.await.map_err(|error| Failure::new(Exit::Defect, error.to_string()))?;
    }
    tracing::info!(drained.finished, drained.handed_back, "executor stopped");
    Ok(())
}

/// Serves what the executor records until `stop`, also while it drains.
async fn serve_metrics(
    address: SocketAddr,
    executor: &Executor,
    stop: &CancellationToken,
) -> Result<tokio::task::JoinHandle<()>, Failure> {
    let listener = super::listen(address, "--metrics-listen").await?;
    tracing::info!(url = %format_args!("http://{}/metrics", listener.local_addr()?), "metrics served");
    let telemetry = Telemetry::default();
    telemetry.add(executor.metrics());
    let stop = stop.clone().cancelled_owned();
    Ok(tokio::spawn(serve(listener, metrics_router(telemetry), stop)))
}

/// What Baton itself is reached at, as far as an executor knows it.
fn own_endpoints(config: &Config, client: &Client) -> Result<Vec<Endpoint>, Failure> {
    let server = HostPort::of_url(client.base_url());
    let server =
        server.map_err(|error| Failure::new(Exit::Config, error).fix("check --server-url"))?;
    let metrics = config.worker.metrics_listen.map(Endpoint::Listener);
    Ok(metrics.into_iter().chain([Endpoint::Service(server)]).collect())
}

/// The task types that these settings ask for. `own` is what HTTP tasks may not call, unless every
/// address is within their reach.
pub(crate) fn registry(config: &WorkerConfig, own: Vec<Endpoint>) -> Result<Registry, Failure> {
    let mut registry = Registry::new();
    if config.http_slots > 0 {
        let denied = config.http_deny.iter().cloned().map(Endpoint::Service);
        let own = if config.http_reach == Reach::Any { Vec::new() } else { own };
        let http = HttpConfig {
            allow: config.http_allow.clone(),
            deny: own.into_iter().chain(denied).collect(),
            response_bytes_max: config.http_response_bytes_max,
            ..HttpConfig::with_reach(config.http_reach)
        };
        registry = registry.with(HttpTask::new(http), config.http_slots);
    }
    if !config.command_programs.is_empty() {
        let command = CommandConfig {
            programs: config.command_programs.clone(),
            env_names: config.command_env.clone(),
            time_max: config.command_time,
            grace: config.command_grace,
            stdout_bytes_max: COMMAND_STDOUT_BYTES_MAX,
            limits: config.command_limits,
            helper: helper()?,
        };
        registry = registry.with(CommandTask::new(command), config.command_slots);
    }
    Ok(if config.samples { samples::with_samples(registry) } else { registry })
}

/// Programs are started and guarded by this very program.
fn helper() -> Result<Helper, Failure> {
    let arguments = ["__command", "--"].map(Into::into).into();
    Ok(Helper { program: std::env::current_exe()?, arguments })
}

/// How the worker runtime behaves under these settings.
pub(crate) fn executor_config(config: &Config) -> ExecutorConfig {
    let worker = &config.worker;
    ExecutorConfig {
        worker_id: worker.worker_id.clone().unwrap_or_else(worker_id),
        domain: worker.domain.clone(),
        poll_timeout: worker.poll_timeout,
        drain_timeout: config.drain,
        // The standard library's hasher is seeded by the system: unlike in every process.
        jitter_seed: RandomState::new().hash_one(0),
    }
}

/// Host name and process id.
fn worker_id() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "baton" } else { host.trim() };
    format!("{host}-{}", std::process::id())
}
