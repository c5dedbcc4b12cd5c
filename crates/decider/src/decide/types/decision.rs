//! DECISION: one branch of several, the old way. **Source**: conductor-semantics §1.4.
use super::super::decider::{Decider, Flow, TaskType};
use super::engine::ENGINE;
use super::switch::{case_text, choice};
use crate::json;
use crate::plan::{Cases, Kind, Node, NodeId};
use crate::state::Task;
use crate::task_type::Facts;
use crate::validation::Fault;
use crate::validation::demands::{required, script_fault, without_tasks};
use crate::validation::steps::{Step, TaskDefs};
use baton_common::WorkflowTask;
use baton_common::planted::{Planted, is};
use std::sync::Arc;

pub(super) static DECISION: TaskType = TaskType {
    facts: Facts { faults, choice_script, ..choice("DECISION") },
    run: Decider::run_decision,
    follow_again: Decider::decide_again,
    ..ENGINE
};

impl Decider {
    fn run_decision(&mut self, task: &Arc<Task>, node: &Node) -> Flow {
        match self.decided_case(task, node)? {
            Ok(case) => {
                let Kind::Cases(cases) = &node.kind else { return Ok(()) };
                // It shows nothing of its parameters, as in Conductor.
                let input = json::Object::from([("case".to_owned(), json::payload(&case))]);
                let output = format!("{{\"caseOutput\":[{}]}}", json::payload(&case).get());
                self.enter(task, node.next, branch_of(cases, &case), (input, output));
            }
            Err(reason) => self.fail_for_good(&reason),
        }
        Ok(())
    }

    fn decide_again(&mut self, task: &Task, node: &Node) {
        self.enter_again(task, node, branch_of);
    }

    fn decided_case(&mut self, task: &Task, node: &Node) -> Flow<Result<String, String>> {
        if let Some(script) = choice_script(&node.task) {
            return self.case_by_script(task, script);
        }
        let param = node.task.case_value_param.as_deref().unwrap_or_default();
        let members = json::members(&task.input);
        Ok(Ok(members.get(param).map_or("null".into(), case_text)))
    }
}

/// The first node of a case's branch; an empty branch falls back to the default.
fn branch_of(cases: &Cases, case: &str) -> Option<NodeId> {
    let known = cases.cases.get(case).filter(|_| !is(Planted::WrongBranch));
    known.copied().flatten().or(cases.default)
}

fn choice_script(step: &WorkflowTask) -> Option<&str> {
    step.case_expression.as_deref().filter(|script| !script.trim().is_empty())
}

fn faults(step: &Step<'_>, _: TaskDefs<'_>) -> Vec<Fault> {
    let task = step.task;
    let is_given = task.case_value_param.is_some() || task.case_expression.is_some();
    let mut faults = required(step, "caseValueParam or caseExpression", is_given);
    if task.decision_cases.is_empty() {
        faults.push(without_tasks(step, "decisionCases"));
    }
    faults.extend(script_fault(step, "caseExpression", task.case_expression.as_deref()));
    faults
}
