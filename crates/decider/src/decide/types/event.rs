//! EVENT: Conductor's type, with its rules; nothing in Baton runs it.
use super::super::decider::TaskType;
use super::worker::WORKER;
use crate::task_type::{Facts, Mark};
use crate::validation::demands::required;

pub(super) static EVENT: TaskType = TaskType {
    facts: Facts {
        marks: &[Mark::TakesInputTemplate, Mark::LikeSimple],
        faults: |step, _| required(step, "sink", step.task.sink.is_some()),
        ..Facts::of_worker("EVENT")
    },
    ..WORKER
};
