//! Asking the database for ready tasks on behalf of all waiting polls, in one statement.
use super::{Engine, Work};

/// How long found tasks stay hidden from other processes, ms.
const RESERVE_MS: u32 = 3_000;

impl Engine {
    /// Asks, unless an answer is still under way. The answer comes as work.
    pub(super) fn reserve(&mut self) {
        if self.reserving {
            return;
        }
        let demands = self.dispatcher.demands();
        if demands.is_empty() {
            return;
        }
        self.reserving = true;
        let (store, handle) = (self.parts.store.clone(), self.handle.clone());
        tokio::spawn(async move {
            let found = store.reserve_ready(&demands, RESERVE_MS).await;
            let keys = found.unwrap_or_else(|error| {
                tracing::warn!(%error, "ready tasks could not be read");
                Vec::new()
            });
            let _ = handle.send(Work::Reserved(demands, keys)).await;
        });
    }
}
