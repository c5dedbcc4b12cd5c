//! The imperative shell: load, decide, commit; the dispatcher; the timers.
pub mod error;
mod facade;

pub use error::{Fault, OrchestratorError};
pub use facade::{ExecuteRequest, Orchestrator, PollRequest, PolledTasks, SearchRequest};
