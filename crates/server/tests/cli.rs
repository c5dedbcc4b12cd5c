//! The binary as users call it, against a small server on a real socket.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests unwrap as tests do")]
use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use baton_common::api::{
    Evidence, LastPoll, SearchResult, Task, TaskExplanation, WaitGroup, WaitReason, Workflow,
    WorkflowExplanation, WorkflowSummary,
};
use baton_common::{ExecutionId, Payload, TaskStatus, Timestamp, WorkflowStatus};
use std::process::Output;
use tokio::process::Command;

/// The last digits tell the server how each execution goes.
fn id(kind: u64) -> ExecutionId {
    ExecutionId::new(Timestamp::from_millis(1_795_329_039_876), kind)
}

fn workflow(kind: u64, status: WorkflowStatus) -> Workflow {
    let id = id(kind);
    let task =
        Task { status: TaskStatus::Scheduled, ..Task::scheduled(id.task(1), "charge".into()) };
    Workflow {
        status,
        create_time: Timestamp::from_millis(1_795_329_039_876),
        reason_for_incompletion: (status == WorkflowStatus::Failed).then(|| "no money".into()),
        output: Payload::parse(r#"{"n":1}"#.to_owned()).unwrap(),
        tasks: vec![task],
        ..Workflow::running(id, "order".into())
    }
}

/// `order` waits for its child `pack`, whose tasks have no worker.
fn explanation() -> WorkflowExplanation {
    let noon = Timestamp::from_millis(1_795_262_400_000);
    let polls = vec![LastPoll {
        domain: None,
        worker_id: Some("w1".into()),
        time: noon.plus_seconds(-250),
    }];
    let ready = Evidence {
        since: Some(noon.plus_seconds(-12)),
        queue: Some("pack".into()),
        position: Some(1),
        queue_size: Some(10_000),
        at_least: true,
        last_polls: polls,
        ..Evidence::default()
    };
    let whole = |kind, name: &str, wait| WorkflowExplanation {
        workflow_id: id(kind),
        workflow_name: name.into(),
        status: WorkflowStatus::Running,
        as_of: noon,
        summary: format!("{name} waits."),
        remedy: Some("A worker.".into()),
        since: noon,
        timeout_time: None,
        open_tasks: 1,
        waits: vec![wait],
        waits_left_out: 0,
    };
    let group = |reason, count, summary: &str, (evidence, child)| WaitGroup {
        reason,
        count,
        summary: summary.into(),
        remedy: Some("A worker.".into()),
        tasks: vec![TaskExplanation {
            task_id: id(3).task(1),
            workflow_id: id(3),
            reference_task_name: "pack".into(),
            task_type: "pack".into(),
            status: TaskStatus::Scheduled,
            as_of: noon,
            reason,
            summary: summary.into(),
            remedy: Some("A worker.".into()),
            evidence,
            child,
        }],
    };
    let many = group(WaitReason::NoWorker, 7, "7 tasks are ready.", (ready, None));
    let child = Some(Box::new(whole(4, "pack", many)));
    let one = (Evidence { since: Some(noon), ..Evidence::default() }, child);
    whole(3, "order", group(WaitReason::Child, 1, "Task `kid` waits.", one))
}

async fn answer(method: Method, uri: Uri) -> (StatusCode, String) {
    let path = uri.path().trim_start_matches("/api");
    let execution =
        |kind, status| (StatusCode::OK, serde_json::to_string(&workflow(kind, status)).unwrap());
    match (method.as_str(), path) {
        ("POST", "/workflow") => (StatusCode::OK, id(1).to_string()),
        ("GET", "/workflow/search") => {
            let found = SearchResult::<WorkflowSummary> { total_hits: 0, results: Vec::new() };
            (StatusCode::OK, serde_json::to_string(&found).unwrap())
        }
        ("GET", path) if path == format!("/workflow/{}", id(1)) => {
            execution(1, WorkflowStatus::Completed)
        }
        ("GET", path) if path == format!("/workflow/{}", id(2)) => {
            execution(2, WorkflowStatus::Failed)
        }
        ("GET", path) if path == format!("/workflow/{}", id(3)) => {
            execution(3, WorkflowStatus::Running)
        }
        ("GET", path) if path == format!("/workflow/{}/explain", id(3)) => {
            (StatusCode::OK, serde_json::to_string(&explanation()).unwrap())
        }
        ("GET", "/health") => (StatusCode::OK, r#"{"healthResults":[],"healthy":true}"#.to_owned()),
        ("GET", "/ill/api/health") => {
            (StatusCode::SERVICE_UNAVAILABLE, r#"{"healthy":false,"reasons":["a","b"]}"#.to_owned())
        }
        ("DELETE", _) => (StatusCode::CONFLICT, r#"{"message":"Cannot terminate"}"#.to_owned()),
        _ => (StatusCode::NOT_FOUND, r#"{"message":"No such thing"}"#.to_owned()),
    }
}

async fn serve() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        axum::serve(listener, Router::new().fallback(answer)).await.unwrap();
    });
    url
}

async fn baton(arguments: &[&str], server: &str) -> (i32, String, String) {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_baton"))
        .args(arguments)
        .env_clear()
        .env("BATON_SERVER_URL", server)
        .output()
        .await
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn exit_codes_tell_scripts_what_happened() {
    let server = serve().await;
    let [completed, failed, open, unknown] = [1, 2, 3, 4].map(|kind| id(kind).to_string());
    for (arguments, code, words) in [
        (vec!["workflow", "watch", &completed], 0, ""),
        (vec!["workflow", "watch", &failed], 1, "ended as FAILED: no money"),
        (vec!["workflow", "watch", &open, "--timeout", "0"], 2, "has not ended within 0 s"),
        (vec!["workflow", "get", &unknown], 3, "No such thing"),
        (vec!["workflow", "get", "nonsense"], 3, "no execution has the id `nonsense`"),
        (vec!["workflow", "terminate", &completed], 4, "Cannot terminate"),
        (vec!["workflow", "fly"], 64, "unrecognized subcommand"),
        (vec!["workflow", "list", "--config", "/nowhere.toml"], 78, "/nowhere.toml"),
    ] {
        let (got, _, stderr) = baton(&arguments, &server).await;
        assert_eq!(got, code, "{arguments:?}: {stderr}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
    }
    let (code, _, stderr) = baton(&["workflow", "pause", &open], "http://127.0.0.1:1").await;
    assert_eq!(code, 5, "{stderr}");
    assert!(stderr.contains("fix: start a server with `baton server`"), "{stderr}");
}

/// What a container's health check reads is the exit code.
#[tokio::test]
async fn health_is_an_exit_code() {
    let server = serve().await;
    let (code, stdout, _) = baton(&["health"], &server).await;
    assert_eq!((code, stdout), (0, format!("{server}/api is healthy\n")));
    let (code, _, stderr) = baton(&["health"], &format!("{server}/ill")).await;
    assert_eq!(code, 5, "{stderr}");
    assert!(stderr.contains("is not healthy: a; b"), "{stderr}");
    let (code, _, stderr) = baton(&["health"], "http://127.0.0.1:1").await;
    assert_eq!(code, 5, "{stderr}");
}

#[tokio::test]
async fn a_start_prints_the_id_alone_so_that_scripts_can_take_it() {
    let server = serve().await;
    let arguments = ["workflow", "start", "order", "--input", "orderId: 7"];
    assert_eq!(baton(&arguments, &server).await, (0, format!("{}\n", id(1)), String::new()));
    let (code, stdout, _) =
        baton(&["workflow", "start", "order", "--output", "json"], &server).await;
    assert_eq!(code, 0);
    assert_eq!(stdout, format!("{{\n  \"workflowId\": \"{}\"\n}}\n", id(1)));
}

#[tokio::test]
async fn an_execution_is_shown_as_columns_or_as_json() {
    let server = serve().await;
    let id = id(1).to_string();
    let (_, table, _) = baton(&["workflow", "get", &id], &server).await;
    assert!(table.contains("Status    COMPLETED"), "{table}");
    assert!(table.contains("2026-11-22 06:30:39"), "{table}");
    assert!(!table.contains('\u{1b}'), "no colors in a pipe: {table}");
    let (_, json, _) = baton(&["workflow", "get", &id, "--output", "json"], &server).await;
    assert!(json.contains("\"output\": {\n    \"n\": 1\n  }"), "{json}");
}

/// Summary, evidence and remedy of each waiting thing, indented to the leaf; or the answer itself.
#[tokio::test]
async fn an_explanation_is_a_tree_to_the_leaf() {
    let server = serve().await;
    let (open, child, task) = (id(3).to_string(), id(4), id(3).task(1));
    let (code, tree, _) = baton(&["workflow", "explain", &open], &server).await;
    let expected = format!(
        "order {open} RUNNING
  order waits.
  CHILD: Task `kid` waits.
    since: 2026-11-21 12:00:00 UTC (0 ms ago)
    pack {child} RUNNING
      pack waits.
      NO_WORKER: 7 tasks are ready.
        moved by: A worker.
        pack: {task}
          since: 2026-11-21 11:59:48 UTC (12.0 s ago)
          queue: pack
          place: 1 of at least 10000
          last poll: 2026-11-21 11:55:50 UTC (4 min 10 s ago), by w1
        and 6 more
"
    );
    assert_eq!((code, tree.as_str()), (0, expected.as_str()));
    let (_, json, _) = baton(&["workflow", "explain", &open, "--output", "json"], &server).await;
    let read: WorkflowExplanation = serde_json::from_str(&json).unwrap();
    assert_eq!(read, explanation());
    let (code, _, stderr) = baton(&["workflow", "explain", &child.to_string()], &server).await;
    assert_eq!(code, 3, "{stderr}");
}

#[tokio::test]
async fn definitions_are_checked_without_a_server() {
    let nobody = "http://127.0.0.1:1";
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/");
    let files =
        ["order-saga.json", "fan-out.json", "approval.json"].map(|f| format!("{examples}{f}"));
    let arguments = ["definition", "validate", &files[0], &files[1], &files[2]];
    let (code, stdout, stderr) = baton(&arguments, nobody).await;
    assert_eq!(
        (code, stdout.as_str()),
        (0, "valid: 4 workflow and 7 task definitions\n"),
        "{stderr}"
    );

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wrong.yaml");
    std::fs::write(&file, "name: w\ntasks:\n  - name: a\n    type: SWITCH\n").unwrap();
    let (code, _, stderr) =
        baton(&["definition", "validate", file.to_str().unwrap()], nobody).await;
    assert_eq!(code, 4, "{stderr}");
    assert!(stderr.contains("w at /tasks/0"), "{stderr}");
}

/// Goal: what is suspicious is a line on standard error, and with `--strict` an error; what is meant as a
/// workflow is never registered as a task definition.
#[tokio::test]
async fn suspicious_definitions_are_warned_of() {
    let nobody = "http://127.0.0.1:1";
    let directory = tempfile::tempdir().unwrap();
    let written = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let odd = written(
        "odd.json",
        r#"{"$schema":"x","name":"w","tasks":[{"name":"a","taskReferenceName":"a","type":"http"}]}"#,
    );
    let (code, stdout, stderr) = baton(&["definition", "validate", &odd], nobody).await;
    assert_eq!((code, stdout.as_str()), (0, "valid: 1 workflow and 0 task definitions\n"));
    let line = format!(
        "warning: {odd}: w at /tasks/0/type: `http` is not a type of the engine, so that the task waits \
         for a worker of that name; did you mean `HTTP`? [misspelled-type]\n"
    );
    assert_eq!(stderr, line);
    let (code, _, stderr) = baton(&["definition", "validate", "--strict", &odd], nobody).await;
    assert_eq!(code, 4);
    assert!(
        stderr.starts_with("error: 1 error\n") && stderr.contains("[misspelled-type]"),
        "{stderr}"
    );
    let arguments = ["definition", "validate", "--output", "json", &odd];
    let (_, stdout, _) = baton(&arguments, nobody).await;
    let answer: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(answer["warnings"][0]["code"], "misspelled-type");
    assert_eq!(answer["warnings"][0]["pointer"], "/tasks/0/type");

    let steps = r#"{"name":"w","steps":[{"name":"a","taskReferenceName":"a"}]}"#;
    let steps = written("steps.json", steps);
    for command in ["validate", "apply"] {
        let (code, _, stderr) = baton(&["definition", command, &steps], nobody).await;
        assert_eq!(code, 4, "{stderr}");
        assert!(
            stderr.contains("at /steps") && stderr.contains("did you mean `tasks`?"),
            "{stderr}"
        );
    }
}

#[tokio::test]
async fn the_schemas_are_printed() {
    for (kind, title) in [("workflow", "Workflow definition"), ("taskdef", "Task definition")] {
        let (code, stdout, _) = baton(&["definition", "schema", kind], "http://127.0.0.1:1").await;
        let schema: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!((code, &schema["title"]), (0, &title.into()));
    }
}

#[tokio::test]
async fn settings_are_shown_with_their_origin_and_without_secrets() {
    let url = "postgres://baton:secret@db/baton";
    let arguments = ["config", "show", "--database-url", url, "--token", "hush"];
    let (code, stdout, stderr) = baton(&arguments, "http://elsewhere").await;
    assert_eq!(code, 0, "{stderr}");
    assert!(!stdout.contains("secret") && !stdout.contains("hush"), "{stdout}");
    let line = |key: &str| stdout.lines().find(|line| line.trim().starts_with(key)).unwrap();
    assert!(line("database-url").contains("postgres://baton:********@db/baton"), "{stdout}");
    assert!(line("server-url").contains("environment BATON_SERVER_URL"), "{stdout}");
    assert!(line("listen").contains("127.0.0.1:8080"), "{stdout}");
}
