//! Creating the task of a step, and what the engine does for it at once.
use super::{AgendaItem, Decider, Flow, Stop};
use crate::change::{Change, TaskEnd};
use crate::json;
use crate::plan::{Kind, Next, Node, Plan};
use crate::state::{Delivery, NodeKey, Output, Task};
use baton_common::limits::{TASK_PAYLOAD_BYTES_MAX, TASKS_PER_EXECUTION_MAX};
use baton_common::{Payload, TaskStatus, WorkflowStatus};
use std::sync::Arc;

impl Decider {
    /// Creates the task of a node, unless the step has begun in this iteration. One whose input is too
    /// large fails.
    pub(super) fn schedule(&mut self, place: NodeKey, loop_task: Option<u32>) -> Flow {
        match self.try_schedule(place, loop_task) {
            Err(Stop::TooLarge(reason)) => {
                self.schedule_failed(place, loop_task, &reason);
                Ok(())
            }
            flow => flow,
        }
    }

    /// The task of a step that fails before it begins.
    pub(super) fn schedule_failed(&mut self, place: NodeKey, loop_task: Option<u32>, reason: &str) {
        let plan = self.plan_of(place);
        let Some(node) = plan.node(place.node) else { return };
        let task = self.new_task(node, place, loop_task);
        let seq = task.seq;
        self.record(Change::TaskScheduled(Arc::new(task)));
        self.end(seq, TaskStatus::FailedWithTerminalError, None, Some(reason));
    }

    fn try_schedule(&mut self, place: NodeKey, loop_task: Option<u32>) -> Flow {
        if self.execution.status != WorkflowStatus::Running {
            // A step scheduled together with this one has failed the execution.
            return Ok(());
        }
        let plan = self.plan_of(place);
        let Some(node) = plan.node(place.node) else { return Ok(()) };
        let reference = self.full_reference(&node.reference, loop_task);
        if let Some(task) = self.execution.by_reference(&reference) {
            if task.status == TaskStatus::Skipped {
                self.follow(node.next, place.plan, loop_task);
            }
            return Ok(());
        }
        if self.execution.last_seq >= TASKS_PER_EXECUTION_MAX {
            self.fail_for_good(&format!("more than {TASKS_PER_EXECUTION_MAX} tasks"));
            return Ok(());
        }
        match &node.kind {
            Kind::Worker => self.schedule_worker(node, place, loop_task),
            Kind::Dynamic { name_param } => {
                self.schedule_dynamic(node, place, loop_task, name_param)
            }
            Kind::SubWorkflow => self.schedule_sub_workflow(node, place, loop_task),
            Kind::StartWorkflow => self.schedule_start_workflow(node, place, loop_task),
            Kind::Fork { branches, join } => {
                self.schedule_fork(node, place, loop_task, (branches, *join))
            }
            Kind::DynamicFork { join } => self.schedule_dynamic_fork(node, place, loop_task, *join),
            Kind::Join => self.schedule_join(node, place, loop_task, None),
            Kind::DoWhile { first, items, .. } => {
                self.schedule_loop(node, place, loop_task, (*first, items.as_ref()))
            }
            Kind::Wait => self.schedule_wait(node, place, loop_task),
            Kind::ExclusiveJoin => self.schedule_exclusive_join(node, place, loop_task),
            Kind::Switch(_)
            | Kind::Human
            | Kind::SetVariable
            | Kind::Inline
            | Kind::Lambda
            | Kind::Jq
            | Kind::Terminate
            | Kind::Noop => self.schedule_internal(node, place, loop_task),
        }
    }

    /// Like [`Self::schedule`] in the middle of another step: what must wait for a script is taken
    /// again by itself.
    pub(super) fn schedule_within(&mut self, place: NodeKey, loop_task: Option<u32>) -> Flow {
        match self.schedule(place, loop_task) {
            Err(Stop::Wanted) => {
                self.blocked.push(AgendaItem::Schedule { place, loop_task });
                Ok(())
            }
            flow => flow,
        }
    }

    /// A task that the engine itself runs at once, or that waits for somebody.
    fn schedule_internal(&mut self, node: &Node, place: NodeKey, loop_task: Option<u32>) -> Flow {
        let mut task = self.new_task(node, place, loop_task);
        let names_its_id = !matches!(node.kind, Kind::Switch(_) | Kind::SetVariable);
        task.input = self.input_of(node, names_its_id.then_some(task.seq))?;
        let seq = task.seq;
        self.record(Change::TaskScheduled(Arc::new(task)));
        // One that needs a script is taken up again by the agenda, not with this step.
        self.put(AgendaItem::Run(seq));
        Ok(())
    }

    /// Does what the engine does for an open task of its own types.
    pub(super) fn run_task(&mut self, seq: u32) -> Flow {
        let Some(task) = self.execution.task(seq).cloned() else { return Ok(()) };
        if task.status != TaskStatus::InProgress {
            return Ok(());
        }
        let place = task.runs.unwrap_or(task.place);
        let plan = self.plan_of(place);
        let Some(node) = plan.node(place.node) else { return Ok(()) };
        match &node.kind {
            Kind::Switch(switch) => self.run_switch(&task, node, switch),
            Kind::SetVariable => self.run_set_variable(&task),
            Kind::Inline | Kind::Lambda => self.run_inline(&task, node),
            Kind::Jq => self.run_jq(&task),
            Kind::Terminate => self.run_terminate(&task),
            Kind::Noop => self.end_well(seq, None),
            Kind::Join => self.run_join(&task),
            Kind::ExclusiveJoin => self.run_exclusive_join(&task, node),
            Kind::Worker
            | Kind::Dynamic { .. }
            | Kind::Fork { .. }
            | Kind::DynamicFork { .. }
            | Kind::DoWhile { .. }
            | Kind::SubWorkflow
            | Kind::StartWorkflow
            | Kind::Wait
            | Kind::Human => Ok(()),
        }
    }

    /// The plan that a key's node belongs to.
    pub(super) fn plan_of(&self, place: NodeKey) -> Arc<Plan> {
        let defined = place.plan.checked_sub(1);
        let defined = defined.and_then(|index| self.execution.step_plans.get(index as usize));
        defined.unwrap_or(&self.execution.plan).clone()
    }

    /// A step's name inside a loop: `name__n`, for nested loops `name__outer__inner`.
    pub(super) fn full_reference(&self, reference: &Arc<str>, loop_task: Option<u32>) -> Arc<str> {
        match loop_task.and_then(|seq| self.execution.task(seq)) {
            None => reference.clone(),
            Some(around) => format!("{reference}{}__{}", around.suffix(), around.iteration).into(),
        }
    }

    /// An open task of a node, in progress, with its input still empty.
    pub(super) fn new_task(&self, node: &Node, place: NodeKey, loop_task: Option<u32>) -> Task {
        self.new_named_task(&node.reference, place, loop_task)
    }

    /// Like [`Self::new_task`], for steps whose name is not their node's.
    pub(super) fn new_named_task(
        &self,
        reference: &Arc<str>,
        place: NodeKey,
        loop_task: Option<u32>,
    ) -> Task {
        let now = self.now();
        let around = loop_task.and_then(|seq| self.execution.task(seq));
        Task {
            seq: self.execution.last_seq + 1,
            reference: self.full_reference(reference, loop_task),
            base: loop_task.map(|_| reference.clone()),
            place,
            runs: None,
            status: TaskStatus::InProgress,
            input: Payload::empty_object(),
            output: Output::default(),
            retry_count: 0,
            retried_task: None,
            retried: false,
            iteration: around.map_or(0, |around| around.iteration),
            loop_task,
            scheduled_at: now,
            first_scheduled_at: now,
            started_at: Some(now),
            ended_at: None,
            updated_at: now,
            start_delay_seconds: 0,
            callback_after_seconds: 0,
            poll_count: 0,
            worker: None,
            domain: None,
            reason: None,
            child: None,
            sent: 0,
            received: 0,
            delivery: Delivery::None,
            wait_until: None,
            join_on: None,
            is_external: false,
            alerted: 0,
            was_ended: false,
        }
    }

    /// A node's resolved input; members that resolve to null fall back to the task definition's.
    pub(super) fn input_of(&self, node: &Node, seq: Option<u32>) -> Flow<Payload> {
        let input = self.resolve(&node.input, seq)?;
        let Some(template) = &node.input_template else { return Ok(input) };
        let mut members = json::members(&input);
        for (key, value) in json::members(&self.resolve(template, seq)?) {
            if members.get(&key).is_none_or(Payload::is_null) {
                members.insert(key, value);
            }
        }
        Ok(json::payload(&members))
    }

    /// Goes on to what follows a node of the plan `plan`.
    pub(super) fn follow(&mut self, next: Next, plan: u32, loop_task: Option<u32>) {
        match next {
            Next::Node(node) => {
                self.put(AgendaItem::Schedule { place: NodeKey { plan, node }, loop_task });
            }
            Next::LoopEnd | Next::End => {}
        }
    }

    /// Ends a task as COMPLETED.
    pub(super) fn end_well(&mut self, seq: u32, output: Option<Payload>) -> Flow {
        self.end(seq, TaskStatus::Completed, output, None);
        Ok(())
    }

    /// Ends a task and puts its consequences on the agenda.
    pub(super) fn end(
        &mut self,
        seq: u32,
        status: TaskStatus,
        output: Option<Payload>,
        reason: Option<&str>,
    ) {
        let at = self.now();
        if let Some(size) = output.as_ref().map(Payload::len_bytes)
            && size > TASK_PAYLOAD_BYTES_MAX
        {
            let reason = output_too_large(size);
            let status = TaskStatus::FailedWithTerminalError;
            return self.end(seq, status, Some(Payload::empty_object()), Some(&reason));
        }
        let reason = reason.map(Arc::from);
        let end = TaskEnd { seq, status, output, reason, worker: None, at };
        self.record(Change::TaskEnded(Box::new(end)));
        self.put(AgendaItem::AfterEnd(seq));
    }
}

/// Why a task fails that puts out so many bytes.
pub(super) fn output_too_large(size: usize) -> String {
    format!("the output of {size} bytes is larger than the limit of {TASK_PAYLOAD_BYTES_MAX}")
}
