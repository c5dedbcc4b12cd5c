//! What a task costs PostgreSQL, counted, not timed: statements, commits, rows and bytes of WAL,
//! held against the table in `docs/performance.md`. A change that makes a task dearer fails here, and
//! so does a table that no longer says what is true.
//!
//! One thing happens at a time, so that every count is the same on every machine: these are the costs
//! without the savings of batches.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests unwrap as tests do")]
use baton_common::Payload;
use baton_common::api::{StartWorkflowRequest, Task, TaskResult, TaskResultStatus};
use baton_expression::script::{ScriptLimits, evaluate};
use baton_orchestrator::{Orchestrator, PollRequest};
use baton_store_postgres::{PostgresConfig, PostgresStore};
use baton_test_support::Postgres;
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// Executions of a scenario: enough that what happens once does not show.
const EXECUTIONS: u32 = 40;
const BRANCHES: u32 = 50;
const ITERATIONS: u32 = 20;
/// Executions that wait a second each: few, since one is run after the other.
const TIMERS: u32 = 8;
/// How far a count may be from the table before the table is wrong, as a share: page splits and the
/// rows that the server writes for itself move the bytes of WAL a little.
const TOLERANCE: f64 = 0.06;
/// Longest wait for a task or for the server's counters.
const PATIENCE: Duration = Duration::from_secs(20);

/// Autovacuum and images of whole pages come when they come; everything else is as in production.
const SETTINGS: [(&str, &str); 5] = [
    ("shared_preload_libraries", "pg_stat_statements"),
    ("autovacuum", "off"),
    ("full_page_writes", "off"),
    ("checkpoint_timeout", "1h"),
    ("bgwriter_lru_maxpages", "0"),
];

/// One kind of work.
struct Scenario {
    name: &'static str,
    /// Tasks that workers do in one execution.
    tasks: u32,
    executions: u32,
    steps: fn() -> Vec<Value>,
    input: fn() -> Value,
    /// Whether a worker waits already when a task becomes ready.
    workers_wait: bool,
}

const SCENARIOS: [Scenario; 7] = [
    Scenario {
        name: "steps, a worker waits",
        tasks: 3,
        executions: EXECUTIONS,
        steps: row,
        input: || json!({"n": 1}),
        workers_wait: true,
    },
    Scenario {
        name: "steps, no worker waits",
        tasks: 3,
        executions: EXECUTIONS,
        steps: row,
        input: || json!({"n": 1}),
        workers_wait: false,
    },
    Scenario {
        name: "fan-out",
        tasks: BRANCHES,
        executions: 1,
        steps: fork,
        input: branches,
        workers_wait: false,
    },
    Scenario {
        name: "loop",
        tasks: ITERATIONS,
        executions: 2,
        steps: repeat,
        input: || json!({}),
        workers_wait: true,
    },
    Scenario {
        name: "sub-workflow",
        tasks: 1,
        executions: EXECUTIONS,
        steps: parent,
        input: || json!({}),
        workers_wait: true,
    },
    Scenario {
        name: "timer",
        tasks: 1,
        executions: TIMERS,
        steps: timer,
        input: || json!({}),
        workers_wait: true,
    },
    Scenario {
        name: "mixed",
        tasks: 4,
        executions: EXECUTIONS,
        steps: mixed,
        input: || json!({"by": "air"}),
        workers_wait: true,
    },
];

fn simple(reference: &str, n: &str) -> Value {
    json!({"name": "work", "taskReferenceName": reference, "type": "SIMPLE",
        "inputParameters": {"n": n}})
}

fn row() -> Vec<Value> {
    let before = ["${workflow.input.n}", "${t1.output.n}", "${t2.output.n}"];
    ["t1", "t2", "t3"].into_iter().zip(before).map(|(name, n)| simple(name, n)).collect()
}

fn fork() -> Vec<Value> {
    vec![
        json!({"name": "fork", "taskReferenceName": "fork", "type": "FORK_JOIN_DYNAMIC",
            "inputParameters": {"tasks": "${workflow.input.tasks}",
                "inputs": "${workflow.input.inputs}"},
            "dynamicForkTasksParam": "tasks", "dynamicForkTasksInputParamName": "inputs"}),
        json!({"name": "join", "taskReferenceName": "join", "type": "JOIN"}),
    ]
}

fn branches() -> Value {
    let names = || (0..BRANCHES).map(|n| format!("b{n}"));
    let step = |name| json!({"name": "work", "taskReferenceName": name, "type": "SIMPLE"});
    let tasks: Vec<Value> = names().map(step).collect();
    let inputs: serde_json::Map<String, Value> = names().map(|n| (n, json!({"n": 1}))).collect();
    json!({"tasks": tasks, "inputs": inputs})
}

fn repeat() -> Vec<Value> {
    let condition =
        format!("if ($.loop['iteration'] < {ITERATIONS}) {{ true; }} else {{ false; }}");
    vec![json!({"name": "loop", "taskReferenceName": "loop", "type": "DO_WHILE",
        "loopCondition": condition, "loopOver": [simple("body", "1")]})]
}

fn parent() -> Vec<Value> {
    vec![json!({"name": "child", "taskReferenceName": "child", "type": "SUB_WORKFLOW",
        "subWorkflowParam": {"name": "child", "version": 1}})]
}

fn timer() -> Vec<Value> {
    let wait = json!({"name": "wait", "taskReferenceName": "wait", "type": "WAIT",
        "inputParameters": {"duration": "1 seconds"}});
    vec![wait, simple("after", "1")]
}

/// Two branches, a script, a choice, a variable and a child.
fn mixed() -> Vec<Value> {
    let fork = json!({"name": "fork", "taskReferenceName": "fork", "type": "FORK_JOIN",
        "forkTasks": [[simple("left", "1")], [simple("right", "1")]]});
    let join = json!({"name": "join", "taskReferenceName": "join", "type": "JOIN",
        "joinOn": ["left", "right"]});
    let sum = json!({"name": "sum", "taskReferenceName": "sum", "type": "INLINE",
        "inputParameters": {"evaluatorType": "javascript", "expression": "$.a + $.b",
            "a": "${left.output.n}", "b": "${right.output.n}"}});
    let choose = json!({"name": "choose", "taskReferenceName": "choose", "type": "SWITCH",
        "evaluatorType": "value-param", "expression": "by",
        "inputParameters": {"by": "${workflow.input.by}"},
        "decisionCases": {"air": [simple("fly", "${sum.output.result}")]}});
    let keep = json!({"name": "keep", "taskReferenceName": "keep", "type": "SET_VARIABLE",
        "inputParameters": {"sum": "${sum.output.result}"}});
    [vec![fork, join, sum, choose, keep], parent()].concat()
}

/// What one task cost.
#[derive(Debug, Default)]
struct Cost {
    statements: f64,
    commits: f64,
    rows: f64,
    wal_bytes: f64,
}

/// Every scenario costs what the table says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_costs_what_the_table_says() {
    let server = Postgres::start_with(&SETTINGS).unwrap();
    let mut table = String::new();
    let mut is_true = true;
    for scenario in &SCENARIOS {
        let cost = measure(&server, scenario).await;
        let Cost { statements, commits, rows, wal_bytes } = cost;
        let found = [statements, commits, rows, wal_bytes];
        let budget = budget(scenario.name);
        let is_near = |(found, budget): (f64, f64)| (found - budget).abs() <= TOLERANCE * budget;
        is_true &= budget.len() == found.len() && found.into_iter().zip(budget).all(is_near);
        let name = scenario.name;
        writeln!(table, "| {name} | {statements:.2} | {commits:.2} | {rows:.2} | {wal_bytes:.0} |")
            .unwrap();
    }
    assert!(is_true, "docs/performance.md must say, if it is meant to cost that:\n{table}");
}

/// The numbers in the table's line of this scenario.
fn budget(name: &str) -> Vec<f64> {
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/performance.md");
    let text = std::fs::read_to_string(text).unwrap();
    let line = text.lines().find(|line| line.starts_with(&format!("| {name} |")));
    let line = line.unwrap_or_default().trim_start_matches(&format!("| {name} |"));
    line.split('|').filter_map(|cell| cell.trim().parse().ok()).collect()
}

async fn measure(server: &Postgres, scenario: &Scenario) -> Cost {
    let url = server.database().unwrap();
    server.sql(&url, "create extension pg_stat_statements").unwrap();
    PostgresStore::migrate(&url).await.unwrap();
    let engine = engine(&url).await;
    define(&engine, "child", &[simple("only", "1")]).await;
    define(&engine, "measured", &(scenario.steps)()).await;
    run(&engine, scenario).await;
    ended(server, &url).await;
    drop(engine);
    let before = counted(server, &url).await;
    let engine = self::engine(&url).await;
    for _ in 0..scenario.executions {
        run(&engine, scenario).await;
        ended(server, &url).await;
    }
    drop(engine);
    let after = counted(server, &url).await;
    let tasks = f64::from(scenario.executions * scenario.tasks);
    let per_task = |count: fn(&Cost) -> f64| (count(&after) - count(&before)) / tasks;
    Cost {
        statements: per_task(|cost| cost.statements),
        commits: per_task(|cost| cost.commits),
        rows: per_task(|cost| cost.rows),
        wal_bytes: per_task(|cost| cost.wal_bytes),
    }
}

async fn engine(url: &str) -> Orchestrator {
    let store = PostgresStore::connect(PostgresConfig::new(url)).await.unwrap();
    let run = |script: &_| evaluate(script, &ScriptLimits::default());
    Orchestrator::start(Arc::new(store), Arc::new(run)).await.unwrap()
}

async fn define(engine: &Orchestrator, name: &str, steps: &[Value]) {
    let definition = json!({"name": name, "version": 1, "schemaVersion": 2, "tasks": steps,
        "ownerEmail": "a@b.c", "timeoutSeconds": 0});
    engine.register_workflow(serde_json::from_value(definition).unwrap(), true).await.unwrap();
}

/// One execution from its start to its end.
async fn run(engine: &Orchestrator, scenario: &Scenario) {
    let request = StartWorkflowRequest {
        name: Some("measured".to_owned()),
        input: Some(Payload::parse((scenario.input)().to_string()).unwrap()),
        ..StartWorkflowRequest::default()
    };
    let mut waiting = scenario.workers_wait.then(|| worker(engine));
    if waiting.is_some() {
        registered(engine).await;
    }
    engine.start_workflow(request).await.unwrap();
    for n in 1..=scenario.tasks {
        let task = waiting.take().unwrap_or_else(|| worker(engine)).await.unwrap();
        if scenario.workers_wait && n < scenario.tasks {
            waiting = Some(worker(engine));
            registered(engine).await;
        }
        engine.update_task(result(&task)).await.unwrap();
    }
}

/// A worker that takes one task.
fn worker(engine: &Orchestrator) -> tokio::task::JoinHandle<Task> {
    let engine = engine.clone();
    tokio::spawn(async move {
        let polled = engine.poll(wanted("work", PATIENCE)).await.unwrap();
        let task = polled.tasks[0].clone();
        polled.delivered();
        task
    })
}

fn wanted(task_type: &str, timeout: Duration) -> PollRequest {
    PollRequest {
        task_type: task_type.to_owned(),
        domain: None,
        worker: Some("w".to_owned()),
        count: 1,
        timeout,
    }
}

/// Comes back when the worker's poll has surely come to the engine: a later one has been answered.
async fn registered(engine: &Orchestrator) {
    let later = engine.poll(wanted("nothing", Duration::from_millis(20))).await.unwrap();
    assert!(later.tasks.is_empty());
}

fn result(task: &Task) -> TaskResult {
    TaskResult {
        workflow_instance_id: Some(task.workflow_instance_id.to_string()),
        task_id: Some(task.task_id.to_string()),
        status: Some(TaskResultStatus::Completed),
        output_data: Payload::parse(r#"{"n":2}"#.to_owned()).unwrap(),
        worker_id: Some("w".to_owned()),
        ..TaskResult::default()
    }
}

/// Comes back when every execution has ended. Asks the database itself, so that no read counts.
async fn ended(server: &Postgres, url: &str) {
    let open = || server.sql(url, "select count(*) from execution where ended_at is null");
    let read = async {
        while open().unwrap().trim() != "0" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap();
}

/// The server's counters, once every connection of the engine is gone and has told what it did.
async fn counted(server: &Postgres, url: &str) -> Cost {
    let open = "select count(*) from pg_stat_activity \
        where application_name = 'baton' and datname = current_database()";
    let gone = async {
        while server.sql(url, open).unwrap().trim() != "0" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    let number = |query: &str| server.sql(url, query).unwrap().trim().parse::<f64>().unwrap();
    Cost {
        statements: number(STATEMENTS),
        commits: number(COMMITS),
        rows: number(ROWS),
        wal_bytes: number("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn"),
    }
}

/// Commits, loads and claims; what a process asks by itself once a second is no task's cost. Each is
/// a transaction of its own.
const STATEMENTS: &str = "select coalesce(sum(calls), 0) from pg_stat_statements \
    where dbid = (select oid from pg_database where datname = current_database()) \
    and query ~ 'baton_commit\\(|from request r|baton_reserve_ready\\('";
const COMMITS: &str = "select coalesce(sum(calls), 0) from pg_stat_statements \
    where dbid = (select oid from pg_database where datname = current_database()) \
    and query ~ 'baton_commit\\('";
const ROWS: &str = "select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_user_tables \
    where relname <> 'poll'";
