//! How Conductor's JSON mapper reads values: null for a primitive is its zero value, numbers may be
//! written as text and texts as numbers, null for a list or map is an empty one.
use super::text::Text;
use crate::Payload;
use crate::strict::LIST_REFUSED;
use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use std::fmt;

/// An integer: a number, a number in text, or null for 0. A fraction is cut off.
struct LenientInteger;

impl Visitor<'_> for LenientInteger {
    type Value = i64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a whole number")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<i64, E> {
        Ok(value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<i64, E> {
        i64::try_from(value).map_err(|_| E::custom(format!("{value} is out of range")))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<i64, E> {
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked just before")]
        if value.abs() < 9.0e18 { Ok(value as i64) } else { Err(E::custom("out of range")) }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<i64, E> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(0);
        }
        text.parse().map_err(|_| E::custom(format!("`{text}` is not a whole number")))
    }

    fn visit_unit<E>(self) -> Result<i64, E> {
        Ok(0)
    }
}

/// Reads an integer that may not be absent; see [`LenientInteger`].
pub(crate) fn integer<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    let value = deserializer.deserialize_any(LenientInteger)?;
    T::try_from(value).map_err(|_| de::Error::custom(format!("{value} is out of range")))
}

/// Reads an integer where null means absent.
pub(crate) fn optional_integer<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    #[derive(Deserialize)]
    struct Wrapped(#[serde(deserialize_with = "integer")] i64);
    let Some(Wrapped(value)) = Option::<Wrapped>::deserialize(deserializer)? else {
        return Ok(None);
    };
    T::try_from(value).map(Some).map_err(|_| de::Error::custom(format!("{value} is out of range")))
}

/// Reads a truth value, also as text; null is false.
pub(crate) fn boolean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    struct LenientBoolean;
    impl Visitor<'_> for LenientBoolean {
        type Value = bool;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("true or false")
        }

        fn visit_bool<E>(self, value: bool) -> Result<bool, E> {
            Ok(value)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<bool, E> {
            match text.trim() {
                "true" | "True" | "TRUE" => Ok(true),
                "false" | "False" | "FALSE" | "" => Ok(false),
                other => Err(E::custom(format!("`{other}` is not true or false"))),
            }
        }

        fn visit_i64<E>(self, value: i64) -> Result<bool, E> {
            Ok(value != 0)
        }

        fn visit_u64<E>(self, value: u64) -> Result<bool, E> {
            Ok(value != 0)
        }

        fn visit_unit<E>(self) -> Result<bool, E> {
            Ok(false)
        }
    }
    deserializer.deserialize_any(LenientBoolean)
}

/// Reads a value where null stands for the empty default.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a text, which may be written as a number or truth value; null is absence.
pub(crate) fn optional_text<'de, D>(deserializer: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(Option::<Text>::deserialize(deserializer)?.map(|text| text.0))
}

/// Reads a list of texts; null is an empty one.
pub(crate) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let texts = Option::<Vec<Text>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(texts.into_iter().map(|text| text.0).collect())
}

/// Reads a map of texts; null is absence.
pub(crate) fn optional_texts_by_name<'de, D>(
    deserializer: D,
) -> Result<Option<IndexMap<String, String>>, D::Error>
where
    D: Deserializer<'de>,
{
    let texts = Option::<IndexMap<String, Text>>::deserialize(deserializer)?;
    Ok(texts.map(|texts| texts.into_iter().map(|(name, text)| (name, text.0)).collect()))
}

/// Reads a map of texts; null is an empty one.
pub(crate) fn texts_by_name<'de, D>(deserializer: D) -> Result<IndexMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(optional_texts_by_name(deserializer)?.unwrap_or_default())
}

/// Reads lists in a list; null in place of any of them is an empty one.
pub(crate) fn lists<'de, D, T>(deserializer: D) -> Result<Vec<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let lists = Option::<Vec<Option<Vec<T>>>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(lists.into_iter().map(Option::unwrap_or_default).collect())
}

/// Reads lists by name; null in place of any of them, or of the map, is an empty one.
pub(crate) fn lists_by_name<'de, D, T>(
    deserializer: D,
) -> Result<IndexMap<String, Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let lists = Option::<IndexMap<String, Option<Vec<T>>>>::deserialize(deserializer)?;
    let lists = lists.unwrap_or_default().into_iter();
    Ok(lists.map(|(name, list)| (name, list.unwrap_or_default())).collect())
}

/// Reads a JSON object as it stands; null is `{}`, anything else is refused.
pub(crate) fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Payload, D::Error> {
    let payload = Payload::deserialize(deserializer)?;
    if payload.is_null() {
        Ok(Payload::empty_object())
    } else if payload.is_object() {
        Ok(payload)
    } else {
        Err(no_object(&payload))
    }
}

/// Reads a JSON object as it stands; null is absence, anything else is refused.
pub(crate) fn optional_object<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Payload>, D::Error> {
    let payload = Payload::deserialize(deserializer)?;
    match (payload.is_null(), payload.is_object()) {
        (true, _) => Ok(None),
        (false, true) => Ok(Some(payload)),
        (false, false) => Err(no_object(&payload)),
    }
}

fn no_object<E: de::Error>(payload: &Payload) -> E {
    let is_list = payload.get().starts_with('[');
    E::custom(if is_list { LIST_REFUSED } else { "an object is expected here" })
}
