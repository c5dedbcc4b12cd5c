//! The bytes that a database keeps: journal entries, messages, overviews and snapshots.
//!
//! Each record is one JSON list whose first element is the version of its format: `[1,…]`. That place
//! never changes, so every build can tell a record that a newer one wrote ([`FormatError::Newer`])
//! from one that is damaged ([`FormatError::Corrupt`]). Payloads pass through as the text they are.
//!
//! The types of this format are its own, in a module for each version; the decider's types may change
//! as long as the conversions still compile. What a released version wrote is read for ever: its bytes
//! are kept in `golden/`. A change that an older build must not miss (a new kind of change, a new
//! member) gets a new version; a build writes the lowest version that can hold the record.
//!
//! A node is named by its path in the definition, as in `loop/step`, never by the number that the
//! compiler gives it.
mod entry;
mod envelope;
mod overview;
mod replay;
mod v1;

pub use entry::{Entry, encode_changes};
pub use overview::Overview;
pub use replay::{Unreadable, catch_up, replay};
pub use v1::message::{decode_message, encode_message};
pub use v1::overview::{decode_overview, encode_overview};
pub use v1::snapshot::encode_snapshot;
pub use v1::window::{decode_window, encode_window};

/// The newest version that this build reads.
pub const NEWEST: u32 = 2;

/// Why a record cannot be read. Nothing is known of its content then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A newer build wrote it. Leave it as it is: that build can read it.
    #[error(
        "a newer version of Baton wrote it (format {version}; this build reads up to {NEWEST})"
    )]
    Newer {
        /// The version it names. Not above [`NEWEST`] when it uses a member that only a newer build
        /// understands.
        version: u32,
    },
    /// No build wrote it like this. The text says where it is wrong and never quotes a payload.
    #[error("{0}")]
    Corrupt(String),
}

impl FormatError {
    fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt(what.into())
    }
}
