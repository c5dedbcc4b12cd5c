//! JSON_JQ_TRANSFORM: a jq program over its input. **Source**: conductor-semantics §1.19.
use super::super::decider::{Decider, Flow, TaskType};
use super::engine::ENGINE;
use crate::json;
use crate::plan::Node;
use crate::state::Task;
use crate::task_type::{Facts, Mark};
use crate::validation::demands::required_input;
use baton_common::{Payload, TaskStatus};
use baton_expression::script::{Language, Script};
use std::sync::Arc;

pub(super) static JSON_JQ_TRANSFORM: TaskType = TaskType {
    facts: Facts {
        marks: &[Mark::TakesInputTemplate, Mark::RunsByName],
        faults: |step, task_defs| required_input(step, "queryExpression", task_defs),
        ..Facts::of_engine("JSON_JQ_TRANSFORM")
    },
    run: Decider::run_jq,
    ..ENGINE
};

impl Decider {
    fn run_jq(&mut self, task: &Arc<Task>, _: &Node) -> Flow {
        let source = json::members(&task.input).get("queryExpression").and_then(json::text);
        let Some(source) = source.filter(|source| !source.trim().is_empty()) else {
            let reason = "Missing 'queryExpression' in input parameters";
            return self.fail_script(task, reason, TaskStatus::Failed);
        };
        let script = Script { language: Language::Jq, source, input: task.input.clone() };
        match self.evaluate(script)? {
            Ok(results) => {
                let first = json::elements(&results).and_then(|list| list.into_iter().next());
                let first = first.unwrap_or_else(Payload::null);
                let output =
                    format!("{{\"result\":{},\"resultList\":{}}}", first.get(), results.get());
                self.end_well(task.seq, Payload::parse(output).ok())
            }
            Err(error) => self.fail_script(task, &error.to_string(), TaskStatus::Failed),
        }
    }
}
