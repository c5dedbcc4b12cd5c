//! INLINE: a script over its input. **Source**: conductor-semantics §1.18.
use super::super::decider::{Decider, Flow, TaskType};
use super::engine::ENGINE;
use super::script::{EMPTY, result_of};
use crate::json;
use crate::plan::Node;
use crate::state::Task;
use crate::task_type::{Facts, Mark};
use baton_common::{Payload, TaskStatus};
use baton_expression::script::{Language, Script, ScriptError};
use std::sync::Arc;

pub(super) static INLINE: TaskType = TaskType {
    facts: Facts {
        marks: &[Mark::TakesInputTemplate, Mark::RunsByName],
        ..Facts::of_engine("INLINE")
    },
    run: Decider::run_inline,
    ..ENGINE
};

impl Decider {
    fn run_inline(&mut self, task: &Arc<Task>, _: &Node) -> Flow {
        let members = json::members(&task.input);
        let source = members.get("expression").and_then(json::text).unwrap_or_default();
        if source.trim().is_empty() {
            return self.fail_script(task, EMPTY, TaskStatus::FailedWithTerminalError);
        }
        let evaluator = members.get("evaluatorType").and_then(json::text);
        match evaluator.as_deref().unwrap_or("javascript") {
            "javascript" | "graaljs" => {}
            "value-param" => {
                let value = members.get(&source).cloned().unwrap_or_else(Payload::null);
                return self.end_well(task.seq, Some(result_of(&value)));
            }
            other => {
                let reason = format!("Unknown evaluator '{other}' in INLINE task.");
                return self.fail_script(task, &reason, TaskStatus::FailedWithTerminalError);
            }
        }
        let script = Script { language: Language::JavaScript, source, input: task.input.clone() };
        match self.evaluate(script)? {
            Ok(value) => self.end_well(task.seq, Some(result_of(&value))),
            Err(error) => self.fail_script(task, &error.to_string(), status_after(&error)),
        }
    }
}

/// Whether the same script may succeed another time.
fn status_after(error: &ScriptError) -> TaskStatus {
    match error {
        ScriptError::TimedOut { .. } | ScriptError::EngineLost { .. } => TaskStatus::Failed,
        ScriptError::Failed { .. } | ScriptError::LimitExceeded { .. } => {
            TaskStatus::FailedWithTerminalError
        }
    }
}
