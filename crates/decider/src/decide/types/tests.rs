//! The list is whole, each type is at home in its own file, and one more type is one file more.
use super::super::decider::{Context, Decider, TaskType, TaskTypes};
use super::super::{Outcome, Surroundings};
use super::example::COALESCE;
use super::{ALL, worker};
use crate::command::Command;
use crate::decide::agenda::SliceLimits;
use crate::plan::Plan;
use crate::state::{Execution, Lineage, StartFacts};
use crate::task_type::Facts;
use crate::validation::steps::steps;
use baton_common::{ExecutionId, Payload, TaskDef, Timestamp, WorkflowDef};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Goal: what belongs to one type stands in its file. Method: each name in the list is looked for in
/// all sources but the tests.
#[test]
fn only_the_file_of_a_type_names_it() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let mut files = Vec::new();
    sources(root, &mut files);
    files.retain(|file| !file.ends_with("tests.rs"));
    let mut names = HashSet::new();
    for TaskType { facts, .. } in ALL.named {
        assert!(names.insert(facts.name), "{facts:?} is twice in the list");
        let own = root.join(format!("decide/types/{}.rs", facts.name.to_lowercase()));
        let quoted = format!("\"{}\"", facts.name);
        let naming = files.iter().filter(|file| {
            let source = std::fs::read_to_string(file).unwrap();
            source.split("#[cfg(test)]").next().unwrap().contains(&quoted)
        });
        assert_eq!(naming.collect::<Vec<_>>(), [&own], "the files that name {facts:?}");
    }
}

/// Goal: a file that nobody lists is noticed. Method: the files are counted.
#[test]
fn every_file_of_a_type_is_in_the_list() {
    let no_types = ["engine.rs", "example.rs", "mod.rs", "script.rs", "tests.rs", "worker.rs"];
    let mut files = Vec::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/decide/types");
    sources(Path::new(folder), &mut files);
    files.retain(|file| !no_types.iter().any(|name| file.ends_with(name)));
    assert_eq!(files.len(), ALL.named.len(), "{files:?}");
}

/// The list with one line more.
static WITH_EXAMPLE: TaskTypes = TaskTypes { named: &[&COALESCE], other: &worker::OTHER };

fn find(name: &str) -> &'static Facts {
    if name == COALESCE.facts.name { &COALESCE.facts } else { &worker::OTHER.facts }
}

struct Nothing;

impl Surroundings for Nothing {
    fn task_def(&self, _: &str) -> Option<Arc<TaskDef>> {
        None
    }

    fn latest_version(&self, _: &str) -> Option<i32> {
        None
    }

    fn is_domain_active(&self, _: &str, _: &str) -> bool {
        false
    }

    fn environment(&self, _: &str) -> Option<String> {
        None
    }
}

fn definition(input: &Value) -> WorkflowDef {
    let step = json!({"name": "c", "taskReferenceName": "c", "type": "COALESCE",
        "inputParameters": input});
    serde_json::from_value(json!({"name": "w", "tasks": [step]})).unwrap()
}

/// The execution of one COALESCE step, right after its start.
fn begun(input: &Value) -> Arc<Execution> {
    let now = Timestamp::from_millis(1_795_000_000_000);
    let facts = StartFacts {
        id: ExecutionId::new(now, 7),
        workflow_name: "w".into(),
        workflow_version: 1,
        correlation_id: None,
        priority: 0,
        task_to_domain: indexmap::IndexMap::new(),
        parent: None,
        variables: Payload::empty_object(),
        event: None,
        created_by: None,
        idempotency_key: None,
        trace: None,
        lineage: Lineage::default(),
        at: now,
    };
    let plan = Arc::new(Plan::of(definition(input), find));
    let execution = Arc::new(Execution::new(plan, facts, Payload::empty_object()));
    let context = Context { now, slice: SliceLimits::DEFAULT, surroundings: Arc::new(Nothing) };
    let mut decider = Decider::new(execution, context, WITH_EXAMPLE);
    decider.obey(Command::Begin).unwrap();
    match decider.run().unwrap() {
        Outcome::Decided(decision) => decision.execution,
        Outcome::Suspended(_) => panic!("it asks for no script"),
    }
}

/// Goal: one more type is one file and its line in the list. Method: the manual's example is run with
/// a list of its own; nothing else in the crate knows of it.
#[test]
fn one_more_type_is_one_file_more() {
    let good = begun(&json!({"values": [null, 2, 3]}));
    assert_eq!((good.status.name(), good.output.get()), ("COMPLETED", r#"{"value":2}"#));
    let bad = begun(&json!({"values": [null]}));
    assert_eq!(bad.status.name(), "FAILED");
    assert!(bad.reason.as_deref().is_some_and(|why| why.contains("all values are null")));
    let definition = definition(&json!({}));
    let faults = (COALESCE.facts.faults)(&steps(&definition)[0], &|_| None);
    assert_eq!(faults[0].pointer, "/tasks/0/inputParameters/values");
}

/// Goal: the manual shows the example as it is. Method: the two are compared.
#[test]
fn the_manual_shows_the_example_as_it_is() {
    // Read, not included: an image is built without the manual.
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/how-to/add-a-task-type.md");
    let page = std::fs::read_to_string(page).unwrap();
    let example = include_str!("example.rs");
    assert!(page.contains(&format!("\n{example}```\n")), "the page shows another file");
}
