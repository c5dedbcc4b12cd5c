//! Reports on tasks, and what the dispatcher does with them.
//! **Source**: conductor-semantics §1.1, conductor-rest-api §5.3.
use super::schedule::output_too_large;
use super::{AgendaItem, Decider};
use crate::change::{Change, TaskEnd, TaskReport};
use crate::command::{Rejection, TaskUpdate};
use crate::json;
use crate::state::{Delivery, Task};
use crate::task_type::Mark;
use baton_common::limits::{REASON_CHARS_MAX, TASK_PAYLOAD_BYTES_MAX};
use baton_common::planted::{Planted, is};
use baton_common::{Payload, TaskStatus, Timestamp};
use std::sync::Arc;

impl Decider {
    pub(super) fn update_task(&mut self, update: &TaskUpdate) -> Result<(), Rejection> {
        let task = self.open_task(update.seq)?;
        self.check_reportable(&task)?;
        let output = if update.merge_output {
            json::overlay(&task.output.json(), &update.output)
        } else {
            update.output.clone()
        };
        if output.len_bytes() > TASK_PAYLOAD_BYTES_MAX {
            let reason = output_too_large(output.len_bytes());
            let (status, output) = (TaskStatus::FailedWithTerminalError, Payload::empty_object());
            self.let_go(&task, "its task was ended from outside");
            self.end(update.seq, status, Some(output), Some(&reason));
            return Ok(());
        }
        if update.status.is_terminal() {
            self.end_by_report(&task, update, output);
        } else {
            self.report(&task, update, output);
        }
        Ok(())
    }

    /// A choice between two slices is open, but nobody else can make it.
    fn check_reportable(&self, task: &Task) -> Result<(), Rejection> {
        if self.execution.node_of(task).facts.has(Mark::ChoosesNext) {
            let id = self.execution.id().task(task.seq);
            return Err(Rejection::Impossible(format!("task {id} is completed by the engine")));
        }
        Ok(())
    }

    fn end_by_report(&mut self, task: &Task, update: &TaskUpdate, output: Payload) {
        let at = self.now();
        self.record(Change::TaskEnded(Box::new(TaskEnd {
            seq: task.seq,
            status: update.status,
            output: Some(output),
            reason: update.reason.as_deref().map(cut),
            worker: update.worker.as_deref().map(Arc::from),
            at,
        })));
        self.let_go(task, "its task was ended from outside");
        self.put(AgendaItem::AfterEnd(task.seq));
    }

    /// IN_PROGRESS: a worker's task goes back to its queue, others stay where they are.
    fn report(&mut self, task: &Task, update: &TaskUpdate, output: Payload) {
        let node = self.execution.node_of(task);
        let is_external = node.is_system_worker && node.task.async_complete;
        let goes_back = node.is_worker() && !is_external;
        let delay = update.callback_after_seconds.max(0);
        let at = self.now();
        let report = TaskReport {
            status: if goes_back { TaskStatus::Scheduled } else { TaskStatus::InProgress },
            output: Some(output),
            reason: update.reason.as_deref().map(cut),
            worker: update.worker.as_deref().map(Arc::from),
            callback_after_seconds: delay,
            delivery: if goes_back {
                self.delivery_after(delay.saturating_mul(1000))
            } else {
                Delivery::None
            },
            is_external,
            ..TaskReport::new(task.seq, at)
        };
        self.record(Change::TaskReported(Box::new(report)));
    }

    pub(super) fn renew_lease(&mut self, seq: u32) -> Result<(), Rejection> {
        self.open_task(seq)?;
        let at = self.now();
        self.record(Change::TaskRenewed { seq, at });
        Ok(())
    }

    pub(super) fn lease_task(
        &mut self,
        seq: u32,
        worker: Option<Arc<str>>,
    ) -> Result<(), Rejection> {
        let is_ready = self.execution.ready_since(seq).is_some();
        if !is_ready || self.execution.status.is_terminal() {
            return Err(Rejection::NotReady);
        }
        let at = self.now();
        self.record(Change::TaskLeased { seq, worker, at });
        Ok(())
    }

    pub(super) fn return_task(
        &mut self,
        seq: u32,
        poll_count: u32,
        leased_at: Option<Timestamp>,
    ) -> Result<(), Rejection> {
        let task = self.open_task(seq)?;
        let is_that_lease = task.delivery == Delivery::Leased
            && task.poll_count == poll_count
            && leased_at.is_none_or(|at| at == task.updated_at);
        if !is_that_lease {
            return Err(Rejection::NotReady);
        }
        let at = self.now();
        let delivery =
            if is(Planted::LoseAReturnedTask) { Delivery::None } else { Delivery::Ready(at) };
        self.record(Change::TaskMoved { seq, delivery, at });
        Ok(())
    }

    /// The task, if it and the execution are open.
    fn open_task(&self, seq: u32) -> Result<Arc<Task>, Rejection> {
        let task = self.known(seq)?;
        let has_ended = task.status.is_terminal() && !is(Planted::AcceptALateReport);
        if has_ended || self.execution.status.is_terminal() {
            return Err(Rejection::Late);
        }
        Ok(task)
    }
}

fn cut(reason: &str) -> Arc<str> {
    match reason.char_indices().nth(REASON_CHARS_MAX) {
        Some((end, _)) => reason[..end].into(),
        None => reason.into(),
    }
}
