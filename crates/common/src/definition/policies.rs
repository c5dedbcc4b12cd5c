//! What a workflow's definition says of missed deadlines, of too many executions and of results used again.
use super::lenient;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a missed deadline of an execution does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WorkflowTimeoutPolicy {
    /// The execution ends as TIMED_OUT.
    #[serde(rename = "TIME_OUT_WF")]
    TimeOutWf,
    /// Only counted and logged.
    #[default]
    #[serde(rename = "ALERT_ONLY")]
    AlertOnly,
}

/// What happens to a start above a rate limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RateLimitPolicy {
    /// It waits.
    #[default]
    Queue,
    /// It is refused.
    Reject,
}

/// Most open executions of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RateLimitConfig {
    /// The key, an expression.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub rate_limit_key: Option<String>,
    /// Most executions of that key at once.
    #[serde(deserialize_with = "lenient::integer")]
    pub concurrent_exec_limit: i32,
    /// What happens above it.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub policy: RateLimitPolicy,
}

/// How long a result may be used again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CacheConfig {
    /// The key, an expression.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub key: Option<String>,
    /// Time to live, seconds.
    #[serde(deserialize_with = "lenient::integer")]
    pub ttl_in_second: i32,
}
