//! Copies of a file: one taken while a server writes to it, one put in its place while none does.
//!
//! A copy holds everything that was committed when it began, and nothing later. It is one file, checked
//! before it gets its name; what is cut short leaves only a file whose name ends in `-partial`.
use crate::connections::{self, BUSY_TIMEOUT};
use crate::errors::store_error;
use crate::guard::{Guard, beside};
use crate::migrations::{self, MIGRATIONS};
use baton_store::StoreError;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

/// Pages (of 4 KiB) copied at a time: short enough that nobody notices on a shared disk.
const STEP_PAGES: std::ffi::c_int = 1_024;

/// Pause before a step is tried again that found the file locked.
const LOCKED_PAUSE: Duration = Duration::from_millis(10);

/// What was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Size of the copy, bytes.
    pub bytes: u64,
    /// Number of the newest migration in it.
    pub version: i64,
}

/// Copies the database to a new file, whether or not a server uses it. Blocks. While it runs, the
/// database's log cannot be emptied and grows by what is committed meanwhile.
///
/// # Errors
/// [`StoreError::NotFound`] when there is no such database, [`StoreError::AlreadyExists`] when there
/// is a file in the copy's place, [`StoreError::Corrupt`] when either is damaged or of a newer
/// version, [`StoreError::Unavailable`]. There is no copy then.
pub fn backup(database: &Path, copy: &Path) -> Result<Copied, StoreError> {
    must_exist(database)?;
    if copy.exists() {
        return Err(StoreError::AlreadyExists(copy.display().to_string()));
    }
    put(database, copy)
}

/// Puts a copy in the place of a database that no process uses. Blocks.
///
/// # Errors
/// [`StoreError::NotFound`] when there is no such copy, [`StoreError::AlreadyExists`] when there is a
/// database and `overwrite` is not set, [`StoreError::Corrupt`] when the copy is damaged or of a newer
/// version, [`StoreError::Unavailable`] when a server uses the database. It is untouched then.
pub fn restore(copy: &Path, database: &Path, overwrite: bool) -> Result<Copied, StoreError> {
    must_exist(copy)?;
    let _guard = Guard::take(database)?;
    if database.exists() && !overwrite {
        return Err(StoreError::AlreadyExists(database.display().to_string()));
    }
    put(copy, database)
}

fn must_exist(path: &Path) -> Result<(), StoreError> {
    let missing = || StoreError::NotFound(path.display().to_string());
    path.is_file().then_some(()).ok_or_else(missing)
}

/// Copies beside the place, checks, and only then takes the place.
fn put(from: &Path, place: &Path) -> Result<Copied, StoreError> {
    let partial = beside(place, "-partial");
    let failed = |error: std::io::Error| {
        StoreError::Unavailable(format!("{} cannot be written: {error}", place.display()))
    };
    remove(&partial).map_err(failed)?;
    let version = copied(from, &partial)?;
    let file = File::open(&partial).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    // A log of what was there before would be read as one of the newcomer.
    for end in ["-wal", "-shm"] {
        remove(&beside(place, end)).map_err(failed)?;
    }
    std::fs::rename(&partial, place).map_err(failed)?;
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new("."))).and_then(|it| it.sync_all()).map_err(failed)?;
    Ok(Copied { bytes: file.metadata().map_err(failed)?.len(), version })
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Copies all pages as of one moment; the version of what was copied.
fn copied(from: &Path, to: &Path) -> Result<i64, StoreError> {
    let source = connections::open_reader(from).map_err(store_error)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut target = Connection::open_with_flags(to, flags).map_err(store_error)?;
    // The snapshot is held by this transaction: without it each commit of the server would make the
    // copy begin again.
    let snapshot = source.unchecked_transaction().map_err(store_error)?;
    migrations::check(&snapshot, MIGRATIONS)?;
    copy_pages(&snapshot, &mut target)?;
    // One file, without a log beside it.
    target.pragma_update(None, "journal_mode", "delete").map_err(store_error)?;
    is_whole(&target)?;
    migrations::check(&target, MIGRATIONS)
}

fn copy_pages(source: &Connection, target: &mut Connection) -> Result<(), StoreError> {
    let copy = Backup::new(source, target).map_err(store_error)?;
    let mut moved = Instant::now();
    loop {
        let step = copy.step(STEP_PAGES).map_err(store_error)?;
        if step == StepResult::Done {
            return Ok(());
        }
        if step == StepResult::More {
            moved = Instant::now();
        } else if moved.elapsed() < BUSY_TIMEOUT {
            // Somebody has the file locked for a moment, as at the end of a log.
            std::thread::sleep(LOCKED_PAUSE);
        } else {
            return Err(StoreError::Unavailable("the database stays locked".to_owned()));
        }
    }
}

fn is_whole(database: &Connection) -> Result<(), StoreError> {
    let check = database.pragma_query_value(None, "integrity_check", |row| row.get(0));
    let found: String = check.map_err(store_error)?;
    if found == "ok" { Ok(()) } else { Err(StoreError::Corrupt(found)) }
}
