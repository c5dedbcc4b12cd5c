//! What PostgreSQL's refusals mean to a caller.
use baton_store::StoreError;
use tokio_postgres::error::{DbError, Severity, SqlState};

/// What `baton_commit`, `baton_move_slots` and `baton_write_definitions` raise; see their headers.
pub(crate) const WRONG_VERSION: &str = "BT001";
pub(crate) const STALE_DEFINITIONS: &str = "BT002";
pub(crate) const DEFINITION_EXISTS: &str = "BT003";
pub(crate) const DEFINITION_MISSING: &str = "BT004";
pub(crate) const MESSAGE_MISSING: &str = "BT005";
pub(crate) const LIMIT_EXCEEDED: &str = "BT006";
pub(crate) const WRONG_WINDOW: &str = "BT007";

/// Tells a refusal of what was sent from one that waits for better times.
///
/// **Source**: PostgreSQL's documentation, appendix A, "PostgreSQL Error Codes".
pub(crate) fn store_error(error: &tokio_postgres::Error) -> StoreError {
    match error.as_db_error() {
        Some(db) => by_code(db),
        None if is_unsendable(error) => rejected(error, "a value is too large to be sent"),
        None => unavailable(error),
    }
}

fn by_code(db: &DbError) -> StoreError {
    let unavailable = |what: &str| {
        StoreError::Unavailable(format!("{what}{} ({})", db.message(), db.code().code()))
    };
    match db.code().code() {
        "57014" => StoreError::TimedOut(db.message().to_owned()),
        // Not migrated, or without the right to what it needs: each request fails, whatever it holds.
        "42P01" | "42883" | "42703" | "42501" => unavailable(""),
        // Pages that cannot be read; as with a row of ours that cannot, somebody must look.
        "XX001" | "XX002" => StoreError::Corrupt(db.message().to_owned()),
        "53100" => unavailable("the disk is full: "),
        "53200" => unavailable("the memory is used up: "),
        "53300" => unavailable("all connections are taken: "),
        code if is_about_the_server(code) => unavailable(""),
        code => rejected(db, what_is_wrong(code)),
    }
}

/// Classes of errors that do not depend on the values sent: connections and their state (08, 25, 26),
/// passwords and names of databases (28, 3D, 3F), plans that are out of date (0A), lost races (40),
/// resources (53), objects and locks in use (55), operators (57), the machine (58), settings (F0).
fn is_about_the_server(code: &str) -> bool {
    let class = code.get(..2).unwrap_or_default();
    let classes = ["08", "0A", "25", "26", "28", "3D", "3F", "40", "53", "55", "57", "58", "F0"];
    classes.contains(&class)
}

/// What a caller must change.
fn what_is_wrong(code: &str) -> &'static str {
    match (code.get(..2), code) {
        (_, "54000") => "a name, key or id is longer than an index can hold, or a value too large",
        (Some("54"), _) => "it is too large",
        (_, "22021" | "22P05") => "a text holds a character that the database cannot keep",
        (_, "22003" | "22008") => "a number or time is out of range",
        (Some("22"), _) => "a value does not fit into its column",
        (Some("23"), _) => "it breaks a rule of the database",
        (_, _) => "the database refuses it",
    }
}

/// The caller reads what to change, the log what the server said.
fn rejected(error: &dyn std::error::Error, what: &str) -> StoreError {
    tracing::warn!(%error, "the database refused a value");
    StoreError::Rejected(what.to_owned())
}

/// Whether the driver itself could not write the parameters down; it has no name for these kinds.
fn is_unsendable(error: &tokio_postgres::Error) -> bool {
    let text = error.to_string();
    text.starts_with("error serializing parameter") || text.starts_with("error encoding message")
}

/// Whether a commit lost a race, rather than failed.
pub(crate) fn is_lost_race(error: &tokio_postgres::Error) -> bool {
    let Some(db) = error.as_db_error() else { return false };
    // A node of a cluster names its part of the table, only in the message, and when it copies rows
    // to another node it forgets the code.
    let named = db.constraint().unwrap_or(db.message());
    let is_key = ["execution_pkey", "idempotency_pkey"].iter().any(|key| named.contains(key));
    let ours = [WRONG_VERSION, STALE_DEFINITIONS, MESSAGE_MISSING, LIMIT_EXCEEDED, WRONG_WINDOW];
    ours.contains(&db.code().code())
        || (is_key && [SqlState::UNIQUE_VIOLATION, SqlState::INTERNAL_ERROR].contains(db.code()))
}

/// Whether the server undid a transaction for the sake of another (a deadlock, a serialization
/// failure): nothing of it is written, and the same may pass now.
pub(crate) fn is_undone(error: &tokio_postgres::Error) -> bool {
    let undone = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
    error.code().is_some_and(|code| undone.contains(code))
}

/// Whether a connection must not be used again. What the server says with FATAL is its last word on
/// it; after a failover it may be one to a standby, and what it has prepared may be out of date.
pub(crate) fn is_spoiled(error: &tokio_postgres::Error) -> bool {
    let Some(db) = error.as_db_error() else { return !is_unsendable(error) };
    let class = db.code().code().get(..2).unwrap_or_default();
    db.parsed_severity() != Some(Severity::Error) || ["08", "0A", "25", "26"].contains(&class)
}

/// Whether a connection was not to be had because the server is not there: it stops, starts, or
/// nobody listens. One that refuses us (the password, the database's name) is there.
pub(crate) fn is_outage(error: &tokio_postgres::Error) -> bool {
    let gone = [SqlState::CANNOT_CONNECT_NOW, SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN];
    error.code().is_none_or(|code| gone.contains(code)) && !is_handshake(error)
}

/// Whether TLS did not come about; the driver has no name for that kind.
pub(crate) fn is_handshake(error: &tokio_postgres::Error) -> bool {
    error.to_string().starts_with("error performing TLS handshake")
}

/// The message with its causes: the driver's own says only "error connecting to server".
pub(crate) fn unavailable(error: &(dyn std::error::Error + 'static)) -> StoreError {
    let causes = std::iter::successors(Some(error), |error| error.source());
    StoreError::Unavailable(causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}
