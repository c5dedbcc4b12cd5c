//! The engine's clock: this machine's, corrected by what the database's says.
use baton_common::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time by the database's clock. Never goes back within one process.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    offset_ms: AtomicI64,
    latest_ms: AtomicI64,
}

impl Clock {
    /// Now, by the database's clock as far as known.
    pub(crate) fn now(&self) -> Timestamp {
        let now = machine_ms().saturating_add(self.offset_ms.load(Ordering::Relaxed));
        let latest = self.latest_ms.fetch_max(now, Ordering::Relaxed);
        Timestamp::from_millis(now.max(latest))
    }

    /// Learns the database's time, read just now.
    pub(crate) fn adjust(&self, database: Timestamp) {
        self.offset_ms.store(database.millis().saturating_sub(machine_ms()), Ordering::Relaxed);
    }
}

fn machine_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
