//! USER_DEFINED: an old word for SIMPLE. Without a registered task definition it is not retried.
use super::super::decider::TaskType;
use super::worker::WORKER;
use crate::task_type::{Facts, Mark, Shown};

pub(super) static USER_DEFINED: TaskType = TaskType {
    facts: Facts {
        shown: Shown::Name,
        marks: &[Mark::TakesInputTemplate, Mark::LikeSimple],
        ..Facts::of_worker("USER_DEFINED")
    },
    ..WORKER
};
