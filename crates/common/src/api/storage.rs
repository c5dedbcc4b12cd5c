//! Payloads kept outside the engine.
use serde::{Deserialize, Serialize};

/// Where a payload is read from or written to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExternalStorageLocation {
    /// A URL that needs no further credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The path to name in later requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}
