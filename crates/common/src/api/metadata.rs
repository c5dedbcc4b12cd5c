//! Answers about registered definitions.
use super::bulk::BulkResponse;
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

/// Something in a definition that is accepted but is probably not what its author means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DefinitionWarning {
    /// Its kind, one of those in the reference of the lint.
    pub code: String,
    /// Where it is in the request's body, as a JSON pointer.
    pub pointer: String,
    /// What is suspicious, and what to do.
    pub message: String,
}

/// What a server says of definitions that it accepts. Conductor says nothing there, and its clients
/// take no notice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DefinitionWarnings {
    /// In the order of the document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<DefinitionWarning>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub warnings_left_out: usize,
}

/// The answer to an update of workflow definitions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkflowsUpdated {
    /// The names that were stored.
    #[serde(flatten)]
    pub names: BulkResponse,
    /// What is suspicious in them.
    #[serde(flatten)]
    pub warnings: DefinitionWarnings,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}
