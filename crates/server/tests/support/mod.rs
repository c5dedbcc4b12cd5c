//! A real server on a SQLite file, whose log is JSON because nobody reads it on a terminal.
#![allow(dead_code, reason = "each test file uses a part of it")]
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub(crate) const BATON: &str = env!("CARGO_BIN_EXE_baton");
/// Longest wait for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A server that is killed when the test fails before it has stopped it.
pub(crate) struct Server {
    process: Child,
    pub(crate) url: String,
    log: Option<JoinHandle<Vec<Value>>>,
}

impl Server {
    /// Starts one on `baton.db` of this folder and waits until it says where it listens.
    pub(crate) fn start(folder: &Path, flags: &[&str]) -> Self {
        let database = format!("sqlite:{}", folder.join("baton.db").display());
        let mut process = Command::new(BATON)
            .args(["server", "--listen", "127.0.0.1:0", "--database-url", &database])
            .args(flags)
            .env_clear()
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let (sender, receiver) = mpsc::channel();
        let log = std::thread::spawn(move || {
            let mut log = Vec::new();
            for line in lines.map_while(Result::ok) {
                let line: Value =
                    serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
                if line["message"] == "serving" {
                    let _ = sender.send(line["url"].as_str().unwrap().to_owned());
                }
                log.push(line);
            }
            log
        });
        let url = receiver.recv_timeout(PATIENCE).unwrap();
        Self { process, url, log: Some(log) }
    }

    /// Sends SIGTERM; how the process ended, and the lines of its log.
    pub(crate) fn stop(mut self) -> (ExitStatus, Vec<Value>) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let log = self.log.take().unwrap().join().unwrap();
        (self.process.wait().unwrap(), log)
    }

    /// Calls the API; status and body.
    pub(crate) async fn call(&self, call: &str, body: &str) -> (u16, Value) {
        self.call_with(call, body, &[]).await
    }

    /// The same with headers.
    pub(crate) async fn call_with(
        &self,
        call: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> (u16, Value) {
        baton_client::tls::install_provider();
        let (method, path) = call.split_once(' ').unwrap();
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = reqwest::Client::new().request(method, format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// The body of a call that must succeed.
    pub(crate) async fn ok(&self, call: &str, body: &str) -> Value {
        let (status, answer) = self.call(call, body).await;
        assert!(status < 300, "{call}: {status} {answer}");
        answer
    }

    /// The next task of a type.
    pub(crate) async fn poll(&self, task_type: &str) -> Value {
        let call = format!("GET /api/tasks/poll/batch/{task_type}?count=1&timeout=1000&workerid=w");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let tasks = self.ok(&call, "").await;
            if let Some(task) = tasks.get(0) {
                return task.clone();
            }
            assert!(Instant::now() < deadline, "no task of type {task_type}");
        }
    }

    /// Reports a task's end.
    pub(crate) async fn report(&self, task: &Value, status: &str) {
        let result = serde_json::json!({
            "workflowInstanceId": task["workflowInstanceId"], "taskId": task["taskId"],
            "workerId": "w", "status": status, "reasonForIncompletion": "SECRET-reason",
            "outputData": { "word": "SECRET-output" },
        });
        self.ok("POST /api/tasks", &result.to_string()).await;
    }

    /// Waits until an execution has this status.
    pub(crate) async fn until(&self, id: &str, status: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let execution = self.ok(&format!("GET /api/workflow/{id}"), "").await;
            if execution["status"] == status {
                return execution;
            }
            assert!(Instant::now() < deadline, "not {status}: {execution}");
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already when the test has stopped it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
