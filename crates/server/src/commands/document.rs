//! Files that users write: JSON or YAML, definitions alone or in a bundle.
use crate::failure::{Exit, Failure};
use baton_common::limits::{BODY_BYTES_MAX, JSON_DEPTH_MAX};
use baton_common::{TaskDef, WorkflowDef, strict};
use baton_lint::{Document, is_workflow, misnamed_tasks};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::io::Read;

/// A definition, with what it was read from.
#[derive(Debug)]
pub(crate) struct Source<T> {
    /// The file.
    pub(crate) file: String,
    /// The definition's name.
    pub(crate) name: String,
    /// What it was read from.
    pub(crate) document: Document,
    /// What was read.
    pub(crate) definition: T,
}

impl<T> Source<T> {
    /// How messages name it.
    pub(crate) fn label(&self) -> String {
        format!("{}: {}", self.file, self.name)
    }
}

/// What files of definitions hold.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    /// Task definitions.
    pub(crate) tasks: Vec<Source<TaskDef>>,
    /// Workflow definitions.
    pub(crate) workflows: Vec<Source<WorkflowDef>>,
    /// What is no definition, one line each.
    pub(crate) faults: Vec<String>,
}

/// Reads a JSON or YAML file; `-` is standard input.
pub(crate) fn read(path: &str) -> Result<Document, Failure> {
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
    parse(&text).map_err(|fault| Failure::new(Exit::Refused, format!("{path}: {fault}")))
}

/// Reads a text as JSON, or else as YAML, of which JSON is nearly a part.
pub(crate) fn parse(text: &str) -> Result<Document, String> {
    let is_json = text.trim_start().starts_with(['{', '[']);
    if strict::is_deeper_than(text.as_bytes(), JSON_DEPTH_MAX) {
        return Err(format!("nested deeper than {JSON_DEPTH_MAX} levels"));
    }
    match Document::read(text.as_bytes()) {
        Ok(document) => Ok(document),
        Err(error) if is_json => match serde_yaml_ng::from_str(text) {
            // YAML's flow style looks like JSON.
            Ok(value @ (Value::Object(_) | Value::Array(_))) => Ok(Document::of(value)),
            _ => Err(format!("not JSON: {error}")),
        },
        Err(_) => {
            let value = serde_yaml_ng::from_str(text).map_err(|error| format!("not YAML: {error}"));
            value.map(Document::of)
        }
    }
}

impl Definitions {
    /// Adds those of a file: one definition, a list of them, or a bundle
    /// `{"taskDefs": [...], "workflowDefs": [...]}`. What has `tasks` is a workflow definition.
    pub(crate) fn add(&mut self, file: &str, document: &Document) {
        match document.value() {
            Value::Array(items) => {
                for index in 0..items.len() {
                    self.add_one(&format!("{file}[{index}]"), document.part(&format!("/{index}")));
                }
            }
            Value::Object(bundle)
                if bundle.contains_key("taskDefs") || bundle.contains_key("workflowDefs") =>
            {
                self.add_bundle(file, document, bundle);
            }
            Value::Object(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_) => self.add_one(file, document.clone()),
        }
    }

    /// The task definition of a name.
    pub(crate) fn task(&self, name: &str) -> Option<&TaskDef> {
        let mut tasks = self.tasks.iter().map(|source| &source.definition);
        tasks.find(|task| task.name.as_deref() == Some(name))
    }

    fn add_bundle(&mut self, file: &str, document: &Document, bundle: &Map<String, Value>) {
        for (member, value) in bundle {
            let count = value.as_array().map_or(0, Vec::len);
            let parts = (0..count).map(|index| document.part(&format!("/{member}/{index}")));
            match member.as_str() {
                "taskDefs" | "workflowDefs" if !value.is_array() && !value.is_null() => {
                    self.faults.push(format!("{file}: `{member}` is not a list"));
                }
                "taskDefs" => parts.for_each(|part| self.add_task(file, part)),
                "workflowDefs" => parts.for_each(|part| self.add_workflow(file, part)),
                "workflows" | "workflowDefinitions" | "workflowDef" => {
                    self.misnamed(file, member, "workflowDefs");
                }
                "tasks" | "taskDefinitions" | "taskDef" => {
                    self.misnamed(file, member, "taskDefs");
                }
                _ => {}
            }
        }
    }

    fn misnamed(&mut self, file: &str, member: &str, meant: &str) {
        self.faults.push(format!(
            "{file}: a bundle has no member `{member}`, so that nothing in it is read; did you \
             mean `{meant}`?"
        ));
    }

    fn add_one(&mut self, file: &str, document: Document) {
        if is_workflow(document.value()) {
            self.add_workflow(file, document);
        } else if document.value().get("name").is_some() {
            self.add_task(file, document);
        } else {
            let fault = "holds no definition: neither `tasks` nor `name`";
            self.faults.push(format!("{file}: {fault}"));
        }
    }

    fn add_task(&mut self, file: &str, document: Document) {
        match source(file, document, "(unnamed task)") {
            Ok(found) => self.tasks.push(found),
            Err(fault) => self.faults.push(fault),
        }
    }

    fn add_workflow(&mut self, file: &str, document: Document) {
        let name = name_of(document.value()).unwrap_or("(unnamed workflow)");
        if let Some(member) = misnamed_tasks(document.value()) {
            return self.faults.push(format!(
                "{file}: {name} at /{member}: unknown member `{member}`: the steps of a workflow \
                 are in `tasks`; did you mean `tasks`?"
            ));
        }
        match source(file, document, "(unnamed workflow)") {
            Ok(found) => self.workflows.push(found),
            Err(fault) => self.faults.push(fault),
        }
    }
}

fn name_of(value: &Value) -> Option<&str> {
    value["name"].as_str().filter(|name| !name.is_empty())
}

fn source<T: DeserializeOwned>(
    file: &str,
    document: Document,
    unnamed: &str,
) -> Result<Source<T>, String> {
    let name = name_of(document.value()).unwrap_or(unnamed).to_owned();
    // By way of text: payloads are spliced from text only. Faults name their place.
    let text = document.value().to_string();
    let mut reader = strict::unbounded(text.as_bytes());
    let definition = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let inner = error.inner().to_string();
        let cause = inner.split(" at line ").next().unwrap_or_default();
        format!("{file}: {name}: at {}: {cause}", error.path())
    })?;
    Ok(Source { file: file.to_owned(), name, document, definition })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Definitions {
        let mut found = Definitions::default();
        found.add("f", &parse(text).unwrap());
        found
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
            let found = of(&text);
            assert_eq!((found.tasks.len(), found.workflows.len()), counts, "{text}");
            assert_eq!(found.faults, Vec::<String>::new());
        }
    }

    #[test]
    fn faults_name_their_place() {
        let text = r#"{"name":"w","tasks":[{"name":"a","startDelay":"soon"}]}"#;
        assert_eq!(of(text).faults, ["f: w: at tasks[0].startDelay: `soon` is not a whole number"]);
        assert!(of("{\"x\":1}").faults[0].contains("holds no definition"));
        assert!(parse("{\"a\":").unwrap_err().starts_with("not JSON: EOF"));
    }

    /// Goal: what is meant as a workflow is never taken for a task definition, which would be registered.
    #[test]
    fn the_wrong_name_of_the_tasks_is_a_fault() {
        let step = r#"[{"name":"a","taskReferenceName":"a"}]"#;
        for member in ["task", "Tasks", "steps", "taks", "activities", "do"] {
            let text = format!(r#"{{"name":"w","{member}":{step}}}"#);
            for text in
                [text.clone(), format!("[{text}]"), format!(r#"{{"workflowDefs":[{text}]}}"#)]
            {
                let found = of(&text);
                assert_eq!((found.tasks.len(), found.workflows.len()), (0, 0), "{text}");
                assert!(found.faults[0].contains("did you mean `tasks`?"), "{:?}", found.faults);
            }
        }
        // Without any list of steps the rules of workflows say what is missing.
        assert_eq!(of(r#"{"name":"w","version":1,"schemaVersion":2}"#).workflows.len(), 1);
        assert_eq!(of(r#"{"name":"t","inputKeys":["a"],"version":1}"#).tasks.len(), 1);
        let fault = &of(r#"{"taskDefs":[],"workflows":[]}"#).faults[0];
        assert!(fault.contains("did you mean `workflowDefs`?"), "{fault}");
    }
}
