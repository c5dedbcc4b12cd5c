//! COALESCE: the first of its `values` that is not null.
use super::super::decider::{Decider, Flow, TaskType};
use super::engine::ENGINE;
use crate::json;
use crate::plan::Node;
use crate::state::Task;
use crate::task_type::{Facts, Mark};
use crate::validation::demands::required_input;
use baton_common::{Payload, TaskStatus};
use std::sync::Arc;

pub(super) static COALESCE: TaskType = TaskType {
    facts: Facts {
        marks: &[Mark::RunsByName],
        faults: |step, task_defs| required_input(step, "values", task_defs),
        ..Facts::of_engine("COALESCE")
    },
    run: Decider::run_coalesce,
    ..ENGINE
};

impl Decider {
    fn run_coalesce(&mut self, task: &Arc<Task>, _: &Node) -> Flow {
        let values = json::members(&task.input).get("values").and_then(json::elements);
        let first = values.into_iter().flatten().find(|value| !value.is_null());
        let Some(first) = first else {
            let reason = Some("all values are null");
            self.end(task.seq, TaskStatus::FailedWithTerminalError, None, reason);
            return Ok(());
        };
        let output = json::with_member(&Payload::empty_object(), "value", first);
        self.end_well(task.seq, Some(output))
    }
}
