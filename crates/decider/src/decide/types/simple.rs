//! SIMPLE: a task for a worker that polls for its name. USER_DEFINED is an old word for it.
use super::super::decider::TaskType;
use crate::task_type::{Facts, Mark, Shown};
use baton_common::TaskDef;

pub(super) static SIMPLE: TaskType = TaskType {
    facts: Facts {
        shown: Shown::Name,
        stand_in: |name| TaskDef { name: Some(name), ..TaskDef::default() },
        ..Facts::of_worker("SIMPLE")
    },
    ..TaskType::of_worker("SIMPLE")
};

/// Without a registered task definition it is not retried, unlike SIMPLE.
pub(super) static USER_DEFINED: TaskType = TaskType {
    facts: Facts {
        shown: Shown::Name,
        marks: &[Mark::TakesInputTemplate, Mark::LikeSimple],
        ..Facts::of_worker("USER_DEFINED")
    },
    ..TaskType::of_worker("USER_DEFINED")
};
