//! One process per file: reservations and group commits live in this process's memory.
use baton_store::StoreError;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// Holds a database file for this process; the operating system lets go when the process dies.
#[derive(Debug)]
pub(crate) struct Guard {
    _lock: File,
}

impl Guard {
    /// Takes the file beside `database` whose name ends in `-lock`. Not the database itself: closing
    /// any handle of that would drop the locks that SQLite holds on it.
    pub(crate) fn take(database: &Path) -> Result<Self, StoreError> {
        let path = beside(database, "-lock");
        let failed = |error: std::io::Error| {
            StoreError::Unavailable(format!("cannot lock {}: {error}", path.display()))
        };
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Unavailable(format!(
                "another process uses {}: a file serves one server at a time",
                database.display()
            ))),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// The file beside a database whose name ends so.
pub(crate) fn beside(database: &Path, end: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(end);
    name.into()
}
