//! HTTP: a request that an executor sends.
use super::super::decider::TaskType;
use super::worker::WORKER;
use crate::task_type::{Facts, Mark, Runner};
use crate::validation::Fault;
use crate::validation::demands::{has_input, is_in_template, required};
use crate::validation::steps::{Step, TaskDefs};

pub(super) static HTTP: TaskType = TaskType {
    facts: Facts {
        runner: Runner::Executor,
        marks: &[Mark::TakesInputTemplate, Mark::RunsByName, Mark::NamesBranches],
        faults,
        ..Facts::of_worker("HTTP")
    },
    ..WORKER
};

fn faults(step: &Step<'_>, task_defs: TaskDefs<'_>) -> Vec<Fault> {
    let is_given = ["http_request", "uri", "method"].iter().any(|name| has_input(step, name))
        || is_in_template(step, "http_request", task_defs);
    required(step, "inputParameters.http_request or inputParameters.uri", is_given)
}
