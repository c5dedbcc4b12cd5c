//! What handlers take out of a request, read as Conductor reads it; every fault is a [`Refusal`].
//!
//! [`Refusal`]: crate::error::Refusal
mod body;
mod caller;
mod path;
mod query;

pub(crate) use body::{Json, JsonObject, JsonWithText, Text};
pub(crate) use caller::Caller;
pub(crate) use path::{Segments, result_status, version};
pub(crate) use query::Params;

/// A parameter's value, short enough for a message.
fn excerpt(value: &str) -> String {
    const CHARS_MAX: usize = 100;
    value.chars().take(CHARS_MAX).collect()
}
