//! JSON that passes through the engine without being parsed.
use crate::strict;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;

/// One JSON value as the text it arrived in: key order, number spelling and nulls are kept byte
/// for byte. Cloning shares the text.
#[derive(Clone)]
pub struct Payload(Arc<RawValue>);

impl Payload {
    /// Takes over a text that must be one JSON value.
    ///
    /// # Errors
    /// The parser's, when `json` is not exactly one JSON value.
    pub fn parse(json: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(json).map(|raw| Self(raw.into()))
    }

    /// The JSON of any serializable value.
    ///
    /// # Errors
    /// The serializer's: a map whose keys are not strings, or a failing `Serialize`.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(|raw| Self(raw.into()))
    }

    /// `{}`.
    pub fn empty_object() -> Self {
        Self::constant("{}")
    }

    /// `null`.
    pub fn null() -> Self {
        Self::constant("null")
    }

    fn constant(json: &'static str) -> Self {
        match RawValue::from_string(json.to_owned()) {
            Ok(raw) => Self(raw.into()),
            Err(_) => unreachable!("the constants of this module are JSON"),
        }
    }

    /// The JSON text.
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// The value as a shared [`RawValue`].
    pub fn raw(&self) -> &RawValue {
        &self.0
    }

    /// Length of the JSON text in bytes.
    pub fn len_bytes(&self) -> usize {
        self.get().len()
    }

    /// Whether this is an object (nothing else starts with `{`).
    pub fn is_object(&self) -> bool {
        self.get().starts_with('{')
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        self.get() == "null"
    }

    /// Whether this is an object without members, or `null`.
    pub fn is_empty_object(&self) -> bool {
        let text = self.get();
        self.is_null() || (text.starts_with('{') && text[1..text.len() - 1].trim_ascii().is_empty())
    }

    /// Whether objects and lists are nested in more than `levels` levels.
    pub fn is_deeper_than(&self, levels: usize) -> bool {
        strict::is_deeper_than(self.get().as_bytes(), levels)
    }

    /// The parsed value, with key order kept; null when it is nested deeper than
    /// [`JSON_DEPTH_MAX`](crate::limits::JSON_DEPTH_MAX) levels.
    pub fn to_value(&self) -> serde_json::Value {
        strict::from_str(self.get()).unwrap_or(serde_json::Value::Null)
    }
}

impl From<Box<RawValue>> for Payload {
    fn from(raw: Box<RawValue>) -> Self {
        Self(raw.into())
    }
}

impl Default for Payload {
    fn default() -> Self {
        Self::empty_object()
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Payload {}

impl fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.get())
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::from)
    }
}
