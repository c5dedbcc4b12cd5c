//! DYNAMIC: runs what its input names.
use super::super::decider::{Decider, Flow, TaskType};
use super::super::names;
use super::simple::SIMPLE;
use super::worker::WORKER;
use crate::change::Change;
use crate::json;
use crate::plan::{Kind, Node};
use crate::state::NodeKey;
use crate::task_type::{Again, Facts, FreshInput, Inside, Mark, Shown};
use crate::validation::demands::required;
use baton_common::limits::NAME_BYTES_MAX;
use baton_common::{Payload, WorkflowTask};
use std::sync::Arc;

pub(super) static DYNAMIC: TaskType = TaskType {
    facts: Facts {
        shown: Shown::Name,
        inside: Inside::NamedType,
        again: Again::AsIfNew,
        fresh_input: FreshInput::Resolved,
        marks: &[Mark::TakesInputTemplate],
        faults: |step, _| {
            let is_given = step.task.dynamic_task_name_param.is_some();
            required(step, "dynamicTaskNameParam", is_given)
        },
        ..Facts::of_worker("DYNAMIC")
    },
    schedule: Decider::schedule_dynamic,
    ..WORKER
};

impl Decider {
    fn schedule_dynamic(&mut self, node: &Node, place: NodeKey, loop_task: Option<u32>) -> Flow {
        let Kind::Named { name_param } = &node.kind else { return Ok(()) };
        let mut task = self.new_task(node, place, loop_task);
        task.input = self.input_of(node, Some(task.seq))?;
        let named = json::members(&task.input).get(name_param).and_then(dynamic_name);
        let Some(name) = named else {
            let reason = format!(
                "Cannot map a dynamic task based on the parameter and input. Parameter= {name_param}, input= {}",
                task.input.get()
            );
            self.fail_for_good(&reason);
            return Ok(());
        };
        names::check(name_param, &name, NAME_BYTES_MAX)?;
        let runs = self.define_dynamic(node, &name);
        task.runs = Some(runs);
        let plan = self.plan_of(runs);
        let Some(target) = plan.node(runs.node) else { return Ok(()) };
        if target.is_worker() {
            self.queue_task(target, task);
            return Ok(());
        }
        let seq = task.seq;
        self.record(Change::TaskScheduled(Arc::new(task)));
        self.activate(seq);
        Ok(())
    }

    /// The step that a DYNAMIC node becomes under a name; defined once for each name.
    fn define_dynamic(&mut self, node: &Node, name: &str) -> NodeKey {
        let known = self.execution.step_plans.iter().position(|plan| {
            plan.node(0).is_some_and(|step| step.reference == node.reference && &*step.name == name)
        });
        if let Some(index) = known {
            return NodeKey { plan: u32::try_from(index).unwrap_or(u32::MAX) + 1, node: 0 };
        }
        let mut step = WorkflowTask {
            name: Some(name.to_owned()),
            task_type: self.type_by_name(name).to_owned(),
            ..(*node.task).clone()
        };
        if let Some(registered) = self.context.surroundings.task_def(name) {
            step.task_definition = Some((*registered).clone());
        }
        self.define_step(step)
    }

    /// A name that is a type of the engine runs that type; types whose flow needs more than an input
    /// do not.
    fn type_by_name<'n>(&self, name: &'n str) -> &'n str {
        let runs = self.execution.plan.facts_of(name).has(Mark::RunsByName);
        if runs { name } else { SIMPLE.facts.name }
    }
}

/// A usable name: text or a number as text, not empty.
fn dynamic_name(value: &Payload) -> Option<String> {
    let name = json::text(value).or_else(|| (!value.is_null()).then(|| value.get().to_owned()))?;
    (!name.is_empty()).then_some(name)
}
