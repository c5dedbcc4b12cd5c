//! INLINE, LAMBDA and JSON_JQ_TRANSFORM. **Source**: conductor-semantics §1.18, §1.19.
use super::{Decider, Flow};
use crate::json;
use crate::plan::{Kind, Node};
use crate::state::Task;
use baton_common::{Payload, TaskStatus};
use baton_expression::script::{Language, Script, ScriptError};

impl Decider {
    pub(super) fn run_inline(&mut self, task: &Task, node: &Node) -> Flow {
        let members = json::members(&task.input);
        let is_lambda = matches!(node.kind, Kind::Lambda);
        let source = members.get(if is_lambda { "scriptExpression" } else { "expression" });
        let source = source.and_then(json::text).unwrap_or_default();
        if source.trim().is_empty() {
            return self.fail_script(task, "Empty 'expression' in Inline task's input parameters. A non-empty String value must be provided.", is_lambda);
        }
        let evaluator = members.get("evaluatorType").and_then(json::text);
        match evaluator.as_deref().unwrap_or("javascript") {
            _ if is_lambda => {}
            "javascript" | "graaljs" => {}
            "value-param" => {
                let value = members.get(&source).cloned().unwrap_or_else(Payload::null);
                return self.end_well(task.seq, Some(result_of(&value)));
            }
            other => {
                let reason = format!("Unknown evaluator '{other}' in INLINE task.");
                return self.fail_script(task, &reason, false);
            }
        }
        let source = if is_lambda { format!("(function () {{ {source}\n}})()") } else { source };
        let script = Script { language: Language::JavaScript, source, input: task.input.clone() };
        match self.evaluate(script)? {
            Ok(value) => self.end_well(task.seq, Some(result_of(&value))),
            Err(error) => {
                let may_repeat = is_lambda || is_passing(&error);
                self.fail_script(task, &error.to_string(), may_repeat)
            }
        }
    }

    pub(super) fn run_jq(&mut self, task: &Task) -> Flow {
        let source = json::members(&task.input).get("queryExpression").and_then(json::text);
        let Some(source) = source.filter(|source| !source.trim().is_empty()) else {
            let reason = "Missing 'queryExpression' in input parameters";
            return self.fail_script(task, reason, true);
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
            Err(error) => self.fail_script(task, &error.to_string(), true),
        }
    }

    fn fail_script(&mut self, task: &Task, reason: &str, may_repeat: bool) -> Flow {
        let status =
            if may_repeat { TaskStatus::Failed } else { TaskStatus::FailedWithTerminalError };
        let output = format!("{{\"error\":{}}}", json::payload(reason).get());
        self.end(task.seq, status, Payload::parse(output).ok(), Some(reason));
        Ok(())
    }
}

fn result_of(value: &Payload) -> Payload {
    Payload::parse(format!("{{\"result\":{}}}", value.get())).unwrap_or_default()
}

/// Whether the same script may fare better another time.
pub(super) fn is_passing(error: &ScriptError) -> bool {
    match error {
        ScriptError::TimedOut { .. } | ScriptError::EngineLost { .. } => true,
        ScriptError::Failed { .. } | ScriptError::LimitExceeded { .. } => false,
    }
}
