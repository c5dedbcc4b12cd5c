//! Names of steps: unique in a definition, and known where a top step's input mentions them.
use super::fault::Fault;
use super::steps::{Step, escaped};
use baton_common::{Payload, WorkflowDef};
use baton_expression::template::tokens;
use serde_json::Value;
use std::collections::HashSet;

/// Words that a token may be without naming a step.
const KNOWN_WORDS: [&str; 3] = ["CPEWF_TASK_ID", "NETFLIX_ENV", "NETFLIX_STACK"];

/// Reference names given to more than one step, loop bodies included.
pub(super) fn duplicates(definition: &WorkflowDef, steps: &[Step<'_>]) -> Vec<Fault> {
    let name = definition.name.as_deref().unwrap_or("null");
    let mut seen = HashSet::new();
    let named = steps.iter().filter(|step| {
        step.task.task_reference_name.as_deref().is_some_and(|name| !name.is_empty())
    });
    let again = named.filter(|step| !seen.insert(step.reference()));
    again
        .map(|step| {
            let message = format!(
                "taskReferenceName: {} should be unique across tasks for a given \
                 workflowDefinition: {name}",
                step.reference()
            );
            Fault::of_whole(format!("{}/taskReferenceName", step.pointer), message)
        })
        .collect()
}

/// Tokens in the inputs of the definition's own steps that are no paths, or whose first word names
/// nothing. Conductor looks neither into branches nor at the output parameters.
pub(super) fn undefined(steps: &[Step<'_>]) -> Vec<Fault> {
    let names: HashSet<&str> = steps.iter().map(Step::reference).collect();
    let mut faults = Vec::new();
    for step in steps.iter().filter(|step| step.is_top) {
        let pointer = format!("{}/inputParameters", step.pointer);
        let mut inputs = Inputs { step, names: &names, key: String::new(), faults: &mut faults };
        inputs.visit(&step.task.input_parameters.to_value(), &pointer);
    }
    faults
}

/// A walk over one step's input.
struct Inputs<'a> {
    step: &'a Step<'a>,
    names: &'a HashSet<&'a str>,
    /// The member that the current value stands in.
    key: String,
    faults: &'a mut Vec<Fault>,
}

impl Inputs<'_> {
    fn visit(&mut self, value: &Value, pointer: &str) {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
            Value::String(text) => self.check(text, pointer),
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    self.visit(element, &format!("{pointer}/{index}"));
                }
            }
            Value::Object(members) => {
                let outer = std::mem::take(&mut self.key);
                for (key, member) in members {
                    self.key.clone_from(key);
                    self.visit(member, &format!("{pointer}/{}", escaped(key)));
                }
                self.key = outer;
            }
        }
    }

    fn check(&mut self, text: &str, pointer: &str) {
        if !text.contains("${") {
            return;
        }
        let Ok(text) = Payload::of(text) else { return };
        for token in tokens(&text) {
            let message = if token.compiles {
                self.unknown_root(token.root.as_deref(), &token.path)
            } else {
                let (key, path) = (&self.key, &token.path);
                Some(format!("key: {key} input parameter value: {path} is not valid"))
            };
            self.faults.extend(message.map(|message| Fault::of_whole(pointer, message)));
        }
    }

    /// The message when a path begins with nothing known; what a nested token puts there is known
    /// only at run time.
    fn unknown_root(&self, root: Option<&str>, path: &str) -> Option<String> {
        let root = root?;
        let is_known = root == "workflow" || self.names.contains(root);
        if is_known || KNOWN_WORDS.contains(&path) || path.contains("${") {
            return None;
        }
        let (task, key) = (self.step.name(), &self.key);
        Some(format!(
            "taskReferenceName: {root} for given task: {task} input value: {path} of input \
             parameter: {key} is not defined in workflow definition."
        ))
    }
}
