//! The JSON Schema (draft 2020-12) of definitions, generated from the types that read them.
//!
//! It takes what those types take and refuses members that they drop, so that an editor marks
//! misspelled names.
mod properties;
mod reader;
mod steps;

use baton_common::{TaskDef, WorkflowDef};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};
use std::sync::LazyLock;

static WORKFLOW: LazyLock<Value> = LazyLock::new(|| {
    let about = "A workflow definition of Baton, in Conductor's language.";
    of::<WorkflowDef>("Workflow definition", about, &["name", "tasks"])
});

static TASK_DEF: LazyLock<Value> = LazyLock::new(|| {
    let about = "A task definition of Baton: how a task is retried and timed.";
    of::<TaskDef>("Task definition", about, &["name"])
});

/// The schema of a workflow definition.
pub fn workflow_schema() -> &'static Value {
    &WORKFLOW
}

/// The schema of a task definition.
pub fn task_def_schema() -> &'static Value {
    &TASK_DEF
}

/// The schema of a whole file, whose members `required` must be there.
fn of<T: JsonSchema>(title: &str, about: &str, required: &[&str]) -> Value {
    let mut generator: SchemaGenerator = SchemaSettings::draft2020_12().into_generator();
    let root: Value = generator.subschema_for::<T>().into();
    let mut definitions = generator.take_definitions(true);
    for (name, definition) in &mut definitions {
        reader::widen(definition);
        if name == "WorkflowTask" {
            steps::complete(definition);
        }
        let is_of_file = name == "WorkflowDef" || name == "TaskDef";
        if let Some(properties) = properties::of(definition).filter(|_| is_of_file) {
            properties.insert(
                "$schema".into(),
                json!({ "type": "string", "description":
                "The schema that an editor checks this file with. Baton takes no notice of it." }),
            );
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": about,
        "$ref": root["$ref"],
        "required": required,
        "$defs": definitions,
    })
}

#[cfg(test)]
mod tests;
