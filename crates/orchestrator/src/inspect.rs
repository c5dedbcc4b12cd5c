//! What the bytes of a store mean, for tools that check a store from outside.
use crate::journal;
use baton_decider::plan::Plan;
use baton_decider::state::Execution;
use baton_store::{LoadedExecution, ReadyKey, StoreError};
use std::sync::Arc;

/// The state of an execution that was loaded whole; `plan` is the one its row names.
///
/// # Errors
/// [`StoreError::Corrupt`].
pub fn fold(loaded: &LoadedExecution, plan: Arc<Plan>) -> Result<Execution, StoreError> {
    journal::fold_on(loaded, plan)
}

/// A task's place in its queue, when any worker may take it.
pub fn ready_key(execution: &Execution, seq: u32) -> Option<ReadyKey> {
    crate::engine::ready_key(execution, seq)
}
