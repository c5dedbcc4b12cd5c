//! People: clients that start executions, somebody who signals and answers, and somebody who
//! operates.
use crate::case::{Action, Operation, Start};
use crate::definition;
use crate::world::World;
use baton_common::api::{RerunWorkflowRequest, StartWorkflowRequest, TaskResult, TaskResultStatus};
use baton_common::{ExecutionId, Payload, TaskId, WorkflowStatus};
use baton_decider::state::Delivery;
use baton_decider::task_type::Waits;
use baton_orchestrator::{Orchestrator, OrchestratorError};
use std::rc::Rc;
use std::time::Duration;

/// Between two checks of the person who signals, ms.
const CHECK_MS: u64 = 700;

/// Lets them all begin.
pub(crate) fn invite(world: &Rc<World>) {
    for (index, start) in world.case.starts.clone().into_iter().enumerate() {
        for caller in 0..start.callers {
            tokio::task::spawn_local(start_one(world.clone(), index, start.clone(), caller));
        }
    }
    for operation in world.case.operations.clone() {
        tokio::task::spawn_local(operate(world.clone(), operation));
    }
    tokio::task::spawn_local(answer(world.clone()));
}

async fn start_one(world: Rc<World>, index: usize, start: Start, caller: u32) {
    let late = u64::from(caller) * world.shared.dice().between(0, 60);
    tokio::time::sleep(Duration::from_millis(start.at_ms + late)).await;
    let request = StartWorkflowRequest {
        name: Some(definition::name(start.workflow)),
        input: Payload::of(&definition::input(start.n)).ok(),
        idempotency_key: Some(format!("key{index}")),
        ..StartWorkflowRequest::default()
    };
    loop {
        let asked = request.clone();
        match world.ask(async |engine| engine.start_workflow(asked).await).await {
            Some(Ok(id)) => {
                world.shared.note(|| format!("start {index} is {id}"));
                if let Ok(id) = id.parse::<ExecutionId>() {
                    let seen = world.shared.check().started(id);
                    world.expect(seen);
                }
                world.roots.borrow_mut().push((index, id));
                break;
            }
            Some(Err(error)) if !is_passing(&error) => {
                world.shared.fail("I1 a start is whole", format!("start {index}: {error}"));
                break;
            }
            Some(Err(_)) | None => world.shared.pause(50, 400).await,
        }
    }
    world.starts_left.set(world.starts_left.get() - 1);
    world.shared.progress.notify_waiters();
}

fn is_passing(error: &OrchestratorError) -> bool {
    matches!(error, OrchestratorError::Unavailable(_) | OrchestratorError::Overloaded(_))
}

/// Signals WAITs, answers HUMANs, and resumes what was left paused.
async fn answer(world: Rc<World>) {
    loop {
        tokio::time::sleep(Duration::from_millis(CHECK_MS)).await;
        for task in waiting(&world) {
            let result = TaskResult {
                workflow_instance_id: Some(task.execution().to_string()),
                task_id: Some(task.to_string()),
                status: Some(TaskResultStatus::Completed),
                output_data: Payload::empty_object(),
                ..TaskResult::default()
            };
            let _ = world.ask(async |engine| engine.update_task(result).await).await;
        }
        if world.operations_left.get() == 0 {
            for id in paused(&world) {
                let _ = world.ask(async |engine| engine.resume(&id).await).await;
            }
        }
    }
}

fn waiting(world: &World) -> Vec<TaskId> {
    let checker = world.shared.check();
    let mut all = Vec::new();
    for seen in checker.open() {
        let state = &seen.execution;
        let is_wait = |task: &&std::sync::Arc<baton_decider::state::Task>| {
            let waits = (state.node_of(task).facts.waits)(task);
            matches!(waits, Waits::Signal | Waits::Person) && task.delivery == Delivery::None
        };
        all.extend(state.open_tasks().filter(is_wait).map(|task| state.id().task(task.seq)));
    }
    all
}

fn paused(world: &World) -> Vec<String> {
    let checker = world.shared.check();
    let paused = checker.open().filter(|seen| seen.execution.status == WorkflowStatus::Paused);
    paused.map(|seen| seen.execution.id().to_string()).collect()
}

async fn operate(world: Rc<World>, operation: Operation) {
    tokio::time::sleep(Duration::from_millis(operation.at_ms)).await;
    let target = target_of(&world, &operation);
    if let Some((id, task, reference)) = target {
        let action = operation.action;
        let answer =
            world.ask(async |engine| act(engine, action, &id, task, reference).await).await;
        world.shared.note(|| format!("{action:?} of {id}: {answer:?}"));
    }
    world.operations_left.set(world.operations_left.get() - 1);
    world.shared.progress.notify_waiters();
}

type Target = (String, Option<TaskId>, Option<String>);

fn target_of(world: &World, operation: &Operation) -> Option<Target> {
    let checker = world.shared.check();
    let alive: Vec<_> = checker.order.iter().filter_map(|id| checker.executions.get(id)).collect();
    let seen = alive.get(operation.target % alive.len().max(1))?;
    let state = &seen.execution;
    let tasks: Vec<_> = state.tasks.values().collect();
    let task = tasks.get(world.shared.dice().roll(tasks.len().max(1)));
    let reference = format!("s{}", 1 + world.shared.dice().roll(5));
    Some((state.id().to_string(), task.map(|task| state.id().task(task.seq)), Some(reference)))
}

async fn act(
    engine: Orchestrator,
    action: Action,
    id: &str,
    task: Option<TaskId>,
    reference: Option<String>,
) -> Result<(), OrchestratorError> {
    let rerun = RerunWorkflowRequest {
        re_run_from_task_id: task
            .filter(|_| action == Action::RerunFromTask)
            .map(|t| t.to_string()),
        ..RerunWorkflowRequest::default()
    };
    match action {
        Action::Pause => engine.pause(id).await,
        Action::Resume => engine.resume(id).await,
        Action::Terminate => engine.terminate(id, None).await,
        Action::Retry => engine.retry(id, false).await,
        Action::RetryResuming => engine.retry(id, true).await,
        Action::Restart => engine.restart(id, false).await,
        Action::RestartLatest => engine.restart(id, true).await,
        Action::Rerun | Action::RerunFromTask => engine.rerun(id, rerun).await.map(|_| ()),
        Action::Skip => engine.skip_task(id, reference.as_deref().unwrap_or_default()).await,
        Action::ResetCallbacks => engine.reset_callbacks(id).await,
        Action::Decide => engine.decide(id).await,
        Action::Remove => engine.remove(id, false).await,
        Action::Update => update(engine, task).await,
    }
}

async fn update(engine: Orchestrator, task: Option<TaskId>) -> Result<(), OrchestratorError> {
    let Some(task) = task else { return Ok(()) };
    let result = TaskResult {
        workflow_instance_id: Some(task.execution().to_string()),
        task_id: Some(task.to_string()),
        status: Some(TaskResultStatus::Completed),
        output_data: Payload::parse(r#"{"n":50}"#.to_owned()).unwrap_or_default(),
        worker_id: Some("a person".to_owned()),
        ..TaskResult::default()
    };
    engine.update_task(result).await.map(|_| ())
}
