//! What can go wrong in a store, by what the caller can do about it.
use baton_common::ExecutionId;

/// A store could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or refused to work now: try again later.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
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
    /// Their version is no longer the expected one (or, at birth, the row exists): load and decide again.
    pub versions: Vec<ExecutionId>,
    /// Their idempotency key was used: the newborn, and the execution that holds the key.
    pub idempotency: Vec<(ExecutionId, ExecutionId)>,
    /// The definitions are newer than the batch's revision: refresh, and decide all again.
    pub stale_definitions: bool,
}
