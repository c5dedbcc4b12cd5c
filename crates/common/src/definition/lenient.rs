//! How Conductor's JSON mapper reads values: null for a primitive is its zero value, numbers may be
//! written as text, null for a list or map is an empty one.
use crate::Payload;
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

/// Reads a JSON object as it stands; null is `{}`, anything else is refused.
pub(crate) fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Payload, D::Error> {
    let payload = Payload::deserialize(deserializer)?;
    if payload.is_null() {
        Ok(Payload::empty_object())
    } else if payload.is_object() {
        Ok(payload)
    } else {
        Err(de::Error::custom("an object is expected here"))
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
        (false, false) => Err(de::Error::custom("an object is expected here")),
    }
}
