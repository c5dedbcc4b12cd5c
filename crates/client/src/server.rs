//! The server itself.
use crate::target::Target;
use crate::{Client, ClientError};
use serde::{Deserialize, Serialize};

/// The answer of `GET /health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether the server can do its work.
    pub healthy: bool,
    /// What keeps it from its work; empty from servers that do not say.
    #[serde(default)]
    pub reasons: Vec<String>,
}

impl Client {
    /// Whether the server is healthy, also when it answers that it is not.
    ///
    /// # Errors
    /// [`ClientError::Unavailable`] when it does not answer.
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.read(Target::new("/health")).into_json_of_any_status().await
    }

    /// The server's version.
    ///
    /// # Errors
    /// [`ClientError::Unavailable`].
    pub async fn version(&self) -> Result<String, ClientError> {
        self.read(Target::new("/version")).into_text().await
    }
}
