//! What users register: workflow definitions and task definitions, with every field of Conductor's
//! model and its default. Unknown properties are ignored, null properties are left out on output.
mod json_object;
pub(crate) mod lenient;
mod policies;
mod schema;
mod step_keys;
mod task_def;
mod text;
mod workflow_def;

pub use policies::{CacheConfig, RateLimitConfig, RateLimitPolicy, WorkflowTimeoutPolicy};
pub use schema::{SchemaDef, SchemaType};
pub use task_def::{RetryLogic, TaskDef, TimeoutPolicy};
pub use workflow_def::{
    InlineDefinition, JoinMode, StateChangeEvent, SubWorkflowParams, WorkflowDef, WorkflowTask,
};
