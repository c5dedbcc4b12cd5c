//! Whole runs against a small stand-in for a server: rows of tasks and a fork, kept in memory.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
use baton_bench::{BenchOptions, Report, Scenario};
use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// What the stand-in does wrong, if anything.
#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    /// Each execution's output is one too high.
    WrongOutput,
    /// Each task is handed out twice.
    HandsOutTwice,
    /// The first report of each task is answered with 503.
    Shaky,
    /// Tasks are never handed out.
    Idle,
    /// The first start of each execution is answered with 429.
    Busy,
}

#[derive(Default)]
struct Execution {
    input: Value,
    results: HashMap<String, Value>,
}

/// The stand-in: one row definition, or the fork.
struct Engine {
    flaw: Flaw,
    definition: Value,
    executions: Vec<Execution>,
    queues: HashMap<String, VecDeque<Value>>,
    /// Tasks and executions whose first call was refused.
    refused: HashSet<String>,
}

impl Engine {
    fn start(&mut self, input: Value) -> String {
        let id = self.executions.len();
        let branches = input["tasks"].as_array().cloned().unwrap_or_default();
        for branch in &branches {
            let reference = branch["taskReferenceName"].as_str().unwrap();
            self.schedule(id, &branch["name"], reference, &input["inputs"][reference]);
        }
        if branches.is_empty() {
            self.schedule(id, &self.definition["tasks"][0]["name"].clone(), "step_1", &input);
        }
        self.executions.push(Execution { input, results: HashMap::new() });
        id.to_string()
    }

    fn schedule(&mut self, id: usize, name: &Value, reference: &str, input: &Value) {
        let task = json!({"taskId": format!("{id}/{reference}"), "inputData": input,
            "workflowInstanceId": id.to_string()});
        let copies = if self.flaw == Flaw::HandsOutTwice { 2 } else { 1 };
        let queue = self.queues.entry(name.as_str().unwrap().to_owned()).or_default();
        queue.extend(std::iter::repeat_n(task, copies));
    }

    fn complete(&mut self, result: &Value) {
        let (id, reference) = result["taskId"].as_str().unwrap().split_once('/').unwrap();
        let id: usize = id.parse().unwrap();
        let output = result["outputData"].clone();
        let execution = &mut self.executions[id];
        execution.results.insert(reference.to_owned(), output.clone());
        let Some(step) = reference.strip_prefix("step_") else { return };
        let step: usize = step.parse().unwrap();
        let next = self.definition["tasks"][step]["name"].clone();
        if next.is_string() {
            let input = json!({"n": output["n"], "key": execution.input["key"]});
            self.schedule(id, &next, &format!("step_{}", step + 1), &input);
        }
    }

    fn execution(&self, id: usize) -> Value {
        let execution = &self.executions[id];
        let tasks = self.definition["tasks"].as_array().unwrap();
        let is_row = self.definition["outputParameters"]["n"].is_string();
        let wanted =
            if is_row { tasks.len() } else { execution.input["tasks"].as_array().unwrap().len() };
        if execution.results.len() < wanted {
            return json!({"status": "TERMINATED", "output": {}});
        }
        if !is_row {
            return json!({"status": "COMPLETED", "output": execution.results});
        }
        let n = execution.results[&format!("step_{wanted}")]["n"].as_i64().unwrap();
        let n = if self.flaw == Flaw::WrongOutput { n + 1 } else { n };
        json!({"status": "COMPLETED", "output": {"n": n}})
    }

    /// Whether this is the first call about `id`, and a server of this flaw refuses it.
    fn refuses(&mut self, flaw: Flaw, id: &Value) -> bool {
        self.flaw == flaw && self.refused.insert(id.as_str().unwrap().to_owned())
    }

    fn answer(&mut self, method: &Method, path: &str, body: &[u8]) -> (u16, String) {
        let json = || serde_json::from_slice::<Value>(body).unwrap();
        if *method == Method::POST && path == "/api/tasks" {
            let result = json();
            if self.refuses(Flaw::Shaky, &result["taskId"]) {
                return (503, "shaken".into());
            }
            self.complete(&result);
        } else if path == "/api/metadata/workflow" {
            self.definition = json()[0].clone();
        } else if let Some(task_type) = path.strip_prefix("/api/tasks/poll/batch/") {
            let queue = self.queues.entry(task_type.to_owned()).or_default();
            let count = if self.flaw == Flaw::Idle { 0 } else { queue.len().min(5) };
            return (200, Value::Array(queue.drain(..count).collect()).to_string());
        } else if let Some(rest) = path.strip_prefix("/api/workflow/") {
            if *method != Method::POST {
                return (200, self.execution(rest.parse().unwrap()).to_string());
            }
            let input = json();
            if self.refuses(Flaw::Busy, &input["key"]) {
                return (429, "too many".into());
            }
            return (200, self.start(input));
        }
        (200, String::new())
    }
}

/// Serves the stand-in and answers its address.
async fn serve(flaw: Flaw) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let engine = Engine {
        flaw,
        definition: Value::Null,
        executions: Vec::new(),
        queues: HashMap::new(),
        refused: HashSet::new(),
    };
    let engine = Arc::new(Mutex::new(engine));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let engine = engine.clone();
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let engine = engine.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let (status, text) =
                        engine.lock().unwrap().answer(&parts.method, parts.uri.path(), &body);
                    let response = Response::builder().status(status);
                    Ok::<_, Infallible>(response.body(Full::new(Bytes::from(text))).unwrap())
                }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(async move { drop(connection.await) });
        }
    });
    format!("http://{address}/api")
}

/// The command line as a binary would embed it.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: BenchOptions,
}

async fn bench(flaw: Flaw, line: &str) -> Report {
    let url = serve(flaw).await;
    let words = format!("bench {line} --url {url} --pollers 1 --reporters 4 --clients 2");
    let BenchOptions { scenario, url, load, .. } =
        Line::try_parse_from(words.split(' ')).unwrap().options;
    let mut reports = baton_bench::run(scenario.unwrap(), url.unwrap(), load).await.unwrap();
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

#[tokio::test]
async fn rows_are_worked_to_their_right_end() {
    let report = bench(Flaw::None, "steps --workflows 20 --steps 3 --payload-bytes 10").await;
    assert!(report.is_sound(), "{report}");
    assert_eq!((report.started, report.completed, report.tasks, report.errors), (20, 20, 60, 0));
    assert_eq!(report.step_ms.unwrap().count, 40);
    assert_eq!(report.first_task_ms.unwrap().count, 20);
    assert_eq!(report.whole_ms.unwrap().count, 20);
    assert_eq!(report.cost.cpu_seconds_per_1000_tasks.server, None);
}

#[tokio::test]
async fn a_fork_is_worked_to_its_right_end() {
    let report = bench(Flaw::None, "fanout --width 30 --workflows 2").await;
    assert!(report.is_sound(), "{report}");
    assert_eq!((report.completed, report.tasks, report.step_ms), (2, 60, None));
}

#[tokio::test]
async fn latency_is_taken_one_execution_at_a_time() {
    let report = bench(Flaw::None, "latency --rate one --workflows 5 --steps 2").await;
    assert!(report.is_sound(), "{report}");
    assert_eq!((report.tasks, report.step_ms.unwrap().count), (10, 5));
    assert_eq!(report.start_late_ms, None);
}

/// At 200 a second the tenth start is due after 45 ms, however fast the ones before were.
#[tokio::test]
async fn starts_at_a_rate_wait_for_their_time() {
    let report = bench(Flaw::None, "latency --rate 200 --workflows 10 --steps 2").await;
    assert!(report.is_sound(), "{report}");
    assert!(report.seconds >= 0.045, "{report}");
    assert_eq!(report.start_late_ms.unwrap().count, 10);
}

#[tokio::test]
async fn starts_that_a_busy_server_refuses_are_sent_again() {
    let report = bench(Flaw::Busy, "steps --workflows 6 --steps 2").await;
    assert!(report.is_sound(), "{report}");
    assert_eq!((report.refused_starts, report.errors), (6, 0), "{report}");
}

#[tokio::test]
async fn of_very_many_executions_some_are_read_back() {
    let report = bench(Flaw::None, "steps --workflows 20 --steps 1 --verify 8").await;
    assert!(report.is_sound(), "{report}");
    assert_eq!((report.worked, report.verified, report.completed), (20, 5, 5));
    assert!(report.to_string().contains("5 of 20, evenly chosen, all right"), "{report}");
}

#[tokio::test]
async fn a_run_is_drawn_over_time() {
    let report = bench(Flaw::None, "steps --workflows 20 --steps 2").await;
    assert!(!report.timeline.is_empty());
    let svg = baton_bench::plot(&[report]).unwrap();
    assert!(svg.contains("step latency, ms"), "{svg}");
}

#[tokio::test]
async fn a_snapshot_is_not_held_in_no_database() {
    let url = serve(Flaw::None).await;
    let line = format!("bench soak --seconds 1 --hold-snapshot --url {url}");
    let BenchOptions { scenario, load, .. } =
        Line::try_parse_from(line.split(' ')).unwrap().options;
    let refused = baton_bench::run(scenario.unwrap(), url, load).await.unwrap_err();
    assert!(refused.to_string().contains("--database-url"), "{refused}");
}

#[tokio::test]
async fn a_wrong_output_is_found() {
    let report = bench(Flaw::WrongOutput, "steps --workflows 4 --steps 2").await;
    assert_eq!((report.completed, report.wrong_output), (4, 4));
    assert!(!report.is_sound());
    assert!(report.first_wrong.unwrap().contains("is COMPLETED with"));
}

#[tokio::test]
async fn a_task_handed_out_twice_is_counted_and_worked_once() {
    let report = bench(Flaw::HandsOutTwice, "steps --workflows 4 --steps 2").await;
    assert_eq!((report.completed, report.wrong_output, report.tasks), (4, 0, 8));
    assert_eq!(report.polled_twice, 8);
    assert!(!report.is_sound());
}

#[tokio::test]
async fn refused_reports_are_sent_again() {
    let report = bench(Flaw::Shaky, "steps --workflows 4 --steps 2").await;
    assert!(report.is_sound(), "{report}");
    assert_eq!((report.tasks, report.errors), (8, 8), "{report}");
    assert!(report.first_error.unwrap().contains("503 shaken"));
}

#[tokio::test]
async fn the_time_limit_ends_a_run_that_stands_still() {
    let report = bench(Flaw::Idle, "steps --workflows 3 --steps 2 --limit-s 1").await;
    assert!(report.timed_out && !report.is_sound());
    assert_eq!((report.started, report.completed, report.not_completed), (3, 0, 3));
}

#[test]
fn the_command_line_is_sound() {
    <Line as clap::CommandFactory>::command().debug_assert();
    for refused in [
        "steps --workflows 0",
        "latency --steps 0",
        "latency --rate 0",
        "latency --rate 1e-300",
        "steps --poll-timeout-ms 6000",
        "fanout --width 200k",
        "loop --iterations 10001",
        "timers --workflows 2m",
        "soak --seconds 0",
        "yardstick --rows 1001",
    ] {
        let words = std::iter::once("bench").chain(refused.split(' '));
        assert!(Line::try_parse_from(words).is_err(), "{refused}");
    }
}

#[test]
fn without_a_scenario_there_is_a_suite() {
    let scenarios = |line: &str| Line::try_parse_from(line.split(' ')).unwrap().options.scenarios();
    assert_eq!(scenarios("bench --clients 2").len(), 5);
    assert!(matches!(scenarios("bench fanout")[..], [Scenario::Fanout { width: 1000, .. }]));
    let [Scenario::Timers { workflows, window_s, .. }] = scenarios("bench timers")[..] else {
        panic!("timers is one scenario");
    };
    assert_eq!((workflows, window_s), (100_000, 60));
}
