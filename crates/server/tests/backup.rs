//! A copy of a real server's file, taken while it works, and put back.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests unwrap as tests do")]
mod support;

use serde_json::json;
use std::path::Path;
use std::process::Command;
use support::{BATON, Server};

/// `baton` on a database file; its exit code and all it said.
fn baton(arguments: &[&str], database: &Path) -> (i32, String) {
    let url = format!("sqlite:{}", database.display());
    let output = Command::new(BATON)
        .args(arguments)
        .env_clear()
        .env("BATON_DATABASE_URL", &url)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

/// Goal: what was committed when the copy was taken is there after it was put back, what came later
/// is not, and a task that was in hand then is handed out again. Method: an execution whose step is in
/// a worker's hands, a copy while the server runs, the step's end, the copy put back.
#[tokio::test]
async fn a_copy_taken_from_a_running_server_can_be_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let (database, copy) = (folder.path().join("baton.db"), folder.path().join("copy.db"));
    let copy_name = copy.to_str().unwrap();
    let server = Server::start(folder.path(), &[]);
    let task = json!([{ "name": "step", "responseTimeoutSeconds": 1, "retryCount": 1, "retryDelaySeconds": 0 }]);
    server.ok("POST /api/metadata/taskdefs", &task.to_string()).await;
    let step = json!({ "name": "step", "taskReferenceName": "step", "type": "SIMPLE" });
    let flow = json!([{ "name": "flow", "version": 1, "ownerEmail": "a@b.c", "tasks": [step] }]);
    server.ok("PUT /api/metadata/workflow", &flow.to_string()).await;
    let id = server.ok("POST /api/workflow/flow", "{}").await;
    let id = id.as_str().unwrap();
    let in_hand = server.poll("step").await;

    let (code, said) = baton(&["backup", copy_name], &database);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("schema version"), "{said}");
    let (code, said) = baton(&["backup", copy_name], &database);
    assert_eq!(code, 4, "{said}");
    server.report(&in_hand, "COMPLETED").await;
    server.until(id, "COMPLETED").await;
    let later = server.ok("POST /api/workflow/flow", "{}").await;
    let (code, said) = baton(&["restore", copy_name, "--force"], &database);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("another process uses"), "{said}");
    assert_eq!(server.stop().0.code(), Some(0));

    let (code, said) = baton(&["restore", copy_name], &database);
    assert_eq!(code, 4, "{said}");
    let (code, said) = baton(&["restore", copy_name, "--force"], &database);
    assert_eq!(code, 0, "{said}");
    let server = Server::start(folder.path(), &[]);
    let (status, _) =
        server.call(&format!("GET /api/workflow/{}", later.as_str().unwrap()), "").await;
    assert_eq!(status, 404);
    let again = server.poll("step").await;
    assert_eq!(again["workflowInstanceId"], id);
    server.report(&again, "COMPLETED").await;
    server.until(id, "COMPLETED").await;
    assert_eq!(server.stop().0.code(), Some(0));
}

/// PostgreSQL has tools of its own, and the message says where they are described.
#[test]
fn a_postgresql_is_not_copied() {
    let arguments = ["backup", "copy.db", "--database-url", "postgres://h/d"];
    let output = Command::new(BATON).args(arguments).env_clear().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("docs/how-to/backup.md"), "{said}");
}
