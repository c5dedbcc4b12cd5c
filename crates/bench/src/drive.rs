//! A run from registration to report.
use crate::cpu;
use crate::http::{Connection, Target};
use crate::options::{LoadOptions, Scenario};
use crate::report::{Report, Window};
use crate::scenario::Plan;
use crate::tracker::Start;
use crate::verify;
use crate::work::{self, Run};
use anyhow::Context;
use bytes::Bytes;
use hyper::Method;
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};
use tokio::task::JoinSet;

/// Time for all pollers to be there before the first execution starts.
const POLLERS_SETTLE: Duration = Duration::from_millis(300);

pub(crate) async fn run(
    scenario: Scenario,
    url: &str,
    load: LoadOptions,
) -> anyhow::Result<Report> {
    let load = load.settled(&scenario);
    let target = Target::parse(url)?;
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let plan = Plan::new(&scenario, &load.prefix, i64::try_from(since_epoch.as_millis())?);
    register(&plan, &mut Connection::new(&target)).await?;
    let run = Rc::new(Run::new(load, plan));
    let workers = workers(&run, &target);
    tokio::time::sleep(POLLERS_SETTLE).await;
    let window = measure(&run, &target).await;
    drop(workers);
    let mut measured = run.tracker.borrow_mut().close();
    let executions = std::mem::take(&mut measured.worked);
    let ends = verify::verify(&run, &target, executions).await?;
    Ok(Report::new(&run, &window, measured, ends))
}

async fn register(plan: &Plan, connection: &mut Connection) -> anyhow::Result<()> {
    let task_definitions = Bytes::from(serde_json::to_vec(&plan.task_definitions())?);
    connection
        .call(Method::POST, "/metadata/taskdefs", task_definitions)
        .await
        .context("registering task definitions")?;
    let definitions = Bytes::from(serde_json::to_vec(&[&plan.definition])?);
    connection
        .call(Method::PUT, "/metadata/workflow", definitions)
        .await
        .context("registering the workflow definition")?;
    Ok(())
}

/// The connections that poll and report; they stop when the set is dropped.
fn workers(run: &Rc<Run>, target: &Target) -> JoinSet<()> {
    let mut workers = JoinSet::new();
    for task_type in &run.plan.task_types {
        for _ in 0..run.load.pollers {
            let (run, task_type) = (run.clone(), task_type.clone());
            let connection = Connection::new(target);
            workers.spawn_local(async move { work::poll(&run, &task_type, connection).await });
        }
    }
    for _ in 0..run.load.reporters {
        let (run, connection) = (run.clone(), Connection::new(target));
        workers.spawn_local(async move { work::report(&run, connection).await });
    }
    workers
}

/// Starts everything and waits until all is worked, or time is up.
async fn measure(run: &Rc<Run>, target: &Target) -> Window {
    let LoadOptions { server_pid, postgres_pid, limit_s, clients, .. } = &run.load;
    let before = cpu::sample(server_pid, postgres_pid);
    let begin = Instant::now();
    let next = Rc::new(Cell::new(0));
    let mut starters = JoinSet::new();
    for _ in 0..*clients {
        let (run, next, connection) = (run.clone(), next.clone(), Connection::new(target));
        starters.spawn_local(async move { start(&run, &next, connection).await });
    }
    let all = run.over.acquire_many(run.plan.workflows);
    let timed_out = tokio::time::timeout(Duration::from_secs(*limit_s), all).await.is_err();
    Window {
        seconds: begin.elapsed().as_secs_f64(),
        before,
        after: cpu::sample(server_pid, postgres_pid),
        server_peak_mib: cpu::peak_memory_mib(server_pid),
        timed_out,
    }
}

/// Starts executions as long as there are some left, each when there is room for it.
async fn start(run: &Run, next: &Cell<u32>, mut connection: Connection) {
    let path = format!("/workflow/{}", run.plan.workflow);
    while let Ok(slot) = run.slots.acquire().await {
        slot.forget();
        let number = next.get();
        if number >= run.plan.workflows {
            return;
        }
        next.set(number + 1);
        if let Err(error) = start_one(run, &path, number, &mut connection).await {
            run.failed(&error);
            run.one_is_over();
        }
    }
}

async fn start_one(
    run: &Run,
    path: &str,
    number: u32,
    connection: &mut Connection,
) -> anyhow::Result<()> {
    let body = Bytes::from(serde_json::to_vec(&run.plan.input(number))?);
    let start = Start { number, called: Instant::now() };
    let answer = connection.call(Method::POST, path, body).await?;
    let id = std::str::from_utf8(&answer)?.trim_matches('"');
    if run.tracker.borrow_mut().started(id, start, Instant::now()) {
        run.one_is_over();
    }
    Ok(())
}
