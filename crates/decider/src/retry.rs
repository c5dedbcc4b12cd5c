//! When another attempt is made. **Source**: conductor-semantics §2.4.
use crate::plan::Node;
use crate::state::Task;
use baton_common::definition::RetryLogic;
use baton_common::planted::{Planted, is};
use baton_common::{TaskDef, TaskId, Timestamp};

/// Whether a failed task earns another attempt at `now`.
pub fn is_due(node: &Node, task: &Task, now: Timestamp) -> bool {
    task.status.is_retriable()
        && node.facts.is_retried()
        && task.retry_count < node.retries_allowed() + u32::from(is(Planted::OneRetryTooMany))
        && !total_time_is_over(node, task, now)
}

/// Whether the time for all attempts together is over.
pub fn total_time_is_over(node: &Node, task: &Task, now: Timestamp) -> bool {
    let total = node.task_def.total_timeout_seconds;
    total > 0 && now >= task.first_scheduled_at.plus_seconds(total)
}

/// Seconds before the attempt after attempt number `retry_count` (from 0), without jitter.
pub fn delay_seconds(def: &TaskDef, retry_count: u32) -> i64 {
    let base = i64::from(def.retry_delay_seconds.max(0));
    let delay = match def.retry_logic {
        RetryLogic::Fixed => base,
        RetryLogic::LinearBackoff => base
            .saturating_mul(i64::from(def.backoff_scale_factor))
            .saturating_mul(i64::from(retry_count) + 1),
        RetryLogic::ExponentialBackoff => {
            base.saturating_mul(1_i64.checked_shl(retry_count.min(31)).unwrap_or(i64::MAX))
        }
    };
    let delay = delay.clamp(0, i64::from(i32::MAX));
    match i64::from(def.max_retry_delay_seconds) {
        cap if cap > 0 => delay.min(cap),
        _ => delay,
    }
}

/// Milliseconds added to the delay: spread evenly over 0 to the definition's jitter by the task's id.
pub fn jitter_ms(def: &TaskDef, task: TaskId) -> i64 {
    match u64::try_from(def.backoff_jitter_ms) {
        Ok(jitter) if jitter > 0 => i64::try_from(task.mixed() % (jitter + 1)).unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(def: &TaskDef) -> Vec<i64> {
        (0..4).map(|retry_count| delay_seconds(def, retry_count)).collect()
    }

    #[test]
    fn the_delay_grows_as_its_logic_says_up_to_the_cap() {
        let def = |retry_logic, max_retry_delay_seconds| TaskDef {
            retry_logic,
            retry_delay_seconds: 10,
            backoff_scale_factor: 3,
            max_retry_delay_seconds,
            ..TaskDef::default()
        };
        assert_eq!(delays(&def(RetryLogic::Fixed, 0)), [10, 10, 10, 10]);
        assert_eq!(delays(&def(RetryLogic::LinearBackoff, 0)), [30, 60, 90, 120]);
        assert_eq!(delays(&def(RetryLogic::ExponentialBackoff, 0)), [10, 20, 40, 80]);
        assert_eq!(delays(&def(RetryLogic::ExponentialBackoff, 25)), [10, 20, 25, 25]);
    }
}
