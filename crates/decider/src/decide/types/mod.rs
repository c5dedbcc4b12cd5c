//! The task types: one list, one file each.
//!
//! A type is a `TaskType` of `decider.rs`: what is known of it ([`Facts`]), and what the engine does for its tasks.
//! A new one is a file beside this one and a line in the list; docs/how-to/add-a-task-type.md shows
//! how.
mod command;
mod decision;
mod do_while;
mod dynamic;
mod engine;
mod event;
#[cfg(test)]
mod example;
mod exclusive_join;
mod fork_join;
mod fork_join_dynamic;
mod http;
mod human;
mod inline;
mod join;
mod json_jq_transform;
mod kafka_publish;
mod lambda;
mod noop;
mod script;
mod set_variable;
mod simple;
mod start_workflow;
mod sub_workflow;
mod switch;
mod terminate;
#[cfg(test)]
mod tests;
mod user_defined;
mod wait;
mod worker;

pub(super) use sub_workflow::child_output;

use super::decider::TaskTypes;
use crate::plan::{self, Plan};
use crate::surroundings::Surroundings;
use crate::task_type::Facts;
use baton_common::WorkflowDef;

/// Every task type, in the order of the manual.
pub(super) static ALL: TaskTypes = TaskTypes {
    named: &[
        &simple::SIMPLE,
        &user_defined::USER_DEFINED,
        &http::HTTP,
        &command::COMMAND,
        &event::EVENT,
        &kafka_publish::KAFKA_PUBLISH,
        &dynamic::DYNAMIC,
        &switch::SWITCH,
        &decision::DECISION,
        &fork_join::FORK_JOIN,
        &fork_join_dynamic::FORK_JOIN_DYNAMIC,
        &join::JOIN,
        &exclusive_join::EXCLUSIVE_JOIN,
        &do_while::DO_WHILE,
        &sub_workflow::SUB_WORKFLOW,
        &start_workflow::START_WORKFLOW,
        &wait::WAIT,
        &human::HUMAN,
        &set_variable::SET_VARIABLE,
        &inline::INLINE,
        &lambda::LAMBDA,
        &json_jq_transform::JSON_JQ_TRANSFORM,
        &terminate::TERMINATE,
        &noop::NOOP,
    ],
    other: &worker::OTHER,
};

/// The facts of every type that has a name.
pub fn all() -> impl Iterator<Item = &'static Facts> {
    ALL.named.iter().map(|known| &known.facts)
}

/// The facts of a type by its name in definitions; any other name is a queue that workers poll.
pub(crate) fn facts_of(name: &str) -> &'static Facts {
    all().find(|facts| facts.name == name).unwrap_or(&ALL.other.facts)
}

/// The definition with every step's task definition attached, so that later edits do not touch
/// executions that run already.
pub fn pin(mut definition: WorkflowDef, surroundings: &dyn Surroundings) -> WorkflowDef {
    for task in &mut definition.tasks {
        plan::pin_step(task, surroundings, facts_of);
    }
    definition
}

impl Plan {
    /// Compiles a pinned definition; see [`pin`].
    pub fn compile(definition: WorkflowDef) -> Self {
        Self::of(definition, facts_of)
    }
}
