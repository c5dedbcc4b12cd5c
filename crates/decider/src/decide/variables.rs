//! SET_VARIABLE. **Source**: conductor-semantics §1.17.
use super::{Decider, Flow};
use crate::change::Change;
use crate::json;
use crate::state::Task;
use baton_common::limits::VARIABLES_BYTES_MAX;
use baton_common::planted::{Planted, is};
use baton_common::{Payload, TaskStatus};

impl Decider {
    pub(super) fn run_set_variable(&mut self, task: &Task) -> Flow {
        let merged = json::overlay(&self.execution.variables, &task.input);
        if merged.len_bytes() > VARIABLES_BYTES_MAX {
            let reason = format!(
                "The variables payload size: {} is greater than the permissible limit: {VARIABLES_BYTES_MAX} bytes",
                merged.len_bytes()
            );
            self.end(task.seq, TaskStatus::FailedWithTerminalError, None, Some(&reason));
            return Ok(());
        }
        if !task.input.is_empty_object() && !is(Planted::LoseAVariable) {
            self.record(Change::VariablesSet { variables: task.input.clone() });
        }
        self.end_well(task.seq, None)
    }

    /// Replaces the input of an open task.
    pub(super) fn set_input(&mut self, seq: u32, input: Payload) {
        self.record(Change::TaskInputSet { seq, input });
    }
}
