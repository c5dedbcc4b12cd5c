//! JSON that passes through the engine without being parsed.
use crate::strict;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// One JSON value as the text it arrived in: key order, number spelling and nulls are kept byte
/// for byte. Cloning shares the text.
#[derive(Clone)]
pub struct Payload(Arc<Shared>);

/// What the clones of a payload share.
struct Shared {
    raw: Box<RawValue>,
    /// See [`Payload::derived`].
    derived: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl JsonSchema for Payload {
    fn schema_name() -> Cow<'static, str> {
        "Payload".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Schema::default()
    }
}

impl Payload {
    /// Takes over a text that must be one JSON value.
    ///
    /// # Errors
    /// The parser's, when `json` is not exactly one JSON value.
    pub fn parse(json: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(json).map(Self::from)
    }

    /// The JSON of any serializable value.
    ///
    /// # Errors
    /// The serializer's: a map whose keys are not strings, or a failing `Serialize`.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self::from)
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
            Ok(raw) => Self::from(raw),
            Err(_) => unreachable!("the constants of this module are JSON"),
        }
    }

    /// The JSON text.
    pub fn get(&self) -> &str {
        self.0.raw.get()
    }

    /// The value as a shared [`RawValue`].
    pub fn raw(&self) -> &RawValue {
        &self.0.raw
    }

    /// What `make` computes from the text, computed once and kept for all clones: an index for
    /// readers, for example. `None` when something of another type is kept already.
    pub fn derived<T: Any + Send + Sync>(&self, make: impl FnOnce(&str) -> T) -> Option<&T> {
        self.0.derived.get_or_init(|| Box::new(make(self.get()))).downcast_ref()
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
        Self(Arc::new(Shared { raw, derived: OnceLock::new() }))
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
        self.0.raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_what_was_derived_from_their_text() {
        let payload = Payload::parse("[1,2]".to_owned()).unwrap();
        assert_eq!(payload.clone().derived(str::len), Some(&5));
        assert_eq!(payload.derived(|_| 0_usize), Some(&5));
        assert_eq!(payload.derived(|_| 'x'), None);
    }

    #[test]
    fn depth_counts_brackets_outside_texts() {
        for (json, depth) in [
            ("1", 0),
            ("{}", 1),
            (r#"[[], {"a": [1]}]"#, 3),
            (r#"["[[[", "\"[[", "\\"]"#, 1),
            (r#"{"\"{{": "}}}", "b": {"c": "["}}"#, 2),
        ] {
            let payload = Payload::parse(json.to_owned()).unwrap();
            assert!(!payload.is_deeper_than(depth), "{json}");
            assert!(depth == 0 || payload.is_deeper_than(depth - 1), "{json}");
        }
    }
}
