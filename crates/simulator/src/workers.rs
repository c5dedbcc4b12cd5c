//! Workers: they poll, do what a task tells them, and report; some vanish, some report twice.
use crate::case::Fault;
use crate::definition::{QUEUES, RESPONSE_S};
use crate::world::World;
use baton_common::Payload;
use baton_common::api::{Task, TaskResult, TaskResultStatus};
use baton_orchestrator::{OrchestratorError, PollRequest};
use serde_json::{Value, json};
use std::rc::Rc;
use std::time::Duration;

/// How long a poll waits, ms.
const POLL_MS: u64 = 10_000;
/// How often a worker repeats a report that nobody answers.
const REPORTS_MAX: u32 = 40;

/// Puts workers to work, one for each task type.
pub(crate) fn hire(world: &Rc<World>) {
    for queue in QUEUES {
        tokio::task::spawn_local(work(world.clone(), queue));
    }
}

async fn work(world: Rc<World>, queue: &'static str) {
    loop {
        let count = 1 + world.shared.dice().roll(2);
        let request = PollRequest {
            task_type: queue.to_owned(),
            domain: None,
            worker: Some(queue.to_owned()),
            count,
            timeout: Duration::from_millis(POLL_MS),
        };
        let polled = world.ask(async |engine| engine.poll(request).await).await;
        let Some(Ok(polled)) = polled else {
            world.shared.pause(20, 200).await;
            continue;
        };
        let tasks = polled.tasks.clone();
        if world.shared.strikes(Fault::AnswerLost, 30) {
            // The connection broke: what was on its way goes back.
            drop(polled);
            continue;
        }
        polled.delivered();
        for task in tasks {
            world.shared.note(|| format!("{queue} gets {} {}", task.task_id, task.poll_count));
            let handed = world.shared.check().handed(task.task_id, task.poll_count);
            world.expect(handed);
            tokio::task::spawn_local(do_task(world.clone(), task));
        }
    }
}

async fn do_task(world: Rc<World>, task: Task) {
    let shared = &world.shared;
    if shared.strikes(Fault::WorkerVanishes, 80) {
        return;
    }
    let is_late = shared.strikes(Fault::WorkerVanishes, 60);
    let most = if is_late { u64::try_from(RESPONSE_S).unwrap_or(0) * 1_500 } else { 120 };
    shared.pause(1, most).await;
    let result = result_of(&world, &task);
    let is_twice = shared.strikes(Fault::WorkerReportsTwice, 250);
    if is_twice {
        tokio::task::spawn_local(report(world.clone(), task.clone(), result.clone()));
    }
    if shared.dice().chance(40) {
        let progress = TaskResult {
            status: Some(TaskResultStatus::InProgress),
            callback_after_seconds: i64::from(shared.dice().chance(500)),
            ..result.clone()
        };
        if !is_twice && result.status == Some(TaskResultStatus::Completed) {
            // It will be handed out again.
            report(world.clone(), task, progress).await;
            return;
        }
    }
    report(world.clone(), task, result).await;
}

async fn report(world: Rc<World>, task: Task, result: TaskResult) {
    for _ in 0..REPORTS_MAX {
        let asked = result.clone();
        let answer = world.ask(async |engine| engine.update_task(asked).await).await;
        match answer {
            Some(Ok(_)) => {
                if result.status != Some(TaskResultStatus::InProgress) {
                    let kept = world.shared.check().acknowledged(
                        task.task_id,
                        result.worker_id.as_deref(),
                        &result.output_data,
                    );
                    world.expect(kept);
                }
                return;
            }
            Some(Err(OrchestratorError::Unavailable(_) | OrchestratorError::Overloaded(_)))
            | None => {
                world.shared.pause(50, 500).await;
            }
            Some(Err(error)) => {
                world.shared.note(|| format!("report on {}: {error}", task.task_id));
                return;
            }
        }
    }
}

/// What the task's input tells its worker to do.
fn result_of(world: &World, task: &Task) -> TaskResult {
    let input: Value = serde_json::from_str(task.input_data.get()).unwrap_or_default();
    let does = input["does"].as_str().unwrap_or("succeed").to_owned();
    let step = format!("{}/{}", task.workflow_instance_id, task.reference_task_name);
    let status = match does.as_str() {
        "fail" => TaskResultStatus::Failed,
        "give up" => TaskResultStatus::FailedWithTerminalError,
        other => {
            let times: u32 = other.strip_prefix("fail ").and_then(|n| n.parse().ok()).unwrap_or(0);
            let mut failures = world.failures.borrow_mut();
            let so_far = failures.entry(step).or_default();
            if *so_far < times {
                *so_far += 1;
                TaskResultStatus::Failed
            } else {
                TaskResultStatus::Completed
            }
        }
    };
    let n = input["n"].as_i64();
    let output = if status == TaskResultStatus::Completed {
        json!({"n": n.map(|n| n + 1)})
    } else {
        json!({})
    };
    TaskResult {
        workflow_instance_id: Some(task.workflow_instance_id.to_string()),
        task_id: Some(task.task_id.to_string()),
        status: Some(status),
        output_data: Payload::of(&output).unwrap_or_default(),
        worker_id: task.worker_id.as_deref().map(str::to_owned),
        ..TaskResult::default()
    }
}
