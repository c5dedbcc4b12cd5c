//! What is known of queues and workers beyond the state.
use baton_common::api::{LastPoll, LimitUse};
use std::collections::HashMap;
use std::sync::Arc;

/// Tasks of one reason that are read in full.
pub const FIRST_MAX: usize = 5;
/// A queue counts as polled for this long after a poll, ms. Other processes write down their polls
/// every ten seconds, and a long poll takes five.
pub const POLLED_MS: i64 = 60_000;

/// What is known of queues and workers.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Places of ready tasks in their queues, by task number.
    pub places: HashMap<u32, Place>,
    /// The last poll in each domain, by task type; nothing for a type that was not asked for.
    pub polls: HashMap<Arc<str>, Vec<LastPoll>>,
    /// Tasks that this process has handed out in the last minute, by queue.
    pub handed_out: HashMap<String, u32>,
    /// The limits that are full, by the name of the task definition.
    pub full: HashMap<Arc<str>, LimitUse>,
}

/// A ready task's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Tasks of the queue that are handed out before it.
    pub ahead: u64,
    /// Tasks in the queue.
    pub size: u64,
    /// Whether counting stopped early, so that there may be more.
    pub at_least: bool,
}
