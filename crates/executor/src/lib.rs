//! The worker runtime: leases tasks from the engine, runs them, keeps their leases alive, reports.
//!
//! The engine is seen only through [`TaskSource`]; what can be run only through [`TaskType`]. So
//! the same runtime works beside the engine in one process and on any machine that reaches it over
//! HTTP. It never opens the database.
//!
//! At-least-once: a task may run twice when its worker falls silent; a late report is dropped.
mod attempt;
mod backoff;
mod clock;
pub mod command;
mod config;
mod executor;
pub mod http;
mod http_source;
mod poller;
pub mod samples;
mod shared;
mod source;
mod task_type;

pub use baton_client::PollRequest;
pub use config::ExecutorConfig;
pub use executor::{Drained, Executor, ExecutorError};
pub use http_source::HttpSource;
pub use source::{SourceError, TaskSource};
pub use task_type::{FnTask, Registry, TaskContext, TaskOutcome, TaskType};
