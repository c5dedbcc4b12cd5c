//! The definitions of this repository: nothing is said of those that are right, and what is said of
//! those that show odd behaviour is on record. All of them are valid by the schema.
use crate::{lines, task_def, workflow};
use baton_lint::Known;
use baton_lint::schema::{task_def_schema, workflow_schema};
use jsonschema::Validator;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static WORKFLOW: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::draft202012::new(workflow_schema()).unwrap());
static TASK_DEF: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::draft202012::new(task_def_schema()).unwrap());

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The workflow and task definitions in a document: itself, a bundle or a list.
fn definitions(value: &Value) -> (Vec<Value>, Vec<Value>) {
    let list = |name: &str| value[name].as_array().cloned().unwrap_or_default();
    if value["tasks"].is_array() {
        return (vec![value.clone()], Vec::new());
    }
    (list("workflowDefs"), list("taskDefs"))
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_str().unwrap().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The task definitions of the same document.
struct Given<'a>(&'a [Value]);

impl Known for Given<'_> {
    fn has_workflow(&self, _: &str, _: Option<i32>) -> Option<bool> {
        None
    }

    fn workflow_names(&self) -> Vec<&str> {
        Vec::new()
    }

    fn has_task_def(&self, _: &str) -> Option<bool> {
        None
    }

    fn task_names(&self) -> Vec<&str> {
        Vec::new()
    }

    fn gives_input(&self, name: &str, member: &str) -> bool {
        self.0.iter().any(|task| task["name"] == name && !task["inputTemplate"][member].is_null())
    }

    fn is_polled(&self, _: &str) -> Option<bool> {
        None
    }
}

/// What is said of a document's definitions.
fn said(value: &Value) -> String {
    let (workflows, tasks) = definitions(value);
    let known = Given(&tasks);
    let workflows = workflows.iter().map(|json| lines(&workflow(&json.to_string(), &known)));
    let tasks = tasks.iter().map(|json| lines(&task_def(&json.to_string())));
    workflows.chain(tasks).collect()
}

/// Why the schema refuses a document's definitions.
fn refused(value: &Value) -> Vec<String> {
    let (workflows, tasks) = definitions(value);
    let mut errors = Vec::new();
    for (validator, documents) in [(&*WORKFLOW, workflows), (&*TASK_DEF, tasks)] {
        for document in documents {
            let found = validator.iter_errors(&document);
            errors.extend(found.map(|error| format!("{} {error}", error.instance_path())));
        }
    }
    errors
}

/// The definitions in a page of the manual, which its tests write to files.
fn of_page(text: &str) -> Vec<Value> {
    let blocks = text.split("```json file=").skip(1);
    let bodies = blocks.filter_map(|block| block.split_once('\n')?.1.split_once("```"));
    bodies.filter_map(|(body, _)| serde_json::from_str(body).ok()).collect()
}

#[test]
fn nothing_is_said_of_the_examples_and_of_the_manual() {
    let mut count = 0;
    let examples = files(&root().join("examples"), ".json");
    let examples = examples.iter().filter(|path| !path.to_str().unwrap().ends_with(".input.json"));
    let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
    let examples = examples.map(|path| (path.clone(), serde_json::from_str(&read(path)).unwrap()));
    let pages = files(&root().join("docs"), ".md");
    // That page shows what is said of wrong ones.
    let right = |path: &&PathBuf| !path.ends_with("check-definitions.md");
    let pages = pages.iter().filter(right).flat_map(|path| {
        of_page(&read(path)).into_iter().map(|value| (path.clone(), value)).collect::<Vec<_>>()
    });
    for (path, value) in examples.chain(pages) {
        count += definitions(&value).0.len();
        // The manual shows that nothing comes behind a TERMINATE.
        let said = said(&value);
        let is_meant =
            said.contains("`give_up` always ends the execution") && said.lines().count() == 1;
        assert!(said.is_empty() || is_meant, "{} {said}", path.display());
        assert_eq!(refused(&value), Vec::<String>::new(), "{}", path.display());
    }
    assert!(count > 30, "{count}");
}

/// Goal: the recorded scenarios, which include every oddity of the language, give the findings on record
/// and no others. Of the definitions that the scenarios have registered, the schema refuses only those on
/// record, too.
#[test]
fn what_is_said_of_the_recorded_scenarios() {
    let mut found = BTreeMap::new();
    let folder = root().join("e2e/conformance/scenarios");
    let scenarios = files(&folder, ".json");
    assert!(scenarios.len() > 400);
    for path in scenarios {
        let value: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let is_refused =
            value.get("register").is_some() || value["expected"].get("register").is_some();
        if is_refused {
            continue;
        }
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        let schema = refused(&value).into_iter().map(|error| format!("schema {error}\n"));
        let said = said(&value) + &schema.collect::<String>();
        if !said.is_empty() {
            found.insert(name, said);
        }
    }
    let text: Vec<String> = found.iter().map(|(name, said)| format!("{name}\n{said}")).collect();
    insta::assert_snapshot!(text.join("\n"));
}
