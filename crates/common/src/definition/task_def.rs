//! Task definitions: how a task type is retried and timed.
use super::json_object::JsonObject;
use super::lenient;
use super::schema::SchemaDef;
use crate::Payload;
use crate::limits::NAME_BYTES_MAX;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the delay grows from attempt to attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RetryLogic {
    /// The same delay each time.
    #[default]
    Fixed,
    /// Delay × 2^attempt.
    ExponentialBackoff,
    /// Delay × scale factor × (attempt + 1).
    LinearBackoff,
}

/// What a missed deadline of a task does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TimeoutPolicy {
    /// The task times out and is tried again while attempts are left.
    #[serde(rename = "RETRY")]
    Retry,
    /// The task and at once the execution time out.
    #[default]
    #[serde(rename = "TIME_OUT_WF")]
    TimeOutWf,
    /// Only counted and logged.
    #[serde(rename = "ALERT_ONLY")]
    AlertOnly,
}

/// What is registered about a task name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskDef {
    /// Owning application.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub owner_app: Option<String>,
    /// First registration, epoch ms; 0 when unknown.
    #[serde(deserialize_with = "lenient::integer")]
    pub create_time: i64,
    /// Last change, epoch ms; 0 when never changed.
    #[serde(deserialize_with = "lenient::integer")]
    pub update_time: i64,
    /// Who registered it.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub created_by: Option<String>,
    /// Who changed it last.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub updated_by: Option<String>,
    /// The task name workers poll for.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    #[schemars(length(min = 1, max = NAME_BYTES_MAX))]
    pub name: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub description: Option<String>,
    /// Attempts after the first.
    #[serde(deserialize_with = "lenient::integer")]
    #[schemars(range(min = 0))]
    pub retry_count: i32,
    /// Seconds for one attempt from its first poll; 0 = none.
    #[serde(deserialize_with = "lenient::integer")]
    pub timeout_seconds: i64,
    /// Documentation only.
    #[serde(deserialize_with = "lenient::texts")]
    pub input_keys: Vec<String>,
    /// Documentation only.
    #[serde(deserialize_with = "lenient::texts")]
    pub output_keys: Vec<String>,
    /// What a missed deadline does.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub timeout_policy: TimeoutPolicy,
    /// How the delay grows.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub retry_logic: RetryLogic,
    /// Delay before another attempt.
    #[serde(deserialize_with = "lenient::integer")]
    pub retry_delay_seconds: i32,
    /// Seconds a worker may stay silent.
    #[serde(deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1))]
    pub response_timeout_seconds: i64,
    /// Most tasks of this name in progress at once.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::optional_integer"
    )]
    pub concurrent_exec_limit: Option<i32>,
    /// Input members used where the workflow gives none.
    #[serde(deserialize_with = "lenient::object")]
    #[schemars(with = "JsonObject")]
    pub input_template: Payload,
    /// Most polls per period; 0 = no limit.
    #[serde(deserialize_with = "lenient::integer")]
    pub rate_limit_per_frequency: i32,
    /// The period of the rate limit, seconds.
    #[serde(deserialize_with = "lenient::integer")]
    pub rate_limit_frequency_in_seconds: i32,
    /// Queue suffix of isolated system tasks.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub isolation_group_id: Option<String>,
    /// Queue suffix of a name space.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub execution_name_space: Option<String>,
    /// Owner's address.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub owner_email: Option<String>,
    /// Seconds a scheduled task may wait for a poll.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::optional_integer"
    )]
    #[schemars(range(min = 0))]
    pub poll_timeout_seconds: Option<i32>,
    /// Scale of the linear back-off.
    #[serde(deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1))]
    pub backoff_scale_factor: i32,
    /// Unused by the engine.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub base_type: Option<String>,
    /// Seconds over all attempts; 0 = none.
    #[serde(deserialize_with = "lenient::integer")]
    #[schemars(range(min = 0))]
    pub total_timeout_seconds: i64,
    /// Cap of the retry delay, seconds; 0 = none.
    #[serde(deserialize_with = "lenient::integer")]
    #[schemars(range(min = 0))]
    pub max_retry_delay_seconds: i32,
    /// Most milliseconds added at random to a retry delay.
    #[serde(deserialize_with = "lenient::integer")]
    #[schemars(range(min = 0))]
    pub backoff_jitter_ms: i32,
    /// Names of secrets delivered with a poll.
    #[serde(deserialize_with = "lenient::texts")]
    pub runtime_metadata: Vec<String>,
    /// Whether status listeners are told of this task.
    #[serde(deserialize_with = "lenient::boolean")]
    pub task_status_listener_enabled: bool,
    /// Schema of the input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<SchemaDef>,
    /// Schema of the output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<SchemaDef>,
    /// Whether the schemas are enforced.
    #[serde(deserialize_with = "lenient::boolean")]
    pub enforce_schema: bool,
}

impl Default for TaskDef {
    fn default() -> Self {
        Self {
            owner_app: None,
            create_time: 0,
            update_time: 0,
            created_by: None,
            updated_by: None,
            name: None,
            description: None,
            retry_count: 3,
            timeout_seconds: 0,
            input_keys: Vec::new(),
            output_keys: Vec::new(),
            timeout_policy: TimeoutPolicy::TimeOutWf,
            retry_logic: RetryLogic::Fixed,
            retry_delay_seconds: 60,
            response_timeout_seconds: 3600,
            concurrent_exec_limit: None,
            input_template: Payload::empty_object(),
            rate_limit_per_frequency: 0,
            rate_limit_frequency_in_seconds: 1,
            isolation_group_id: None,
            execution_name_space: None,
            owner_email: None,
            poll_timeout_seconds: None,
            backoff_scale_factor: 1,
            base_type: None,
            total_timeout_seconds: 0,
            max_retry_delay_seconds: 0,
            backoff_jitter_ms: 0,
            runtime_metadata: Vec::new(),
            task_status_listener_enabled: true,
            input_schema: None,
            output_schema: None,
            enforce_schema: false,
        }
    }
}
