//! Callers that wait for an execution to change.
use baton_common::ExecutionId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// The executions that callers watch.
#[derive(Default)]
pub(crate) struct Watchers {
    count: AtomicUsize,
    by_id: Mutex<HashMap<ExecutionId, (usize, Arc<Notify>)>>,
}

/// A watch; ends when dropped.
pub(crate) struct Watch {
    watchers: Arc<Watchers>,
    id: ExecutionId,
    notify: Arc<Notify>,
}

impl Watchers {
    /// Begins to watch an execution.
    pub(crate) fn watch(self: &Arc<Self>, id: ExecutionId) -> Watch {
        self.count.fetch_add(1, Ordering::SeqCst);
        let mut by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = by_id.entry(id).or_default();
        entry.0 += 1;
        Watch { watchers: self.clone(), id, notify: entry.1.clone() }
    }

    /// These executions have changed.
    pub(crate) fn changed<'a>(&self, ids: impl Iterator<Item = &'a ExecutionId>) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, notify) in ids.filter_map(|id| by_id.get(id)) {
            notify.notify_waiters();
        }
    }
}

impl Watch {
    /// Comes back when the execution has changed after this was called.
    pub(crate) fn change(&self) -> impl Future<Output = ()> + '_ {
        self.notify.notified()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watchers.count.fetch_sub(1, Ordering::SeqCst);
        let mut by_id = self.watchers.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = by_id.get_mut(&self.id) {
            entry.0 -= 1;
            if entry.0 == 0 {
                by_id.remove(&self.id);
            }
        }
    }
}
