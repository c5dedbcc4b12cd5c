//! A run from registration to report.
use crate::flood::{self, Tide};
use crate::hostile;
use crate::http::{Connection, Target, is_overload};
use crate::options::{HostileOptions, LoadOptions, Scenario};
use crate::plan::{Hostile, Plan};
use crate::report::{Report, Window};
use crate::tracker::{Measured, Start};
use crate::verify;
use crate::watch::Watch;
use crate::work::{self, PAUSE_AFTER_FAILURE, Run};
use crate::yardstick;
use anyhow::Context;
use baton_store_postgres::Measure;
use bytes::Bytes;
use hyper::Method;
use serde_json::Value;
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};
use tokio::task::JoinSet;

/// Time for all pollers to be there before the first execution starts.
const POLLERS_SETTLE: Duration = Duration::from_millis(300);
/// Tries of a start that an overloaded server refuses: about a minute's.
const START_TRIES: u32 = 600;
/// Runs of which the middle one is compared: a single one may meet a bad moment of the machine.
const RUNS_COMPARED: usize = 3;
/// How often what changes all the time is looked at.
const GAUGES_EVERY: Duration = Duration::from_secs(1);

pub(crate) async fn run(
    scenario: &Scenario,
    url: &str,
    load: LoadOptions,
) -> anyhow::Result<Vec<Report>> {
    let load = load.settled(scenario);
    if let Scenario::Yardstick(options) = scenario {
        return Ok(vec![yardstick::run(*options, &load).await?]);
    }
    let target = Target::parse(url)?;
    if let Scenario::Idle { executions, rest, .. } = scenario {
        let rest = Duration::from_secs(*rest);
        return idle(scenario, (*executions, rest), (&target, load)).await;
    }
    let holds = matches!(scenario, Scenario::Soak { hold_snapshot: true, .. });
    let url = load.database_url.clone().filter(|_| holds);
    let _snapshot = match url {
        Some(url) => Some(Measure::hold_snapshot(&url).await.context("holding a snapshot")?),
        None if holds => anyhow::bail!("a snapshot is held in a database: give --database-url"),
        None => None,
    };
    let run_id = run_id()?;
    let plan = Plan::new(scenario, &load.prefix, run_id);
    if let Scenario::Hostile(options) = scenario {
        return Ok(vec![attacked(plan, &target, load, (options, run_id)).await?]);
    }
    if let Scenario::Overload { seconds, callers } = *scenario {
        let part = Duration::from_secs(seconds);
        return Ok(vec![flooded(plan, &target, load, (part, callers)).await?]);
    }
    Ok(vec![one(plan, &target, load).await?])
}

/// Steps, in whose second third so many callers start as much as they can.
async fn flooded(
    plan: Plan,
    target: &Target,
    load: LoadOptions,
    (part, callers): (Duration, u32),
) -> anyhow::Result<Report> {
    let (workflow, definition) = Plan::flood(&load.prefix);
    register_workflows(&[definition], &mut Connection::new(target)).await?;
    let tide = Tide { callers, comes_after: part, lasts: part };
    let flood = flood::prepare(target, &workflow, tide)?;
    one_beside(plan, target, load, async |report: Report, measured: &Measured| {
        Ok(report.flooded(&measured.timeline, &flood.ended()?))
    })
    .await
}

/// Steps, in whose second third hostile definitions are started.
async fn attacked(
    plan: Plan,
    target: &Target,
    load: LoadOptions,
    (options, since): (&HostileOptions, i64),
) -> anyhow::Result<Report> {
    let every = Duration::from_millis(options.every_ms);
    let attacks: Vec<Hostile> =
        options.attacks().iter().map(|attack| Hostile::new(*attack, &load.prefix)).collect();
    let mut connection = Connection::new(target);
    for attack in &attacks {
        register_workflows(&attack.definitions, &mut connection).await?;
    }
    let part = Duration::from_secs(options.seconds);
    let starting = hostile::prepare(target, attacks, (part, every))?;
    one_beside(plan, target, load, async |report: Report, measured: &Measured| {
        let mut attacked = starting.ended()?;
        attacked.read_ends(&mut connection, since).await?;
        Ok(report.attacked(measured, attacked))
    })
    .await
}

/// The same steps before and beside executions that only wait.
async fn idle(
    scenario: &Scenario,
    (executions, rest): (u32, Duration),
    (target, load): (&Target, LoadOptions),
) -> anyhow::Result<Vec<Report>> {
    let steps = async |name| {
        let mut runs = Vec::with_capacity(RUNS_COMPARED);
        for _ in 0..RUNS_COMPARED {
            tokio::time::sleep(rest).await;
            let plan = Plan::new(scenario, &load.prefix, run_id()?).named(name);
            runs.push(one(plan, target, load.clone()).await?);
        }
        Report::middle_of(runs).context("a run of the steps")
    };
    let before = steps("steps before").await?;
    let waiting =
        one(Plan::idle(&load.prefix, executions, run_id()?), target, load.clone()).await?;
    let beside = steps("steps beside").await?.compared_with(&before);
    Ok(vec![before, waiting, beside])
}

/// What tells one run from another: when it began.
fn run_id() -> anyhow::Result<i64> {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(i64::try_from(since_epoch.as_millis())?)
}

async fn one(plan: Plan, target: &Target, load: LoadOptions) -> anyhow::Result<Report> {
    one_beside(plan, target, load, async |report: Report, _: &Measured| Ok(report)).await
}

/// Runs one; `complete` adds what something else beside it did.
async fn one_beside(
    plan: Plan,
    target: &Target,
    load: LoadOptions,
    complete: impl AsyncFnOnce(Report, &Measured) -> anyhow::Result<Report>,
) -> anyhow::Result<Report> {
    register(&plan, &mut Connection::new(target)).await?;
    let watch = Rc::new(Watch::new(&load).await?);
    let run = Rc::new(Run::new(load, plan));
    let busy = workers(&run, target);
    tokio::time::sleep(POLLERS_SETTLE).await;
    let window = measure(&run, target, &watch).await?;
    drop(busy);
    let measured = run.tracker.borrow_mut().close();
    let cost = watch.cost(&window.before, &window.after, measured.tasks);
    let report = Report::new(&run.plan, &window, &measured).with(cost);
    let mut report = complete(report, &measured).await?;
    let mut executions = measured.open;
    executions.extend(measured.sample.into_kept());
    report.verified(verify::verify(&run, target, executions).await?);
    Ok(report)
}

async fn register(plan: &Plan, connection: &mut Connection) -> anyhow::Result<()> {
    if !plan.task_types.is_empty() {
        let task_definitions = Bytes::from(serde_json::to_vec(&plan.task_definitions())?);
        connection
            .call(Method::POST, "/metadata/taskdefs", task_definitions)
            .await
            .context("registering task definitions")?;
    }
    register_workflows(&plan.definitions, connection).await
}

async fn register_workflows(
    definitions: &[Value],
    connection: &mut Connection,
) -> anyhow::Result<()> {
    let definitions = Bytes::from(serde_json::to_vec(definitions)?);
    connection
        .call(Method::PUT, "/metadata/workflow", definitions)
        .await
        .context("registering the workflow definitions")?;
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

/// Notes what changes all the time, for ever.
async fn gauges(run: &Run, watch: &Watch) {
    let mut ticks = tokio::time::interval(GAUGES_EVERY);
    loop {
        ticks.tick().await;
        let gauges = watch.gauges().await;
        run.tracker.borrow_mut().gauges(Instant::now(), gauges);
    }
}

/// Starts everything and waits until all is worked, or time is up.
async fn measure(run: &Rc<Run>, target: &Target, watch: &Rc<Watch>) -> anyhow::Result<Window> {
    let before = watch.look(Some(target)).await?;
    let begin = Instant::now();
    run.tracker.borrow_mut().begin(begin);
    let mut looking = JoinSet::new();
    let (looked_at, looker) = (run.clone(), watch.clone());
    looking.spawn_local(async move { gauges(&looked_at, &looker).await });
    let next = Rc::new(Cell::new(0));
    let mut starters = JoinSet::new();
    for _ in 0..run.load.clients {
        let (run, next, connection) = (run.clone(), next.clone(), Connection::new(target));
        starters.spawn_local(async move { start(&run, (&next, begin), connection).await });
    }
    let all = async {
        while starters.join_next().await.is_some() {}
        drop(run.over.acquire_many(next.get()).await);
    };
    let limit = run.load.limit(run.plan.takes());
    let timed_out = tokio::time::timeout(limit, all).await.is_err();
    let took = begin.elapsed();
    drop(looking);
    let after = watch.settled(watch.look(Some(target)).await?).await?;
    let asked = run.plan.pace.stop_after.map_or(run.plan.pace.workflows, |_| next.get());
    Ok(Window { asked, took, before, after, timed_out })
}

/// Starts executions as long as there are some left.
async fn start(run: &Run, (next, begin): (&Cell<u32>, Instant), mut connection: Connection) {
    let path = format!("/workflow/{}", run.plan.workflow);
    while let Some((number, intended)) = turn(run, next, begin).await {
        if let Err(error) = start_one(run, &path, (number, intended, begin), &mut connection).await
        {
            run.failed(&error);
            run.give_up(number);
        }
    }
}

/// The next execution to start, once there is room for it and, at a rate, its time has come.
async fn turn(run: &Run, next: &Cell<u32>, begin: Instant) -> Option<(u32, Instant)> {
    // Where nothing is left to start, the room goes to the next starter, which finds the same.
    let room = run.slots.acquire().await.ok()?;
    let (number, pace) = (next.get(), run.plan.pace);
    if number >= pace.workflows || pace.stop_after.is_some_and(|stop| begin.elapsed() >= stop) {
        return None;
    }
    room.forget();
    next.set(number + 1);
    let Some(rate) = pace.per_second else { return Some((number, Instant::now())) };
    let intended = begin + Duration::from_secs_f64(f64::from(number) / rate);
    tokio::time::sleep_until(intended.into()).await;
    Some((number, intended))
}

/// Starts one; again, as long as the server has too much to do.
async fn start_one(
    run: &Run,
    path: &str,
    (number, intended, begin): (u32, Instant, Instant),
    connection: &mut Connection,
) -> anyhow::Result<()> {
    let mut tries = 1..START_TRIES;
    loop {
        let wait = run.plan.wait_of(number, begin.elapsed());
        let body = Bytes::from(serde_json::to_vec(&run.plan.input(number, wait))?);
        let tasks = run.plan.tasks_of(number);
        let start = Start { number, intended, called: Instant::now(), tasks, wait };
        run.tracker.borrow_mut().starting(start);
        match connection.call(Method::POST, path, body).await {
            Ok(answer) => {
                let id = std::str::from_utf8(&answer)?.trim_matches('"');
                if run.tracker.borrow_mut().started(id, start, Instant::now()) {
                    run.one_is_over();
                }
                return Ok(());
            }
            Err(error) if is_overload(&error) && tries.next().is_some() => {
                run.tracker.borrow_mut().refused();
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
            Err(error) => return Err(error),
        }
    }
}
