//! Files that users write: JSON or YAML, definitions alone or in a bundle.
use crate::failure::{Exit, Failure};
use baton_common::limits::BODY_BYTES_MAX;
use baton_common::{TaskDef, WorkflowDef};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::Read;

/// What a file of definitions holds.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Definitions {
    /// Task definitions.
    pub(crate) tasks: Vec<TaskDef>,
    /// Workflow definitions.
    pub(crate) workflows: Vec<WorkflowDef>,
}

/// Reads a JSON or YAML file; `-` is standard input.
pub(crate) fn read(path: &str) -> Result<Value, Failure> {
    let mut text = String::new();
    let limit = u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX);
    let read = match path {
        "-" => std::io::stdin().take(limit).read_to_string(&mut text),
        path => {
            std::fs::File::open(path).and_then(|file| file.take(limit).read_to_string(&mut text))
        }
    };
    read.map_err(|error| {
        Failure::new(Exit::NotFound, format!("{path}: {error}")).fix("check the file's name")
    })?;
    parse(&text).map_err(|fault| wrong(path, &fault))
}

/// Reads a text as JSON, or else as YAML, of which JSON is nearly a part.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let is_json = text.trim_start().starts_with(['{', '[']);
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(error) if is_json => match serde_yaml_ng::from_str(text) {
            // YAML's flow style looks like JSON.
            Ok(value @ (Value::Object(_) | Value::Array(_))) => Ok(value),
            _ => Err(format!("not JSON: {error}")),
        },
        Err(_) => serde_yaml_ng::from_str(text).map_err(|error| format!("not YAML: {error}")),
    }
}

fn wrong(path: &str, fault: &str) -> Failure {
    Failure::new(Exit::Refused, format!("{path}: {fault}"))
}

/// The definitions in a file: one definition, a list of them, or a bundle
/// `{"taskDefs": [...], "workflowDefs": [...]}`. What has `tasks` is a workflow definition.
pub(crate) fn definitions(path: &str, value: Value) -> Result<Definitions, Failure> {
    let mut found = Definitions::default();
    match value {
        Value::Array(items) => {
            for (index, item) in items.into_iter().enumerate() {
                found.add(&format!("{path}[{index}]"), &item)?;
            }
        }
        Value::Object(mut bundle)
            if bundle.contains_key("taskDefs") || bundle.contains_key("workflowDefs") =>
        {
            let list = |value: Value| one::<Vec<Value>>(path, &value);
            for item in bundle.remove("taskDefs").map(list).transpose()?.unwrap_or_default() {
                found.tasks.push(one(path, &item)?);
            }
            for item in bundle.remove("workflowDefs").map(list).transpose()?.unwrap_or_default() {
                found.workflows.push(one(path, &item)?);
            }
        }
        other @ (Value::Object(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)) => found.add(path, &other)?,
    }
    Ok(found)
}

impl Definitions {
    fn add(&mut self, path: &str, value: &Value) -> Result<(), Failure> {
        if value.get("tasks").is_some() {
            self.workflows.push(one(path, value)?);
        } else if value.get("name").is_some() {
            self.tasks.push(one(path, value)?);
        } else {
            let fault = "holds no definition: neither `tasks` nor `name`";
            return Err(wrong(path, fault).fix("see examples/ for definitions"));
        }
        Ok(())
    }
}

fn one<T: DeserializeOwned>(path: &str, value: &Value) -> Result<T, Failure> {
    let name = value["name"].as_str().map(str::to_owned).unwrap_or_default();
    // By way of text: payloads are spliced from text only. Faults name their place.
    let text = value.to_string();
    let mut reader = serde_json::Deserializer::from_str(&text);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let inner = error.inner().to_string();
        let cause = inner.split(" at line ").next().unwrap_or_default().to_owned();
        wrong(path, &format!("{name}: at {}: {cause}", error.path()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Definitions, Failure> {
        definitions("f", parse(text).unwrap())
    }

    #[test]
    fn a_file_holds_one_definition_a_list_or_a_bundle() {
        let workflow = r#"{"name":"w","tasks":[]}"#;
        let task = r#"{"name":"t","retryCount":1}"#;
        for (text, counts) in [
            (workflow.to_owned(), (0, 1)),
            (task.to_owned(), (1, 0)),
            (format!("[{workflow},{task}]"), (1, 1)),
            (format!(r#"{{"taskDefs":[{task}],"workflowDefs":[{workflow}]}}"#), (1, 1)),
            (
                "name: w\nversion: 2\ntasks:\n  - name: a\n    taskReferenceName: a\n".to_owned(),
                (0, 1),
            ),
        ] {
            let found = of(&text).unwrap();
            assert_eq!((found.tasks.len(), found.workflows.len()), counts, "{text}");
        }
    }

    #[test]
    fn faults_name_their_place() {
        let text = r#"{"name":"w","tasks":[{"name":"a","startDelay":"soon"}]}"#;
        let failure = of(text).unwrap_err();
        assert_eq!(failure.cause, "f: w: at tasks[0].startDelay: `soon` is not a whole number");
        assert!(of("{\"x\":1}").unwrap_err().cause.contains("holds no definition"));
        assert!(parse("{\"a\":").unwrap_err().starts_with("not JSON: EOF"));
    }
}
