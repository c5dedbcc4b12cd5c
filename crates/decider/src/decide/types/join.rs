//! JOIN: waits for steps, told by their ends and never polled. **Source**: conductor-semantics §1.7.
use super::super::AgendaItem;
use super::super::decider::{Decider, Flow, TaskType};
use super::engine::ENGINE;
use crate::change::Change;
use crate::json::{self, Object};
use crate::plan::Node;
use crate::state::{NodeKey, Task};
use crate::task_type::{Again, Facts, Joins, Mark, Waits};
use crate::validation::Fault;
use crate::validation::steps::{Names, Step};
use baton_common::planted::{Planted, is};
use baton_common::{Payload, TaskStatus};
use std::sync::Arc;

pub(super) static JOIN: TaskType = TaskType {
    facts: Facts {
        joins: Joins::All,
        again: Again::Waiting,
        marks: &[Mark::NotRetried, Mark::NeedsNoTaskDef],
        waits: |_| Waits::Steps,
        flow_faults: unknown_joins,
        ..Facts::of_engine("JOIN")
    },
    schedule: |decider, node, place, loop_task| decider.schedule_join(node, place, loop_task, None),
    run: |decider, task, _| decider.run_join(task),
    ..ENGINE
};

impl Decider {
    /// Creates the JOIN; `on` are a dynamic fork's branches instead of the definition's list.
    pub(super) fn schedule_join(
        &mut self,
        node: &Node,
        place: NodeKey,
        loop_task: Option<u32>,
        on: Option<&[Arc<str>]>,
    ) -> Flow {
        let mut task = self.new_task(node, place, loop_task);
        let names: Vec<Arc<str>> = match on {
            Some(names) => names.to_vec(),
            None => node.task.join_on.iter().map(|name| Arc::from(name.as_str())).collect(),
        };
        let mut input =
            if on.is_some() { json::members(&node.task.input_parameters) } else { Object::new() };
        input.insert("joinOn".into(), json::payload(&names));
        task.input = json::payload(&input);
        let full = names.iter().map(|name| self.full_reference(name, loop_task));
        task.join_on = Some(full.collect());
        let seq = task.seq;
        self.record(Change::TaskScheduled(Arc::new(task)));
        if self.execution.join_open.get(&seq).copied().unwrap_or(0) == 0 {
            self.put(AgendaItem::Run(seq));
        }
        Ok(())
    }

    /// Ends a JOIN for which every step has ended.
    fn run_join(&mut self, task: &Task) -> Flow {
        let open = self.execution.join_open.get(&task.seq).copied().unwrap_or(0);
        let most = u32::from(is(Planted::CountAJoinWrong));
        if open <= most { self.close_join(task) } else { Ok(()) }
    }

    /// Ends a JOIN with what there is: steps that never ran count as ended.
    fn close_join(&mut self, task: &Task) -> Flow {
        let names = task.join_on.clone().unwrap_or_default();
        let awaited: Vec<Arc<Task>> =
            names.iter().filter_map(|name| self.execution.by_reference(name).cloned()).collect();
        let is_optional = |task: &Task| self.execution.node_of(task).task.optional;
        // As in Conductor, what stands behind the first failed step in the list is left out.
        let is_fault = |task: &Arc<Task>| !task.status.is_successful() && !is_optional(task);
        let good = awaited.iter().position(is_fault).unwrap_or(awaited.len());
        let output = joined_output(&awaited[..good]);
        let failed: Vec<&Arc<Task>> = awaited.iter().filter(|task| is_fault(task)).collect();
        if !failed.is_empty() {
            let all_canceled = failed.iter().all(|task| task.status == TaskStatus::Canceled);
            let status = if all_canceled { TaskStatus::Canceled } else { TaskStatus::Failed };
            let reasons: Vec<&str> = failed.iter().filter_map(|t| t.reason.as_deref()).collect();
            let reason = reasons.join(" ");
            self.end(task.seq, status, Some(output), Some(&reason));
            return Ok(());
        }
        let flawed: Vec<String> = awaited
            .iter()
            .filter(|task| task.status == TaskStatus::CompletedWithErrors)
            .map(|task| {
                let name = self.execution.node_of(task).def_name();
                format!("{name}/{} completed with errors", self.execution.id().task(task.seq))
            })
            .collect();
        if flawed.is_empty() {
            return self.end_well(task.seq, Some(output));
        }
        let reason = flawed.join(" ");
        self.end(task.seq, TaskStatus::CompletedWithErrors, Some(output), Some(&reason));
        Ok(())
    }

    /// Nothing moves any more and joins are left that wait for steps that never ran: lets them go on
    /// with what there is. True when there were any.
    pub(in crate::decide) fn release_stranded_joins(&mut self) -> bool {
        if self.execution.waits().contains(&true) || self.execution.wake_at_of_tasks().is_some() {
            return false;
        }
        let joins = |task: &Task| self.execution.node_of(task).facts.joins;
        let open: Vec<Arc<Task>> = self.execution.open_tasks().cloned().collect();
        let waits_for_open = |task: &Task| {
            let names = task.join_on.iter().flat_map(|names| names.iter());
            let mut awaited = names.filter_map(|name| self.execution.by_reference(name));
            awaited.any(|awaited| !awaited.status.is_terminal())
        };
        let all = open.iter().filter(|task| joins(task) == Joins::All);
        let free: Vec<Arc<Task>> = all.filter(|task| !waits_for_open(task)).cloned().collect();
        let exclusive = open.iter().find(|task| joins(task) == Joins::First);
        if let Some(seq) = free.is_empty().then_some(exclusive).flatten().map(|task| task.seq) {
            self.end(seq, TaskStatus::Failed, None, Some("none of its tasks has run"));
            return true;
        }
        if free.is_empty() && !open.is_empty() {
            self.fail_for_good("its joins wait for each other");
            return true;
        }
        let has_free = !free.is_empty();
        for join in free {
            let _ = self.close_join(&join);
        }
        has_free
    }
}

/// Outputs by full reference name; empty ones are left out.
fn joined_output(tasks: &[Arc<Task>]) -> Payload {
    let mut outputs = Object::with_capacity(tasks.len());
    for task in tasks {
        let output = task.output.json();
        if !output.is_empty_object() {
            outputs.insert(task.reference.to_string(), output);
        }
    }
    json::payload(&outputs)
}

/// Names that no step has, so that the JOIN would wait for ever. `__` parts an iteration's number
/// from the name of a step in a loop.
fn unknown_joins(step: &Step<'_>, names: &Names<'_>) -> Vec<Fault> {
    if names.has_others {
        return Vec::new();
    }
    let joined = step.task.join_on.iter().enumerate();
    let unknown = joined.filter(|(_, name)| {
        let base = name.split("__").next().unwrap_or(name);
        !names.given.contains(name.as_str()) && !names.given.contains(base)
    });
    unknown
        .map(|(index, name)| {
            let message = format!(
                "joinOn: {name} of taskReferenceName: {} is not defined in workflow definition.",
                step.reference()
            );
            step.fault(&format!("/joinOn/{index}"), message)
        })
        .collect()
}
