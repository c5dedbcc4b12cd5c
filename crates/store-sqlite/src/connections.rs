//! How connections are opened, and the pool of those that only read.
use crate::errors::store_error;
use crate::{Durability, Options};
use baton_store::StoreError;
use baton_telemetry::Histogram;
use rusqlite::{Connection, OpenFlags, Result};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The engine's readers. They share two to four cores with everything else; more would only queue there.
const READERS: usize = 4;

/// Readers for people (searches, explanations, counts), who may take long: apart, so that the engine
/// never waits for them.
const SEARCHERS: usize = 2;

/// Instructions of SQLite between two readings of the clock: well below a millisecond.
const INSTRUCTIONS_BETWEEN_LOOKS: std::ffi::c_int = 10_000;

/// How long to wait for somebody with the `sqlite3` tool on the same file.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements kept prepared by each connection; there are about fifty files, and searches vary.
const STATEMENTS_MAX: usize = 128;

/// Pages (of 4 KiB) in the log after which a commit carries them over into the database. The more, the
/// fewer copies of a page that many commits write; reading such a log after a crash takes 0.1 s.
const CHECKPOINT_PAGES: i32 = 16_000;

/// The log file is cut to this after a burst, bytes; when nothing is to do it is emptied (log.rs).
const LOG_BYTES_KEPT: i64 = 96 * 1024 * 1024;

/// Page cache of the writer and of each reader, KiB; negative is SQLite's way to say KiB.
const WRITER_CACHE_KIB: i64 = -64 * 1024;
const READER_CACHE_KIB: i64 = -8 * 1024;

/// The connection that may write; makes the file when there is none.
pub(crate) fn open_writer(path: &Path, options: &Options) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "journal_mode", "wal")?;
    let synchronous = match options.durability {
        Durability::Full => "full",
        Durability::Normal => "normal",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cache_size", WRITER_CACHE_KIB)?;
    Ok(connection)
}

pub(crate) fn open_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cache_size", READER_CACHE_KIB)?;
    Ok(connection)
}

/// Connections that only read, each used by one blocking thread at a time.
pub(crate) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    /// How long a request waited for a permit.
    wait: Histogram,
    bounds: Option<Bounds>,
}

/// How long a person's request may wait for a connection, and how long it may take then.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) wait: Duration,
    pub(crate) work: Duration,
}

impl Readers {
    /// For the engine, whose requests are short.
    pub(crate) fn for_engine(path: &Path, wait: Histogram) -> Result<Self> {
        Self::open(path, READERS, wait, None)
    }

    /// For people, each of whose requests ends in time.
    pub(crate) fn for_people(path: &Path, wait: Histogram, bounds: Bounds) -> Result<Self> {
        Self::open(path, SEARCHERS, wait, Some(bounds))
    }

    fn open(path: &Path, count: usize, wait: Histogram, bounds: Option<Bounds>) -> Result<Self> {
        let idle: Result<Vec<_>> = (0..count).map(|_| open_reader(path)).collect();
        let permits = Arc::new(Semaphore::new(count));
        Ok(Self { idle: Arc::new(Mutex::new(idle?)), permits, wait, bounds })
    }

    /// Runs `work` in one snapshot on a blocking thread.
    pub(crate) async fn read<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let permit = self.permit().await?;
        let (idle, limit) = (Arc::clone(&self.idle), self.bounds.map(|bounds| bounds.work));
        let read = tokio::task::spawn_blocking(move || {
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut connection = taken.ok_or_else(stopped)?;
            let result = match limit {
                None => in_snapshot(&mut connection, work),
                Some(limit) => within(&mut connection, limit, work),
            };
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(permit);
            result
        });
        read.await.map_err(|_| stopped())?
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let began = Instant::now();
        let permit = Arc::clone(&self.permits).acquire_owned();
        let permit = match self.bounds {
            None => Ok(permit.await),
            Some(bounds) => tokio::time::timeout(bounds.wait, permit).await,
        };
        self.wait.observe(began.elapsed());
        let all_taken = |_| {
            let what = format!("all {SEARCHERS} connections for searches are in use");
            StoreError::Unavailable(what)
        };
        permit.map_err(all_taken)?.map_err(|_| stopped())
    }
}

/// As [`in_snapshot`], stopped after `limit`.
fn within<T>(
    connection: &mut Connection,
    limit: Duration,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let until = Instant::now() + limit;
    let is_over = move || Instant::now() >= until;
    let watched = connection.progress_handler(INSTRUCTIONS_BETWEEN_LOOKS, Some(is_over));
    watched.map_err(store_error)?;
    let result = in_snapshot(connection, work);
    connection.progress_handler(0, None::<fn() -> bool>).map_err(store_error)?;
    result.map_err(|error| {
        if matches!(error, StoreError::TimedOut(_)) {
            return StoreError::TimedOut(format!("it took longer than {} s", limit.as_secs_f64()));
        }
        error
    })
}

fn in_snapshot<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let snapshot = connection.transaction().map_err(store_error)?;
    let answer = work(&snapshot)?;
    snapshot.commit().map_err(store_error)?;
    Ok(answer)
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the reader has stopped".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Durability, migrations, write};

    /// A typo in a file that no test happens to run never ships.
    #[test]
    fn every_sql_file_prepares() {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { durability: Durability::Full };
        let mut writer = open_writer(&directory.path().join("a.db"), &options).unwrap();
        migrations::run(&mut writer, migrations::MIGRATIONS).unwrap();
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/sql")).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        for file in files {
            let sql = std::fs::read_to_string(&file).unwrap();
            assert!(sql.starts_with("-- "), "{} says why it is as it is", file.display());
            if file.ends_with("remove_table.sql") {
                continue;
            }
            if !writer.table_exists(Some("temp"), "removed").unwrap() {
                write::prepare_removals(&writer).unwrap();
            }
            if let Err(error) = writer.prepare(&sql) {
                unreachable!("{}: {error}", file.display());
            }
        }
    }
}
