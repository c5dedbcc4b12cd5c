//! Rerun: the target and everything causally after it is done again, siblings are kept.
//! **Source**: conductor-semantics §5.2 and §10 no. 12, where Conductor deletes unrelated branches.
use super::{AgendaItem, Decider, Flow};
use crate::change::{Change, Restart, TaskReopening};
use crate::command::{Rejection, Rerun};
use crate::plan::{Kind, Node};
use crate::state::{Delivery, Output, Task};
use crate::task_type::{Again, FreshInput};
use baton_common::{Payload, TaskStatus};
use baton_expression::template::Template;
use std::collections::HashSet;
use std::sync::Arc;

impl Decider {
    pub(super) fn rerun(&mut self, rerun: Rerun) -> Result<(), Rejection> {
        let status = self.execution.status;
        if !status.is_terminal() {
            return Err(Rejection::NotEnded(status));
        }
        let Some(seq) = rerun.from else { return self.rerun_whole(rerun.correlation_id) };
        let Some(target) = self.execution.task(seq).cloned() else {
            let id = self.execution.id().task(seq);
            return Err(Rejection::NoTaskToRerun(id.to_string()));
        };
        let origins = self.origins(&target);
        let consequences = self.consequences(&origins);
        let joins = self.joins_behind(&origins);
        self.reopen();
        if !consequences.is_empty() {
            self.record(Change::TasksRemoved { seqs: consequences });
        }
        self.revive_around(&origins, &joins);
        let plan = self.plan_of(target.runs.unwrap_or(target.place));
        if let Some(node) = plan.node(target.runs.unwrap_or(target.place).node) {
            self.redo(&target, node, rerun.task_input);
        }
        self.reconsider();
        self.tell_parent_of_reopening();
        Ok(())
    }

    fn rerun_whole(&mut self, correlation_id: Option<String>) -> Result<(), Rejection> {
        self.record(Change::ExecutionRestarted(Box::new(Restart {
            at: self.now(),
            variables: Some(self.execution.variables.clone()),
            is_new_start: false,
            correlation_id,
            workflow_version: None,
            last_seq: self.execution.last_seq,
            failed_references: self.execution.failed_references.iter().cloned().collect(),
        })));
        self.tell_parent_of_reopening();
        self.begin()
    }

    /// Joins and loops around the target wait again; other unsuccessful tasks are begun anew.
    fn revive_around(&mut self, origins: &[Arc<Task>], joins: &HashSet<u32>) {
        let target = origins.first().map(|target| target.seq);
        let others: Vec<Arc<Task>> = self.execution.tasks.values().cloned().collect();
        for task in others.iter().filter(|task| Some(task.seq) != target && !task.retried) {
            let plan = self.plan_of(task.runs.unwrap_or(task.place));
            let Some(node) = plan.node(task.runs.unwrap_or(task.place).node) else { continue };
            let inner = origins.windows(2).find(|pair| pair[1].seq == task.seq);
            if let (Some(inner), Kind::Body(body)) = (inner, &node.kind) {
                self.turn_back(task, inner[0].around_iteration(), body.items.as_ref());
            } else if inner.is_some() || joins.contains(&task.seq) {
                self.wait_again(task, Output::default());
            } else if !task.status.is_successful() {
                self.revive(task, node);
            }
        }
    }

    fn revive(&mut self, task: &Arc<Task>, node: &Node) {
        match node.facts.again {
            Again::Waiting => self.wait_again(task, task.output.clone()),
            Again::InItsIteration => self.wait_again(task, Output::Loop(task.loop_progress())),
            Again::AsIfNew => self.schedule_again(task),
            Again::FromItsBeginning | Again::WithItsBranches => {
                self.begin_anew(task, node, None, task.retry_count);
            }
        }
    }

    /// A loop goes on in one of the iterations it had.
    fn turn_back(&mut self, task: &Task, iteration: u32, items: Option<&Template>) {
        let items = match items.map(|items| self.items(items)).transpose() {
            Ok(items) => items,
            Err(stop) => return self.fail_for_good(&stop.reason()),
        };
        let index = iteration.saturating_sub(1) as usize;
        let item = items.and_then(|items| items.into_iter().nth(index));
        let mut progress = task.loop_progress();
        progress.iterations = progress.iterations.before(iteration);
        progress.iteration = iteration;
        progress.item = item;
        self.wait_again(task, Output::Loop(progress));
    }

    /// A task that directs the flow is open again.
    fn wait_again(&mut self, task: &Task, output: Output) {
        self.record(Change::TaskReopened(Box::new(TaskReopening {
            seq: task.seq,
            status: TaskStatus::InProgress,
            delivery: Delivery::None,
            input: None,
            output,
            retry_count: task.retry_count,
            wait_until: None,
            child: None,
            at: self.now(),
        })));
        if task.join_on.is_some() {
            // It looks for itself whether it still has anything to wait for.
            self.put(AgendaItem::Run(task.seq));
        }
    }

    /// Does the target again, under its own id.
    fn redo(&mut self, target: &Task, node: &Node, input: Option<Payload>) {
        match node.facts.again {
            Again::AsIfNew | Again::WithItsBranches | Again::InItsIteration => {
                self.schedule_again(target);
            }
            Again::Waiting => self.wait_again(target, Output::default()),
            Again::FromItsBeginning => self.begin_anew(target, node, input, target.retry_count),
        }
    }

    /// Forgets a task and has its step scheduled as if it had never been: where the task says too little
    /// to do it again, as that of a DYNAMIC step which was skipped, or failed before it had a type.
    pub(super) fn schedule_again(&mut self, task: &Task) {
        self.record(Change::TasksRemoved { seqs: vec![task.seq] });
        let (place, loop_task) = (task.place, task.loop_task);
        self.put(AgendaItem::Schedule { place, loop_task });
    }

    /// Makes a task anew in place and begins it.
    pub(super) fn begin_anew(
        &mut self,
        task: &Task,
        node: &Node,
        input: Option<Payload>,
        retry_count: u32,
    ) {
        let input = match input.map_or_else(|| self.fresh_input(task, node), Ok) {
            Ok(input) => input,
            Err(stop) => return self.fail_for_good(&stop.reason()),
        };
        let is_worker = node.is_worker();
        let at = self.now();
        self.record(Change::TaskReopened(Box::new(TaskReopening {
            seq: task.seq,
            status: if is_worker { TaskStatus::Scheduled } else { TaskStatus::InProgress },
            delivery: if is_worker { Delivery::Ready(at) } else { Delivery::None },
            input: Some(input),
            output: Output::default(),
            retry_count,
            wait_until: None,
            child: None,
            at,
        })));
        if !is_worker {
            self.activate(task.seq);
        }
    }

    /// The input resolved again, except where it is data of its own.
    fn fresh_input(&self, task: &Task, node: &Node) -> Flow<Payload> {
        let kind =
            if node.reference.is_empty() { FreshInput::Kept } else { node.facts.fresh_input };
        Ok(match kind {
            FreshInput::Kept => task.input.clone(),
            FreshInput::Resolved => self.input_of(node, Some(task.seq))?,
            FreshInput::ResolvedOverOld => {
                let fresh = self.input_of(node, Some(task.seq))?;
                crate::json::put_absent(&fresh, &task.input)
            }
        })
    }
}
