//! The gateway without an engine: routes, errors, limits, connections, delivery.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]
mod common;
mod connections;
mod delivery;
mod envelope;
mod errors;
mod routes;
