//! What can go wrong in a store, by what the caller can do about it.
use crate::{LimitState, MessageId};
use baton_common::ExecutionId;

/// A store could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is out of space or connections, or is shutting down: wait and
    /// try the same again. What was to be written may have been written.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The work did not fit into its time limit: ask for less at once (half the batch, a narrower
    /// search), or wait if it is one write already. Nothing was written.
    #[error("the database stopped the work at its time limit: {0}")]
    TimedOut(String),
    /// The database refuses what it was given, and will again: halve the batch until the write at fault
    /// is alone, and tell its caller. The text is for callers. Nothing was written.
    #[error("the database cannot store this: {0}")]
    Rejected(String),
    /// What was to be created is there already: choose another name or overwrite.
    #[error("{0} already exists")]
    AlreadyExists(String),
    /// What was named is not there.
    #[error("{0} is not there")]
    NotFound(String),
    /// A row breaks an invariant: that execution stops, somebody must look.
    #[error("stored data is corrupt: {0}")]
    Corrupt(String),
}

/// A batch was not committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Others were faster; see [`Conflict`].
    #[error("the batch lost a race: {0:?}")]
    Conflict(Conflict),
    /// The database failed; the outcome may be unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a batch lost; at least one field says something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conflict {
    /// Their version is no longer the expected one (or, at insert, the row exists): load and decide again.
    pub versions: Vec<ExecutionId>,
    /// Their idempotency key was used: the new execution, and the one that holds the key.
    pub idempotency: Vec<(ExecutionId, ExecutionId)>,
    /// The definitions are newer than the batch's revision: refresh, and decide all again.
    pub stale_definitions: bool,
    /// Messages of the batch that are neither stored nor sent by it: somebody else has delivered them, or
    /// their sender was removed. Drop them, load their receivers and decide those again.
    pub delivered: Vec<MessageId>,
    /// Limits that the batch would exceed, or whose window is another: as they are without the batch.
    /// Decide again with these.
    pub limits: Vec<LimitState>,
}

impl StoreError {
    /// Whether the error is about what the store was given, so that a part of it may pass: nothing was
    /// written. Otherwise nothing is known, and the same may pass later.
    pub fn is_about_content(&self) -> bool {
        match self {
            Self::Unavailable(_) => false,
            Self::TimedOut(_)
            | Self::Rejected(_)
            | Self::AlreadyExists(_)
            | Self::NotFound(_)
            | Self::Corrupt(_) => true,
        }
    }
}
