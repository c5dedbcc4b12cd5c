//! What the `${…}` of a definition refer to: steps, and when they run; inputs, variables and fields.
use crate::finding::{Code, Finding};
use crate::nearest::nearest;
use crate::scene::Scene;
use crate::steps::{Order, Step};
use crate::tokens::{Token, of_text, visit};
use baton_common::definition::InlineDefinition;
use baton_decider::task_type::{Inside, Joins};
use baton_decider::{TASK_FIELDS, WORKFLOW_FIELDS};
use serde_json::Value;
use std::collections::BTreeSet;

/// Words that a token may be without naming a step.
const WORDS: [&str; 3] = ["CPEWF_TASK_ID", "NETFLIX_ENV", "NETFLIX_STACK"];
/// What `workflow` has beside the execution's own fields.
const OUTSIDE_FIELDS: [&str; 2] = ["env", "secrets"];

/// Every reference that leads nowhere, or that stands where none is replaced.
pub(crate) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let mut check = Check {
        scene,
        inputs: declared_inputs(scene),
        variables: variables(scene),
        findings: Vec::new(),
    };
    let definition = scene.definition;
    check.value(&definition.output_parameters.to_value(), "/outputParameters", None);
    let texts = [
        ("/failureWorkflow", definition.failure_workflow.as_deref()),
        (
            "/rateLimitConfig/rateLimitKey",
            definition.rate_limit_config.as_ref().and_then(|limit| limit.rate_limit_key.as_deref()),
        ),
    ];
    for (pointer, text) in texts {
        check.text(text.unwrap_or_default(), pointer, None);
    }
    for (index, step) in scene.steps.all.iter().enumerate() {
        check.step(index, step);
    }
    check.findings
}

/// The inputs that the definition lists, with those of its template and schema; `None` when it lists
/// none.
fn declared_inputs(scene: &Scene<'_>) -> Option<BTreeSet<String>> {
    let definition = scene.definition;
    if definition.input_parameters.is_empty() {
        return None;
    }
    let mut names: BTreeSet<String> = definition.input_parameters.iter().cloned().collect();
    names.extend(keys(&definition.input_template.to_value()));
    let schema = definition.input_schema.as_ref().and_then(|schema| schema.data.as_ref());
    let schema = schema.map(baton_common::Payload::to_value).unwrap_or_default();
    names.extend(keys(&schema["properties"]));
    Some(names)
}

/// The variables that something sets; `None` when a step that is known at run time only may set
/// others.
fn variables(scene: &Scene<'_>) -> Option<BTreeSet<String>> {
    let mut names: BTreeSet<String> = keys(&scene.definition.variables.to_value()).collect();
    for step in &scene.steps.all {
        match step.inside() {
            Inside::RunTimeBranches | Inside::NamedType => return None,
            Inside::Nothing | Inside::Cases | Inside::Branches | Inside::Body => {}
        }
        if step.is("SET_VARIABLE") {
            names.extend(keys(&step.task.input_parameters.to_value()));
        }
    }
    Some(names)
}

fn keys(value: &Value) -> impl Iterator<Item = String> {
    let names: Vec<String> =
        value.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    names.into_iter()
}

struct Check<'a> {
    scene: &'a Scene<'a>,
    inputs: Option<BTreeSet<String>>,
    variables: Option<BTreeSet<String>>,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn step(&mut self, index: usize, step: &Step<'_>) {
        let (task, pointer, at) = (step.task, &step.pointer, Some(index));
        self.value(&task.input_parameters.to_value(), &format!("{pointer}/inputParameters"), at);
        self.text(task.items.as_deref().unwrap_or_default(), &format!("{pointer}/items"), at);
        if let Some(child) = &task.sub_workflow_param {
            let below = |member: &str| format!("{pointer}/subWorkflowParam/{member}");
            self.text(child.name.as_deref().unwrap_or_default(), &below("name"), at);
            let key = child.idempotency_key.as_deref().unwrap_or_default();
            self.text(key, &below("idempotencyKey"), at);
            if let Some(priority) = &child.priority {
                self.value(&priority.to_value(), &below("priority"), at);
            }
            if let Some(InlineDefinition::Expression(text)) = &child.workflow_definition {
                self.text(text, &below("workflowDefinition"), at);
            }
            for (name, domain) in child.task_to_domain.iter().flatten() {
                self.ignored(domain, &below(&format!("taskToDomain/{name}")), "a domain");
            }
        }
        let name = if step.inside() == Inside::Nothing { task.name.as_deref() } else { None };
        self.ignored(name.unwrap_or_default(), &format!("{pointer}/name"), "a task's name");
        // Behind a dynamic fork, the JOIN waits for the branches instead.
        let is_dynamic = self.scene.steps.before(index).is_some_and(Step::has_run_time_branches);
        let joins = step.facts.is_some_and(|facts| facts.joins != Joins::Nothing);
        let join_on = if is_dynamic || !joins { &[] } else { task.join_on.as_slice() };
        for (index, awaited) in join_on.iter().enumerate() {
            let pointer = format!("{pointer}/joinOn/{index}");
            self.awaited(awaited, &pointer, at);
        }
        for (index, awaited) in task.default_exclusive_join_task.iter().enumerate() {
            let pointer = format!("{pointer}/defaultExclusiveJoinTask/{index}");
            self.awaited(awaited, &pointer, at);
        }
    }

    fn value(&mut self, value: &Value, pointer: &str, at: Option<usize>) {
        let (mut texts, mut names) = (Vec::new(), Vec::new());
        visit(
            value,
            pointer,
            &mut |text, place| {
                if text.contains("${") {
                    texts.push((text.to_owned(), place.to_owned()));
                }
            },
            &mut |name, place| names.push((name.to_owned(), place.to_owned())),
        );
        for (text, place) in texts {
            self.text(&text, &place, at);
        }
        for (name, place) in names {
            self.ignored(&name, &place, "the name of a member");
        }
    }

    fn add(&mut self, code: Code, pointer: &str, message: String) {
        self.findings.push(Finding::new(code, pointer, message));
    }

    /// A text in which tokens are not replaced.
    fn ignored(&mut self, text: &str, pointer: &str, what: &str) {
        if let Some(token) = of_text(text).0.first() {
            let message =
                format!("`${{{}}}` is not replaced in {what}; use it in a value", token.path);
            self.add(Code::IgnoredReference, pointer, message);
        }
    }

    fn text(&mut self, text: &str, pointer: &str, at: Option<usize>) {
        let (tokens, is_open) = of_text(text);
        if is_open && !is_script(pointer) {
            let message = "`${` has no closing brace, so that the text stays as it is; write `$${` \
                           where that is meant";
            self.add(Code::BrokenReference, pointer, message.to_owned());
        }
        for token in tokens {
            self.token(&token, pointer, at);
        }
    }

    fn token(&mut self, token: &Token, pointer: &str, at: Option<usize>) {
        let shown = format!("`${{{}}}`", shortened(&token.path));
        if !token.is_path {
            let message = format!("{shown} is no path; write `${{reference.output.member}}`");
            return self.add(Code::BrokenReference, pointer, message);
        }
        let Some(root) = token.root.as_deref() else { return };
        if root == "workflow" {
            self.workflow(token, pointer, &shown);
        } else if let Some(step) = self.scene.steps.find(root) {
            self.fields(token, pointer, &shown, root);
            self.order(step, at, pointer, &shown);
        } else if !WORDS.contains(&root) && !self.is_known_at_run_time(root) {
            let known = self.scene.steps.references().chain(["workflow"]);
            let hint = match token.members.first() {
                Some(name) if WORKFLOW_FIELDS.contains(&root) => {
                    format!("; did you mean `${{workflow.{root}.{name}}}`?")
                }
                _ => self.scene.hint(root, known, "correct the name"),
            };
            let message = format!("{shown}: no step has the reference name `{root}`{hint}");
            self.add(Code::UnknownReference, pointer, message);
        }
    }

    /// Whether a branch that only the input describes may have this name.
    fn is_known_at_run_time(&self, reference: &str) -> bool {
        let base = reference.split("__").next().unwrap_or(reference);
        self.scene.steps.has_run_time_branches() || self.scene.steps.find(base).is_some()
    }

    fn workflow(&mut self, token: &Token, pointer: &str, shown: &str) {
        let Some(field) = token.members.first().map(String::as_str) else { return };
        let known = || WORKFLOW_FIELDS.iter().copied().chain(OUTSIDE_FIELDS);
        if !known().any(|known| known == field) {
            let hint = self.scene.hint(field, known(), "correct the name");
            let message = format!("{shown}: `workflow` has no member `{field}`{hint}");
            return self.add(Code::UnknownField, pointer, message);
        }
        let Some(name) = token.members.get(1).map(String::as_str) else { return };
        let (set, code, what, advice) = match field {
            "input" => (
                &self.inputs,
                Code::UndeclaredInput,
                "`inputParameters` does not list",
                "add it there, or correct the name",
            ),
            "variables" => (
                &self.variables,
                Code::UnsetVariable,
                "neither `variables` nor a SET_VARIABLE step gives",
                "set it, or correct the name",
            ),
            _ => return,
        };
        let Some(set) = set.as_ref().filter(|set| !set.contains(name)) else { return };
        let hint = self.scene.hint(name, set.iter().map(String::as_str), advice);
        let message = format!("{shown}: {what} `{name}`{hint}");
        self.add(code, pointer, message);
    }

    fn fields(&mut self, token: &Token, pointer: &str, shown: &str, root: &str) {
        let Some(field) = token.members.first().map(String::as_str) else { return };
        if TASK_FIELDS.contains(&field) {
            return;
        }
        let hint = match nearest(field, TASK_FIELDS.iter().copied()) {
            Some(meant) => format!("; did you mean `{meant}`?"),
            None => format!("; the outputs of a step are read as `${{{root}.output.{field}}}`"),
        };
        let message = format!("{shown}: a task has no member `{field}`{hint}");
        self.add(Code::UnknownField, pointer, message);
    }

    fn order(&mut self, other: usize, at: Option<usize>, pointer: &str, shown: &str) {
        let Some(at) = at else { return };
        let name = self.scene.steps.all[other].reference();
        let (code, message) = match self.scene.steps.order(other, at) {
            Order::Before => return,
            Order::Same if self.scene.steps.all[at].inside() == Inside::Body => return,
            Order::Same => (
                Code::ReferenceTooEarly,
                format!("{shown}: a step cannot read its own result; read another step"),
            ),
            Order::Later => (
                Code::ReferenceTooEarly,
                format!(
                    "{shown}: `{name}` runs only after this step, so that the value is null; move it before this step"
                ),
            ),
            Order::OtherCase => (
                Code::ReferenceAcrossBranches,
                format!(
                    "{shown}: `{name}` is in another case of the same choice and has not run when \
                     this step runs; read it behind the choice"
                ),
            ),
            Order::Parallel => (
                Code::ReferenceAcrossBranches,
                format!(
                    "{shown}: `{name}` is in another branch of the same fork and may not have ended \
                     when this step begins; read it behind the JOIN"
                ),
            ),
        };
        self.add(code, pointer, message);
    }

    /// A step that a JOIN waits for.
    fn awaited(&mut self, name: &str, pointer: &str, at: Option<usize>) {
        let base = name.split("__").next().unwrap_or(name);
        let found = self.scene.steps.find(name).or_else(|| self.scene.steps.find(base));
        let (Some(at), Some(other)) = (at, found) else {
            // For a JOIN that is a fault.
            let is_exclusive = at.is_some_and(|at| self.scene.steps.all[at].is("EXCLUSIVE_JOIN"));
            if is_exclusive && !self.scene.steps.has_run_time_branches() {
                let hint = self.scene.hint(name, self.scene.steps.references(), "correct the name");
                let message = format!("no step has the reference name `{name}`{hint}");
                self.add(Code::UnknownReference, pointer, message);
            }
            return;
        };
        let message = match self.scene.steps.order(other, at) {
            Order::Before | Order::Parallel => return,
            Order::Same => format!("`{name}` waits for itself; remove it"),
            Order::Later => {
                format!("`{name}` runs only after this step, which waits for it; remove it")
            }
            Order::OtherCase => {
                format!(
                    "`{name}` is in another case of the same choice and does not run; remove it"
                )
            }
        };
        self.add(Code::ReferenceTooEarly, pointer, message);
    }
}

/// Whether a text is a program, in which `${` may be a template of its own language.
fn is_script(pointer: &str) -> bool {
    pointer.ends_with("xpression")
}

/// A path as a message shows it.
fn shortened(path: &str) -> String {
    const CHARS_MAX: usize = 80;
    if path.chars().count() <= CHARS_MAX {
        return path.to_owned();
    }
    path.chars().take(CHARS_MAX).chain(['…']).collect()
}
