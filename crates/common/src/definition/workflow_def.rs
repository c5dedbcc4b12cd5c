//! Workflow definitions.
use super::lenient;
use super::workflow_task::WorkflowTask;
use crate::Payload;
use serde::{Deserialize, Serialize};

/// What a missed deadline of an execution does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RateLimitPolicy {
    /// It waits.
    #[default]
    Queue,
    /// It is refused.
    Reject,
}

/// Most open executions of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CacheConfig {
    /// The key, an expression.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub key: Option<String>,
    /// Time to live, seconds.
    #[serde(deserialize_with = "lenient::integer")]
    pub ttl_in_second: i32,
}

/// The language of a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SchemaType {
    /// JSON Schema.
    #[default]
    Json,
    /// Apache Avro.
    Avro,
    /// Protocol Buffers.
    Protobuf,
}

/// A named schema of an input or output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SchemaDef {
    /// Owning application.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub owner_app: Option<String>,
    /// First registration, epoch ms.
    #[serde(deserialize_with = "lenient::integer")]
    pub create_time: i64,
    /// Last change, epoch ms.
    #[serde(deserialize_with = "lenient::integer")]
    pub update_time: i64,
    /// Who registered it.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub created_by: Option<String>,
    /// Who changed it last.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub updated_by: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub name: Option<String>,
    /// Its version.
    #[serde(deserialize_with = "lenient::integer")]
    pub version: i32,
    /// Its language.
    #[serde(rename = "type", deserialize_with = "lenient::null_as_default")]
    pub schema_type: SchemaType,
    /// The schema itself.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::optional_object"
    )]
    pub data: Option<Payload>,
    /// Where it is kept outside.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub external_ref: Option<String>,
}

impl Default for SchemaDef {
    fn default() -> Self {
        Self {
            owner_app: None,
            create_time: 0,
            update_time: 0,
            created_by: None,
            updated_by: None,
            name: None,
            version: 1,
            schema_type: SchemaType::Json,
            data: None,
            external_ref: None,
        }
    }
}

/// A named, versioned description of an execution's steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowDef {
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
    /// The name it is started by.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub name: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub description: Option<String>,
    /// Its version; a start without one takes the highest.
    #[serde(deserialize_with = "lenient::integer")]
    pub version: i32,
    /// The steps.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub tasks: Vec<WorkflowTask>,
    /// Documentation only.
    #[serde(deserialize_with = "lenient::texts")]
    pub input_parameters: Vec<String>,
    /// What the execution answers, expressions allowed.
    #[serde(deserialize_with = "lenient::object")]
    pub output_parameters: Payload,
    /// Started on failure.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub failure_workflow: Option<String>,
    /// Its version; absent = the highest.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::optional_integer"
    )]
    pub failure_workflow_version: Option<i32>,
    /// Version of the definition language; only 2.
    #[serde(deserialize_with = "lenient::integer")]
    pub schema_version: i32,
    /// Whether a completed execution may be restarted.
    #[serde(deserialize_with = "lenient::boolean")]
    pub restartable: bool,
    /// Whether listeners are told of its executions.
    #[serde(deserialize_with = "lenient::boolean")]
    pub workflow_status_listener_enabled: bool,
    /// Where they are told.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub workflow_status_listener_sink: Option<String>,
    /// Owner's address.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub owner_email: Option<String>,
    /// What a missed deadline does.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub timeout_policy: WorkflowTimeoutPolicy,
    /// Seconds an execution may take; 0 = no limit.
    #[serde(deserialize_with = "lenient::integer")]
    pub timeout_seconds: i64,
    /// First values of the variables.
    #[serde(deserialize_with = "lenient::object")]
    pub variables: Payload,
    /// Input members used where a start gives none.
    #[serde(deserialize_with = "lenient::object")]
    pub input_template: Payload,
    /// Limit of open executions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit_config: Option<RateLimitConfig>,
    /// Schema of the input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<SchemaDef>,
    /// Schema of the output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<SchemaDef>,
    /// Whether the schemas are enforced.
    #[serde(deserialize_with = "lenient::boolean")]
    pub enforce_schema: bool,
    /// How long results may be used again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_config: Option<CacheConfig>,
    /// Fields hidden from readers.
    #[serde(deserialize_with = "lenient::texts")]
    pub masked_fields: Vec<String>,
    /// Free form.
    #[serde(deserialize_with = "lenient::object")]
    pub metadata: Payload,
}

impl Default for WorkflowDef {
    fn default() -> Self {
        Self {
            owner_app: None,
            create_time: 0,
            update_time: 0,
            created_by: None,
            updated_by: None,
            name: None,
            description: None,
            version: 1,
            tasks: Vec::new(),
            input_parameters: Vec::new(),
            output_parameters: Payload::empty_object(),
            failure_workflow: None,
            failure_workflow_version: None,
            schema_version: 2,
            restartable: true,
            workflow_status_listener_enabled: false,
            workflow_status_listener_sink: None,
            owner_email: None,
            timeout_policy: WorkflowTimeoutPolicy::AlertOnly,
            timeout_seconds: 0,
            variables: Payload::empty_object(),
            input_template: Payload::empty_object(),
            rate_limit_config: None,
            input_schema: None,
            output_schema: None,
            enforce_schema: true,
            cache_config: None,
            masked_fields: Vec::new(),
            metadata: Payload::empty_object(),
        }
    }
}
