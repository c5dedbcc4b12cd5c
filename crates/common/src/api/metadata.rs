//! Answers about registered definitions.
use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// One version of a workflow definition, without its steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowDefSummary {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: i32,
    /// When it was registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_time: Option<Timestamp>,
    /// When it was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_time: Option<Timestamp>,
}
