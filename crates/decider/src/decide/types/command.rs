//! COMMAND: a program that an executor runs.
use super::super::decider::TaskType;
use super::worker::WORKER;
use crate::task_type::Facts;

pub(super) static COMMAND: TaskType = TaskType { facts: Facts::of_worker("COMMAND"), ..WORKER };
