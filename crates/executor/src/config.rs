//! What the operator of a worker chooses.
use std::time::Duration;

/// How a worker behaves. Nothing here has a default: the operator chooses.
#[derive(Clone, Debug)]
pub struct ExecutorConfig {
    /// Who we are, in polls and reports; best unique per process.
    pub worker_id: String,
    /// The domain polled; none for the plain queues.
    pub domain: Option<String>,
    /// How long one poll may wait for work, up to 5 s. Short: many empty polls.
    pub poll_timeout: Duration,
    /// How long tasks may go on after a stop is asked for. Short: more tasks are handed back.
    pub drain_timeout: Duration,
    /// Seed of the pauses' jitter; best different per process.
    pub jitter_seed: u64,
}
