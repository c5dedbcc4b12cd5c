//! Which connections there may be: a number of any kind, and a few more that are kept for health
//! checks and metrics. When they run out, those idle for longest are closed.
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How long a request on a kept connection waits for an ordinary slot. Short: it keeps the slot of a
/// health check meanwhile.
const ORDINARY_WAIT_MAX: Duration = Duration::from_millis(250);

/// Whether operators ask this path about the process.
fn is_about_the_process(path: &str) -> bool {
    matches!(path, "/health" | "/health/live" | "/health/ready" | "/api/health" | "/metrics")
}

/// The slots of a listener.
pub(crate) struct Slots {
    ordinary: Arc<Semaphore>,
    kept: Arc<Semaphore>,
    idle: Mutex<IdleConnections>,
}

/// Connections without a request, by the order in which they became so.
#[derive(Default)]
struct IdleConnections {
    next: u64,
    close: BTreeMap<u64, Arc<Notify>>,
}

/// One connection's right to be there.
pub(crate) struct Slot {
    slots: Arc<Slots>,
    held: Mutex<Held>,
    close: Arc<Notify>,
    idle_since: Mutex<Option<u64>>,
    has_made_room: AtomicBool,
}

enum Held {
    Ordinary(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit),
    Kept(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit),
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slots {
    pub(crate) fn new(ordinary: usize, kept: usize) -> Arc<Self> {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        let (ordinary, kept) = (semaphore(ordinary), semaphore(kept));
        Arc::new(Self { ordinary, kept, idle: Mutex::default() })
    }

    /// The next slot that is free, an ordinary one if there is any.
    pub(crate) async fn take(self: &Arc<Self>) -> io::Result<Arc<Slot>> {
        if self.ordinary.available_permits() == 0 && self.kept.available_permits() == 0 {
            self.close_longest_idle();
        }
        let held = tokio::select! {
            biased;
            permit = self.ordinary.clone().acquire_owned() => permit.map(Held::Ordinary),
            permit = self.kept.clone().acquire_owned() => permit.map(Held::Kept),
        };
        let held = Mutex::new(held.map_err(io::Error::other)?);
        Ok(Arc::new(Slot {
            slots: self.clone(),
            held,
            close: Arc::default(),
            idle_since: Mutex::default(),
            has_made_room: AtomicBool::new(false),
        }))
    }

    /// Asks the connection that has been idle for longest to end; false when none is idle.
    pub(crate) fn close_longest_idle(&self) -> bool {
        let longest = locked(&self.idle).close.pop_first();
        longest.map(|(_, close)| close.notify_one()).is_some()
    }
}

impl Slot {
    /// The connection is there, without a request. On a kept slot, an idle one makes room for it.
    pub(crate) fn opened(&self) {
        self.make_room();
        self.becomes_idle();
    }

    /// An idle connection ends, once, in exchange for this one on a kept slot.
    fn make_room(&self) {
        let is_kept = matches!(*locked(&self.held), Held::Kept(_));
        if is_kept && !self.has_made_room.load(Ordering::Relaxed) {
            self.has_made_room.store(self.slots.close_longest_idle(), Ordering::Relaxed);
        }
    }

    /// The connection has no request.
    pub(crate) fn becomes_idle(&self) {
        let mut idle = locked(&self.slots.idle);
        idle.next += 1;
        let number = idle.next;
        idle.close.insert(number, self.close.clone());
        *locked(&self.idle_since) = Some(number);
    }

    /// The connection has a request, or is gone.
    pub(crate) fn becomes_busy(&self) {
        if let Some(number) = locked(&self.idle_since).take() {
            locked(&self.slots.idle).close.remove(&number);
        }
    }

    /// Comes back when the connection is to end, to make room.
    pub(crate) async fn closing(&self) {
        self.close.notified().await;
    }

    /// Whether a request for `path` may be served: on a kept slot only one about the process, unless
    /// an ordinary slot is free or becomes so at once.
    pub(crate) async fn admits(&self, path: &str) -> bool {
        if is_about_the_process(path) || matches!(*locked(&self.held), Held::Ordinary(_)) {
            return true;
        }
        let ordinary = self.slots.ordinary.clone();
        if ordinary.available_permits() == 0 {
            self.make_room();
        }
        let waited = tokio::time::timeout(ORDINARY_WAIT_MAX, ordinary.acquire_owned());
        let Ok(Ok(permit)) = waited.await else { return false };
        *locked(&self.held) = Held::Ordinary(permit);
        true
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.becomes_busy();
    }
}
