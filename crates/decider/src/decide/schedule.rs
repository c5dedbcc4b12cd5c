//! Creating the task of a step, and what the engine does for it at once.
use super::AgendaItem;
use super::decider::{Decider, Flow, Stop};
use crate::change::{Change, TaskEnd, TaskReport};
use crate::json;
use crate::plan::{Next, Node, Plan};
use crate::state::{Delivery, NodeKey, Output, Task};
use baton_common::limits::{TASK_PAYLOAD_BYTES_MAX, TASKS_PER_EXECUTION_MAX};
use baton_common::{Payload, TaskStatus, WorkflowStatus, WorkflowTask};
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
        (self.type_of(node).schedule)(self, node, place, loop_task)
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

    /// Does what the engine does for an open task of its own types.
    pub(super) fn run_task(&mut self, seq: u32) -> Flow {
        let Some(task) = self.execution.task(seq).cloned() else { return Ok(()) };
        if task.status != TaskStatus::InProgress {
            return Ok(());
        }
        let place = task.runs.unwrap_or(task.place);
        let plan = self.plan_of(place);
        let Some(node) = plan.node(place.node) else { return Ok(()) };
        (self.type_of(node).run)(self, &task, node)
    }

    /// Begins a task that was held back, or made anew.
    pub(super) fn activate(&mut self, seq: u32) {
        let Some(task) = self.execution.task(seq).cloned() else { return };
        let plan = self.plan_of(task.runs.unwrap_or(task.place));
        let Some(node) = plan.node(task.runs.unwrap_or(task.place).node) else { return };
        (self.type_of(node).activate)(self, &task);
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
            slots: None,
        }
    }

    /// Records a task that has ended already and has no consequences of its own.
    pub(super) fn record_ended(&mut self, mut task: Task, status: TaskStatus) {
        task.status = status;
        task.ended_at = Some(self.now());
        self.record(Change::TaskScheduled(Arc::new(task)));
    }

    /// Records a task that begins now, or after its step's delay.
    pub(super) fn hold_back(&mut self, node: &Node, mut task: Task) {
        let delay = i64::from(node.task.start_delay.max(0));
        let seq = task.seq;
        task.status = TaskStatus::Scheduled;
        task.started_at = None;
        task.start_delay_seconds = delay;
        task.callback_after_seconds = delay;
        if delay > 0 {
            task.delivery = self.delivery_after(delay * 1000);
            self.record(Change::TaskScheduled(Arc::new(task)));
        } else {
            self.record(Change::TaskScheduled(Arc::new(task)));
            self.activate(seq);
        }
    }

    /// Ready now, or delayed by so many milliseconds.
    pub(super) fn delivery_after(&self, delay_ms: i64) -> Delivery {
        if delay_ms > 0 {
            Delivery::Delayed(self.now().plus_millis(delay_ms))
        } else {
            Delivery::Ready(self.now())
        }
    }

    /// Adds a step of its own to the execution.
    pub(super) fn define_step(&mut self, mut step: WorkflowTask) -> NodeKey {
        self.execution.plan.pin_step(&mut step, &*self.context.surroundings);
        self.record(Change::StepsDefined { steps: vec![json::payload(&step)] });
        let plan = u32::try_from(self.execution.step_plans.len()).unwrap_or(u32::MAX);
        NodeKey { plan, node: 0 }
    }

    /// Marks a task of the engine's own as begun.
    pub(super) fn report_in_progress(&mut self, seq: u32) {
        let at = self.now();
        self.record(Change::TaskReported(Box::new(TaskReport::new(seq, at))));
    }

    /// Replaces the input of an open task.
    pub(super) fn set_input(&mut self, seq: u32, input: Payload) {
        self.record(Change::TaskInputSet { seq, input });
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
