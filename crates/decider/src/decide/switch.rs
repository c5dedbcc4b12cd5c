//! SWITCH and DECISION: one branch of several. **Source**: conductor-semantics §1.3, §1.4.
use super::{Decider, Flow};
use crate::change::Change;
use crate::json;
use crate::plan::{Next, Node, NodeId, Switch};
use crate::state::Task;
use baton_common::planted::{Planted, is};
use baton_common::{Payload, TaskStatus, WorkflowTask};
use baton_expression::script::{Language, Script, ScriptError};

/// What a choice comes to.
enum Choice {
    Case(String),
    /// The evaluator's fault: the task fails.
    Fault(String),
    /// Nobody knows this evaluator: the execution fails.
    UnknownEvaluator(String),
}

impl Decider {
    pub(super) fn run_switch(&mut self, task: &Task, node: &Node, switch: &Switch) -> Flow {
        let choice = if switch.is_decision {
            self.decide_case(task, node)?
        } else {
            self.switch_case(task, node)?
        };
        match choice {
            Choice::Case(case) => {
                self.enter(task, switch, node.next, &case);
                Ok(())
            }
            Choice::Fault(reason) if switch.is_decision => {
                self.fail_for_good(&reason);
                Ok(())
            }
            Choice::Fault(reason) => {
                self.end(task.seq, TaskStatus::Failed, None, Some(&reason));
                Ok(())
            }
            Choice::UnknownEvaluator(name) => {
                self.record(Change::TasksRemoved { seqs: vec![task.seq] });
                self.fail_for_good(&format!("No evaluator registered for type: {name}"));
                Ok(())
            }
        }
    }

    /// Records the choice and schedules the branch.
    fn enter(&mut self, task: &Task, switch: &Switch, next: Next, case: &str) {
        let branch = branch_of(switch, case);
        // A DECISION shows nothing of its parameters, as in Conductor.
        let mut input =
            if switch.is_decision { json::Object::new() } else { json::members(&task.input) };
        input.insert("case".into(), json::payload(case));
        if branch.is_some() {
            input.insert("hasChildren".into(), json::payload("true"));
        }
        let output = if switch.is_decision {
            format!("{{\"caseOutput\":[{0}]}}", json::payload(case).get())
        } else {
            let case = json::payload(case);
            format!("{{\"evaluationResult\":[{0}],\"selectedCase\":{0}}}", case.get())
        };
        self.set_input(task.seq, json::payload(&input));
        let output = Payload::parse(output).unwrap_or_default();
        self.end(task.seq, TaskStatus::Completed, Some(output), None);
        let next = branch.map_or(next, Next::Node);
        self.follow(next, task.place.plan, task.loop_task);
    }

    /// Schedules the branch of a choice made before, where it has not begun.
    pub(super) fn enter_again(&mut self, task: &Task, switch: &Switch, next: Next) {
        if task.status != TaskStatus::Completed {
            return;
        }
        let case = json::members(&task.input).get("case").and_then(json::text);
        let branch = case.and_then(|case| branch_of(switch, &case));
        self.follow(branch.map_or(next, Next::Node), task.place.plan, task.loop_task);
    }

    fn switch_case(&mut self, task: &Task, node: &Node) -> Flow<Choice> {
        let evaluator = node.task.evaluator_type.as_deref().unwrap_or_default();
        let expression = node.task.expression.as_deref().unwrap_or_default();
        match evaluator {
            "value-param" => {
                let members = json::members(&task.input);
                Ok(Choice::Case(members.get(expression).map_or("null".into(), case_text)))
            }
            "javascript" | "graaljs" => self.script_case(task, expression),
            other => Ok(Choice::UnknownEvaluator(other.to_owned())),
        }
    }

    fn decide_case(&mut self, task: &Task, node: &Node) -> Flow<Choice> {
        if let Some(script) = node.task.case_expression.as_deref().filter(|s| !s.trim().is_empty())
        {
            return self.script_case(task, script);
        }
        let param = node.task.case_value_param.as_deref().unwrap_or_default();
        let members = json::members(&task.input);
        Ok(Choice::Case(members.get(param).map_or("null".into(), case_text)))
    }

    fn script_case(&mut self, task: &Task, source: &str) -> Flow<Choice> {
        Ok(match self.evaluate(script(source, &task.input))? {
            Ok(value) => Choice::Case(case_text(&value)),
            Err(error) => Choice::Fault(fault_text(&error)),
        })
    }
}

/// The first node of a case's branch.
fn branch_of(switch: &Switch, case: &str) -> Option<NodeId> {
    match switch.cases.get(case).filter(|_| !is(Planted::WrongBranch)) {
        Some(None) if switch.is_decision => switch.default,
        Some(first) => *first,
        None => switch.default,
    }
}

/// The script by which a step chooses; `None` for other steps and for choices by value.
pub(super) fn script_of(step: &WorkflowTask) -> Option<&str> {
    match step.task_type.as_str() {
        "SWITCH" => {
            let evaluator = step.evaluator_type.as_deref().unwrap_or_default();
            let is_script = matches!(evaluator, "javascript" | "graaljs");
            step.expression.as_deref().filter(|_| is_script)
        }
        "DECISION" => step.case_expression.as_deref().filter(|script| !script.trim().is_empty()),
        _ => None,
    }
}

/// A choice's script over its input.
pub(super) fn script(source: &str, input: &Payload) -> Script {
    let (source, input) = (source.to_owned(), input.clone());
    Script { language: Language::JavaScript, source, input }
}

/// The case a value stands for: text as it is, whole numbers without a fraction.
fn case_text(value: &Payload) -> String {
    baton_expression::java_text(value.get())
}

pub(super) fn fault_text(error: &ScriptError) -> String {
    error.to_string()
}
