//! Asking the database for ready tasks on behalf of all waiting polls, in one statement.
use super::{Engine, Work};
use std::time::Duration;

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
            let wait = Duration::from_millis(RESERVE_MS.into());
            let keys =
                match tokio::time::timeout(wait, store.reserve_ready(&demands, RESERVE_MS)).await {
                    Ok(Ok(keys)) => keys,
                    Ok(Err(error)) => {
                        tracing::warn!(%error, "ready tasks could not be read");
                        Vec::new()
                    }
                    Err(_) => {
                        tracing::warn!("ready tasks could not be read in time");
                        Vec::new()
                    }
                };
            if let Some(handle) = handle.upgrade() {
                let _ = handle.send(Work::Reserved(demands, keys)).await;
            }
        });
    }
}
