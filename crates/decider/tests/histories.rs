//! Golden histories of the decider; `BATON_UPDATE_HISTORIES=1` rewrites them.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test's helpers may fail it")]
mod support;

use baton_common::{WorkflowDef, WorkflowStatus};
use baton_decider::decide::types;
use baton_decider::task_type::Mark;
use baton_decider::validation::validate_workflow;
use std::path::PathBuf;
use support::{COMMANDS, History, Seen, end_of, run, sections};

fn files() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/histories");
    let entries = std::fs::read_dir(folder).expect("the folder of histories");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|ext| ext == "txt")).collect();
    files.sort();
    files
}

/// Goal: behaviour changes only on purpose. Method: every history is played and compared with its
/// file, with the invariants checked after each command.
#[test]
fn every_history_comes_out_as_written() {
    let only = std::env::var("BATON_HISTORY").ok();
    let is_update = std::env::var("BATON_UPDATE_HISTORIES").is_ok();
    let mut failures = Vec::new();
    for path in files() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if only.as_ref().is_some_and(|only| !name.contains(only)) {
            continue;
        }
        let written = std::fs::read_to_string(&path).expect("a history");
        let played = std::panic::catch_unwind(|| {
            run(&History::parse(&written), &mut Seen::default()).render()
        });
        match played {
            Ok(played) if played == written => {}
            Ok(played) if is_update => std::fs::write(&path, played).expect("a writable history"),
            Ok(played) => failures.push(format!("{name} comes out as\n{played}")),
            Err(panic) => failures.push(format!("{name} breaks: {}", said(&*panic))),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    panic.downcast_ref::<String>().map_or("see above", String::as_str)
}

/// Goal: no command is unthought-of in any status. Method: the histories together are searched for
/// every pair of command and status.
#[test]
fn every_command_meets_every_status() {
    let seen = all_seen();
    let statuses = WorkflowStatus::ALL.map(WorkflowStatus::name);
    let pairs = COMMANDS.iter().flat_map(|command| statuses.map(|status| (*command, status)));
    let missing: Vec<_> = pairs.filter(|pair| !seen.pairs.contains(pair)).collect();
    assert!(missing.is_empty(), "no history has {missing:?}");
}

fn all_seen() -> Seen {
    let mut seen = Seen::default();
    for path in files() {
        let written = std::fs::read_to_string(&path).expect("a history");
        run(&History::parse(&written), &mut seen);
    }
    seen
}

/// Goal: the page of state diagrams cannot drift. Method: it is rendered from what the histories show
/// and compared.
#[test]
fn the_state_diagrams_are_those_of_the_histories() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/state-machine.md");
    let page = all_seen().page();
    if std::env::var("BATON_UPDATE_HISTORIES").is_ok() {
        std::fs::write(path, &page).expect("a writable page");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(written, page, "BATON_UPDATE_HISTORIES=1 rewrites {path}");
}

const TASK_TYPES_PAGE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/task-types.md"));

/// Goal: the manual has every task type and no other, and each type one descriptor. Method: its
/// headings are compared with the list of types; words for SIMPLE are looked for in its section.
#[test]
fn the_manual_has_a_section_for_every_task_type() {
    let headings: Vec<String> =
        sections(TASK_TYPES_PAGE).into_iter().map(|section| section.name).collect();
    let (synonyms, types): (Vec<_>, Vec<_>) =
        types::all().partition(|facts| facts.has(Mark::LikeSimple));
    assert_eq!(headings, types.iter().map(|facts| facts.name).collect::<Vec<_>>());
    let (_, simple) = TASK_TYPES_PAGE.split_once("\n## SIMPLE\n").unwrap();
    let (simple, _) = simple.split_once("\n## ").unwrap();
    for synonym in synonyms {
        assert!(simple.contains(&format!("`{}`", synonym.name)), "{synonym:?} is not there");
    }
}

/// Goal: what the manual shows can be registered and ends as it says. Method: each example is
/// validated and run to its end.
#[test]
fn every_example_of_a_task_type_ends_as_the_manual_says() {
    for section in sections(TASK_TYPES_PAGE) {
        let definition: WorkflowDef = serde_json::from_str(&section.definition).unwrap();
        assert_eq!(validate_workflow(&definition, &|_| None), [], "{}", section.name);
        let has_it = definition.tasks.iter().any(|task| task.task_type == section.name);
        assert!(has_it, "the example of {} has none", section.name);
        assert_eq!(end_of(&section.definition), section.end, "{}", section.name);
    }
}

/// Goal: the manual quotes the rules of validation as they are worded. Method: every fixed part of a
/// quoted message is looked for in the sources of the validation.
#[test]
fn the_manual_quotes_rules_as_the_validation_words_them() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/validation");
    let folders = [folder.to_owned(), format!("{folder}/../decide/types")];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let files = files.map(|entry| entry.unwrap().path());
    let rules = files.filter(|path| path.file_name().is_none_or(|name| name != "tests.rs"));
    let shared =
        ["text.rs", "strict.rs"].map(|name| format!("{folder}/../../../common/src/{name}"));
    let rules = rules.chain(shared.map(Into::into));
    let sources: Vec<String> = rules.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    // A text that goes on in the next line of the source is one text.
    let lines = sources.iter().flat_map(|source| source.split("\\\n"));
    let source = lines.map(str::trim_start).collect::<String>();
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/errors.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, table) = page.split_once("| what is wrong | message |").expect("the table of rules");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let messages: Vec<&str> = rows
        .map(|row| row.trim_end_matches("` |").rsplit_once("| `").expect("a message").1)
        .collect();
    assert!(!messages.is_empty());
    for message in messages {
        for part in message.split('…').map(str::trim).filter(|part| !part.is_empty()) {
            assert!(source.contains(part), "no rule says `{part}`, as in `{message}`");
        }
    }
}
