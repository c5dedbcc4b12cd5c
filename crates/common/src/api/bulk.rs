//! Answers of requests about many executions.
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// What became of each id of a bulk request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BulkResponse {
    /// Why an id was refused.
    pub bulk_error_results: IndexMap<String, Option<String>>,
    /// The ids (or names) that were served, in the order asked.
    pub bulk_successful_results: Vec<String>,
}
