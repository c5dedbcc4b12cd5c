//! The text of a definition, as far as reading it loses something: members by name, and names that
//! an object gives twice.
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::RefCell;
use std::fmt;

/// Most repeated names that are noted.
const REPEATED_MAX: usize = 100;

/// A document, and the places of the names that an object gives twice.
#[derive(Clone, Debug, Default)]
pub struct Document {
    pub(crate) value: Value,
    pub(crate) repeated: Vec<String>,
}

impl Document {
    /// Reads JSON. The caller has checked how deep it is.
    ///
    /// # Errors
    /// The parser's.
    pub fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        let mut reader = baton_common::strict::unbounded(json);
        let repeated = RefCell::default();
        let value = Seed { pointer: "", repeated: &repeated }.deserialize(&mut reader)?;
        reader.end()?;
        Ok(Self { value, repeated: repeated.into_inner() })
    }

    /// A document that has been read already.
    pub fn of(value: Value) -> Self {
        Self { value, repeated: Vec::new() }
    }

    /// The document's value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The document's value.
    pub fn into_value(self) -> Value {
        self.value
    }

    /// The part of it at a JSON pointer, as a document of its own.
    #[must_use]
    pub fn part(&self, pointer: &str) -> Self {
        let value = self.value.pointer(pointer).cloned().unwrap_or_default();
        let within = |place: &String| Some(place.strip_prefix(pointer)?.to_owned());
        let repeated = self.repeated.iter().filter_map(within);
        Self { value, repeated: repeated.filter(|place| place.starts_with('/')).collect() }
    }
}

/// A name as a JSON pointer spells it.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

struct Seed<'a> {
    pointer: &'a str,
    repeated: &'a RefCell<Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let pointer = format!("{}/{}", self.pointer, list.len());
            let seed = Seed { pointer: &pointer, repeated: self.repeated };
            match elements.next_element_seed(seed)? {
                Some(element) => list.push(element),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let pointer = format!("{}/{}", self.pointer, escaped(&name));
            let seed = Seed { pointer: &pointer, repeated: self.repeated };
            let value = members.next_value_seed(seed)?;
            if object.insert(name, value).is_some() {
                let mut repeated = self.repeated.borrow_mut();
                if repeated.len() < REPEATED_MAX {
                    repeated.push(pointer);
                }
            }
        }
        Ok(Value::Object(object))
    }
}
