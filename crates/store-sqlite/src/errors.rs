//! What the caller can do about an error of SQLite.
use baton_store::StoreError;
use rusqlite::{Error, ErrorCode};

/// A broken file, constraint or value needs somebody to look; everything else may pass.
pub(crate) fn store_error(error: Error) -> StoreError {
    let text = error.to_string();
    let broken = match error {
        Error::SqliteFailure(failure, _) => is_broken(failure.code),
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::Utf8Error(..)
        | Error::InvalidColumnType(..) => true,
        _ => false,
    };
    if broken { StoreError::Corrupt(text) } else { StoreError::Unavailable(text) }
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
