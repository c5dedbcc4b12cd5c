//! What the caller can do about an error of SQLite.
use baton_store::StoreError;
use rusqlite::{Error, ErrorCode};

/// Tells errors about the file and the machine, which pass, from those about what was asked.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands errors over")]
pub(crate) fn store_error(error: Error) -> StoreError {
    if is_broken_value(&error) {
        return StoreError::Corrupt(error.to_string());
    }
    match error.sqlite_error_code() {
        Some(code) => by_code(code, &error),
        // Parameters that do not fit: too large a number, a wrong count of them.
        None => rejected(&error, "a value does not fit into its column"),
    }
}

/// Values that the file holds and that are none of ours.
fn is_broken_value(error: &Error) -> bool {
    matches!(
        error,
        Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::Utf8Error(..)
            | Error::InvalidColumnType(..)
            | Error::QueryReturnedNoRows
    )
}

#[expect(clippy::wildcard_enum_match_arm, reason = "SQLite's list grows; unknown codes may pass")]
fn by_code(code: ErrorCode, error: &Error) -> StoreError {
    let unavailable = |what: &str| StoreError::Unavailable(format!("{what} ({error})"));
    match code {
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            StoreError::Corrupt(error.to_string())
        }
        ErrorCode::ConstraintViolation => rejected(error, "it breaks a rule of the database"),
        ErrorCode::TooBig => rejected(error, "it is too large for the database"),
        ErrorCode::TypeMismatch | ErrorCode::ParameterOutOfRange => {
            rejected(error, "a value does not fit into its column")
        }
        // An error of a statement itself: more conditions, or a longer pattern, than SQLite takes.
        ErrorCode::Unknown => rejected(error, "it asks for more than the database takes at once"),
        ErrorCode::OperationInterrupted => StoreError::TimedOut("it was interrupted".to_owned()),
        ErrorCode::DiskFull => unavailable("the disk is full"),
        ErrorCode::SystemIoFailure => unavailable("the disk failed, or is full"),
        ErrorCode::OutOfMemory => unavailable("the memory is used up"),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            unavailable("another program holds the file locked")
        }
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
            unavailable("the file cannot be opened or written")
        }
        _ => unavailable("the database failed"),
    }
}

/// The caller reads what to change, the log what SQLite said.
fn rejected(error: &Error, what: &str) -> StoreError {
    tracing::warn!(%error, "the database refused a value");
    StoreError::Rejected(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    fn kind(code: i32) -> &'static str {
        match store_error(Error::SqliteFailure(ffi::Error::new(code), None)) {
            StoreError::Unavailable(_) => "unavailable",
            StoreError::TimedOut(_) => "timed out",
            StoreError::Rejected(_) => "rejected",
            StoreError::Corrupt(_) => "corrupt",
            StoreError::AlreadyExists(_) | StoreError::NotFound(_) => "of a name",
        }
    }

    /// Whatever the file or the machine is to blame for may pass; what was asked never will.
    #[test]
    fn codes_are_told_apart_by_what_can_be_done() {
        let codes = [
            (ffi::SQLITE_FULL, "unavailable"),
            (ffi::SQLITE_IOERR, "unavailable"),
            (ffi::SQLITE_IOERR_WRITE, "unavailable"),
            (ffi::SQLITE_BUSY, "unavailable"),
            (ffi::SQLITE_BUSY_SNAPSHOT, "unavailable"),
            (ffi::SQLITE_LOCKED, "unavailable"),
            (ffi::SQLITE_NOMEM, "unavailable"),
            (ffi::SQLITE_CANTOPEN, "unavailable"),
            (ffi::SQLITE_READONLY, "unavailable"),
            (ffi::SQLITE_PROTOCOL, "unavailable"),
            (ffi::SQLITE_INTERRUPT, "timed out"),
            (ffi::SQLITE_TOOBIG, "rejected"),
            (ffi::SQLITE_CONSTRAINT, "rejected"),
            (ffi::SQLITE_CONSTRAINT_CHECK, "rejected"),
            (ffi::SQLITE_MISMATCH, "rejected"),
            (ffi::SQLITE_RANGE, "rejected"),
            (ffi::SQLITE_ERROR, "rejected"),
            (ffi::SQLITE_CORRUPT, "corrupt"),
            (ffi::SQLITE_NOTADB, "corrupt"),
        ];
        for (code, expected) in codes {
            assert_eq!(kind(code), expected, "{code}");
        }
    }
}
