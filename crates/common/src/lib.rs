//! The nouns that at least two crates share: definitions, ids, statuses, payloads, limits, and
//! their JSON on the wire. No IO, no clock, no async.
pub mod api;
pub mod definition;
pub mod ids;
pub mod limits;
pub mod payload;
pub mod planted;
pub mod status;
pub mod strict;
pub mod text;
pub mod time;
pub mod trace;

pub use definition::{TaskDef, WorkflowDef, WorkflowTask};
pub use ids::{ExecutionId, SHARDS, TaskId};
pub use payload::Payload;
pub use status::{TaskStatus, WorkflowStatus};
pub use text::TextFault;
pub use time::Timestamp;
pub use trace::{SpanId, Trace, TraceId};
