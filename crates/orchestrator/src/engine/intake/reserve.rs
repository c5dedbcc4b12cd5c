//! Reserves ready tasks in the database for all waiting polls, in one statement at a time.
use crate::engine::dispatch::Dispatcher;
use crate::engine::handle::{EngineRequest, WeakHandle};
use baton_store::Store;
use std::sync::Arc;
use std::time::Duration;

/// How long reserved tasks stay hidden from other processes, ms.
const RESERVE_MS: u32 = 3_000;

/// The reservation that is under way, if there is one.
pub(super) struct Reservations {
    store: Arc<dyn Store>,
    handle: WeakHandle,
    is_under_way: bool,
}

impl Reservations {
    pub(super) fn new(store: Arc<dyn Store>, handle: WeakHandle) -> Self {
        Self { store, handle, is_under_way: false }
    }

    /// The answer has come.
    pub(super) fn answered(&mut self) {
        self.is_under_way = false;
    }

    /// Asks for what polls wait for, unless an answer is still under way. It comes as a request.
    pub(super) fn ask_for(&mut self, dispatcher: &mut Dispatcher) {
        if self.is_under_way {
            return;
        }
        let demands = dispatcher.demands();
        if demands.is_empty() {
            return;
        }
        self.is_under_way = true;
        let (store, handle) = (self.store.clone(), self.handle.clone());
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
                let _ = handle.send(EngineRequest::Reserved(demands, keys)).await;
            }
        });
    }
}
