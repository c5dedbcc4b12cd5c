//! What the gateway of one process is told.
use baton_telemetry::Telemetry;

/// What [`GatewayOptions::bodies_bytes_max`] is unless it is set, bytes: eight of the largest bodies.
pub const BODIES_BYTES_MAX_DEFAULT: usize = 8 * baton_common::limits::BODY_BYTES_MAX;

/// What the gateway of one process is told about itself.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// The host's name, shown as `instance` in error bodies.
    pub instance: String,
    /// What `GET /api/version` answers.
    pub version: String,
    /// Seed of the request ids that this process makes; random, so that two processes differ.
    pub request_id_seed: u64,
    /// Most bytes of request bodies in memory at a time; above it requests are refused with 503.
    pub bodies_bytes_max: usize,
    /// What `GET /metrics` shows; the gateway adds what it records itself.
    pub telemetry: Telemetry,
}
