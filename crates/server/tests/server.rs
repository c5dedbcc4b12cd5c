//! The real server on a SQLite file, from its first line to its orderly end.
#![expect(clippy::float_cmp, reason = "counts are whole numbers")]
#![expect(clippy::unwrap_used, reason = "the helpers of these tests unwrap as tests do")]
use prom_text_format_parser::{Sample, Scrape, Type, ValueType};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

const BATON: &str = env!("CARGO_BIN_EXE_baton");
/// The longest poll there is.
const POLL: Duration = Duration::from_secs(5);
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

/// A server that is killed when the test fails before it has stopped it.
struct Server {
    process: Child,
    url: String,
    first_line: String,
    log: BufReader<ChildStderr>,
}

impl Server {
    /// Starts one and waits until it says where it listens.
    fn start(folder: &Path) -> Self {
        Self::start_with(folder, &["--samples", "true"])
    }

    fn start_with(folder: &Path, flags: &[&str]) -> Self {
        let database = format!("sqlite:{}", folder.join("baton.db").display());
        let arguments = ["server", "--listen", "127.0.0.1:0", "--database-url", &database];
        Self::run(&[&arguments, flags].concat())
    }

    /// Runs a role that says an address in its first lines.
    fn run(arguments: &[&str]) -> Self {
        let mut process = Command::new(BATON)
            .args(arguments)
            .env_clear()
            .env("BATON_LOG_FORMAT", "text")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut first_line = String::new();
        log.read_line(&mut first_line).unwrap();
        let url = first_line.split([' ', ',', '=', '\n']).find(|word| word.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("no address in: {first_line}")).to_owned();
        Self { process, url, first_line, log }
    }

    fn baton(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(BATON);
        command.args(arguments).env_clear().env("BATON_SERVER_URL", &self.url).output().unwrap()
    }

    /// Its metrics, parsed by the rules of the format.
    fn metrics(&self) -> Metrics {
        let address = self.url.trim_start_matches("http://").trim_end_matches("/metrics");
        let answer = rest_of(ask(address, "/metrics"));
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
        Metrics(Scrape::parse(text).unwrap())
    }

    /// Sends SIGTERM; how the process ended, and what it said until then.
    fn stop(mut self) -> (ExitStatus, String) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let mut said = String::new();
        self.log.read_to_string(&mut said).unwrap();
        (self.process.wait().unwrap(), said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already when the test has stopped it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a process shows of itself.
struct Metrics(Scrape);

impl Metrics {
    /// The value of a counter, a gauge or a histogram's count, with exactly these labels.
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let metric = self.0.metrics.iter().find(|metric| metric.name == name);
        let samples = metric.map_or(&[][..], |metric| &metric.samples);
        let is_wanted = |sample: &&Sample| {
            let own = sample.labels.iter().map(|label| (&*label.key, &*label.value));
            own.eq(labels.iter().copied()) && sample.value.value_type != ValueType::Sum
        };
        samples.iter().find(is_wanted).map_or(-1.0, |sample| sample.value.value.as_f64())
    }

    /// Each histogram's buckets grow, and the last holds all.
    fn check_histograms(&self) {
        for metric in self.0.metrics.iter().filter(|metric| metric.kind == Type::Histogram) {
            let mut last = 0.0;
            for sample in &metric.samples {
                let value = sample.value.value.as_f64();
                match sample.value.value_type {
                    ValueType::Sample => {
                        let is_first = sample.labels.iter().any(|label| label.value == FIRST_BOUND);
                        assert!(is_first || value >= last, "{metric}");
                        last = value;
                    }
                    ValueType::Sum => assert!(value >= 0.0, "{metric}"),
                    ValueType::Count => assert_eq!(value, last, "{metric}"),
                }
            }
        }
    }
}

/// The lowest bound of times and of sizes begins another series.
const FIRST_BOUND: &str = "0.00025";

/// A connection on which this path has been asked for.
fn ask(address: &str, path: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    connection
}

fn rest_of(mut connection: TcpStream) -> String {
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

fn example(name: &str) -> String {
    format!("{EXAMPLES}/{name}.json")
}

fn ok(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {stderr}", output.status.code());
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Goal: what a first user does works, and stopping it is clean. Method: the samples' definitions
/// are applied, the saga runs to its end with the built-in workers, SIGTERM ends the process, and
/// a second one finds the execution in the same file.
#[test]
fn a_server_runs_the_samples_and_stops_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let database = folder.path().join("baton.db").display().to_string();
    assert!(server.first_line.contains(&database), "{}", server.first_line);
    let names = ["order-saga", "fan-out", "approval"].map(example);
    let applied = ok(&server.baton(&["definition", "apply", &names[0], &names[1], &names[2]]));
    assert!(applied.contains("workflow order_saga version 1"), "{applied}");

    let id = ok(&server.baton(&[
        "workflow",
        "start",
        "order_saga",
        "--input-file",
        &example("order-saga.input"),
    ]));
    let id = id.trim();
    ok(&server.baton(&["workflow", "watch", id, "--timeout", "60"]));
    let shown = ok(&server.baton(&["workflow", "get", id, "--output", "json"]));
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["status"], "COMPLETED");
    assert_eq!(shown["output"]["attempts"], 2, "{shown}");

    let (status, said) = server.stop();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("executor stopped") && !said.contains("ERROR"), "{said}");

    let server = Server::start(folder.path());
    assert!(ok(&server.baton(&["workflow", "get", id])).contains("COMPLETED"));
    assert_eq!(server.stop().0.code(), Some(0));
}

/// A failed saga fails its waiting caller too, and its failure workflow undoes what was done.
#[test]
fn a_saga_that_fails_is_compensated() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    ok(&server.baton(&["definition", "apply", &example("order-saga")]));
    let started = server.baton(&[
        "workflow",
        "start",
        "order_saga",
        "--input-file",
        &example("order-saga-failing.input"),
        "--wait",
        "--timeout",
        "60",
    ]);
    assert_eq!(started.status.code(), Some(1), "{}", String::from_utf8_lossy(&started.stderr));
    let listed =
        ok(&server.baton(&["workflow", "list", "--name", "order_compensate", "--output", "json"]));
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let id = listed["results"][0]["workflowId"].as_str().unwrap_or_else(|| panic!("{listed}"));
    ok(&server.baton(&["workflow", "watch", id, "--timeout", "60"]));
    assert_eq!(server.stop().0.code(), Some(0));
}

/// Goal: who waits for work when a server is stopped gets an answer, and gets it at once. Method: a
/// poll for as long as there is, which the server says it has, then SIGTERM.
#[test]
fn a_server_that_stops_answers_the_polls_that_wait() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let address = server.url.trim_start_matches("http://");
    let begun = Instant::now();
    let poll = ask(address, "/api/tasks/poll/batch/nothing?timeout=5000");
    while server.metrics().value("baton_pollers", &[("queue", "nothing")]) < 1.0 {
        assert!(begun.elapsed() < POLL, "the poll was not seen in time");
    }
    let (status, said) = server.stop();
    assert!(begun.elapsed() < POLL, "the process waited for the poll's own end");
    assert_eq!(status.code(), Some(0), "{said}");
    let answer = rest_of(poll);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("[]"), "{answer}");
}

/// Goal: what a server says of itself is true and in the format. Method: one run of the saga, whose
/// second step fails at its first attempt, then one reading of the metrics.
#[test]
fn a_server_tells_what_it_has_done() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    ok(&server.baton(&["definition", "apply", &example("order-saga")]));
    let input = example("order-saga.input");
    let start = ["workflow", "start", "order_saga", "--input-file", &input, "--wait"];
    ok(&server.baton(&start));
    let metrics = server.metrics();
    metrics.check_histograms();
    for (name, labels, expected) in [
        ("baton_workflows_started_total", &[("workflow", "order_saga")][..], 1.0),
        (
            "baton_workflows_ended_total",
            &[("workflow", "order_saga"), ("status", "COMPLETED")],
            1.0,
        ),
        ("baton_tasks_scheduled_total", &[("task_type", "order_charge")], 2.0),
        ("baton_tasks_ended_total", &[("task_type", "order_charge"), ("status", "FAILED")], 1.0),
        ("baton_tasks_ended_total", &[("task_type", "order_ship"), ("status", "COMPLETED")], 1.0),
        ("baton_task_schedule_to_start_seconds", &[("task_type", "order_charge")], 2.0),
        (
            "baton_worker_attempts_total",
            &[("task_type", "order_charge"), ("outcome", "failed")],
            1.0,
        ),
        ("baton_worker_running", &[("task_type", "order_ship")], 0.0),
        ("baton_lease_expiries_total", &[], 0.0),
        // Absent on SQLite, and with nothing in any queue.
        ("baton_wal_bytes_total", &[], -1.0),
        ("baton_queue_depth", &[("queue", "order_ship")], -1.0),
    ] {
        assert_eq!(metrics.value(name, labels), expected, "{name} {labels:?}\n{}", metrics.0);
    }
    let count = |name| metrics.value(name, &[]);
    let moved = count("baton_tasks_handed_over_total") + count("baton_tasks_queued_total");
    assert_eq!(moved, 4.0, "{}", metrics.0);
    let commits = count("baton_commits_total");
    assert!(commits >= 5.0 && count("baton_commit_duration_seconds") >= commits, "{}", metrics.0);
    assert!(count("baton_round_trips_total") > commits, "{}", metrics.0);
    assert!(count("baton_rows_written_total") >= 2.0 * commits, "{}", metrics.0);
    assert_eq!(server.stop().0.code(), Some(0));
}

/// An executor on its own tells what it has done where it is told to.
#[test]
fn an_executor_tells_what_it_has_done() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), &["--task-workers", "false"]);
    let flags = ["--samples", "true", "--metrics-listen", "127.0.0.1:0"];
    let executor = Server::run(&[&["executor", "--server-url", &server.url], &flags[..]].concat());
    ok(&server.baton(&["definition", "apply", &example("order-saga")]));
    let input = example("order-saga.input");
    ok(&server.baton(&["workflow", "start", "order_saga", "--input-file", &input, "--wait"]));
    let metrics = executor.metrics();
    metrics.check_histograms();
    let attempts = |outcome| {
        let labels = [("task_type", "order_charge"), ("outcome", outcome)];
        metrics.value("baton_worker_attempts_total", &labels)
    };
    assert_eq!((attempts("failed"), attempts("completed")), (1.0, 1.0), "{}", metrics.0);
    let duration = [("task_type", "order_charge")];
    assert_eq!(metrics.value("baton_worker_attempt_duration_seconds", &duration), 2.0);
    let polls = [("task_type", "order_ship"), ("outcome", "filled")];
    assert_eq!(metrics.value("baton_worker_polls_total", &polls), 1.0);
    assert_eq!(executor.stop().0.code(), Some(0));
    assert_eq!(server.stop().0.code(), Some(0));
}
