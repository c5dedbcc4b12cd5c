//! What users register: workflow definitions and task definitions, with every field of Conductor's
//! model and its default. Unknown properties are ignored, null properties are left out on output.
pub(crate) mod lenient;
mod step_keys;
mod task_def;
mod text;
mod workflow_def;
mod workflow_task;

pub use task_def::{RetryLogic, TaskDef, TimeoutPolicy};
pub use workflow_def::{
    CacheConfig, RateLimitConfig, RateLimitPolicy, SchemaDef, SchemaType, WorkflowDef,
    WorkflowTimeoutPolicy,
};
pub use workflow_task::{
    InlineDefinition, JoinMode, StateChangeEvent, SubWorkflowParams, WorkflowTask,
};
