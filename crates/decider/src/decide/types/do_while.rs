//! DO_WHILE: its body again and again, by a condition or over a list.
//! **Source**: conductor-semantics §1.9.
use super::super::AgendaItem;
use super::super::decider::{Decider, Flow, Stop, TaskType};
use super::super::schedule::output_too_large;
use super::engine::ENGINE;
use crate::change::Change;
use crate::json;
use crate::plan::{Body, Kind, Node, NodeId};
use crate::state::{LoopProgress, NodeKey, Output, Task};
use crate::task_type::{Again, Facts, Inside, Mark, Waits};
use crate::validation::Fault;
use crate::validation::demands::required;
use crate::validation::steps::{Step, TaskDefs};
use baton_common::limits::{LOOP_ITERATIONS_MAX, TASK_PAYLOAD_BYTES_MAX};
use baton_common::planted::{Planted, is};
use baton_common::{Payload, TaskStatus};
use baton_expression::script::{Language, Script};
use baton_expression::template::Template;
use std::collections::HashSet;
use std::sync::Arc;

pub(super) static DO_WHILE: TaskType = TaskType {
    facts: Facts {
        inside: Inside::Body,
        again: Again::InItsIteration,
        marks: &[Mark::TakesInputTemplate, Mark::NotRetried],
        waits: |_| Waits::Iteration,
        faults,
        ..Facts::of_engine("DO_WHILE")
    },
    schedule: Decider::schedule_loop,
    ..ENGINE
};

impl Decider {
    fn schedule_loop(&mut self, node: &Node, place: NodeKey, loop_task: Option<u32>) -> Flow {
        let Kind::Body(body) = &node.kind else { return Ok(()) };
        let mut task = self.new_task(node, place, loop_task);
        task.input = self.input_of(node, Some(task.seq))?;
        let items = body.items.as_ref().map(|items| self.items(items)).transpose()?;
        let is_empty = items.as_ref().is_some_and(Vec::is_empty);
        let iteration = u32::from(!is_empty);
        let item = items.and_then(|items| items.into_iter().next());
        let progress = LoopProgress { iteration, item, ..LoopProgress::default() };
        task.output = Output::Loop(progress);
        task.iteration = iteration;
        let seq = task.seq;
        self.record(Change::TaskScheduled(Arc::new(task)));
        match body.first {
            Some(first) if !is_empty => {
                self.schedule_within(NodeKey { plan: place.plan, node: first }, Some(seq))
            }
            _ => self.end_well(seq, None),
        }
    }

    /// Continues or ends every loop whose iteration is over; true when there was one.
    pub(in crate::decide) fn close_loops(&mut self) -> bool {
        let idle: Vec<u32> = self.execution.open_loops.iter().copied().collect();
        let idle: Vec<u32> =
            idle.into_iter().rev().filter(|seq| self.execution.open_count(*seq) == 0).collect();
        let mut moved = false;
        let mut is_blocked = false;
        for seq in idle {
            if self.slice.is_used_up() {
                return true;
            }
            match self.close_iteration(seq) {
                Ok(()) => moved = true,
                Err(Stop::TooLarge(reason)) => {
                    self.end(seq, TaskStatus::FailedWithTerminalError, None, Some(&reason));
                    moved = true;
                }
                Err(Stop::Wanted | Stop::Rejected(_)) => is_blocked = true,
            }
        }
        if is_blocked {
            self.blocked.push(AgendaItem::Quiesce);
        }
        moved
    }

    /// Ends the iteration under way: notes its outputs, then goes on or ends the loop.
    fn close_iteration(&mut self, seq: u32) -> Flow {
        let Some(task) = self.execution.task(seq).cloned() else { return Ok(()) };
        let plan = self.plan_of(task.place);
        let Some(node) = plan.node(task.place.node) else { return Ok(()) };
        let Kind::Body(body) = &node.kind else { return Ok(()) };
        let tasks = self.tasks_of_iteration(&task, &body.names);
        self.note_iteration(&task, &tasks);
        if let Some(reason) = self.size_fault(seq) {
            self.end(seq, TaskStatus::FailedWithTerminalError, None, Some(&reason));
            return Ok(());
        }
        if let Some(reason) = self.fault_of_iteration(&tasks) {
            self.end(seq, TaskStatus::Failed, None, Some(&reason));
            return Ok(());
        }
        let items = body.items.as_ref().map(|items| self.items(items)).transpose()?;
        let next_item = items.map(|items| items.get(task.iteration as usize).cloned());
        let is_over = matches!(next_item, Some(None));
        let goes_on = !is_over && self.condition_holds(&task, node, (body, next_item.is_some()))?;
        if !goes_on {
            if self.execution.task(seq).is_some_and(|task| !task.status.is_terminal()) {
                self.end(seq, TaskStatus::Completed, None, None);
            }
            return Ok(());
        }
        self.next_iteration(&task, body.first, next_item.flatten())
    }

    /// Why a loop must end that keeps more of its iterations than an output may have.
    fn size_fault(&self, seq: u32) -> Option<String> {
        let size = self.execution.task(seq)?.output.len_bytes();
        (size > TASK_PAYLOAD_BYTES_MAX).then(|| {
            format!("{}; keepLastN makes a loop keep fewer iterations", output_too_large(size))
        })
    }

    fn next_iteration(
        &mut self,
        task: &Task,
        first: Option<NodeId>,
        item: Option<Payload>,
    ) -> Flow {
        let iteration = task.iteration + 1 + u32::from(is(Planted::WrongIteration));
        if iteration > LOOP_ITERATIONS_MAX {
            let reason = format!("more than {LOOP_ITERATIONS_MAX} iterations");
            self.end(task.seq, TaskStatus::FailedWithTerminalError, None, Some(&reason));
            return Ok(());
        }
        let keep = json::members(&task.input).get("keepLastN").and_then(json::integer);
        let keep = keep.and_then(|keep| u32::try_from(keep).ok()).filter(|keep| *keep > 0);
        let forget_until = keep.map_or(0, |keep| iteration.saturating_sub(keep));
        let forgotten = self.forgotten(task, forget_until);
        let seq = task.seq;
        self.record(Change::LoopAdvanced { seq, iteration, item, forget_until });
        if !forgotten.is_empty() {
            self.record(Change::TasksRemoved { seqs: forgotten });
        }
        match first {
            Some(node) => self.schedule_within(NodeKey { plan: task.place.plan, node }, Some(seq)),
            None => Ok(()),
        }
    }

    /// Tasks of iterations that the loop no longer keeps.
    fn forgotten(&self, task: &Task, until: u32) -> Vec<u32> {
        if until == 0 {
            return Vec::new();
        }
        let is_old =
            |other: &Task| other.loop_task == Some(task.seq) && other.around_iteration() <= until;
        let tasks = || self.execution.tasks.values();
        let mut old: HashSet<u32> =
            tasks().filter(|other| is_old(other)).map(|other| other.seq).collect();
        // What stands in a loop came after it, so that one pass in order finds all insides.
        for other in tasks() {
            if other.loop_task.is_some_and(|around| old.contains(&around)) {
                old.insert(other.seq);
            }
        }
        let mut old: Vec<u32> = old.into_iter().collect();
        old.sort_unstable();
        old
    }

    fn fault_of_iteration(&self, tasks: &[Arc<Task>]) -> Option<String> {
        let failed: Vec<&Arc<Task>> =
            tasks.iter().filter(|task| !task.status.is_successful()).collect();
        let reasons = failed.iter().map(|task| {
            let id = self.execution.id().task(task.seq);
            let reason = task.reason.as_deref().unwrap_or_default();
            format!("Task {id} failed with status: {} and reason: '{reason}'", task.status)
        });
        (!failed.is_empty()).then(|| reasons.collect::<Vec<_>>().join(". "))
    }

    fn condition_holds(
        &mut self,
        task: &Task,
        node: &Node,
        (body, is_list): (&Body, bool),
    ) -> Flow<bool> {
        let condition = node.task.loop_condition.as_deref().unwrap_or_default();
        if condition.trim().is_empty() {
            return Ok(is_list);
        }
        let input = self.condition_input(task.seq, node, body)?;
        let source = condition.to_owned();
        let script = Script { language: Language::JavaScript, source, input };
        match self.evaluate(script)? {
            Ok(value) => Ok(is_true(&value)),
            Err(error) => {
                let reason = format!("Unable to evaluate condition {condition}, exception {error}");
                self.end(task.seq, TaskStatus::FailedWithTerminalError, None, Some(&reason));
                Ok(false)
            }
        }
    }

    /// The loop's parameters, resolved anew, with the outputs of loop and body by reference name.
    /// Of the loop's, which grows with each iteration, only what the condition reads.
    fn condition_input(&self, seq: u32, node: &Node, body: &Body) -> Flow<Payload> {
        let mut members = json::members(&self.input_of(node, Some(seq))?);
        if let Some(Output::Loop(progress)) = self.execution.task(seq).map(|task| &task.output) {
            let head = progress.head();
            let item = head.iter().filter(|(key, _)| key.starts_with("loop"));
            members.extend(item.map(|(key, value)| (key.clone(), value.clone())));
            let output =
                match body.condition.as_ref().and_then(|reader| reader.members_of(&node.reference))
                {
                    Some(names) => progress.json_of(names),
                    None => progress.json(),
                };
            members.insert(node.reference.to_string(), output);
        }
        for name in &body.names {
            if let Some(task) = self.execution.by_base(name) {
                members.insert(name.to_string(), task.output.json());
            }
        }
        Ok(json::payload(&members))
    }

    /// The list a loop runs over: a list as it is, nothing for null, else a list of one.
    pub(in crate::decide) fn items(&self, template: &Template) -> Flow<Vec<Payload>> {
        let resolved = self.resolve(template, None)?;
        if resolved.is_null() {
            return Ok(Vec::new());
        }
        Ok(json::elements(&resolved).unwrap_or_else(|| vec![resolved]))
    }
}

/// Conductor's truth: true, or a number above zero.
fn is_true(value: &Payload) -> bool {
    value.get() == "true" || value.get().parse::<f64>().is_ok_and(|number| number > 0.0)
}

fn faults(step: &Step<'_>, _: TaskDefs<'_>) -> Vec<Fault> {
    let task = step.task;
    let mut faults = required(step, "loopCondition", task.loop_condition.is_some());
    faults.extend(required(step, "loopOver", !task.loop_over.is_empty()));
    faults
}
