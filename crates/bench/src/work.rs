//! The worker: connections that poll, connections that report, and a queue between them.
use crate::http::Connection;
use crate::options::LoadOptions;
use crate::plan::Plan;
use crate::tracker::Tracker;
use anyhow::Context;
use bytes::Bytes;
use hyper::Method;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Tries of one report, the first included: a run on a shaken server should go on.
const REPORT_TRIES: u32 = 6;
/// Pause after a call that failed.
pub(crate) const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// What all connections of a run share, on one thread.
pub(crate) struct Run {
    pub(crate) load: LoadOptions,
    pub(crate) plan: Plan,
    pub(crate) tracker: RefCell<Tracker>,
    /// A permit for each execution that may be open.
    pub(crate) slots: Semaphore,
    /// A permit for each execution that is over: worked, or given up.
    pub(crate) over: Semaphore,
    /// Tasks between poll and report; as many as are open at most.
    queue: RefCell<VecDeque<Polled>>,
    queued: Semaphore,
}

impl Run {
    pub(crate) fn new(load: LoadOptions, plan: Plan) -> Self {
        Self {
            tracker: RefCell::new(Tracker::new(Instant::now(), load.verify)),
            slots: Semaphore::new(load.in_flight as usize),
            over: Semaphore::new(0),
            queue: RefCell::default(),
            queued: Semaphore::new(0),
            load,
            plan,
        }
    }

    /// One execution less to wait for.
    pub(crate) fn one_is_over(&self) {
        self.slots.add_permits(1);
        self.over.add_permits(1);
    }

    /// No more is done for this execution.
    pub(crate) fn give_up(&self, number: u32) {
        if self.tracker.borrow_mut().given_up(number) {
            self.one_is_over();
        }
    }

    pub(crate) fn failed(&self, error: &anyhow::Error) {
        self.tracker.borrow_mut().failed(error);
    }
}

/// What the worker reads of a task.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Polled {
    task_id: String,
    workflow_instance_id: String,
    #[serde(default)]
    retry_count: i64,
    #[serde(default)]
    input_data: Input,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    n: Option<i64>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    fail_first: Option<bool>,
}

impl Polled {
    /// The number of the execution of this run that it belongs to.
    fn number(&self, plan: &Plan) -> Option<u32> {
        plan.number_of(self.input_data.key.as_deref()?)
    }
}

/// What it answers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TaskResult<'a> {
    workflow_instance_id: &'a str,
    task_id: &'a str,
    worker_id: &'static str,
    status: &'static str,
    output_data: Output,
}

#[derive(Serialize)]
struct Output {
    n: i64,
}

/// Polls one task type, for ever.
pub(crate) async fn poll(run: &Run, task_type: &str, mut connection: Connection) {
    let LoadOptions { batch, poll_timeout_ms, .. } = run.load;
    let path = format!(
        "/tasks/poll/batch/{task_type}?workerid=bench&count={batch}&timeout={poll_timeout_ms}"
    );
    loop {
        match poll_once(&path, &mut connection).await {
            Ok(tasks) => take(run, tasks),
            Err(error) => {
                run.failed(&error);
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
}

async fn poll_once(path: &str, connection: &mut Connection) -> anyhow::Result<Vec<Polled>> {
    let body = connection.get(path).await?;
    if body.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_slice(&body).with_context(|| format!("GET {path}"))
}

fn take(run: &Run, tasks: Vec<Polled>) {
    let now = Instant::now();
    let mut tracker = run.tracker.borrow_mut();
    for task in tasks {
        let number = task.number(&run.plan);
        // What an earlier run left open is worked, so that it ends, but not counted.
        if number.is_none_or(|number| tracker.arrived(number, &task.task_id, now)) {
            run.queue.borrow_mut().push_back(task);
            run.queued.add_permits(1);
        }
    }
}

/// Answers queued tasks, for ever: each with its number and one.
pub(crate) async fn report(run: &Run, mut connection: Connection) {
    while let Ok(permit) = run.queued.acquire().await {
        permit.forget();
        let task = run.queue.borrow_mut().pop_front();
        if let Some(task) = task {
            work(run, &task, &mut connection).await;
        }
    }
}

async fn work(run: &Run, task: &Polled, connection: &mut Connection) {
    let number = task.number(&run.plan);
    let body = result_of(task);
    let called = Instant::now();
    if let Some(number) = number {
        run.tracker.borrow_mut().sending(number, run.plan.is_row(), called);
    }
    let is_taken = send(run, body, connection).await;
    let Some(number) = number else { return };
    if !is_taken {
        run.give_up(number);
    } else if run.tracker.borrow_mut().answered(number, called, Instant::now()) {
        run.one_is_over();
    }
}

fn result_of(task: &Polled) -> Bytes {
    let fails = task.retry_count == 0 && task.input_data.fail_first == Some(true);
    let result = TaskResult {
        workflow_instance_id: &task.workflow_instance_id,
        task_id: &task.task_id,
        worker_id: "bench",
        status: if fails { "FAILED" } else { "COMPLETED" },
        output_data: Output { n: task.input_data.n.unwrap_or_default() + 1 },
    };
    match serde_json::to_vec(&result) {
        Ok(body) => body.into(),
        Err(_) => unreachable!("a struct of texts and a number is always JSON"),
    }
}

/// Sends a result until it is taken; false when it never was.
async fn send(run: &Run, body: Bytes, connection: &mut Connection) -> bool {
    for _ in 0..REPORT_TRIES {
        match connection.call(Method::POST, "/tasks", body.clone()).await {
            Ok(_) => return true,
            Err(error) => run.failed(&error),
        }
        tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(input: &str, retries: u32) -> String {
        let task = format!(
            r#"{{"taskId":"t","workflowInstanceId":"w","taskType":"x","retryCount":{retries},"inputData":{input}}}"#
        );
        let task: Polled = serde_json::from_str(&task).unwrap();
        String::from_utf8(result_of(&task).to_vec()).unwrap()
    }

    #[test]
    fn a_polled_task_is_answered_with_its_number_and_one() {
        insta::assert_snapshot!(answer(r#"{"n":4,"key":"7:1"}"#, 0), @r#"{"workflowInstanceId":"w","taskId":"t","workerId":"bench","status":"COMPLETED","outputData":{"n":5}}"#);
    }

    #[test]
    fn a_task_that_must_fail_does_so_once() {
        let input = r#"{"n":null,"failFirst":true}"#;
        assert!(answer(input, 0).contains(r#""status":"FAILED""#));
        assert!(answer(input, 1).contains(r#""status":"COMPLETED","outputData":{"n":1}"#));
    }
}
