//! What people do to executions: pause, resume, terminate, restart, skip, reset callbacks.
//! **Source**: conductor-semantics §5.
use super::finish::Ending;
use super::{AgendaItem, Decider};
use crate::change::{Change, Restart, TaskReport};
use crate::command::Rejection;
use crate::plan::NodeId;
use crate::state::{Delivery, NodeKey};
use baton_common::{TaskStatus, WorkflowStatus};

impl Decider {
    pub(super) fn pause(&mut self) -> Result<(), Rejection> {
        match self.execution.status {
            WorkflowStatus::Running => {
                let at = self.now();
                self.record(Change::ExecutionPaused { at });
                Ok(())
            }
            WorkflowStatus::Paused => Ok(()),
            WorkflowStatus::Completed
            | WorkflowStatus::Failed
            | WorkflowStatus::TimedOut
            | WorkflowStatus::Terminated => Err(Rejection::HasEnded(self.label())),
        }
    }

    /// `name.version/id`, as Conductor's messages name an execution.
    pub(super) fn label(&self) -> String {
        let facts = &self.execution.facts;
        format!("{}.{}/{}", facts.workflow_name, facts.workflow_version, facts.id)
    }

    pub(super) fn resume_execution(&mut self) -> Result<(), Rejection> {
        if self.execution.status != WorkflowStatus::Paused {
            let (id, status) = (self.execution.id(), self.execution.status);
            return Err(Rejection::NotPaused { id, status });
        }
        let unsettled: Vec<u32> = self.execution.unsettled.iter().copied().collect();
        let at = self.now();
        self.record(Change::ExecutionResumed { at });
        for seq in unsettled {
            self.put(AgendaItem::AfterEnd(seq));
        }
        self.check_deadlines();
        Ok(())
    }

    pub(super) fn terminate(&mut self, reason: Option<String>) -> Result<(), Rejection> {
        match self.execution.status {
            WorkflowStatus::Completed => return Err(Rejection::CompletedAlready),
            WorkflowStatus::Terminated => return Ok(()),
            WorkflowStatus::Running
            | WorkflowStatus::Paused
            | WorkflowStatus::Failed
            | WorkflowStatus::TimedOut => {}
        }
        self.finish(Ending {
            status: WorkflowStatus::Terminated,
            reason,
            failed_task: None,
            output: None,
            runs_failure_workflow: false,
        });
        Ok(())
    }

    pub(super) fn restart(&mut self, workflow_version: Option<i32>) -> Result<(), Rejection> {
        let status = self.execution.status;
        if !status.is_terminal() {
            return Err(Rejection::NotEnded(status));
        }
        let definition = &self.execution.plan.definition;
        if status == WorkflowStatus::Completed && !definition.restartable {
            return Err(Rejection::NotRestartable(self.label()));
        }
        let variables = Some(definition.variables.clone());
        self.record(Change::ExecutionRestarted(Box::new(Restart {
            at: self.now(),
            variables,
            is_new_start: true,
            correlation_id: None,
            workflow_version,
            last_seq: self.execution.last_seq,
            failed_references: self.execution.failed_references.iter().cloned().collect(),
        })));
        self.tell_parent_of_reopening();
        self.begin()
    }

    pub(super) fn skip_task(&mut self, reference: String) -> Result<(), Rejection> {
        let execution = &self.execution;
        if execution.status != WorkflowStatus::Running {
            return Err(Rejection::NotRunning(execution.id(), reference));
        }
        if execution.by_reference(&reference).is_some() {
            return Err(Rejection::StepHasBegun(reference));
        }
        let (place, loop_task) = self.place_to_skip(&reference)?;
        let plan = self.plan_of(place);
        let Some(node) = plan.node(place.node) else { return Ok(()) };
        let task = self.new_named_task(&node.reference, place, loop_task);
        self.record_ended(task, TaskStatus::Skipped);
        self.check_joins(&reference);
        Ok(())
    }

    /// The step of this name, and the loop under way whose iteration the name has.
    fn place_to_skip(&self, reference: &str) -> Result<(NodeKey, Option<u32>), Rejection> {
        let execution = &self.execution;
        let outside = execution.plan.find(reference);
        if let Some(node) = outside.filter(|node| !self.is_in_loop(*node)) {
            return Ok((NodeKey { plan: 0, node }, None));
        }
        if outside.is_some() {
            return Err(Rejection::NoIteration(reference.to_owned()));
        }
        let mut loops = execution.open_loops.iter();
        if let Some(found) = loops.find_map(|seq| self.place_in_loop(*seq, reference)) {
            return Ok(found);
        }
        let base = reference.split("__").next().and_then(|base| execution.plan.find(base));
        if base.is_some_and(|node| self.is_in_loop(node)) {
            return Err(Rejection::NotInIteration(reference.to_owned()));
        }
        let name = execution.facts.workflow_name.to_string();
        Err(Rejection::NoSuchStep(reference.to_owned(), name))
    }

    fn is_in_loop(&self, node: NodeId) -> bool {
        self.execution.plan.node(node).is_some_and(|node| node.in_loop)
    }

    /// The step of a loop that has this name in the iteration under way.
    fn place_in_loop(&self, seq: u32, reference: &str) -> Option<(NodeKey, Option<u32>)> {
        let around = self.execution.task(seq)?;
        let plan = self.plan_of(around.place);
        let path = &plan.node(around.place.node)?.path;
        let base = reference.strip_suffix(&format!("{}__{}", around.suffix(), around.iteration))?;
        let node = plan.find_path(&format!("{path}/{base}"))?;
        Some((NodeKey { plan: around.place.plan, node }, Some(seq)))
    }

    pub(super) fn reset_callbacks(&mut self) -> Result<(), Rejection> {
        if self.execution.status.is_terminal() {
            return Err(Rejection::HasEnded(self.label()));
        }
        let delayed: Vec<u32> = self
            .execution
            .open_tasks()
            .filter(|task| matches!(task.delivery, Delivery::Delayed(_)))
            .filter(|task| self.execution.node_of(task).is_worker())
            .map(|task| task.seq)
            .collect();
        for seq in delayed {
            let at = self.now();
            let delivery = Delivery::Ready(at);
            let report =
                TaskReport { status: TaskStatus::Scheduled, delivery, ..TaskReport::new(seq, at) };
            self.record(Change::TaskReported(Box::new(report)));
        }
        Ok(())
    }
}
