//! The lint of definitions: what is accepted but is probably not what its author means.
//!
//! Pure functions over a definition, the text that it was read from, and what is known of the server
//! it will run on. What is refused is not its business: that is `baton_decider::validation`.
mod document;
mod finding;
mod flow;
mod known;
mod loops;
mod members;
mod nearest;
mod references;
mod registered;
mod scene;
pub mod schema;
mod scripts;
mod source;
mod steps;
mod task_def;
mod tokens;
mod types;

pub use document::Document;
pub use finding::{Code, FINDINGS_MAX, Finding, Report};
pub use known::Known;
pub use members::{is_workflow, misnamed_tasks};

use baton_common::definition::InlineDefinition;
use baton_common::{TaskDef, WorkflowDef};
use scene::Scene;

/// What is suspicious in a workflow definition, in the order of the document. `document` is what it was
/// read from; what is wrong enough to be refused is not repeated here.
pub fn lint_workflow(definition: &WorkflowDef, document: &Document, known: &dyn Known) -> Report {
    // Another version is another language, which is refused.
    if definition.schema_version != 2 {
        return Report::default();
    }
    let mut findings = members::findings(document, schema::workflow_schema());
    findings.extend(definition_findings(definition, known));
    Report::of(findings)
}

/// What is suspicious in a task definition, in the order of the document.
pub fn lint_task_def(definition: &TaskDef, document: &Document) -> Report {
    let mut findings = members::findings(document, schema::task_def_schema());
    findings.extend(task_def::findings(definition, ""));
    Report::of(findings)
}

/// The findings of a definition and of those that its steps bring along.
fn definition_findings(definition: &WorkflowDef, known: &dyn Known) -> Vec<Finding> {
    let scene = Scene::of(definition, known);
    let checks = [
        types::findings,
        references::findings,
        scripts::findings,
        loops::findings,
        flow::findings,
        registered::findings,
    ];
    let mut findings: Vec<Finding> = checks.iter().flat_map(|check| check(&scene)).collect();
    for step in &scene.steps.all {
        if let Some(own) = &step.task.task_definition {
            findings.extend(task_def::findings(own, &format!("{}/taskDefinition", step.pointer)));
        }
        let child = step.task.sub_workflow_param.as_ref();
        let inline = child.and_then(|child| child.workflow_definition.as_ref());
        if let Some(InlineDefinition::Definition(inner)) = inline {
            let prefix = format!("{}/subWorkflowParam/workflowDefinition", step.pointer);
            findings.extend(definition_findings(inner, known).into_iter().map(|finding| Finding {
                pointer: format!("{prefix}{}", finding.pointer),
                ..finding
            }));
        }
    }
    findings
}
