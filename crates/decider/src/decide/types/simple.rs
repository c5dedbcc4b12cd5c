//! SIMPLE: a task for a worker that polls for its name.
use super::super::decider::TaskType;
use super::worker::WORKER;
use crate::task_type::{Facts, Shown};
use baton_common::TaskDef;

pub(super) static SIMPLE: TaskType = TaskType {
    facts: Facts {
        shown: Shown::Name,
        stand_in: |name| TaskDef { name: Some(name), ..TaskDef::default() },
        ..Facts::of_worker("SIMPLE")
    },
    ..WORKER
};
