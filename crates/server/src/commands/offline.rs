//! Checks of definitions without a server: the same rules and the same lint, run here.
use super::document::{Definitions, Source};
use super::warning::{Warning, warnings};
use baton_common::{TaskDef, WorkflowDef};
use baton_decider::validation::{Fault, validate_task_def, validate_workflow};
use baton_lint::{Known, lint_task_def, lint_workflow};
use std::sync::Arc;

/// Every fault of these definitions, one line each; task definitions of the same files count as
/// registered.
pub(crate) fn faults(definitions: &Definitions) -> Vec<String> {
    let known = |name: &str| definitions.task(name).cloned().map(Arc::new);
    let tasks = definitions
        .tasks
        .iter()
        .flat_map(|source| lines(source, validate_task_def(&source.definition)));
    let workflows = definitions
        .workflows
        .iter()
        .flat_map(|source| lines(source, validate_workflow(&source.definition, &known)));
    definitions.faults.iter().cloned().chain(tasks).chain(workflows).collect()
}

fn lines<T>(source: &Source<T>, faults: Vec<Fault>) -> Vec<String> {
    let line = |fault: Fault| format!("{} at {}: {}", source.label(), fault.pointer, fault.message);
    faults.into_iter().map(line).collect()
}

/// Everything that is suspicious in these definitions.
pub(crate) fn lint(definitions: &Definitions) -> Vec<Warning> {
    let files = Files(definitions);
    let tasks = definitions.tasks.iter().flat_map(|source| {
        warnings(source, lint_task_def(&source.definition, &source.document).into())
    });
    let workflows = definitions.workflows.iter().flat_map(|source| {
        warnings(source, lint_workflow(&source.definition, &source.document, &files).into())
    });
    tasks.chain(workflows).collect()
}

/// What the files say of the world. What they do not have may be on the server.
struct Files<'a>(&'a Definitions);

impl Files<'_> {
    fn workflow(&self, name: &str) -> Option<&WorkflowDef> {
        let mut definitions = self.0.workflows.iter().map(|source| &source.definition);
        definitions.find(|workflow| workflow.name.as_deref() == Some(name))
    }
}

impl Known for Files<'_> {
    fn has_workflow(&self, name: &str, _: Option<i32>) -> Option<bool> {
        self.workflow(name).map(|_| true)
    }

    fn workflow_names(&self) -> Vec<&str> {
        Vec::new()
    }

    fn has_task_def(&self, name: &str) -> Option<bool> {
        self.0.task(name).map(|_| true)
    }

    fn task_names(&self) -> Vec<&str> {
        Vec::new()
    }

    fn gives_input(&self, name: &str, member: &str) -> bool {
        let gives = |task: &TaskDef| task.input_template.to_value().get(member).is_some();
        self.0.task(name).is_some_and(gives)
    }

    fn is_polled(&self, _: &str) -> Option<bool> {
        None
    }
}
