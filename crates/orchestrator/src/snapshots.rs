//! Writing snapshots of executions whose journal has grown long, beside the engine's thread.
//!
//! The engine offers states that it has just committed. They are shared, so keeping one costs nothing;
//! they are encoded and written here, each as of its version. A snapshot that is lost or late does no
//! harm: loads read more of the journal.
use crate::health::Loop;
use crate::supervision::{LoopEnd, Supervisor};
use baton_decider::state::Execution;
use baton_format::encode_snapshot;
use baton_store::{JournalHistory, Snapshot, SnapshotWrite, Store, Version};
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc};

/// Changes after the last snapshot that are worth another one. A load applies about this many on top of
/// a snapshot: 40 ms in a build without optimization.
const CHANGES_MIN: usize = 1_000;
/// Bytes of journal after the last snapshot that do so as well: as many changes with a
/// quarter of a kilobyte each.
const BYTES_MIN: usize = 256 * 1024;
/// The largest snapshot that is written, bytes: a quarter of what PostgreSQL takes as one value. A
/// larger state is read from its journal.
const SNAPSHOT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// States that may wait to be written. One that finds no room is offered again at its next commit.
const WAITING_MAX: usize = 64;

/// What an execution's journal holds after its newest snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Since {
    pub(crate) changes: usize,
    pub(crate) bytes: usize,
}

impl Since {
    #[must_use]
    pub(crate) fn plus(self, more: Self) -> Self {
        Self { changes: self.changes + more.changes, bytes: self.bytes + more.bytes }
    }

    /// Whether the state should be written. Its journal has then grown by more than the state's own
    /// size, so that snapshots are never more than half of what is written.
    fn is_due(self, execution: &Execution) -> bool {
        let is_long = self.changes >= CHANGES_MIN || self.bytes >= BYTES_MIN;
        // The input is in the row.
        is_long && self.bytes + execution.input.len_bytes() >= execution.weight_bytes()
    }
}

/// A state and its version.
struct Due {
    execution: Arc<Execution>,
    version: Version,
}

/// Where the engine offers states to be written.
#[derive(Clone)]
pub(crate) struct Snapshots(mpsc::Sender<Due>);

impl Snapshots {
    /// Starts the writer; it ends with the last handle.
    pub(crate) fn spawn(
        store: Arc<dyn Store>,
        history: JournalHistory,
        supervisor: Supervisor,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let receiver = Arc::new(Mutex::new(receiver));
        tokio::spawn(async move {
            let start = || write_all(receiver.clone(), store.clone(), history);
            supervisor.keep_running(Loop::Snapshots, start).await;
        });
        Self(sender)
    }

    /// Has this committed state written when its journal has grown long; answers what the journal then
    /// holds after its newest snapshot.
    pub(crate) fn offer(
        &self,
        execution: &Arc<Execution>,
        version: Version,
        since: Since,
    ) -> Since {
        if !since.is_due(execution) {
            return since;
        }
        let due = Due { execution: execution.clone(), version };
        if self.0.try_send(due).is_ok() { Since::default() } else { since }
    }
}

async fn write_all(
    receiver: Arc<Mutex<mpsc::Receiver<Due>>>,
    store: Arc<dyn Store>,
    history: JournalHistory,
) -> LoopEnd {
    let mut receiver = receiver.lock().await;
    while let Some(Due { execution, version }) = receiver.recv().await {
        let id = execution.id();
        // One at a time: a large state may take a second.
        let encode = tokio::task::spawn_blocking(move || encode_snapshot(&execution));
        let Ok(body) = encode.await else { continue };
        if body.len() > SNAPSHOT_BYTES_MAX {
            tracing::warn!(workflow.id = %id, bytes = body.len(), "a state is too large for a snapshot");
            continue;
        }
        let snapshot = Snapshot { version, body: body.into() };
        if let Err(error) = store.put_snapshot(&SnapshotWrite { id, snapshot, history }).await {
            tracing::warn!(workflow.id = %id, %error, "a snapshot could not be written");
        }
    }
    LoopEnd::Stopped
}
