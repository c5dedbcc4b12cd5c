//! Objects of shared raw values: the one shape in which the decider takes payloads apart.
use baton_common::Payload;
use indexmap::IndexMap;
use serde::Serialize;

/// A JSON object whose members stay unparsed; order kept.
pub type Object = IndexMap<String, Payload>;

/// The members of an object; none for anything else.
pub fn members(payload: &Payload) -> Object {
    if payload.is_object() {
        serde_json::from_str(payload.get()).unwrap_or_default()
    } else {
        Object::new()
    }
}

/// The elements of a list; `None` for anything else.
pub fn elements(payload: &Payload) -> Option<Vec<Payload>> {
    if payload.get().starts_with('[') { serde_json::from_str(payload.get()).ok() } else { None }
}

/// The JSON of a value that cannot fail to serialize: maps with text keys, lists, scalars.
pub fn payload<T: Serialize + ?Sized>(value: &T) -> Payload {
    Payload::of(value).unwrap_or_else(|_| Payload::null())
}

/// The text of a JSON string; `None` for anything else.
pub fn text(payload: &Payload) -> Option<String> {
    if payload.get().starts_with('"') { serde_json::from_str(payload.get()).ok() } else { None }
}

/// A whole number; `None` for anything else.
pub fn integer(payload: &Payload) -> Option<i64> {
    payload.get().parse().ok()
}

/// `first`, with the members of `second` added where `first` has none of that name.
pub fn put_absent(first: &Payload, second: &Payload) -> Payload {
    if second.is_empty_object() {
        return first.clone();
    }
    let mut merged = members(first);
    for (key, value) in members(second) {
        merged.entry(key).or_insert(value);
    }
    payload(&merged)
}

/// `first`, overwritten by the members of `second`.
pub fn overlay(first: &Payload, second: &Payload) -> Payload {
    if second.is_empty_object() {
        return first.clone();
    }
    if first.is_empty_object() {
        return second.clone();
    }
    let mut merged = members(first);
    merged.extend(members(second));
    payload(&merged)
}

/// `object` with one member set.
pub fn with_member(object: &Payload, key: &str, value: Payload) -> Payload {
    let mut merged = members(object);
    merged.insert(key.to_owned(), value);
    payload(&merged)
}
