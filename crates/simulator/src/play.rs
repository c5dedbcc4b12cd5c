//! One run: processes, clients, workers and people on one thread, under one clock that jumps from
//! one thing to the next.
use crate::case::{Case, Fault};
use crate::gate::{Gate, Life};
use crate::lock::lock;
use crate::shared::{Process, Shared};
use crate::store::SimStore;
use crate::world::World;
use crate::{definition, people, scripts, verdict, workers};
use baton_common::Payload;
use baton_expression::script::{Script, ScriptError};
use baton_orchestrator::{Environment, Orchestrator, Threads};
use baton_store::{DefinitionWrite, Store};
use futures::future::BoxFuture;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Until when everything may go wrong, ms.
const TROUBLE_MS: u64 = 30_000;
/// By when every execution must have ended after that, ms.
const ENDS_WITHIN_MS: u64 = 300_000;
/// How much later where one was removed: for ten minutes a parent cannot tell a child that was removed
/// from one that has yet to start.
const REMOVAL_MS: u64 = 600_000;
/// Between two looks at whether everything is over, ms.
const LOOK_MS: u64 = 500;

/// Plays a case to its end, and says how it went.
pub(crate) async fn play(case: &Case, is_traced: bool) -> verdict::Report {
    let shared = Shared::new(case.seed, case.faults.clone(), case.by_shard, is_traced);
    shared.check().has_operations = !case.operations.is_empty();
    shared.check().limit = case.limit;
    let world = Rc::new(World {
        shared: shared.clone(),
        engines: RefCell::new((0..case.processes).map(|_| None).collect()),
        starts_left: Cell::new(case.starts.iter().map(|start| start.callers as usize).sum()),
        operations_left: Cell::new(case.operations.len()),
        roots: RefCell::default(),
        failures: RefCell::default(),
        disturbed: Cell::new(!case.operations.is_empty()),
        case: case.clone(),
    });
    register(&world).await;
    for number in 0..case.processes {
        tokio::task::spawn_local(keep_alive(world.clone(), number));
    }
    workers::hire(&world);
    people::invite(&world);
    let is_over = until_over(&world).await;
    if !is_over {
        let stuck = verdict::stuck(&world);
        shared.fail("ends", stuck);
    }
    verdict::judge(&world).await
}

fn ends_within_ms(world: &World) -> u64 {
    let removes = !world.shared.check().removed.is_empty();
    ENDS_WITHIN_MS + if removes { REMOVAL_MS } else { 0 }
}

/// Waits for the end of everything; false when it does not come.
async fn until_over(world: &World) -> bool {
    let mut is_calm = false;
    let mut calm_at = None;
    loop {
        if world.shared.check().broken.is_some() {
            return true;
        }
        let elapsed = world.shared.elapsed_ms();
        if world.is_over() {
            return true;
        }
        if !is_calm
            && (elapsed > TROUBLE_MS && world.starts_left.get() == 0 || elapsed > 2 * TROUBLE_MS)
        {
            is_calm = true;
            calm_at = Some(world.shared.now());
            world.shared.calm_down();
            world.thaw();
        }
        if let Some(calm_at) = calm_at {
            let idle = world.shared.check().idle_slot(calm_at, world.shared.now());
            world.expect(idle);
        }
        if elapsed > TROUBLE_MS + ends_within_ms(world) {
            return false;
        }
        let look = tokio::time::sleep(Duration::from_millis(LOOK_MS));
        tokio::select! { biased; () = world.shared.progress.notified() => {}, () = look => {} }
    }
}

async fn register(world: &World) {
    let memory = &world.shared.memory;
    let body = |value: serde_json::Value| Payload::of(&value).unwrap_or_default();
    let workflows = (0..world.case.workflows.len()).map(|index| DefinitionWrite::PutWorkflow {
        name: definition::name(index),
        version: 1,
        body: body(definition::workflow(&world.case, index)),
        overwrite: true,
    });
    let tasks = definition::QUEUES.map(|queue| DefinitionWrite::PutTask {
        name: queue.to_owned(),
        body: body(definition::task(queue, world.case.limit)),
    });
    let writes: Vec<DefinitionWrite> = workflows.chain(tasks).collect();
    if let Err(error) = memory.write_definitions(&writes).await {
        world.shared.fail("setup", error.to_string());
    }
}

/// A process that is started anew when it has died.
async fn keep_alive(world: Rc<World>, number: usize) {
    loop {
        let gate = Gate::new();
        let process = Process {
            number,
            gate: gate.clone(),
            skew_ms: Arc::new(AtomicI64::new(0)),
            shared: world.shared.clone(),
        };
        let store = Arc::new(SimStore(process.clone()));
        let start = Orchestrator::start_in(store, environment(&process));
        let started = tokio::select! {
            biased;
            () = gate.death() => None,
            started = start => started.ok(),
        };
        if let Some(engine) = started {
            world.shared.note(|| format!("p{number} runs"));
            world.engines.borrow_mut()[number] = Some((gate.clone(), engine.clone()));
            disturb(&process, &engine).await;
            gate.set(Life::Dead);
            world.engines.borrow_mut()[number] = None;
        }
        world.shared.pause(50, 3_000).await;
    }
}

/// What happens to a process until it dies.
async fn disturb(process: &Process, engine: &Orchestrator) {
    let shared = &process.shared;
    let ended = engine.ended();
    tokio::pin!(ended);
    loop {
        let ms = shared.dice().between(500, 3_000);
        let wait = tokio::time::sleep(Duration::from_millis(ms));
        tokio::select! {
            biased;
            () = process.gate.death() => return,
            () = &mut ended => {
                let text = crate::panics::last().unwrap_or_else(|| "an engine has ended".to_owned());
                shared.fail("no panic", text);
                return;
            }
            () = wait => {}
        }
        if shared.strikes(Fault::ClockSteps, 300) {
            let by = shared.dice().between(0, 500).cast_signed() - 250;
            process.skew_ms.fetch_add(by, Ordering::Relaxed);
        }
        if shared.strikes(Fault::ClockJumps, 100) {
            let by = shared.dice().between(0, 7_200_000).cast_signed() - 3_600_000;
            process.skew_ms.fetch_add(by, Ordering::Relaxed);
        }
        if shared.strikes(Fault::Freeze, 150) {
            process.gate.set(Life::StandsStill);
            shared.pause(500, 15_000).await;
            process.gate.set(Life::Runs);
        }
    }
}

fn environment(process: &Process) -> Environment {
    let (clock, chance, scripts) =
        (process.clone(), process.shared.dice().branch(), process.clone());
    let chance = Mutex::new(chance);
    Environment {
        monotonic_ms: Arc::new(move || clock.monotonic_ms()),
        entropy: Arc::new(move || lock(&chance).bits()),
        run_script: Arc::new(move |_, script| evaluate(scripts.clone(), script)),
        threads: Threads::Callers,
        slice: process.shared.slice,
    }
}

fn evaluate(process: Process, script: Script) -> BoxFuture<'static, Result<Payload, ScriptError>> {
    Box::pin(async move {
        let shared = &process.shared;
        if !shared.may_call() {
            std::future::pending::<()>().await;
        }
        let slow = shared.strikes(Fault::ScriptSlow, 200);
        shared.pause(1, if slow { 2_000 } else { 4 }).await;
        process.gate.pass().await;
        if shared.strikes(Fault::ScriptLost, 60) {
            return Err(ScriptError::EngineLost { message: "as the seed wants it".to_owned() });
        }
        scripts::evaluate(&script)
    })
}
