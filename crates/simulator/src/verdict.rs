//! How a run went: what the invariants say of its end, and whether it came to what its definitions
//! say.
use crate::case::Fault;
use crate::check::{Broken, Seen};
use crate::oracle::{Prediction, predict};
use crate::rules::Breach;
use crate::world::World;
use baton_common::{ExecutionId, TaskStatus, Timestamp, WorkflowStatus};
use baton_decider::state::Task;
use baton_orchestrator::inspect;
use baton_store::{LoadRequest, Store};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was broken; nothing in a good run.
    pub broken: Option<Broken>,
    /// Its trace, where one was kept.
    pub trace: String,
    /// How often each fault happened.
    pub fired: BTreeMap<Fault, u64>,
    /// Executions.
    pub executions: usize,
    /// How executions ended.
    pub ends: BTreeMap<&'static str, u64>,
    /// Commits.
    pub commits: u64,
    /// Calls to the store.
    pub calls: u64,
    /// Executions that were compared with the interpreter.
    pub predicted: usize,
}

/// What is still open, in words.
pub(crate) fn stuck(world: &World) -> String {
    let checker = world.shared.check();
    let open: Vec<String> = checker.open().map(Seen::in_words).collect();
    let left = (world.starts_left.get(), world.operations_left.get());
    format!(
        "after {} ms: starts and operations left {left:?}, open: {}",
        world.shared.elapsed_ms(),
        open.join("; ")
    )
}

/// Judges the end of a run.
pub(crate) async fn judge(world: &World) -> Report {
    let mut predicted = 0;
    if let Some(text) = crate::panics::last() {
        world.shared.fail("no panic", text);
    }
    if world.shared.check().broken.is_none() {
        let left = left_in_store(world).await;
        world.expect(left);
    }
    let is_undisturbed =
        !world.disturbed.get() && !world.shared.fired().contains_key(&Fault::ScriptLost);
    if world.shared.check().broken.is_none() && is_undisturbed {
        let compared = compare(world);
        predicted = *compared.as_ref().unwrap_or(&0);
        world.expect(compared.map(|_| ()));
    }
    let mut ends = BTreeMap::new();
    let (executions, commits, broken) = {
        let checker = world.shared.check();
        for seen in checker.executions.values() {
            *ends.entry(seen.execution.status.name()).or_default() += 1;
        }
        (checker.order.len(), checker.commits, checker.broken.clone())
    };
    Report {
        broken,
        trace: world.shared.trace(),
        fired: world.shared.fired(),
        executions,
        ends,
        commits,
        calls: world.shared.calls(),
        predicted,
    }
}

/// What the store holds at the end is what its commits say, and nothing is left over.
async fn left_in_store(world: &World) -> Result<(), Breach> {
    let memory = &world.shared.memory;
    let unreadable = |error: baton_store::StoreError| ("I15 decodable", error.to_string());
    let far = Timestamp::from_millis(i64::MAX);
    let messages = memory.undelivered(far, 10).await.map_err(unreadable)?;
    let is_heard = |to: &ExecutionId| !world.shared.check().removed.contains(to);
    if let Some(message) = messages.iter().find(|message| is_heard(&message.to)) {
        return Err(("I9 no dead wait", format!("{message:?} was never delivered")));
    }
    let queues = memory.queue_sizes().await.map_err(unreadable)?;
    if let Some(queue) = queues.first() {
        return Err(("I11 queue is state", format!("{queue:?} at the end")));
    }
    let limits = crate::definition::QUEUES.map(|queue| format!("c:{queue}"));
    let states = memory.limits(&limits).await.map_err(unreadable)?;
    if let Some(state) = states.iter().find(|state| state.in_use > 0) {
        return Err(("I11 queue is state", format!("{state:?} at the end")));
    }
    let ids: Vec<ExecutionId> = world.shared.check().executions.keys().copied().collect();
    let requests: Vec<LoadRequest> =
        ids.iter().map(|id| LoadRequest { id: *id, journal_after: Some(0) }).collect();
    let all = memory.load(&requests).await.map_err(unreadable)?;
    let checker = world.shared.check();
    for (id, loaded) in ids.iter().zip(all) {
        let loaded = loaded.ok_or_else(|| ("I1 a start is whole", format!("{id} is gone")))?;
        let Some(plan) = checker.plans.get(&loaded.row.index.plan) else { continue };
        let folded = inspect::fold(&loaded, plan.clone()).map_err(unreadable)?;
        if let Some(seen) = checker.executions.get(id)
            && let Some(difference) = folded.difference(&seen.execution)
        {
            return Err(("I11 fold is state", difference));
        }
    }
    Ok(())
}

/// Compares every execution with what the interpreter says.
fn compare(world: &World) -> Result<usize, Breach> {
    let checker = world.shared.check();
    let mut count = 0;
    for seen in checker.executions.values() {
        let state = &seen.execution;
        let index = state.facts.workflow_name.trim_start_matches("wf").parse();
        let input: serde_json::Value = serde_json::from_str(state.input.get()).unwrap_or_default();
        let (Ok(index), Some(n)) = (index, input["n"].as_i64()) else { continue };
        let wanted = predict(&world.case, index, n);
        compare_one(seen, &wanted)
            .map_err(|text| ("oracle", format!("{} n={n}: {text}", state.facts.workflow_name)))?;
        let fails = matches!(
            state.status,
            WorkflowStatus::Failed | WorkflowStatus::TimedOut | WorkflowStatus::Terminated
        );
        let handlers = checker.handlers.get(&state.id().to_string()).map_or(0, Vec::len);
        let ended_by_parent =
            state.reason.as_deref().is_some_and(|text| text.starts_with("Parent"));
        let has_handler = world.case.workflows[index].failure.is_some();
        let wanted = usize::from(fails && has_handler && !ended_by_parent);
        if handlers != wanted {
            return Err(("oracle", format!("{handlers} failure workflows, not {wanted}")));
        }
        count += 1;
    }
    Ok(count)
}

fn compare_one(seen: &Seen, wanted: &Prediction) -> Result<(), String> {
    let state = &seen.execution;
    // An attempt that lost its worker fails as timed out, and the last of them may be such a one.
    let has_timed_out = state.tasks.values().any(|task| task.status == TaskStatus::TimedOut);
    let ended_by_parent = state.reason.as_deref().is_some_and(|text| text.starts_with("Parent"));
    let is_lost_lease = state.status == WorkflowStatus::TimedOut && has_timed_out;
    let end = if is_lost_lease { "FAILED" } else { state.status.name() };
    if !wanted.ends.contains(end) && !ended_by_parent {
        return Err(format!("it is {end}, not {:?}", wanted.ends));
    }
    let newest = state.tasks.values().filter(|task| !task.retried);
    let newest: BTreeMap<&str, &Arc<Task>> = newest.map(|task| (&*task.reference, task)).collect();
    let is_exact = wanted.is_exact && !ended_by_parent;
    for (name, task) in &newest {
        let may_be_there = !wanted.is_exact && wanted.forgotten.contains(*name);
        let Some(expected) = wanted.tasks.get(*name).filter(|_| !may_be_there) else {
            if may_be_there {
                continue;
            }
            return Err(format!("{name} should not have run"));
        };
        if is_exact {
            compare_task(task, expected)?;
        }
    }
    let missing = wanted.tasks.keys().find(|name| !newest.contains_key(name.as_str()));
    if let Some(missing) = missing.filter(|_| is_exact) {
        return Err(format!("{missing} has not run"));
    }
    if let Some(n) = wanted.output.filter(|_| end == "COMPLETED" && is_exact) {
        let output: serde_json::Value =
            serde_json::from_str(state.output.get()).unwrap_or_default();
        if output["n"].as_i64() != Some(n) {
            return Err(format!("it answers {output}, not {n}"));
        }
    }
    Ok(())
}

fn compare_task(task: &Task, expected: &crate::oracle::Task) -> Result<(), String> {
    let is_lost_lease = task.status == TaskStatus::TimedOut;
    let status = if is_lost_lease { "FAILED" } else { task.status.name() };
    let fits = expected.status == "?" || expected.status == status;
    // A lost lease may take the place of a last failure.
    let may_differ = expected.status == "FAILED_WITH_TERMINAL_ERROR" && status == "FAILED";
    if !fits && !may_differ {
        return Err(format!("{} is {status}, not {}", task.reference, expected.status));
    }
    if task.retry_count < expected.failures {
        return Err(format!("{} was tried {} times", task.reference, task.retry_count + 1));
    }
    if let Some((member, number)) = expected.number.filter(|_| status == "COMPLETED") {
        let output: serde_json::Value =
            serde_json::from_str(task.output.json().get()).unwrap_or_default();
        if output[member].as_i64() != Some(number) {
            return Err(format!("{} puts out {output}, not {number}", task.reference));
        }
    }
    Ok(())
}
