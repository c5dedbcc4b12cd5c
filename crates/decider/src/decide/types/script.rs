//! What INLINE, LAMBDA and JSON_JQ_TRANSFORM share.
use super::super::decider::{Decider, Flow};
use crate::json;
use crate::state::Task;
use baton_common::{Payload, TaskStatus};

/// Why a task fails that names no script.
pub(super) const EMPTY: &str = "Empty 'expression' in Inline task's input parameters. A non-empty String value must be provided.";

impl Decider {
    /// Fails the task of a script; `status` says whether it may be tried again.
    pub(super) fn fail_script(&mut self, task: &Task, reason: &str, status: TaskStatus) -> Flow {
        let output = format!("{{\"error\":{}}}", json::payload(reason).get());
        self.end(task.seq, status, Payload::parse(output).ok(), Some(reason));
        Ok(())
    }
}

/// The output that shows a script's value.
pub(super) fn result_of(value: &Payload) -> Payload {
    Payload::parse(format!("{{\"result\":{}}}", value.get())).unwrap_or_default()
}
