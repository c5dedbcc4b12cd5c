//! `baton bench`: runs benchmarks, against a server of its own unless one is named.
use crate::failure::{Exit, Failure};
use crate::output::{self, Format, Output};
use baton_bench::{BenchOptions, Report, Scenario};
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};

/// Longest time until a server on an empty file answers.
const START_MAX: Duration = Duration::from_secs(30);

/// Runs every scenario asked for and prints what each found.
pub(crate) async fn run(options: BenchOptions, output: Output) -> Result<(), Failure> {
    let scenarios = options.scenarios();
    let BenchOptions { url, plot, mut load, .. } = options;
    let wants_own = url.is_none() && scenarios.iter().any(Scenario::needs_server);
    let own =
        if wants_own { Some(OwnServer::start(load.database_url.as_deref()).await?) } else { None };
    let url = match &own {
        Some(server) => format!("{}/api", server.url),
        None => url.unwrap_or_default(),
    };
    load.server_pid.extend(own.as_ref().and_then(|server| server.process.id()));
    let mut reports = Vec::new();
    for scenario in scenarios {
        let found = baton_bench::run(scenario, url.clone(), load.clone()).await;
        for report in found.map_err(|error| failed(&error))? {
            print(&report, reports.is_empty(), output)?;
            reports.push(report);
        }
    }
    if output.format == Format::Json {
        match &reports[..] {
            [report] => output::json(report)?,
            reports => output::json(reports)?,
        }
    }
    if let Some(path) = plot {
        let drawn = baton_bench::plot(&reports).map_err(|error| failed(&error))?;
        std::fs::write(&path, drawn)?;
    }
    sound(&reports)
}

/// Prints a report as soon as it is there; JSON is one value and comes at the end.
fn print(report: &Report, is_first: bool, output: Output) -> Result<(), Failure> {
    if output.format == Format::Json {
        return Ok(());
    }
    if !is_first {
        output.line("")?;
    }
    let rows = report.rows().into_iter().map(Vec::from).collect();
    output.rows(&["FIGURE", "VALUE"], rows, report)
}

fn failed(error: &anyhow::Error) -> Failure {
    Failure::new(Exit::Unavailable, format!("{error:#}"))
        .fix("check --url, as http://127.0.0.1:8080/api, and --database-url, as postgres://…")
}

/// A figure of a run that went wrong is none.
fn sound(reports: &[Report]) -> Result<(), Failure> {
    let unsound = reports.iter().filter(|report| !report.is_sound());
    let names: Vec<&str> = unsound.map(|report| report.scenario).collect();
    if names.is_empty() {
        return Ok(());
    }
    let cause = format!("not every execution ended as it must: {}", names.join(", "));
    Err(Failure::new(Exit::WorkflowFailed, cause).fix("see the rows about executions and calls"))
}

/// `baton server` as a child, on the database named, or on a SQLite file that is removed with it.
struct OwnServer {
    process: Child,
    url: String,
    _folder: TempDir,
}

impl OwnServer {
    async fn start(database: Option<&str>) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let own = format!("sqlite:{}", folder.path().join("bench.db").display());
        let database = database.unwrap_or(&own);
        let mut process = Command::new(std::env::current_exe()?)
            .args(["server", "--listen", "127.0.0.1:0", "--database-url", database])
            .args(["--log", "warn", "--log-format", "text"])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let Some(stderr) = process.stderr.take() else {
            unreachable!("standard error was asked to be a pipe");
        };
        let mut log = BufReader::new(stderr);
        let url = tokio::time::timeout(START_MAX, announced(&mut log)).await;
        let url = url.map_err(|_| not_started("it did not say where it listens"))??;
        tokio::spawn(pass_on(log));
        Ok(Self { process, url, _folder: folder })
    }
}

/// Prints what the server logs until its end; with nobody reading it would stop at a full pipe.
async fn pass_on(log: BufReader<ChildStderr>) {
    let mut lines = log.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        drop(writeln!(std::io::stderr().lock(), "server: {line}"));
    }
}

/// The address in the first line that has one.
async fn announced(log: &mut BufReader<ChildStderr>) -> Result<String, Failure> {
    let mut said = String::new();
    loop {
        let from = said.len();
        if log.read_line(&mut said).await? == 0 {
            return Err(not_started(said.trim()));
        }
        let address = said[from..].split([' ', ',']).find(|word| word.starts_with("http://"));
        if let Some(address) = address {
            return Ok(address.trim().to_owned());
        }
    }
}

fn not_started(cause: &str) -> Failure {
    Failure::new(Exit::Unavailable, format!("the benchmark's own server did not start: {cause}"))
        .fix("start `baton server` and name it with --url")
}
