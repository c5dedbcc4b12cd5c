//! JSON of callers, where an array never stands for an object.
//!
//! serde's derived structs also read an array, by position: `["w", 1]` would be a request. Both
//! formats of the same value are one too many for an API, so [`Strict`] refuses the array, in
//! however many structs and options the object is nested.
use crate::limits::JSON_DEPTH_MAX;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess,
    Visitor,
};
use std::fmt;

/// The message where a list stands in an object's place.
pub const LIST_REFUSED: &str = "an object is expected here, not a list";

/// Reads a document that has at most [`JSON_DEPTH_MAX`] levels.
///
/// # Errors
/// The parser's, and one that names the limit for a deeper document.
pub fn from_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    if is_deeper_than(json, JSON_DEPTH_MAX) {
        return Err(Error::custom(format!("nested deeper than {JSON_DEPTH_MAX} levels")));
    }
    read(json)
}

/// Reads a document whose levels have been counted.
///
/// # Errors
/// The parser's.
pub fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    let mut deserializer = unbounded(json);
    let value = T::deserialize(Strict(&mut deserializer))?;
    deserializer.end()?;
    Ok(value)
}

/// As [`from_slice`].
///
/// # Errors
/// As [`from_slice`].
pub fn from_str<T: DeserializeOwned>(json: &str) -> Result<T, serde_json::Error> {
    from_slice(json.as_bytes())
}

/// A parser without a limit of its own: the caller has counted the levels, which its limit of 127
/// would cut short.
pub fn unbounded(json: &[u8]) -> serde_json::Deserializer<serde_json::de::SliceRead<'_>> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    deserializer.disable_recursion_limit();
    deserializer
}

/// Whether objects and lists are nested in more than `levels` levels. A text that is not JSON is
/// measured up to its first fault at least.
pub fn is_deeper_than(json: &[u8], levels: usize) -> bool {
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_text,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > levels {
            return true;
        }
    }
    false
}

/// A deserializer of a format that describes itself, such as JSON, which takes no array where an
/// object is expected, here and in all it contains.
pub struct Strict<D>(pub D);

macro_rules! forwarded {
    ($is_object:literal: $($method:ident($($name:ident: $kind:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(
            self,
            $($name: $kind,)*
            visitor: V,
        ) -> Result<V::Value, D::Error> {
            self.0.$method($($name,)* Inside { visitor, is_object: $is_object })
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    /// JSON describes itself; asked for a map, its parser would refuse a list in words of its own.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Inside { visitor, is_object: true })
    }

    forwarded! { true:
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
    }

    forwarded! { false:
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(length: usize);
        deserialize_tuple_struct(name: &'static str, length: usize);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// A visitor, with what it is shown of nested values made strict.
struct Inside<V> {
    visitor: V,
    is_object: bool,
}

macro_rules! passed_on {
    ($($method:ident($kind:ty);)*) => {$(
        fn $method<E: Error>(self, value: $kind) -> Result<V::Value, E> {
            self.visitor.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Inside<V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(formatter)
    }

    passed_on! {
        visit_bool(bool);
        visit_i8(i8);
        visit_i16(i16);
        visit_i32(i32);
        visit_i64(i64);
        visit_i128(i128);
        visit_u8(u8);
        visit_u16(u16);
        visit_u32(u32);
        visit_u64(u64);
        visit_u128(u128);
        visit_f32(f32);
        visit_f64(f64);
        visit_char(char);
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
        visit_bytes(&[u8]);
        visit_borrowed_bytes(&'de [u8]);
        visit_byte_buf(Vec<u8>);
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Strict(deserializer))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Strict(deserializer))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<V::Value, A::Error> {
        if self.is_object {
            return Err(A::Error::custom(LIST_REFUSED));
        }
        self.visitor.visit_seq(Within(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Within(members))
    }

    /// No enum of the API holds an object, so there is nothing to make strict.
    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(variant)
    }
}

/// Elements, members or a seed whose values are read strictly.
struct Within<A>(A);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Within<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Strict(deserializer))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Within<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Within(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Within<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(Within(seed))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Within(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{StartWorkflowRequest, TaskResult};
    use crate::{TaskDef, WorkflowDef};

    fn refusal<T: DeserializeOwned>(json: &str) -> String {
        from_str::<T>(json).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn an_array_is_no_object_wherever_it_stands() {
        let refusals = [
            refusal::<StartWorkflowRequest>(r#"["w", 1, null, {"a": 1}]"#),
            refusal::<StartWorkflowRequest>(r#"{"name": "w", "taskToDomain": []}"#),
            refusal::<StartWorkflowRequest>(r#"{"name": "w", "input": [1]}"#),
            refusal::<StartWorkflowRequest>(r#"{"workflowDef": ["app"]}"#),
            refusal::<WorkflowDef>(r#"{"tasks": [["a", "b"]]}"#),
            refusal::<WorkflowDef>(r#"{"tasks": [{"loopOver": [{"cacheConfig": ["k", 1]}]}]}"#),
            refusal::<WorkflowDef>(
                r#"{"tasks": [{"subWorkflowParam": {"workflowDefinition": {"tasks": [[]]}}}]}"#,
            ),
            refusal::<WorkflowDef>(
                r#"{"tasks": [{"subWorkflowParam": {"workflowDefinition": []}}]}"#,
            ),
            refusal::<Vec<TaskDef>>(r#"[["app", 1]]"#),
            refusal::<TaskDef>(r#"{"inputSchema": []}"#),
            refusal::<TaskResult>(r#"{"logs": [["line"]]}"#),
        ];
        for refusal in refusals {
            assert!(refusal.starts_with(LIST_REFUSED), "{refusal}");
        }
    }

    #[test]
    fn what_is_no_array_is_read_as_ever() {
        let json = r#"{"name":"w","version":"3","input":{ "b":1.0,"a":[null, 1e3]},
            "workflowDef":{"tasks":[{"workflowTaskType":"WAIT","type":"NOOP","retryCount":null,
            "decisionCases":{"a":[{}],"b":null},"subWorkflowParam":{"workflowDefinition":"${a}"}}]}}"#;
        let strict: StartWorkflowRequest = from_str(json).unwrap();
        assert_eq!(strict, serde_json::from_str(json).unwrap());
    }

    #[test]
    fn depth_counts_brackets_outside_texts() {
        for (json, depth) in [
            ("1", 0),
            ("{}", 1),
            (r#"[[], {"a": [1]}]"#, 3),
            (r#"["[[[", "\"[[", "\\"]"#, 1),
            (r#"{"\"{{": "}}}", "b": {"c": "["}}"#, 2),
            ("]]]][", 1),
        ] {
            assert!(!is_deeper_than(json.as_bytes(), depth), "{json}");
            assert!(depth == 0 || is_deeper_than(json.as_bytes(), depth - 1), "{json}");
        }
    }

    #[test]
    fn a_document_may_have_so_many_levels_and_no_more() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(from_str::<serde_json::Value>(&nested(JSON_DEPTH_MAX)).is_ok());
        let refusal = refusal::<serde_json::Value>(&nested(JSON_DEPTH_MAX + 1));
        assert_eq!(refusal, format!("nested deeper than {JSON_DEPTH_MAX} levels"));
    }
}
