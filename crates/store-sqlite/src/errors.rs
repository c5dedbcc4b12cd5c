//! What the caller can do about an error of SQLite.
use baton_store::StoreError;
use rusqlite::{Error, ErrorCode};

/// A broken file, constraint or value needs somebody to look; everything else may pass.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands errors over")]
pub(crate) fn store_error(error: Error) -> StoreError {
    if is_broken_value(&error) || error.sqlite_error_code().is_some_and(is_broken) {
        StoreError::Corrupt(error.to_string())
    } else {
        StoreError::Unavailable(error.to_string())
    }
}

fn is_broken_value(error: &Error) -> bool {
    matches!(
        error,
        Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::Utf8Error(..)
            | Error::InvalidColumnType(..)
    )
}

fn is_broken(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch
    )
}
