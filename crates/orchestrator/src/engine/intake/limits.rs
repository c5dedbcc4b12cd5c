//! Reads limits in the database that other processes may have moved.
use crate::engine::dispatch::Dispatcher;
use crate::engine::handle::{EngineRequest, WeakHandle};
use baton_store::Store;
use std::sync::Arc;

/// The question that is under way, if there is one.
pub(super) struct LimitReads {
    store: Arc<dyn Store>,
    handle: WeakHandle,
    is_under_way: bool,
}

impl LimitReads {
    pub(super) fn new(store: Arc<dyn Store>, handle: WeakHandle) -> Self {
        Self { store, handle, is_under_way: false }
    }

    /// The answer has come.
    pub(super) fn answered(&mut self) {
        self.is_under_way = false;
    }

    /// Asks for the limits that are in doubt, unless an answer is still under way. It comes as a request.
    pub(super) fn ask_for(&mut self, dispatcher: &mut Dispatcher) {
        if self.is_under_way {
            return;
        }
        let doubted = dispatcher.take_doubted();
        if doubted.is_empty() {
            return;
        }
        self.is_under_way = true;
        let (store, handle) = (self.store.clone(), self.handle.clone());
        tokio::spawn(async move {
            let (names, versions): (Vec<String>, Vec<u64>) = doubted.into_iter().unzip();
            let states = store.limits(&names).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "limits could not be read");
                Vec::new()
            });
            if let Some(handle) = handle.upgrade() {
                let answers = states.into_iter().zip(versions).collect();
                let _ = handle.send(EngineRequest::LimitsRead(answers)).await;
            }
        });
    }
}
