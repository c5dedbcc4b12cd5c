//! The gateway: without an engine its routes, errors, limits, connections and delivery; over one in
//! memory every good answer, and every refusal of the engine.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]
mod bulk;
mod common;
mod connections;
mod crowding;
mod definitions;
mod delivery;
mod engine;
mod envelope;
mod errors;
mod executions;
mod explain;
mod lengths;
mod metrics;
mod queues;
mod routes;
mod shapes;
mod steering;
mod tasks;
mod waiting;
