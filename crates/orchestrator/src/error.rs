//! What a caller is told when the engine does not do what it was asked.
use baton_store::StoreError;

/// A request was not carried out; nothing of it has happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrchestratorError {
    /// What was named is not there.
    #[error("{0}")]
    NotFound(String),
    /// The state of things forbids it.
    #[error("{0}")]
    Conflict(String),
    /// The request itself is wrong.
    #[error("{0}")]
    Invalid(String),
    /// A definition or request breaks rules; every fault is listed.
    #[error("Validation failed, check below errors for detail.")]
    Faulty(Vec<Fault>),
    /// Conductor's answer 500 to a request that the state forbids; kept where clients have seen it.
    #[error("{0}")]
    IllegalState(String),
    /// A payload is above its limit.
    #[error("{0}")]
    TooLarge(String),
    /// More is asked than can be done now: try again later.
    #[error("{0}")]
    Overloaded(String),
    /// The engine or its database cannot work now: try again later.
    #[error("{0}")]
    Unavailable(String),
    /// The database stopped the work at its time limit: ask for less.
    #[error("{0}")]
    TimedOut(String),
    /// Stored data breaks an invariant; somebody must look.
    #[error("{0}")]
    Corrupt(String),
}

/// There is no execution of this id.
pub(crate) fn no_workflow(id: impl std::fmt::Display) -> OrchestratorError {
    OrchestratorError::NotFound(format!("No such workflow found by id: {id}"))
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer to the value, such as `/tasks/2/name`.
    pub pointer: String,
    /// Conductor's path of it, such as `registerWorkflowDef.arg0.tasks[2].name`.
    pub path: String,
    /// What the rule demands.
    pub message: String,
    /// The offending value as text, where it is a scalar.
    pub invalid_value: Option<String>,
}

impl From<StoreError> for OrchestratorError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::Unavailable(error.to_string()),
            StoreError::TimedOut(_) => Self::TimedOut(error.to_string()),
            StoreError::Rejected(_) => Self::Invalid(error.to_string()),
            StoreError::AlreadyExists(_) => Self::Conflict(error.to_string()),
            StoreError::NotFound(_) => Self::NotFound(error.to_string()),
            StoreError::Corrupt(_) => Self::Corrupt(error.to_string()),
        }
    }
}

impl From<baton_decider::command::Rejection> for OrchestratorError {
    fn from(rejection: baton_decider::command::Rejection) -> Self {
        use baton_decider::command::Rejection;
        let message = rejection.to_string();
        match rejection {
            Rejection::NoSuchTask(_)
            | Rejection::StillRunning(_)
            | Rejection::NotRestartable(_) => Self::NotFound(message),
            Rejection::Late
            | Rejection::HasEnded(_)
            | Rejection::CompletedAlready
            | Rejection::NotEnded(_)
            | Rejection::NotStarted
            | Rejection::NothingToRetry
            | Rejection::NotReady => Self::Conflict(message),
            Rejection::NotPaused { .. }
            | Rejection::NotRunning(..)
            | Rejection::NoSuchStep(..)
            | Rejection::NoIteration(_)
            | Rejection::NotInIteration(_)
            | Rejection::StepHasBegun(_) => Self::IllegalState(message),
            Rejection::TooEarly => Self::Unavailable(message),
            Rejection::NoTaskToRerun(_) | Rejection::Impossible(_) => Self::Invalid(message),
        }
    }
}
