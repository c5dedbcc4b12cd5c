//! Keeps the write-ahead log short: it grows until its pages are carried over into the database, and a
//! log of 64 MiB is what a nearly full disk lacks.
use crate::connections::BUSY_TIMEOUT;
use crate::guard::beside;
use rusqlite::{Connection, Result};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Without a request for so long, the log is emptied.
pub(crate) const IDLE: Duration = Duration::from_secs(1);

/// A log above this is emptied even while there is work, bytes. Readers that began before it was carried
/// over keep it; so it is as long as one of them takes, and no longer.
const LOG_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// How long a commit may wait for such readers.
const READERS_WAIT_MAX: Duration = Duration::from_millis(100);

/// The log of one database file.
pub(crate) struct Log {
    path: PathBuf,
    /// Whether something was written since it was emptied.
    pub(crate) is_used: bool,
    looked_at: Instant,
}

impl Log {
    pub(crate) fn of(database: &Path) -> Self {
        Self { path: beside(database, "-wal"), is_used: true, looked_at: Instant::now() }
    }

    /// After a commit: empties a log that has grown too long, once a second at most.
    pub(crate) fn written(&mut self, connection: &Connection) {
        self.is_used = true;
        if self.looked_at.elapsed() < IDLE {
            return;
        }
        self.looked_at = Instant::now();
        let bytes = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        if bytes > LOG_BYTES_MAX {
            self.empty(connection, READERS_WAIT_MAX);
        }
    }

    /// Carries the log over and gives its space back, unless somebody still reads it after `wait`. What
    /// fails is tried again after the next commit: the log itself is whole.
    pub(crate) fn empty(&mut self, connection: &Connection, wait: Duration) {
        match emptied(connection, wait) {
            Ok(is_empty) => self.is_used = !is_empty,
            Err(error) => {
                self.is_used = false;
                tracing::debug!(%error, "the log of the database cannot be emptied now");
            }
        }
    }
}

fn emptied(connection: &Connection, wait: Duration) -> Result<bool> {
    connection.busy_timeout(wait)?;
    let is_busy = connection.query_row(include_str!("sql/empty_log.sql"), [], |row| row.get(0));
    connection.busy_timeout(BUSY_TIMEOUT)?;
    is_busy.map(|is_busy: bool| !is_busy)
}
