//! HTTP and COMMAND tasks of a real server: what they may not call, and what they may not outlive.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests unwrap as tests do")]
mod support;

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::process::Command;
use support::{PATIENCE, Server};

/// Starts an execution of one step; its id.
async fn start(server: &Server, task_type: &str, input: Value) -> Value {
    let task = json!({ "name": "t", "taskReferenceName": "t", "type": task_type,
        "inputParameters": input });
    let definition = json!({ "name": "one", "version": 1, "schemaVersion": 2, "tasks": [task] });
    let body = json!({ "name": "one", "version": 1, "workflowDef": definition, "input": {} });
    server.ok("POST /api/workflow", &body.to_string()).await
}

/// The reason why an HTTP task that calls the server itself ends like this.
async fn call_itself(flags: &[&str], status: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), flags);
    let uri = format!("{}/api/version", server.url);
    let id = start(&server, "HTTP", json!({ "uri": uri, "method": "GET" })).await;
    let execution = server.until(id.as_str().unwrap(), status).await;
    execution["tasks"][0]["reasonForIncompletion"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_task_calls_the_server_itself_only_where_the_operator_says_so() {
    let reason = call_itself(&[], "FAILED").await;
    assert!(reason.contains("may not be called: Baton itself"), "{reason}");
    call_itself(&["--http-reach", "any"], "COMPLETED").await;
}

/// Goal: no process of a command outlives a server that is killed. Method: a program and its child
/// hold a named pipe open and ignore SIGTERM; the pipe ends when both have.
#[tokio::test]
async fn a_server_that_is_killed_takes_its_commands_along() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("alive");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let flags = ["--command-programs", "/bin/sh", "--command-grace-ms", "100"];
    let server = Server::start(folder.path(), &flags);
    let script = format!(
        "trap '' TERM; exec 3>{}; sleep 600 & echo up >&3; while :; do wait; sleep 600; done",
        pipe.display()
    );
    start(&server, "COMMAND", json!({ "command": "sh", "args": ["-c", script] })).await;
    let (up, is_up) = tokio::sync::oneshot::channel();
    let ended = tokio::task::spawn_blocking(move || {
        let mut pipe = BufReader::new(std::fs::File::open(pipe).unwrap());
        let mut line = String::new();
        pipe.read_line(&mut line).unwrap();
        up.send(line).unwrap();
        pipe.read_to_end(&mut Vec::new()).unwrap()
    });
    assert_eq!(is_up.await.unwrap(), "up\n");
    drop(server);
    assert_eq!(tokio::time::timeout(PATIENCE, ended).await.unwrap().unwrap(), 0);
}
