//! HUMAN: waits for a person.
use super::super::decider::TaskType;
use super::engine::ENGINE;
use crate::task_type::{Facts, Mark, Waits};

pub(super) static HUMAN: TaskType = TaskType {
    facts: Facts {
        marks: &[Mark::RunsByName],
        waits: |_| Waits::Person,
        ..Facts::of_engine("HUMAN")
    },
    ..ENGINE
};
