//! The one place of this crate that reads the time of day.
use baton_common::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, by this machine; only for log lines.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
