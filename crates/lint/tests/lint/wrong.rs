//! Wrong definitions, each with exactly what is said of it: `wrong.txt`, which `BATON_UPDATE_LINT=1`
//! writes anew.
use crate::{World, lines, task_def, workflow};
use baton_lint::Code;
use std::fmt::Write;
use std::path::Path;

/// A title, a definition on one line, and what is said of it.
struct Case<'t> {
    title: &'t str,
    json: &'t str,
    said: &'t str,
}

fn cases(text: &str) -> Vec<Case<'_>> {
    let blocks = text.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    blocks
        .map(|block| {
            let (title, rest) = block.split_once('\n').unwrap();
            let (json, said) = rest.split_once("\n----\n").unwrap_or((rest, ""));
            Case { title, json, said }
        })
        .collect()
}

/// Compares what `lint` says of each case of a file with what stands there.
fn compare(file: &str, least: usize, lint: fn(&str) -> String) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let cases = cases(&text);
    assert!(cases.len() >= least, "{} cases", cases.len());
    let mut written = String::new();
    let mut different = Vec::new();
    for Case { title, json, said } in &cases {
        let found = lint(json);
        assert!(!found.is_empty(), "{title}: nothing is said");
        if found.trim_end() != said.trim_end() {
            different.push(format!("{title}\n{json}\n----\n{found}"));
        }
        let _ = writeln!(written, "{title}\n{json}\n----\n{found}");
    }
    if std::env::var("BATON_UPDATE_LINT").is_ok() {
        std::fs::write(&path, written.trim_end().to_owned() + "\n").unwrap();
    } else {
        assert!(different.is_empty(), "{}", different.join("\n"));
    }
    written
}

#[test]
fn what_is_said_of_wrong_workflow_definitions() {
    let written = compare("wrong.txt", 60, |json| lines(&workflow(json, &World)));
    for code in Code::ALL {
        assert!(written.contains(&format!("\n{} /", code.name())), "no case of {}", code.name());
    }
}

#[test]
fn what_is_said_of_wrong_task_definitions() {
    compare("wrong_task_defs.txt", 8, |json| lines(&task_def(json)));
}
