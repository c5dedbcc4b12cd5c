//! The real server on a SQLite file, from its first line to its orderly end.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests unwrap as tests do")]
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};

const BATON: &str = env!("CARGO_BIN_EXE_baton");
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
        let database = format!("sqlite:{}", folder.join("baton.db").display());
        let mut process = Command::new(BATON)
            .args(["server", "--listen", "127.0.0.1:0", "--samples", "true"])
            .args(["--database-url", &database])
            .env_clear()
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut first_line = String::new();
        log.read_line(&mut first_line).unwrap();
        let url = first_line.split([' ', ',']).find(|word| word.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("no address in: {first_line}")).to_owned();
        Self { process, url, first_line, log }
    }

    fn baton(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(BATON);
        command.args(arguments).env_clear().env("BATON_SERVER_URL", &self.url).output().unwrap()
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
