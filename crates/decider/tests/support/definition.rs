//! Definitions in histories, with steps in a short form.
use baton_common::WorkflowDef;
use serde_json::{Map, Value};

/// A definition from its JSON, with the short form of steps written out.
pub(super) fn definition(text: &str) -> WorkflowDef {
    let mut value: Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    write_out(&mut value);
    serde_json::from_value(value).expect("a workflow definition")
}

fn write_out(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(write_out),
        Value::Object(members) => {
            members.values_mut().for_each(write_out);
            name_step(members);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn name_step(members: &mut Map<String, Value>) {
    if let Some(name) = members.remove("ref") {
        members.entry("name").or_insert_with(|| name.clone());
        members.insert("taskReferenceName".into(), name);
    }
    if let Some(input) = members.remove("in") {
        members.insert("inputParameters".into(), input);
    }
}
