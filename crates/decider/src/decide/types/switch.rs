//! SWITCH: one branch of several. **Source**: conductor-semantics §1.3.
use super::super::AgendaItem;
use super::super::decider::{Decider, Flow, TaskType};
use super::engine::ENGINE;
use crate::change::Change;
use crate::json;
use crate::plan::{Cases, Kind, Next, Node, NodeId};
use crate::state::Task;
use crate::task_type::{Facts, Inside, Mark};
use crate::validation::Fault;
use crate::validation::demands::{required, script_fault, without_tasks};
use crate::validation::steps::{Step, TaskDefs};
use baton_common::planted::{Planted, is};
use baton_common::{Payload, TaskStatus, WorkflowTask};
use baton_expression::script::{Language, Script};
use std::sync::Arc;

pub(super) static SWITCH: TaskType = TaskType {
    facts: Facts { faults, choice_script, ..choice("SWITCH") },
    run: Decider::run_switch,
    follow_again: Decider::choose_again,
    ..ENGINE
};

/// What holds for both types that choose a branch.
pub(super) const fn choice(name: &'static str) -> Facts {
    Facts {
        inside: Inside::Cases,
        marks: &[
            Mark::HasNoTaskIdInInput,
            Mark::NotRetried,
            Mark::NeedsNoTaskDef,
            Mark::ChoosesNext,
        ],
        ..Facts::of_engine(name)
    }
}

/// What a choice comes to.
enum Choice {
    Case(String),
    /// The evaluator's fault: the task fails.
    Fault(String),
    /// Nobody knows this evaluator: the execution fails.
    UnknownEvaluator(String),
}

impl Decider {
    fn run_switch(&mut self, task: &Arc<Task>, node: &Node) -> Flow {
        match self.switch_case(task, node)? {
            Choice::Case(case) => {
                let Kind::Cases(cases) = &node.kind else { return Ok(()) };
                let mut input = json::members(&task.input);
                input.insert("case".into(), json::payload(&case));
                let shown = json::payload(&case);
                let output =
                    format!("{{\"evaluationResult\":[{0}],\"selectedCase\":{0}}}", shown.get());
                let branch = branch_of(cases, &case);
                self.enter(task, node.next, branch, (input, output));
            }
            Choice::Fault(reason) => {
                self.end(task.seq, TaskStatus::Failed, None, Some(&reason));
            }
            Choice::UnknownEvaluator(name) => {
                self.record(Change::TasksRemoved { seqs: vec![task.seq] });
                self.fail_for_good(&format!("No evaluator registered for type: {name}"));
            }
        }
        Ok(())
    }

    /// Records a choice, in the input and the output that the task shows, and schedules the branch.
    pub(super) fn enter(
        &mut self,
        task: &Task,
        next: Next,
        branch: Option<NodeId>,
        (mut input, output): (json::Object, String),
    ) {
        if branch.is_some() {
            input.insert("hasChildren".into(), json::payload("true"));
        }
        self.set_input(task.seq, json::payload(&input));
        let output = Payload::parse(output).unwrap_or_default();
        self.end(task.seq, TaskStatus::Completed, Some(output), None);
        self.follow(branch.map_or(next, Next::Node), task.place.plan, task.loop_task);
    }

    fn choose_again(&mut self, task: &Task, node: &Node) {
        self.enter_again(task, node, branch_of);
    }

    /// Schedules the branch of a choice made before, where it has not begun.
    pub(super) fn enter_again(
        &mut self,
        task: &Task,
        node: &Node,
        branch_of: fn(&Cases, &str) -> Option<NodeId>,
    ) {
        self.put(AgendaItem::AfterEnd(task.seq));
        let Kind::Cases(cases) = &node.kind else { return };
        if task.status != TaskStatus::Completed {
            return;
        }
        let case = json::members(&task.input).get("case").and_then(json::text);
        let branch = case.and_then(|case| branch_of(cases, &case));
        self.follow(branch.map_or(node.next, Next::Node), task.place.plan, task.loop_task);
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

    fn script_case(&mut self, task: &Task, source: &str) -> Flow<Choice> {
        Ok(match self.case_by_script(task, source)? {
            Ok(case) => Choice::Case(case),
            Err(reason) => Choice::Fault(reason),
        })
    }

    /// The case that a script names, or why it fails.
    pub(super) fn case_by_script(
        &mut self,
        task: &Task,
        source: &str,
    ) -> Flow<Result<String, String>> {
        let value = self.evaluate(script(source, &task.input))?;
        Ok(value.map(|value| case_text(&value)).map_err(|error| error.to_string()))
    }
}

/// The first node of a case's branch.
fn branch_of(cases: &Cases, case: &str) -> Option<NodeId> {
    let known = cases.cases.get(case).filter(|_| !is(Planted::WrongBranch));
    known.copied().unwrap_or(cases.default)
}

fn choice_script(step: &WorkflowTask) -> Option<&str> {
    let evaluator = step.evaluator_type.as_deref().unwrap_or_default();
    let is_script = matches!(evaluator, "javascript" | "graaljs");
    step.expression.as_deref().filter(|_| is_script)
}

/// A choice's script over its input.
pub(super) fn script(source: &str, input: &Payload) -> Script {
    let (source, input) = (source.to_owned(), input.clone());
    Script { language: Language::JavaScript, source, input }
}

/// The case a value stands for: text as it is, whole numbers without a fraction.
pub(super) fn case_text(value: &Payload) -> String {
    baton_expression::java_text(value.get())
}

fn faults(step: &Step<'_>, _: TaskDefs<'_>) -> Vec<Fault> {
    let task = step.task;
    let mut faults = required(step, "evaluatorType", task.evaluator_type.is_some());
    if faults.is_empty() {
        faults.extend(required(step, "expression", task.expression.is_some()));
    }
    if task.decision_cases.is_empty() {
        faults.push(without_tasks(step, "decisionCases"));
    }
    if task.evaluator_type.as_deref() == Some("javascript") {
        faults.extend(script_fault(step, "expression", task.expression.as_deref()));
    }
    faults
}
