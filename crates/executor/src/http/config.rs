//! What HTTP tasks may do.
use super::endpoint::{Endpoint, HostPort};
use super::reach::Reach;
use baton_common::limits::TASK_PAYLOAD_BYTES_MAX;
use std::time::Duration;

/// Limits of HTTP tasks.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Which addresses may be called.
    pub reach: Reach,
    /// What may be called whatever the reach, if the address is written like this.
    pub allow: Vec<HostPort>,
    /// What may not be called: Baton itself, its database, and what the operator adds.
    pub deny: Vec<Endpoint>,
    /// Largest answer, bytes; a larger one fails the task.
    pub response_bytes_max: usize,
    /// Largest sum of the answer's header names and values, bytes.
    pub header_bytes_max: usize,
    /// Longest exchange, redirects included, however slowly bytes drip.
    pub call_time_max: Duration,
    /// Idle connections kept per host.
    pub idle_connections_max: usize,
}

impl HttpConfig {
    /// The product's limits: 9 MiB of answer, so that it fits a task's output; 64 KiB of headers;
    /// ten minutes; 32 idle connections a host. No host is allowed or refused by itself.
    pub fn with_reach(reach: Reach) -> Self {
        Self {
            reach,
            allow: Vec::new(),
            deny: Vec::new(),
            response_bytes_max: TASK_PAYLOAD_BYTES_MAX - 1024 * 1024,
            header_bytes_max: 64 * 1024,
            call_time_max: Duration::from_mins(10),
            idle_connections_max: 32,
        }
    }
}
