//! Golden histories of the decider; `BATON_UPDATE_HISTORIES=1` rewrites them.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test's helpers may fail it")]
mod support;

use baton_common::WorkflowStatus;
use std::path::PathBuf;
use support::{COMMANDS, History, Seen, run};

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
