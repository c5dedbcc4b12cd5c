//! What PostgreSQL's refusals mean to a caller.
use baton_store::StoreError;
use tokio_postgres::error::SqlState;

/// What `baton_commit` and `baton_write_definitions` raise; see their headers.
pub(crate) const WRONG_VERSION: &str = "BT001";
pub(crate) const STALE_DEFINITIONS: &str = "BT002";
pub(crate) const DEFINITION_EXISTS: &str = "BT003";
pub(crate) const DEFINITION_MISSING: &str = "BT004";

/// Values that the schema refuses are corrupt; whatever else fails may work later.
pub(crate) fn store_error(error: &tokio_postgres::Error) -> StoreError {
    let Some(db) = error.as_db_error() else {
        return unavailable(error);
    };
    let text = format!("{} ({})", db.message(), db.code().code());
    match db.code().code().get(..2) {
        Some("22" | "23") => StoreError::Corrupt(text),
        _ => StoreError::Unavailable(text),
    }
}

/// Whether a commit lost a race, rather than failed.
pub(crate) fn is_lost_race(error: &tokio_postgres::Error) -> bool {
    let Some(db) = error.as_db_error() else { return false };
    // A node of a cluster names its part of the table, only in the message, and when it copies rows
    // to another node it forgets the code.
    let named = db.constraint().unwrap_or(db.message());
    let is_key = ["execution_pkey", "idempotency_pkey"].iter().any(|key| named.contains(key));
    matches!(db.code().code(), WRONG_VERSION | STALE_DEFINITIONS)
        || (is_key && [SqlState::UNIQUE_VIOLATION, SqlState::INTERNAL_ERROR].contains(db.code()))
}

/// Whether a connection was not to be had because the server is not there: it stops, starts, or
/// nobody listens. One that refuses us (the password, the database's name) is there.
pub(crate) fn is_outage(error: &tokio_postgres::Error) -> bool {
    error.code().is_none_or(|code| {
        [SqlState::CANNOT_CONNECT_NOW, SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN]
            .contains(code)
    })
}

/// The message with its causes: the driver's own says only "error connecting to server".
pub(crate) fn unavailable(error: &(dyn std::error::Error + 'static)) -> StoreError {
    let causes = std::iter::successors(Some(error), |error| error.source());
    StoreError::Unavailable(causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

/// The refusal when a deadline passed on our side.
pub(crate) fn too_late() -> StoreError {
    StoreError::Unavailable("the database did not answer in time".into())
}
