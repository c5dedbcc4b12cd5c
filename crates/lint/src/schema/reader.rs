//! Makes a generated schema say what the reader takes: a number also as text, a text also as a number
//! or truth value, null for what is left out. Members that the reader drops are refused.
use super::properties;
use serde_json::{Map, Value, json};

/// Members that are read strictly.
const STRICT: [&str; 1] = ["rateLimited"];

/// Widens every member of a struct's schema; any other schema stays as it is.
pub(super) fn widen(definition: &mut Value) {
    let Some(properties) = properties::of(definition) else { return };
    for (name, property) in properties {
        if !STRICT.contains(&name.as_str()) {
            widen_member(property);
        }
    }
    definition["additionalProperties"] = Value::Bool(false);
}

fn widen_member(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    if let Some(reference) = members.get("$ref").cloned() {
        // Null stands for the default.
        members.shift_remove("$ref");
        members.insert("anyOf".into(), json!([{ "$ref": reference }, { "type": "null" }]));
        return;
    }
    match main_type(members) {
        Some("integer") => widen_integer(members),
        Some("boolean") => {
            members.insert("type".into(), json!(["boolean", "string", "integer", "null"]));
            members.insert("pattern".into(), json!(r"^\s*(true|True|TRUE|false|False|FALSE)?\s*$"));
        }
        Some("string") => {
            members.insert("type".into(), json!(["string", "number", "boolean", "null"]));
        }
        Some("array") => {
            members.insert("type".into(), json!(["array", "null"]));
            widen_inner(members, "items");
        }
        Some("object") => {
            members.insert("type".into(), json!(["object", "null"]));
            widen_inner(members, "additionalProperties");
        }
        _ => {}
    }
}

fn widen_integer(members: &mut Map<String, Value>) {
    members.insert("type".into(), json!(["integer", "string", "null"]));
    members.insert("pattern".into(), json!(r"^\s*([+-]?[0-9]+)?\s*$"));
    if members.shift_remove("format") == Some(json!("int32")) {
        members.entry("minimum").or_insert(json!(i32::MIN));
        members.entry("maximum").or_insert(json!(i32::MAX));
    }
}

/// What stands in a list or a map: texts in all spellings, lists also as null.
fn widen_inner(members: &mut Map<String, Value>, keyword: &str) {
    let Some(inner) = members.get_mut(keyword).and_then(Value::as_object_mut) else { return };
    match main_type(inner) {
        Some("string") => {
            inner.insert("type".into(), json!(["string", "number", "boolean"]));
        }
        Some("array") => {
            inner.insert("type".into(), json!(["array", "null"]));
        }
        _ => {}
    }
}

/// The type that is not null.
fn main_type(schema: &Map<String, Value>) -> Option<&str> {
    match schema.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}
