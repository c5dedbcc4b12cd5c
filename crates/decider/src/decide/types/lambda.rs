//! LAMBDA: a script over its input, the old way. **Source**: conductor-semantics §1.18.
use super::super::decider::{Decider, Flow, TaskType};
use super::engine::ENGINE;
use super::script::{EMPTY, result_of};
use crate::json;
use crate::plan::Node;
use crate::state::Task;
use crate::task_type::{Facts, Mark};
use baton_common::TaskStatus;
use baton_expression::script::{Language, Script};
use std::sync::Arc;

pub(super) static LAMBDA: TaskType = TaskType {
    facts: Facts {
        marks: &[Mark::TakesInputTemplate, Mark::RunsByName],
        ..Facts::of_engine("LAMBDA")
    },
    run: Decider::run_lambda,
    ..ENGINE
};

impl Decider {
    fn run_lambda(&mut self, task: &Arc<Task>, _: &Node) -> Flow {
        let source = json::members(&task.input).get("scriptExpression").and_then(json::text);
        let Some(source) = source.filter(|source| !source.trim().is_empty()) else {
            return self.fail_script(task, EMPTY, TaskStatus::Failed);
        };
        let source = format!("(function () {{ {source}\n}})()");
        let script = Script { language: Language::JavaScript, source, input: task.input.clone() };
        match self.evaluate(script)? {
            Ok(value) => self.end_well(task.seq, Some(result_of(&value))),
            Err(error) => self.fail_script(task, &error.to_string(), TaskStatus::Failed),
        }
    }
}
