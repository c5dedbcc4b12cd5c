//! What all parts of one worker share.
use crate::TaskSource;
use crate::config::ExecutorConfig;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the pollers and attempts of one worker share.
pub(crate) struct Shared {
    pub(crate) source: Arc<dyn TaskSource>,
    pub(crate) config: ExecutorConfig,
    /// Stop leasing.
    pub(crate) stop: CancellationToken,
    /// Stop working: hand back.
    pub(crate) give_up: CancellationToken,
    pub(crate) attempts: TaskTracker,
    pub(crate) finished: AtomicUsize,
    pub(crate) handed_back: AtomicUsize,
}
