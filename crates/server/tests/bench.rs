//! Every scenario of `baton bench`, tiny, against a server of its own: what it starts must end as it
//! must, and nothing is timed.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests unwrap as tests do")]
use baton_store::{SearchQuery, Store};
use baton_store_postgres::{PostgresConfig, PostgresStore};
use baton_test_support::Postgres;
use serde_json::Value;
use std::process::{Command, Output};

const BATON: &str = env!("CARGO_BIN_EXE_baton");

fn baton(line: &str) -> Output {
    Command::new(BATON).args(line.split(' ')).env_clear().output().unwrap()
}

/// Runs one that must be sound; its report.
#[track_caller]
fn bench(line: &str) -> Value {
    let output = baton(&format!("bench {line} --limit-s 120 --output json"));
    let said = String::from_utf8_lossy(&output.stderr);
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{:?}: {said}{report}", output.status.code());
    serde_json::from_str(&report).unwrap()
}

/// The executions all ended right, with so many results.
#[track_caller]
fn check(report: &Value, executions: u64, tasks: u64) {
    let count = |name: &str| report[name].as_u64().unwrap();
    for name in ["started", "worked", "verified", "completed"] {
        assert_eq!(count(name), executions, "{name}: {report}");
    }
    assert_eq!(count("tasks"), tasks, "{report}");
    for name in ["wrongOutput", "polledTwice", "errors", "early"] {
        assert_eq!(count(name), 0, "{name}: {report}");
    }
}

#[test]
fn steps_follow_each_other() {
    let report = bench("steps --workflows 3 --steps 4 --payload-bytes 100");
    check(&report, 3, 12);
    assert_eq!(report["stepMs"]["count"], 9);
    assert!(report["cpuSecondsPer1000Tasks"]["server"].is_number(), "{report}");
    assert!(report["serverPeakMib"].as_f64().unwrap() > 1.0, "{report}");
}

#[test]
fn a_fork_is_joined() {
    check(&bench("fanout --width 30 --workflows 3"), 3, 90);
}

#[test]
fn a_loop_goes_round() {
    let report = bench("loop --iterations 5 --workflows 3");
    check(&report, 3, 15);
    assert_eq!(report["stepMs"]["count"], 12);
}

#[test]
fn children_come_back_to_their_parents() {
    check(&bench("subworkflows --children 4 --workflows 3"), 3, 12);
}

#[test]
fn timers_come_due_and_none_is_early() {
    let report = bench("timers --workflows 3 --lead-s 1 --window-s 1");
    check(&report, 3, 3);
    assert_eq!(report["lateMs"]["count"], 3);
    assert!(report["dueWithinS"].is_number(), "{report}");
}

/// Twenty orders: each way of delivery once at least, and two cards that are refused at first.
#[test]
fn a_shop_delivers_in_every_way() {
    check(&bench("mixed --workflows 20"), 20, 20 * 4 + 2 + 2);
}

#[test]
fn idle_executions_stay_where_they_are() {
    let reports = bench("idle --executions 3 --workflows 3 --steps 2 --rest 0");
    let [before, idle, beside] = [0, 1, 2].map(|place| reports[place].clone());
    check(&before, 3, 6);
    check(&idle, 3, 0);
    check(&beside, 3, 6);
    let names = [&before, &idle, &beside].map(|report| report["scenario"].as_str().unwrap());
    assert_eq!(names, ["steps before", "idle", "steps beside"]);
    assert!(beside["lossPercent"].is_number() && before["lossPercent"].is_null(), "{beside}");
}

#[test]
fn latency_counts_from_the_intended_start() {
    let report = bench("latency --rate 50 --workflows 3 --steps 2");
    check(&report, 3, 6);
    assert_eq!(report["startLateMs"]["count"], 3);
    check(&bench("latency --rate one --workflows 3 --steps 2"), 3, 6);
}

#[test]
fn a_soak_lasts_as_long_as_asked() {
    let report = bench("soak --seconds 1 --steps 2");
    let executions = report["workflows"].as_u64().unwrap();
    assert!(executions > 0);
    check(&report, executions, 2 * executions);
    assert!(report["seconds"].as_f64().unwrap() >= 1.0, "{report}");
    assert!(report["quarters"][1]["tasksPerS"].is_number(), "{report}");
}

/// The callers are as many as the engine lets wait, so each start is taken or refused in time, and the
/// steps beside them end as they must.
#[test]
fn an_overload_is_told_in_three_parts() {
    let report = bench("overload --seconds 2 --callers 300 --in-flight 4");
    let executions = report["workflows"].as_u64().unwrap();
    check(&report, executions, 2_000 * executions);
    let overload = &report["overload"];
    for part in ["before", "beside", "after"] {
        assert!(overload[part]["tasksPerS"].as_f64().unwrap() > 0.0, "{part}: {report}");
    }
    let starts = |name: &str| overload[name].as_u64().unwrap();
    assert!(starts("taken") > 0 && starts("failed") == 0, "{report}");
}

/// Goal: steps beside hostile definitions end as they must, and these are bounded, refused or both.
/// Method: the lightest of them; the others take a slow machine too long.
#[test]
fn hostile_definitions_end_beside_steps() {
    let names = ["starts-itself", "fails-into-itself", "long-correlation-id"];
    let attacks = names.map(|name| format!("--attack {name}")).join(" ");
    let report = bench(&format!("hostile --seconds 2 --rate 20 --every-ms 1000 {attacks}"));
    check(&report, 120, 360);
    let hostile = &report["hostile"];
    for part in ["before", "beside", "after"] {
        assert!(hostile[part]["tasksPerS"].as_f64().unwrap() > 0.0, "{part}: {report}");
    }
    assert!(hostile["stepP99Times"].is_number(), "{report}");
    for attack in hostile["attacks"].as_array().unwrap() {
        let count = |name: &Value| name.as_u64().unwrap_or_default();
        let begun = count(&attack["started"]);
        let expected = match attack["name"].as_str().unwrap() {
            "starts-itself" => [64 * begun, begun],
            "fails-into-itself" => [0, 65 * begun],
            _ => [0, 0],
        };
        let found = ["COMPLETED", "FAILED"].map(|status| count(&attack["ends"][status]));
        assert_eq!(found, expected, "{attack}");
        assert!(begun + count(&attack["refused"]) > 0, "{attack}");
        assert!(!attack["reasons"].as_array().unwrap().is_empty(), "{attack}");
    }
}

/// Goal: what the yardstick did is counted, and gone afterwards. Method: on SQLite and PostgreSQL,
/// twice, since it refuses a database with executions in it.
#[test]
fn a_yardstick_leaves_an_empty_database() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite:{}", folder.path().join("bench.db").display());
    let report = bench(&format!("yardstick --seconds 1 --rows 8 --database-url {sqlite}"));
    assert!(report["tasks"].as_u64().unwrap() > 0 && report["commitMs"]["count"].is_number());
    bench(&format!("yardstick --seconds 1 --queued --database-url {sqlite}"));

    let postgres = Postgres::shared().unwrap().database().unwrap();
    let report = bench(&format!("yardstick --seconds 1 --rows 8 --database-url {postgres}"));
    let cost = &report["databasePerTask"];
    // Eight executions in a commit, four commits for three tasks, and nobody else.
    let transactions = cost["transactions"].as_f64().unwrap();
    assert!((0.16..0.25).contains(&transactions), "{report}");
    assert!(cost["walBytes"].as_f64().unwrap() > 500.0, "{report}");
    assert!((2.6..2.8).contains(&cost["rows"].as_f64().unwrap()), "{report}");
    assert!(report["cpuSecondsPer1000Tasks"]["postgres"].is_number(), "{report}");
    bench(&format!("yardstick --seconds 1 --queued --database-url {postgres}"));
}

#[tokio::test]
async fn a_yardstick_refuses_a_database_in_use() {
    let url = Postgres::shared().unwrap().database().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("steps.svg").display().to_string();
    let report = bench(&format!("steps --workflows 3 --database-url {url} --plot {plot}"));
    check(&report, 3, 9);
    assert!(report["databasePerTask"]["rows"].as_f64().unwrap() > 2.0, "{report}");
    assert!(std::fs::read_to_string(plot).unwrap().contains("steps: per second"));
    let store = PostgresStore::connect(PostgresConfig::new(&url)).await.unwrap();
    assert_eq!(store.search(&SearchQuery::default()).await.unwrap().total_hits, 3);
    let refused = baton(&format!("bench yardstick --seconds 1 --database-url {url}"));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("has 3 executions"), "{said}");
}

/// Ten million executions take longer than a second: the figures are told, and the exit is a failure.
#[test]
fn a_run_that_is_not_sound_fails() {
    let output = baton("bench steps --workflows 10m --limit-s 1 --output json");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("not every execution ended as it must: steps"), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["timedOut"], &report["workflows"]), (&true.into(), &10_000_000.into()));
}

/// A server that is not there is a failure with a remedy.
#[test]
fn a_benchmark_of_nothing_fails() {
    let output = baton("bench steps --url http://127.0.0.1:1/api");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("check --url"), "{said}");
}
