//! The worker: connections that poll, connections that report, and a queue between them.
use crate::http::Connection;
use crate::options::LoadOptions;
use crate::scenario::Plan;
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
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

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
            tracker: RefCell::new(Tracker::new(plan.tasks_per_workflow)),
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
    input_data: Input,
}

#[derive(Debug, Default, Deserialize)]
struct Input {
    n: Option<i64>,
    run: Option<i64>,
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
        let is_ours = run.plan.is_ours(task.input_data.run);
        // What an earlier run left open is worked, so that it ends, but not counted.
        if !is_ours || tracker.arrived(&task.workflow_instance_id, &task.task_id, now) {
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
    let execution = task.workflow_instance_id.as_str();
    let is_ours = run.plan.is_ours(task.input_data.run);
    let body = result_of(task);
    let called = Instant::now();
    if is_ours {
        run.tracker.borrow_mut().sending(execution, run.plan.is_row(), called);
    }
    let is_taken = send(run, body, connection).await;
    let is_last =
        is_ours && is_taken && run.tracker.borrow_mut().answered(execution, called, Instant::now());
    if is_last || (is_ours && !is_taken) {
        run.one_is_over();
    }
}

fn result_of(task: &Polled) -> Bytes {
    let result = TaskResult {
        workflow_instance_id: &task.workflow_instance_id,
        task_id: &task.task_id,
        worker_id: "bench",
        status: "COMPLETED",
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

    #[test]
    fn a_polled_task_is_answered_with_its_number_and_one() {
        let task =
            r#"{"taskId":"t","workflowInstanceId":"w","taskType":"x","inputData":{"n":4,"run":7}}"#;
        let task: Polled = serde_json::from_str(task).unwrap();
        assert_eq!(task.input_data.run, Some(7));
        insta::assert_snapshot!(String::from_utf8(result_of(&task).to_vec()).unwrap(), @r#"{"workflowInstanceId":"w","taskId":"t","workerId":"bench","status":"COMPLETED","outputData":{"n":5}}"#);
    }
}
