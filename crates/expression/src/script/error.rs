//! Why a script gave no result.
use super::limits::ScriptLimits;
use serde::{Deserialize, Serialize};

/// Why a script gave no result. The text of each is fit to be a task's reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ScriptError {
    /// The script is wrong or ended in an error: running it again gives the same.
    #[error("{message}")]
    Failed {
        /// The reason in Conductor's words where they are known.
        message: String,
    },
    /// The script ran too long and was stopped.
    #[error("Error evaluating the script `timed out after {limit_ms} ms`")]
    TimedOut {
        /// The limit it met, milliseconds.
        limit_ms: u64,
    },
    /// The script needed more than it may have.
    #[error("Error evaluating the script `{what} exceeds the limit of {limit} {unit}`")]
    LimitExceeded {
        /// What was too large.
        what: String,
        /// The most that is allowed.
        limit: u64,
        /// Of what the limit counts.
        unit: String,
    },
    /// The engine itself ended or could not be started; trying again may help.
    #[error("Error evaluating the script `{message}`")]
    EngineLost {
        /// How it was lost.
        message: String,
    },
}

impl ScriptError {
    pub(super) fn limit(what: &str, limit: usize, unit: &str) -> Self {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        Self::LimitExceeded { what: what.to_owned(), limit, unit: unit.to_owned() }
    }

    /// The same error, unless its message is over the limit.
    pub(super) fn bounded(self, limits: &ScriptLimits) -> Self {
        match &self {
            Self::Failed { message } if message.len() > limits.message_bytes => {
                Self::limit("the error's message", limits.message_bytes, "bytes")
            }
            Self::Failed { .. }
            | Self::TimedOut { .. }
            | Self::LimitExceeded { .. }
            | Self::EngineLost { .. } => self,
        }
    }
}
