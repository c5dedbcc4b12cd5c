//! NOOP: nothing.
use super::super::decider::TaskType;
use super::engine::ENGINE;
use crate::task_type::{Facts, Mark};

pub(super) static NOOP: TaskType = TaskType {
    facts: Facts { marks: &[Mark::RunsByName], ..Facts::of_engine("NOOP") },
    run: |decider, task, _| decider.end_well(task.seq, None),
    ..ENGINE
};
