//! `baton backup` and `baton restore`: copies of an SQLite file.
use crate::config::{Config, Database};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use baton_store::StoreError;
use baton_store_sqlite::Copied;
use std::path::{Path, PathBuf};

/// What to copy to.
#[derive(Debug, clap::Args)]
pub(crate) struct BackupOptions {
    /// The copy, a file that is not there yet
    pub(crate) file: PathBuf,
}

/// What to put back.
#[derive(Debug, clap::Args)]
pub(crate) struct RestoreOptions {
    /// The copy
    pub(crate) file: PathBuf,
    /// Replaces the database that --database-url names
    #[arg(long)]
    pub(crate) force: bool,
}

/// Copies the database, while a server uses it or not.
pub(crate) fn backup(
    options: &BackupOptions,
    config: &Config,
    output: Output,
) -> Result<(), Failure> {
    let copied = baton_store_sqlite::backup(database(config)?, &options.file)
        .map_err(|error| failed(&error, "name a file that is not there yet"))?;
    say(copied, &options.file, output)
}

/// Puts a copy in the database's place, while no server uses it.
pub(crate) fn restore(
    options: &RestoreOptions,
    config: &Config,
    output: Output,
) -> Result<(), Failure> {
    let database = database(config)?;
    let copied = baton_store_sqlite::restore(&options.file, database, options.force)
        .map_err(|error| failed(&error, "--force replaces it"))?;
    say(copied, database, output)
}

fn database(config: &Config) -> Result<&Path, Failure> {
    match &config.engine.database {
        Database::Sqlite(path) => Ok(path),
        Database::Postgres(_) => {
            let cause = "PostgreSQL is backed up and restored by its own tools";
            Err(Failure::new(Exit::Config, cause).fix("see docs/how-to/backup.md"))
        }
    }
}

fn failed(error: &StoreError, place_taken: &str) -> Failure {
    let cause = error.to_string();
    match error {
        StoreError::AlreadyExists(_) => Failure::new(Exit::Refused, cause).fix(place_taken),
        StoreError::NotFound(_) => {
            Failure::new(Exit::NotFound, cause).fix("check --database-url and the copy's name")
        }
        StoreError::Corrupt(_) | StoreError::Rejected(_) => {
            Failure::new(Exit::Defect, cause).fix("take another copy, or a newer version of baton")
        }
        StoreError::Unavailable(_) | StoreError::TimedOut(_) => {
            Failure::new(Exit::Unavailable, cause).fix("stop the server before a restore")
        }
    }
}

fn say(copied: Copied, place: &Path, output: Output) -> Result<(), Failure> {
    let Copied { bytes, version } = copied;
    output.line(&format!("{} has {bytes} bytes, schema version {version}", place.display()))
}
