//! The states of executions that a batch works on.
use crate::snapshots::Since;
use baton_common::{ExecutionId, Timestamp};
use baton_decider::state::Execution;
use baton_store::{PlanHash, Version};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// A state in memory, as of a version.
#[derive(Clone)]
pub(crate) struct Cached {
    pub(crate) execution: Arc<Execution>,
    pub(crate) version: Version,
    /// The wake-up time that the row has.
    pub(crate) row_wake_at: Option<Timestamp>,
    pub(crate) plan: PlanHash,
    /// What its journal holds after its newest snapshot.
    pub(crate) since: Since,
}

/// The states a batch works on.
#[derive(Default)]
pub(super) struct States {
    /// By execution; `None`: there is no such execution.
    pub(super) by_id: BTreeMap<ExecutionId, Option<Cached>>,
    /// Those that were read from the database for this batch. The others may be out of date: a decision
    /// that changes such a state is fenced by its version, one that changes nothing must be made again
    /// on a fresh state.
    pub(super) fresh: HashSet<ExecutionId>,
    /// Those whose stored bytes cannot be read, with the reason.
    pub(super) unreadable: Vec<(ExecutionId, String)>,
}
