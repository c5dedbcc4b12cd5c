//! SET_VARIABLE. **Source**: conductor-semantics §1.17.
use super::super::decider::{Decider, Flow, TaskType};
use super::engine::ENGINE;
use crate::change::Change;
use crate::json;
use crate::plan::Node;
use crate::state::Task;
use crate::task_type::{Facts, Mark};
use baton_common::TaskStatus;
use baton_common::limits::VARIABLES_BYTES_MAX;
use baton_common::planted::{Planted, is};
use std::sync::Arc;

pub(super) static SET_VARIABLE: TaskType = TaskType {
    facts: Facts {
        marks: &[Mark::HasNoTaskIdInInput, Mark::RunsByName],
        ..Facts::of_engine("SET_VARIABLE")
    },
    run: Decider::run_set_variable,
    ..ENGINE
};

impl Decider {
    fn run_set_variable(&mut self, task: &Arc<Task>, _: &Node) -> Flow {
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
}
