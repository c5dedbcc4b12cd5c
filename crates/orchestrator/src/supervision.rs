//! Keeps the loops beside the engine running.
//!
//! A loop that panics or ends too early is started again after a pause and counted. While a loop keeps
//! failing, the health check says so.
use crate::health::{Loop, Pulse};
use baton_telemetry::Counter;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Pause before a loop is started again: a loop that fails at once must not fill the log.
const PAUSE: Duration = Duration::from_secs(1);

/// How a loop ended that did not panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoopEnd {
    /// It is no longer needed.
    Stopped,
    /// It cannot continue, although it is needed.
    Failed,
}

/// Where the failures of loops are recorded.
#[derive(Clone)]
pub(crate) struct Supervisor {
    pub(crate) pulse: Arc<Pulse>,
    /// Loops that were started again.
    pub(crate) restarts: Counter,
}

impl Supervisor {
    /// Runs a loop until it stops; starts it again whenever it panics or fails.
    pub(crate) async fn keep_running<F>(&self, name: Loop, mut start: impl FnMut() -> F)
    where
        F: Future<Output = LoopEnd>,
    {
        loop {
            let began = Instant::now();
            if let Ok(LoopEnd::Stopped) = AssertUnwindSafe(start()).catch_unwind().await {
                return;
            }
            tracing::error!(name = ?name, "a background loop has failed and is started again");
            self.restarts.inc();
            self.pulse.loop_failed(name, began.elapsed());
            tokio::time::sleep(PAUSE).await;
        }
    }
}
