//! Back-pressure: how many starts may wait for the engine at once. The others are refused while that
//! is still cheap, so that what runs already is finished at nearly full speed.
use crate::error::OrchestratorError;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Starts that wait for the engine or are decided: more would only wait longer for the same commits.
const STARTS_MAX: usize = 256;
/// How long a start waits for a place before it is refused. Also what a caller pays for each refusal,
/// which keeps those that repeat at once from filling the server with refusals.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Places for starts.
pub(crate) struct Admission(Semaphore);

impl Default for Admission {
    fn default() -> Self {
        Self(Semaphore::new(STARTS_MAX))
    }
}

impl Admission {
    /// Whether every place is taken, so that further starts wait for one or are refused.
    pub(crate) fn is_full(&self) -> bool {
        self.0.available_permits() == 0
    }

    /// A place for one start, free again when dropped.
    pub(crate) async fn enter(&self) -> Result<SemaphorePermit<'_>, OrchestratorError> {
        let place = tokio::time::timeout(WAIT_MAX, self.0.acquire()).await;
        place.ok().and_then(Result::ok).ok_or_else(|| {
            let message = format!("{STARTS_MAX} starts are waiting already; try again later");
            OrchestratorError::Overloaded(message)
        })
    }
}
