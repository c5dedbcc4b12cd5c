//! COMMAND: a program that an executor runs.
use super::super::decider::TaskType;

pub(super) static COMMAND: TaskType = TaskType::of_worker("COMMAND");
