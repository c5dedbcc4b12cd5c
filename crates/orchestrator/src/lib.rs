//! The engine of a process: loads, decides and commits executions, hands out tasks, keeps timers.
//!
//! [`Orchestrator`] is what a gateway calls. Behind it one thread decides and commits everything in
//! batches; callers are answered after the commit.
mod admission;
mod background;
mod clock;
mod definitions;
mod engine;
mod environment;
mod error;
mod explain;
mod facade;
mod handed_out;
mod health;
pub mod inspect;
mod journal;
mod limits;
mod polls;
mod sampling;
mod script_metrics;
mod snapshots;
mod supervision;
mod trace;
mod view;
mod watchers;

pub use environment::{Environment, Evaluate, RunScript, Threads};
pub use error::{Fault, OrchestratorError};
pub use facade::{
    EngineCounts, ExecuteRequest, KnownNames, Orchestrator, PollRequest, PolledTasks, SearchRequest,
};
pub use health::HealthReport;
pub use trace::{Span, Spans, Subject, Tracer};
