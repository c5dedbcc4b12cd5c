//! Lengths of the texts that a definition fixes: names, reference names, domains, keys. A text with
//! an expression in it is checked when it has a value.
use super::fault::Fault;
use super::steps::{Step, escaped, steps};
use baton_common::definition::{InlineDefinition, SubWorkflowParams};
use baton_common::limits::{
    IDEMPOTENCY_KEY_BYTES_MAX, LOOP_ITERATIONS_MAX, NAME_BYTES_MAX, REFERENCE_NAME_BYTES_MAX,
};
use baton_common::{TaskDef, TextFault, WorkflowDef};

/// Bytes that a loop adds to the reference names of its body: two underscores and the number of
/// the round.
const ROUND_BYTES_MAX: usize = 2 + LOOP_ITERATIONS_MAX.ilog10() as usize + 1;

/// Every text of the definition and of its steps that is above its limit.
pub(super) fn faults(definition: &WorkflowDef, steps: &[Step<'_>]) -> Vec<Fault> {
    let mut texts = Texts::default();
    texts.check("/name", "name", definition.name.as_ref(), NAME_BYTES_MAX);
    let failure_workflow = definition.failure_workflow.as_ref();
    texts.check_fixed("/failureWorkflow", "failureWorkflow", failure_workflow, NAME_BYTES_MAX);
    for step in steps {
        texts.step(step);
    }
    texts.faults
}

/// Every text of a task definition that is above its limit.
pub(super) fn task_def_faults(definition: &TaskDef) -> Vec<Fault> {
    let mut texts = Texts::default();
    texts.task_def("", "", definition);
    texts.faults
}

#[derive(Default)]
struct Texts {
    faults: Vec<Fault>,
}

impl Texts {
    fn check(&mut self, pointer: &str, path: &str, text: Option<&String>, limit: usize) {
        let Some(fault) = text.and_then(|text| TextFault::of(text, limit)) else { return };
        let field = path.rsplit('.').next().unwrap_or(path);
        let (pointer, path) = (pointer.to_owned(), path.to_owned());
        let message = format!("{field} {fault}");
        self.faults.push(Fault { pointer, path, message, invalid_value: None });
    }

    /// As [`Self::check`], for a text that may be an expression.
    fn check_fixed(&mut self, pointer: &str, path: &str, text: Option<&String>, limit: usize) {
        self.check(pointer, path, text.filter(|text| !text.contains("${")), limit);
    }

    fn step(&mut self, step: &Step<'_>) {
        let task = step.task;
        let at = |name: &str| (format!("{}/{name}", step.pointer), format!("{}.{name}", step.path));
        let (pointer, path) = at("name");
        self.check_fixed(&pointer, &path, task.name.as_ref(), NAME_BYTES_MAX);
        let limit = REFERENCE_NAME_BYTES_MAX - if step.in_loop { ROUND_BYTES_MAX } else { 0 };
        let (pointer, path) = at("taskReferenceName");
        self.check(&pointer, &path, task.task_reference_name.as_ref(), limit);
        let (pointer, path) = at("type");
        self.check(&pointer, &path, Some(&task.task_type), NAME_BYTES_MAX);
        for (index, name) in task.join_on.iter().enumerate() {
            let (pointer, path) = at("joinOn");
            let (pointer, path) = (format!("{pointer}/{index}"), format!("{path}[{index}]"));
            self.check_fixed(&pointer, &path, Some(name), REFERENCE_NAME_BYTES_MAX);
        }
        if let Some(definition) = &task.task_definition {
            let (pointer, path) = at("taskDefinition");
            self.task_def(&pointer, &format!("{path}."), definition);
        }
        if let Some(child) = &task.sub_workflow_param {
            let (pointer, path) = at("subWorkflowParam");
            self.child(&pointer, &path, child);
        }
    }

    fn task_def(&mut self, pointer: &str, path: &str, definition: &TaskDef) {
        for (name, text) in [
            ("name", &definition.name),
            ("isolationGroupId", &definition.isolation_group_id),
            ("executionNameSpace", &definition.execution_name_space),
        ] {
            let (pointer, path) = (format!("{pointer}/{name}"), format!("{path}{name}"));
            self.check(&pointer, &path, text.as_ref(), NAME_BYTES_MAX);
        }
    }

    fn child(&mut self, pointer: &str, path: &str, child: &SubWorkflowParams) {
        let at = |name: &str| (format!("{pointer}/{name}"), format!("{path}.{name}"));
        let (name_pointer, name_path) = at("name");
        self.check_fixed(&name_pointer, &name_path, child.name.as_ref(), NAME_BYTES_MAX);
        let (key_pointer, key_path) = at("idempotencyKey");
        let key = child.idempotency_key.as_ref();
        self.check_fixed(&key_pointer, &key_path, key, IDEMPOTENCY_KEY_BYTES_MAX);
        for (task_type, domains) in child.task_to_domain.iter().flatten() {
            let (pointer, path) = at("taskToDomain");
            let pointer = format!("{pointer}/{}", escaped(task_type));
            self.check_fixed(&pointer, &path, Some(task_type), NAME_BYTES_MAX);
            for domain in domains.split(',').map(str::trim) {
                self.check_fixed(&pointer, &path, Some(&domain.to_owned()), NAME_BYTES_MAX);
            }
        }
        if let Some(InlineDefinition::Definition(definition)) = &child.workflow_definition {
            let (pointer, path) = at("workflowDefinition");
            self.inline(&pointer, &path, definition);
        }
    }

    /// A child's definition is registered with the step that starts it, and never by itself.
    fn inline(&mut self, pointer: &str, path: &str, definition: &WorkflowDef) {
        let mut within = Self::default();
        within.check("/name", "name", definition.name.as_ref(), NAME_BYTES_MAX);
        for step in &steps(definition) {
            within.step(step);
        }
        self.faults.extend(within.faults.into_iter().map(|fault| Fault {
            pointer: format!("{pointer}{}", fault.pointer),
            path: format!("{path}.{}", fault.path),
            ..fault
        }));
    }
}
