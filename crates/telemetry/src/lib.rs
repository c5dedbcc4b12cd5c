//! What a process counts and measures about itself, and its text for Prometheus.
//!
//! Each part of the engine owns a group of metrics ([`EngineMetrics`], [`StoreMetrics`], …) and
//! records by handles that it looked up once: an event costs one or two atomic additions, no lock
//! and no allocation. [`Telemetry`] collects the groups of a process and writes them out.
//!
//! Nothing here reads a clock, a socket or a file. `docs/telemetry.md` lists every metric; a test
//! compares that list with the code.
mod catalog;
mod engine;
mod evaluators;
mod histogram;
mod http;
mod labels;
mod sampled;
mod store;
mod worker;

pub use catalog::{CONTENT_TYPE, Catalog, Description, Group, Telemetry};
pub use engine::{EngineMetrics, TaskTypeMetrics, WorkflowMetrics};
pub use evaluators::EvaluatorMetrics;
pub use histogram::Histogram;
pub use http::{HttpMetrics, RouteMetrics};
pub use labels::{ByName, Labeled, NAMES_MAX, OTHER};
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::gauge::Gauge;
pub use sampled::Sampled;
pub use store::{PostgresMetrics, StoreMetrics};
pub use worker::{AttemptOutcome, PollOutcome, WorkerMetrics, WorkerTypeMetrics};
