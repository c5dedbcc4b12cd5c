//! What all histories together have shown.
use std::collections::BTreeSet;
use std::fmt::Write;

/// From one status to another, by which change.
pub(crate) type Move = (&'static str, &'static str, String);

/// What histories have shown.
#[derive(Default)]
pub(crate) struct Seen {
    /// Which commands came upon which status.
    pub(crate) pairs: BTreeSet<(&'static str, &'static str)>,
    /// How tasks went from status to status.
    pub(crate) task_moves: BTreeSet<Move>,
    /// How executions did.
    pub(crate) execution_moves: BTreeSet<Move>,
}

impl Seen {
    /// The page of diagrams.
    pub(crate) fn page(&self) -> String {
        format!(
            "# State machines\n\n\
             Rendered by `crates/decider/tests/histories.rs` from the golden histories; \
             `BATON_UPDATE_HISTORIES=1` rewrites it.\n\
             The label of an arrow names the changes that take a task or an execution along it.\n\n\
             ## Executions\n\n{}\n## Tasks\n\n{}",
            diagram(&self.execution_moves, "RUNNING"),
            diagram(&self.task_moves, ""),
        )
    }
}

fn diagram(moves: &BTreeSet<Move>, first: &str) -> String {
    let mut text = String::from("```mermaid\nstateDiagram-v2\n");
    if !first.is_empty() {
        let _ = writeln!(text, "    [*] --> {first}");
    }
    let ends: BTreeSet<(&str, &str)> = moves.iter().map(|(from, to, _)| (*from, *to)).collect();
    for (from, to) in ends {
        let by = moves.iter().filter(|(a, b, _)| (*a, *b) == (from, to));
        let by: Vec<&str> = by.map(|(_, _, change)| change.as_str()).collect();
        let _ = writeln!(text, "    {from} --> {to}: {}", by.join(", "));
    }
    text + "```\n"
}
