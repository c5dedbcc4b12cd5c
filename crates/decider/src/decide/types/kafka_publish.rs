//! KAFKA_PUBLISH: Conductor's type, with its rules; nothing in Baton runs it.
use super::super::decider::TaskType;
use super::worker::WORKER;
use crate::task_type::{Facts, Mark, Runner};
use crate::validation::demands::required_input;

pub(super) static KAFKA_PUBLISH: TaskType = TaskType {
    facts: Facts {
        runner: Runner::Executor,
        marks: &[Mark::TakesInputTemplate, Mark::LikeSimple],
        faults: |step, task_defs| required_input(step, "kafka_request", task_defs),
        ..Facts::of_worker("KAFKA_PUBLISH")
    },
    ..WORKER
};
