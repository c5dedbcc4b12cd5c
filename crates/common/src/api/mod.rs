//! The requests and answers of the public REST API, one file per resource.
//!
//! Conductor's mapper rules hold: camelCase, null properties left out on output, unknown ones
//! ignored on input, null for a primitive is zero, numbers may be written as text.
//! Answers name executions and tasks by typed ids; requests carry the text that the caller wrote,
//! because an id that names nothing is "not found" and not "malformed".
mod bulk;
mod error;
mod explanation;
mod iso;
mod limits;
mod metadata;
mod requests;
mod signal;
mod storage;
mod summary;
mod task;
mod task_result;
mod workflow;

pub use bulk::BulkResponse;
pub use error::{ErrorBody, ValidationError};
pub use explanation::{
    Awaited, Evidence, LastPoll, TaskExplanation, WaitGroup, WaitReason, WorkflowExplanation,
};
pub use iso::IsoTimestamp;
pub use limits::{LimitUse, QueueState};
pub use metadata::{DefinitionWarning, DefinitionWarnings, WorkflowDefSummary, WorkflowsUpdated};
pub use requests::{
    IdempotencyStrategy, RerunWorkflowRequest, SkipTaskRequest, StartWorkflowRequest,
};
pub use signal::{ReturnStrategy, SignalResponse};
pub use storage::ExternalStorageLocation;
pub use summary::{SearchResult, TaskSummary, WorkflowSummary};
pub use task::{ExecutionMetadata, Task};
pub use task_result::{PollData, TaskExecLog, TaskResult, TaskResultStatus};
pub use workflow::{Workflow, WorkflowStatusView};
