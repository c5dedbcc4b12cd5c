//! Workflow definitions and their steps, which can hold definitions in turn.
use super::json_object::JsonObject;
use super::lenient;
use super::policies::{CacheConfig, RateLimitConfig, WorkflowTimeoutPolicy};
use super::schema::SchemaDef;
use super::step_keys::StepKeys;
use super::task_def::TaskDef;
use crate::Payload;
use crate::limits::{
    DEFINITION_TASKS_MAX, IDEMPOTENCY_KEY_BYTES_MAX, NAME_BYTES_MAX, REFERENCE_NAME_BYTES_MAX,
};
use crate::strict::LIST_REFUSED;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A named, versioned description of an execution's steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    #[schemars(length(min = 1, max = NAME_BYTES_MAX))]
    pub name: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub description: Option<String>,
    /// Its version; a start without one takes the highest.
    #[serde(deserialize_with = "lenient::integer")]
    pub version: i32,
    /// The steps.
    #[serde(deserialize_with = "lenient::null_as_default")]
    #[schemars(length(max = DEFINITION_TASKS_MAX))]
    pub tasks: Vec<WorkflowTask>,
    /// Documentation only.
    #[serde(deserialize_with = "lenient::texts")]
    pub input_parameters: Vec<String>,
    /// What the execution answers, expressions allowed.
    #[serde(deserialize_with = "lenient::object")]
    #[schemars(with = "JsonObject")]
    pub output_parameters: Payload,
    /// Started on failure.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    #[schemars(length(max = NAME_BYTES_MAX))]
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
    #[schemars(with = "JsonObject")]
    pub variables: Payload,
    /// Input members used where a start gives none.
    #[serde(deserialize_with = "lenient::object")]
    #[schemars(with = "JsonObject")]
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
    #[schemars(with = "JsonObject")]
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

/// How a JOIN is watched; both mean the same here, since joins are events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JoinMode {
    /// At once.
    Sync,
    /// By polling, in Conductor.
    Async,
}

/// The definition of a child: given whole, or as an expression.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum InlineDefinition {
    /// The definition itself.
    Definition(Box<WorkflowDef>),
    /// Text that is exactly one `${…}` token.
    Expression(#[schemars(regex(pattern = r"^\$\{[\s\S]*\}$"))] String),
}

impl<'de> Deserialize<'de> for InlineDefinition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InlineVisitor)
    }
}

struct InlineVisitor;

impl<'de> Visitor<'de> for InlineVisitor {
    type Value = InlineDefinition;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a definition or an expression")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<InlineDefinition, A::Error> {
        let definition = WorkflowDef::deserialize(MapAccessDeserializer::new(members))?;
        Ok(InlineDefinition::Definition(Box::new(definition)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<InlineDefinition, A::Error> {
        Err(A::Error::custom(LIST_REFUSED))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<InlineDefinition, E> {
        if text.starts_with("${") && text.ends_with('}') {
            return Ok(InlineDefinition::Expression(text.to_owned()));
        }
        Err(E::custom("workflowDefinition is a string, but not a valid DSL string"))
    }
}

/// Which workflow a SUB_WORKFLOW step starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SubWorkflowParams {
    /// Name, may be an expression.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub name: Option<String>,
    /// Version; absent = the highest.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::optional_integer"
    )]
    pub version: Option<i32>,
    /// Domains of the child's tasks.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::optional_texts_by_name"
    )]
    pub task_to_domain: Option<IndexMap<String, String>>,
    /// The definition itself, instead of a registered one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_definition: Option<InlineDefinition>,
    /// Start the child at most once for this key.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    #[schemars(length(max = IDEMPOTENCY_KEY_BYTES_MAX))]
    pub idempotency_key: Option<String>,
    /// What a used key does.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub idempotency_strategy: Option<String>,
    /// Priority of the child's tasks, a number or an expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Payload>,
}

/// Something to publish when a task's state changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StateChangeEvent {
    /// What to do.
    #[serde(
        rename = "type",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::optional_text"
    )]
    pub event_type: Option<String>,
    /// With what.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::optional_object"
    )]
    #[schemars(with = "Option<JsonObject>")]
    pub payload: Option<Payload>,
}

/// One step: what runs, with which input, and how its faults are treated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, remote = "Self")]
pub struct WorkflowTask {
    /// Name of the task definition.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    #[schemars(length(max = NAME_BYTES_MAX))]
    pub name: Option<String>,
    /// The step's name in this definition.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    #[schemars(length(max = REFERENCE_NAME_BYTES_MAX))]
    pub task_reference_name: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub description: Option<String>,
    /// Input, expressions allowed.
    #[serde(deserialize_with = "lenient::object")]
    #[schemars(with = "JsonObject")]
    pub input_parameters: Payload,
    /// What runs it; unknown types go to workers of that name.
    #[serde(rename = "type")]
    pub task_type: String,
    /// DYNAMIC: input member that holds the task name.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub dynamic_task_name_param: Option<String>,
    /// DECISION: input member that holds the case.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub case_value_param: Option<String>,
    /// DECISION: script that gives the case.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub case_expression: Option<String>,
    /// LAMBDA: its script.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub script_expression: Option<String>,
    /// SWITCH, DECISION: branches by case.
    #[serde(deserialize_with = "lenient::lists_by_name")]
    pub decision_cases: IndexMap<String, Vec<WorkflowTask>>,
    /// FORK_JOIN_DYNAMIC, legacy style.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub dynamic_fork_join_tasks_param: Option<String>,
    /// FORK_JOIN_DYNAMIC: input member with the list of tasks.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub dynamic_fork_tasks_param: Option<String>,
    /// FORK_JOIN_DYNAMIC: input member with the tasks' inputs.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub dynamic_fork_tasks_input_param_name: Option<String>,
    /// SWITCH, DECISION: the branch for any other case.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub default_case: Vec<WorkflowTask>,
    /// FORK_JOIN: its branches.
    #[serde(deserialize_with = "lenient::lists")]
    pub fork_tasks: Vec<Vec<WorkflowTask>>,
    /// Seconds before it is handed out.
    #[serde(deserialize_with = "lenient::integer")]
    #[schemars(range(min = 0))]
    pub start_delay: i32,
    /// SUB_WORKFLOW: which child.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_workflow_param: Option<SubWorkflowParams>,
    /// JOIN: the steps waited for.
    #[serde(deserialize_with = "lenient::texts")]
    pub join_on: Vec<String>,
    /// Stored only.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub join_status: Option<String>,
    /// Stored only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join_mode: Option<JoinMode>,
    /// EVENT: where to.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub sink: Option<String>,
    /// A failure does not stop the execution.
    #[serde(deserialize_with = "lenient::boolean")]
    pub optional: bool,
    /// The task definition itself; filled in at start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_definition: Option<TaskDef>,
    /// Stored only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limited: Option<bool>,
    /// EXCLUSIVE_JOIN: steps looked at when none of joinOn ran.
    #[serde(deserialize_with = "lenient::texts")]
    pub default_exclusive_join_task: Vec<String>,
    /// The action only begins here; an outside call completes it.
    #[serde(deserialize_with = "lenient::boolean")]
    pub async_complete: bool,
    /// DO_WHILE: goes on while this script is true.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub loop_condition: Option<String>,
    /// DO_WHILE: its body.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub loop_over: Vec<WorkflowTask>,
    /// DO_WHILE: one iteration for each item.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub items: Option<String>,
    /// Attempts after the first; overrides the task definition.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::optional_integer"
    )]
    pub retry_count: Option<i32>,
    /// SWITCH, INLINE: the language of `expression`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub evaluator_type: Option<String>,
    /// SWITCH: gives the case.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::optional_text")]
    pub expression: Option<String>,
    /// Stored only.
    #[serde(deserialize_with = "lenient::lists_by_name")]
    pub on_state_change: IndexMap<String, Vec<StateChangeEvent>>,
    /// Stored only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_config: Option<CacheConfig>,
    /// A failure stops the execution only once everything else has ended.
    #[serde(deserialize_with = "lenient::boolean")]
    pub permissive: bool,
    /// Free form.
    #[serde(deserialize_with = "lenient::object")]
    #[schemars(with = "JsonObject")]
    pub metadata: Payload,
}

impl Serialize for WorkflowTask {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for WorkflowTask {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(StepKeys(deserializer))
    }
}

impl Default for WorkflowTask {
    fn default() -> Self {
        Self {
            name: None,
            task_reference_name: None,
            description: None,
            input_parameters: Payload::empty_object(),
            task_type: "SIMPLE".to_owned(),
            dynamic_task_name_param: None,
            case_value_param: None,
            case_expression: None,
            script_expression: None,
            decision_cases: IndexMap::new(),
            dynamic_fork_join_tasks_param: None,
            dynamic_fork_tasks_param: None,
            dynamic_fork_tasks_input_param_name: None,
            default_case: Vec::new(),
            fork_tasks: Vec::new(),
            start_delay: 0,
            sub_workflow_param: None,
            join_on: Vec::new(),
            join_status: None,
            join_mode: None,
            sink: None,
            optional: false,
            task_definition: None,
            rate_limited: None,
            default_exclusive_join_task: Vec::new(),
            async_complete: false,
            loop_condition: None,
            loop_over: Vec::new(),
            items: None,
            retry_count: None,
            evaluator_type: None,
            expression: None,
            on_state_change: IndexMap::new(),
            cache_config: None,
            permissive: false,
            metadata: Payload::empty_object(),
        }
    }
}
