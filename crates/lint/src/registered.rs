//! Workflows and tasks that a definition names and that are not there.
use crate::finding::{Code, Finding};
use crate::known::Known;
use crate::scene::Scene;
use crate::steps::Step;
use crate::types::misspelled;
use baton_decider::task_type::Shown;

/// Everything that is named and missing, as far as it is known.
pub(crate) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let definition = scene.definition;
    let mut check = Check { scene, findings: Vec::new() };
    if let Some(name) = definition.failure_workflow.as_deref() {
        check.workflow(name, definition.failure_workflow_version, "/failureWorkflow");
    }
    for step in &scene.steps.all {
        check.child(step);
        check.started(step);
        check.forked(step);
        check.worker(step);
    }
    check.findings
}

struct Check<'a> {
    scene: &'a Scene<'a>,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn known(&self) -> &dyn Known {
        self.scene.known
    }

    fn child(&mut self, step: &Step<'_>) {
        let Some(child) = step.task.sub_workflow_param.as_ref().filter(|_| step.is("SUB_WORKFLOW"))
        else {
            return;
        };
        if child.workflow_definition.is_some() {
            return;
        }
        if let Some(name) = child.name.as_deref() {
            let pointer = format!("{}/subWorkflowParam/name", step.pointer);
            self.workflow(name, child.version, &pointer);
        }
    }

    fn started(&mut self, step: &Step<'_>) {
        let input = step.task.input_parameters.to_value();
        let request = &input["startWorkflow"];
        let Some(name) = request["name"].as_str().filter(|_| step.is("START_WORKFLOW")) else {
            return;
        };
        if request.get("workflowDef").is_some() {
            return;
        }
        let version = request["version"].as_i64().and_then(|version| i32::try_from(version).ok());
        let pointer = format!("{}/inputParameters/startWorkflow/name", step.pointer);
        self.workflow(name, version, &pointer);
    }

    fn forked(&mut self, step: &Step<'_>) {
        let Some(name) = step.input_text("forkTaskWorkflow") else { return };
        if step.is("FORK_JOIN_DYNAMIC") {
            let pointer = format!("{}/inputParameters/forkTaskWorkflow", step.pointer);
            self.workflow(&name, None, &pointer);
        }
    }

    fn workflow(&mut self, name: &str, version: Option<i32>, pointer: &str) {
        let is_own = self.scene.definition.name.as_deref() == Some(name);
        // Version 0 stands for the latest.
        let version = version.filter(|version| *version != 0);
        let is_own =
            is_own && version.is_none_or(|version| version == self.scene.definition.version);
        if name.is_empty() || name.contains("${") || is_own {
            return;
        }
        if self.known().has_workflow(name, version) != Some(false) {
            return;
        }
        let message = match version {
            Some(version) if self.known().has_workflow(name, None) == Some(true) => {
                format!(
                    "the workflow `{name}` is registered, but not its version {version}; register that \
                     version, or name another"
                )
            }
            _ => {
                let names = self.known().workflow_names();
                let hint = self.scene.hint(name, names, "register it, or correct the name");
                format!("no workflow `{name}` is registered{hint}")
            }
        };
        self.findings.push(Finding::new(Code::MissingWorkflow, pointer, message));
    }

    /// A task of a worker that neither a definition nor a poll tells of.
    fn worker(&mut self, step: &Step<'_>) {
        let by_name =
            step.facts.is_some_and(|facts| facts.shown == Shown::Name && facts.is_worker());
        let is_dynamic = step.is("DYNAMIC");
        let is_other = step.facts.is_none();
        let queue = if is_other { step.task_type() } else { step.name() };
        if is_dynamic
            || !(by_name || is_other)
            || queue.is_empty()
            || step.task.task_definition.is_some()
        {
            return;
        }
        if queue.contains("${") || misspelled(self.scene, step).is_some() {
            return;
        }
        let names = [queue, step.name()];
        let is_defined = names.iter().any(|name| self.known().has_task_def(name) != Some(false));
        if is_defined || self.known().is_polled(queue) != Some(false) {
            return;
        }
        let names = self.known().task_names();
        let hint =
            self.scene.hint(queue, names, "start a worker for it, or register a task definition");
        let member = if is_other { "type" } else { "name" };
        let message =
            format!("no worker has polled for `{queue}`, and it has no task definition{hint}");
        self.findings.push(Finding::new(
            Code::MissingTask,
            format!("{}/{member}", step.pointer),
            message,
        ));
    }
}
