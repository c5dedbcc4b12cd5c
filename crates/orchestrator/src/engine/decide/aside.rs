//! Executions that cannot be decided: their stored bytes cannot be read, or a decision about them
//! panicked. They are set aside, so that they disturb nobody else, and are tried again later: another
//! version of this program may know better.
use baton_common::ExecutionId;
use hashlink::LruCache;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long an execution is left alone before it is tried again.
const ASIDE_FOR: Duration = Duration::from_mins(1);
/// Most executions that are remembered as set aside; the oldest are tried again first.
const ASIDE_MAX: usize = 10_000;

/// The executions that are set aside, with the reason.
pub(super) struct Aside(LruCache<ExecutionId, (Instant, Arc<str>)>);

impl Default for Aside {
    fn default() -> Self {
        Self(LruCache::new(ASIDE_MAX))
    }
}

impl Aside {
    /// Leaves an execution alone for a while.
    pub(super) fn put(&mut self, id: ExecutionId, reason: &str) {
        self.0.insert(id, (Instant::now() + ASIDE_FOR, reason.into()));
    }

    /// Why an execution is set aside, if it is.
    pub(super) fn reason(&mut self, id: ExecutionId) -> Option<Arc<str>> {
        if self.0.is_empty() {
            return None;
        }
        let (until, reason) = self.0.peek(&id)?;
        if *until > Instant::now() {
            return Some(reason.clone());
        }
        self.0.remove(&id);
        None
    }

    /// Forgets those whose time is over.
    pub(super) fn forget_old(&mut self) {
        let now = Instant::now();
        self.0.retain(|_, (until, _)| *until > now);
    }

    /// How many are set aside.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
