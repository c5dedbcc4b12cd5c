//! Version 1.
//!
//! Members that have their usual value are left out; an unknown member or kind makes a record
//! unreadable, since what is passed over would be lost.
mod agenda;
pub(crate) mod change;
pub(crate) mod message;
pub(crate) mod overview;
mod place;
pub(crate) mod snapshot;
mod start;
mod task;
pub(crate) mod window;

use crate::FormatError;
use baton_common::Payload;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::Arc;

/// The first element of its records.
pub(crate) const VERSION: u32 = 1;

/// The version of records about slots, which a build that knows no limits must not miss. They are written
/// as the others are, with the members that say `Since version 2`.
pub(crate) const WITH_SLOTS: u32 = 2;

type Text<'a> = Cow<'a, str>;
type Json<'a> = &'a RawValue;

fn text(text: &str) -> Text<'_> {
    Cow::Borrowed(text)
}

fn some_text<T: AsRef<str>>(text: Option<&T>) -> Option<Text<'_>> {
    text.map(|text| Cow::Borrowed(text.as_ref()))
}

fn shared(text: Text<'_>) -> Arc<str> {
    text.into()
}

fn payload(json: Json<'_>) -> Payload {
    json.to_owned().into()
}

/// A member that is there is a value, even if that is `null`.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(json: D) -> Result<Option<Json<'a>>, D::Error> {
    <&RawValue>::deserialize(json).map(Some)
}

/// A payload, unless it is `{}`.
fn some_json(payload: &Payload) -> Option<Json<'_>> {
    Some(payload.raw()).filter(|raw| raw.get() != "{}")
}

/// A payload that was left out when it was `{}`.
fn json_or_empty(json: Option<Json<'_>>) -> Payload {
    json.map_or_else(Payload::empty_object, payload)
}

/// The namespace of a record: a name that is reserved for a later version. It is never written, and
/// what belongs to a namespace is nothing for this build to touch.
fn no_namespace(namespace: Option<&Text<'_>>) -> Result<(), FormatError> {
    match namespace {
        None => Ok(()),
        Some(_) => Err(FormatError::Newer { version: VERSION }),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
mod omit {
    pub(super) fn zero(value: &u32) -> bool {
        *value == 0
    }
    pub(super) fn zero_u8(value: &u8) -> bool {
        *value == 0
    }
    pub(super) fn zero_i64(value: &i64) -> bool {
        *value == 0
    }
    pub(super) fn no(value: &bool) -> bool {
        !*value
    }
}
