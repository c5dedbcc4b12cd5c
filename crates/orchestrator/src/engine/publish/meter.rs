//! Counts what committed batches have done.
//!
//! The [`Meter`] knows the metrics of each workflow and task type, so that an event costs one lookup in
//! a map of its own and a few atomic additions.
use crate::engine::dispatch::Dispatcher;
use crate::engine::draft::Draft;
use baton_common::Timestamp;
use baton_decider::change::{Change, TaskEnd};
use baton_decider::deadline::{self, Deadline};
use baton_decider::state::{Delivery, Execution, Task};
use baton_telemetry::{ByName, EngineMetrics, TaskTypeMetrics, WorkflowMetrics};
use tokio::time::Instant;

/// When a batch was taken up, and when it is committed.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) began: Instant,
    pub(super) now: Timestamp,
}

/// Counts what batches do.
pub(super) struct Meter {
    metrics: EngineMetrics,
    workflows: ByName<WorkflowMetrics>,
    task_types: ByName<TaskTypeMetrics>,
}

impl Meter {
    pub(super) fn new(metrics: EngineMetrics) -> Self {
        let (workflows, task_types) = (metrics.by_workflow(), metrics.by_task_type());
        Self { metrics, workflows, task_types }
    }

    /// Shows how many polls wait for each queue.
    pub(super) fn show_polls(&self, dispatcher: &Dispatcher) {
        let mut waiting: Vec<(&str, usize)> = dispatcher.waiting().collect();
        waiting.sort_unstable_by_key(|(queue, polls)| (std::cmp::Reverse(*polls), *queue));
        #[expect(clippy::cast_precision_loss, reason = "Prometheus knows only floating point")]
        let values = waiting.into_iter().map(|(queue, polls)| (queue.to_owned(), polls as f64));
        self.metrics.pollers.set(values, |a, b| a + b);
    }

    /// These drafts are committed and their tasks have left for the polls that got them.
    pub(super) fn committed<'d>(
        &mut self,
        drafts: impl Iterator<Item = &'d Draft>,
        queued: usize,
        moment: Moment,
    ) {
        self.metrics.tasks_queued.inc_by(queued as u64);
        for draft in drafts {
            for change in &draft.changes {
                self.count(draft, change, moment);
            }
        }
    }

    fn count(&mut self, draft: &Draft, change: &Change, moment: Moment) {
        let after = &draft.after;
        match change {
            Change::ExecutionStarted(facts) => {
                self.workflows.get(&facts.workflow_name).started.inc();
            }
            Change::ExecutionEnded(end) => {
                self.workflows.get(&after.facts.workflow_name).ended(end.status);
                let millis = end.at.millis_since(after.created_at);
                self.metrics.workflow_duration.observe_ms(millis);
            }
            Change::TaskScheduled(task) => {
                // A restart in the same batch may have taken away the step that it was made for.
                if let Some(node) = after.find_node(task.runs.unwrap_or(task.place)) {
                    let metrics = self.task_types.get(&node.task_type);
                    metrics.scheduled.inc();
                    metrics.ended(task.status);
                }
            }
            Change::TaskEnded(end) => self.count_end(draft, end),
            Change::TaskLeased { seq, at, .. } => self.count_lease(draft, *seq, *at, moment),
            Change::TaskMoved { seq, at, .. } => self.count_expiry(draft, *seq, *at),
            Change::TaskReported(_)
            | Change::TaskRenewed { .. }
            | Change::TaskInputSet { .. }
            | Change::TaskForgiven { .. }
            | Change::TaskOverdue { .. }
            | Change::TaskReopened(_)
            | Change::MessageSent { .. }
            | Change::MessageReceived { .. }
            | Change::TasksRemoved { .. }
            | Change::LoopIterated { .. }
            | Change::LoopAdvanced { .. }
            | Change::StepsDefined { .. }
            | Change::AgendaLeft { .. }
            | Change::BranchesPlanned { .. }
            | Change::BranchesJoined { .. }
            | Change::VariablesSet { .. }
            | Change::ExecutionPaused { .. }
            | Change::ExecutionResumed { .. }
            | Change::OutputAmended { .. }
            | Change::ExecutionReopened { .. }
            | Change::ExecutionRestarted(_) => {}
        }
    }

    fn count_end(&mut self, draft: &Draft, end: &TaskEnd) {
        if let Some((execution, task)) = task_of(draft, end.seq) {
            self.task_types.get(&execution.node_of(task).task_type).ended(end.status);
        }
        self.count_expiry(draft, end.seq, end.at);
    }

    fn count_lease(&mut self, draft: &Draft, seq: u32, at: Timestamp, moment: Moment) {
        let waited_ms = draft.waited_ms(seq, at);
        if let Some((execution, task)) = task_of(draft, seq) {
            let metrics = self.task_types.get(&execution.node_of(task).task_type);
            metrics.schedule_to_start.observe_ms(waited_ms.unwrap_or(0));
        }
        if let Some(waited_ms) = waited_ms {
            self.metrics.step_latency.observe_ms(waited_ms + moment.now.millis_since(at));
        } else {
            self.metrics.tasks_handed_over.inc();
            self.metrics.step_latency.observe(moment.began.elapsed());
        }
    }

    /// A task that was leased before the batch has left its worker at `at`: counted when that was
    /// because of the lease.
    fn count_expiry(&self, draft: &Draft, seq: u32, at: Timestamp) {
        let Some(execution) = draft.before.as_ref().map(|cached| &cached.execution) else { return };
        let Some(task) = execution.task(seq) else { return };
        if task.delivery == Delivery::Leased
            && let Some((due, Deadline::Response | Deadline::LeaseOver)) =
                deadline::next(execution.node_of(task), task)
            && due <= at
        {
            self.metrics.lease_expiries.inc();
        }
    }
}

/// A task as it is now, or as it was when the batch has removed it, with its execution then.
fn task_of(draft: &Draft, seq: u32) -> Option<(&Execution, &Task)> {
    let before = || draft.before.as_ref().map(|cached| &cached.execution);
    let of = |execution: &'_ Execution| execution.task(seq).is_some();
    let execution = Some(&draft.after).filter(|after| of(after)).or_else(before)?;
    Some((execution, execution.task(seq)?))
}
