//! The lint over definitions of this repository, right ones and wrong ones.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]
mod codes;
mod own;
mod size;
mod wrong;

use baton_common::{TaskDef, WorkflowDef, strict};
use baton_lint::{Document, Known, Report, lint_task_def, lint_workflow};
use std::fmt::Write;

/// A small world: what is registered in it, and who polls.
struct World;

impl Known for World {
    fn has_workflow(&self, name: &str, version: Option<i32>) -> Option<bool> {
        Some(name == "invoice" && version.is_none_or(|version| version == 1))
    }

    fn workflow_names(&self) -> Vec<&str> {
        vec!["invoice"]
    }

    fn has_task_def(&self, name: &str) -> Option<bool> {
        Some(["pack", "charge"].contains(&name))
    }

    fn task_names(&self) -> Vec<&str> {
        vec!["pack", "charge"]
    }

    fn gives_input(&self, name: &str, member: &str) -> bool {
        (name, member) == ("charge", "currency")
    }

    fn is_polled(&self, queue: &str) -> Option<bool> {
        Some(["ship", "HTTPS"].contains(&queue))
    }
}

fn workflow(json: &str, known: &dyn Known) -> Report {
    let definition: WorkflowDef = strict::from_str(json).unwrap();
    lint_workflow(&definition, &Document::read(json.as_bytes()).unwrap(), known)
}

fn task_def(json: &str) -> Report {
    let definition: TaskDef = strict::from_str(json).unwrap();
    lint_task_def(&definition, &Document::read(json.as_bytes()).unwrap())
}

/// A report, one line each.
fn lines(report: &Report) -> String {
    let mut lines = String::new();
    for finding in &report.findings {
        let name = finding.code.name();
        let _ = writeln!(lines, "{name} {}: {}", finding.pointer, finding.message);
    }
    lines
}
