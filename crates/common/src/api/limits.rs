//! Queues and what limits them, as people see them.
use crate::{TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A limit, and what is left of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LimitUse {
    /// The task definition that sets it.
    pub name: Arc<str>,
    /// How many tasks may be with workers at a time; absent for any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u64>,
    /// How many are.
    pub in_use: u64,
    /// The first of those.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_by: Vec<TaskId>,
    /// How many tasks may be handed out in `rateSeconds`; absent for any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// The time that the rate looks back, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_seconds: Option<i64>,
    /// When the rate lets one more through; absent when it would now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_time: Option<Timestamp>,
}

impl LimitUse {
    /// Whether no task can be handed out now.
    pub fn is_full(&self) -> bool {
        self.next_time.is_some() || self.concurrent.is_some_and(|most| self.in_use >= most)
    }
}

/// A queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueState {
    /// `taskType` or `domain:taskType`.
    pub queue: String,
    /// Ready tasks.
    pub ready: u64,
    /// Since when the oldest of them is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_ready_time: Option<Timestamp>,
    /// What limits tasks of the queue.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitUse>,
}
