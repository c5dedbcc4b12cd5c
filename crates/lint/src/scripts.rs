//! Scripts and the parameters beside them: whether they parse, what they read, which results they can
//! give, and which evaluator runs them.
use crate::finding::{Code, Finding};
use crate::scene::Scene;
use crate::source::inputs_read;
use crate::steps::Step;
use crate::tokens::of_text;
use baton_decider::task_type::Mark;
use baton_expression::plain::Program;
use baton_expression::script::{Language, syntax_error};
use serde_json::Value;

const EVALUATORS: [&str; 3] = ["javascript", "graaljs", "value-param"];

/// Most scripts of one definition whose syntax is checked: each check starts an engine.
const SYNTAX_CHECKS_MAX: usize = 50;

/// Everything about the scripts of a definition.
pub(crate) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let mut check = Check { scene, findings: Vec::new(), syntax_checks: 0 };
    for index in 0..scene.steps.all.len() {
        check.step(index);
    }
    check.findings
}

/// A script of a step.
struct Script<'s> {
    source: &'s str,
    language: Language,
    /// Where it is, from the step.
    below: &'static str,
    /// Whether `${…}` in it is replaced before it runs.
    is_resolved: bool,
}

struct Check<'a> {
    scene: &'a Scene<'a>,
    findings: Vec<Finding>,
    syntax_checks: usize,
}

impl Check<'_> {
    fn add(&mut self, code: Code, pointer: String, message: String) {
        self.findings.push(Finding::new(code, pointer, message));
    }

    fn step(&mut self, index: usize) {
        let scene = self.scene;
        let step = &scene.steps.all[index];
        let input = step.task.input_parameters.to_value();
        let text = |member: &str| input.get(member).and_then(Value::as_str);
        match step.task_type() {
            "SWITCH" => self.switch(step, &input),
            "DECISION" => self.decision(step, &input),
            "INLINE" => {
                let evaluator = text("evaluatorType").unwrap_or("javascript");
                self.evaluator(step, evaluator, "/inputParameters/evaluatorType");
                let Some(source) = text("expression") else { return };
                if evaluator == "value-param" {
                    self.parameter(step, source, &input, "/inputParameters/expression");
                } else if EVALUATORS.contains(&evaluator) {
                    self.script(
                        index,
                        &of_input(source, Language::JavaScript, "/inputParameters/expression"),
                    );
                }
            }
            "LAMBDA" => {
                let Some(source) = text("scriptExpression") else { return };
                let source = format!("(function () {{ {source}\n}})()");
                let below = "/inputParameters/scriptExpression";
                self.script(index, &of_input(&source, Language::JavaScript, below));
            }
            "JSON_JQ_TRANSFORM" => {
                let Some(source) = text("queryExpression") else { return };
                self.script(
                    index,
                    &of_input(source, Language::Jq, "/inputParameters/queryExpression"),
                );
            }
            "DO_WHILE" => {
                let Some(source) = step.task.loop_condition.as_deref() else { return };
                self.script(index, &raw(source, "/loopCondition"));
            }
            "DYNAMIC" => {
                let name = step.task.dynamic_task_name_param.as_deref();
                self.named(step, name, &input, "/dynamicTaskNameParam");
            }
            "FORK_JOIN_DYNAMIC" if input.get("forkTaskInputs").is_none() => {
                let task = step.task;
                for (name, below) in [
                    (&task.dynamic_fork_tasks_param, "/dynamicForkTasksParam"),
                    (&task.dynamic_fork_tasks_input_param_name, "/dynamicForkTasksInputParamName"),
                    (&task.dynamic_fork_join_tasks_param, "/dynamicForkJoinTasksParam"),
                ] {
                    self.named(step, name.as_deref(), &input, below);
                }
            }
            _ => {}
        }
    }

    fn switch(&mut self, step: &Step<'_>, input: &Value) {
        let evaluator = step.task.evaluator_type.as_deref().unwrap_or_default();
        let Some(expression) = step.task.expression.as_deref() else { return };
        if evaluator.is_empty() {
            return;
        }
        self.evaluator(step, evaluator, "/evaluatorType");
        match evaluator {
            "value-param" => {
                self.parameter(step, expression, input, "/expression");
                self.constant_choice(step, input.get(expression));
            }
            "javascript" | "graaljs" => self.choice_script(step, expression, "/expression"),
            _ => {}
        }
    }

    fn decision(&mut self, step: &Step<'_>, input: &Value) {
        let script = step.task.case_expression.as_deref().filter(|text| !text.trim().is_empty());
        if let Some(source) = script {
            self.choice_script(step, source, "/caseExpression");
        } else if let Some(name) = step.task.case_value_param.as_deref() {
            self.parameter(step, name, input, "/caseValueParam");
            self.constant_choice(step, input.get(name));
        }
    }

    fn evaluator(&mut self, step: &Step<'_>, name: &str, below: &str) {
        if EVALUATORS.contains(&name) || name.contains("${") {
            return;
        }
        let hint = self.scene.hint(name, EVALUATORS, "");
        let known = "`javascript`, `graaljs` and `value-param`";
        let message = format!("there is no evaluator `{name}`, only {known}{hint}");
        self.add(Code::UnknownEvaluator, format!("{}{below}", step.pointer), message);
    }

    /// A text that must name a member of the step's input, else the case is `null`.
    fn parameter(&mut self, step: &Step<'_>, name: &str, input: &Value, below: &str) {
        if self.is_given(step, name, input) {
            return;
        }
        let advice = if name.contains(['$', '(', ' ', '=']) {
            "; a script needs the evaluator `javascript`".to_owned()
        } else {
            self.scene.hint(name, members(input), "add it to `inputParameters`")
        };
        let message = format!(
            "`{name}` names no input parameter of this step, so that the value is always null{advice}"
        );
        self.add(Code::MissingInput, format!("{}{below}", step.pointer), message);
    }

    fn named(&mut self, step: &Step<'_>, name: Option<&str>, input: &Value, below: &str) {
        let Some(name) = name.filter(|name| !self.is_given(step, name, input)) else { return };
        let hint = self.scene.hint(name, members(input), "add it to `inputParameters`");
        let message = format!("`{name}` names no input parameter of this step{hint}");
        self.add(Code::MissingInput, format!("{}{below}", step.pointer), message);
    }

    /// Whether a step's input has a member, by itself or by its task definition.
    fn is_given(&self, step: &Step<'_>, name: &str, input: &Value) -> bool {
        if input.get(name).is_some() {
            return true;
        }
        if !step.facts.is_none_or(|facts| facts.has(Mark::TakesInputTemplate)) {
            return false;
        }
        match &step.task.task_definition {
            Some(own) => own.input_template.to_value().get(name).is_some(),
            None => self.scene.known.gives_input(step.name(), name),
        }
    }

    fn choice_script(&mut self, step: &Step<'_>, source: &str, below: &'static str) {
        let index = self.scene.steps.find(step.reference());
        if let Some(index) = index {
            self.script(index, &raw(source, below));
        }
        let Some(results) = Program::parse(source).and_then(|program| program.results()) else {
            return;
        };
        self.cases(step, &results, "the expression gives only");
    }

    fn constant_choice(&mut self, step: &Step<'_>, value: Option<&Value>) {
        let Some(value) = value else { return };
        let result = match value {
            Value::String(text) if text.contains("${") => return,
            Value::String(text) => text.clone(),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => return,
        };
        // A constant that is one of the cases is a switch set by hand.
        if !step.task.decision_cases.contains_key(&result) {
            self.cases(step, &[result], "the value is always");
        }
    }

    /// Cases that are none of the results.
    fn cases(&mut self, step: &Step<'_>, results: &[String], says: &str) {
        for case in step.task.decision_cases.keys() {
            if results.contains(case) {
                continue;
            }
            let shown: Vec<String> = results.iter().map(|result| format!("`{result}`")).collect();
            let hint =
                self.scene.hint(case, results.iter().map(String::as_str), "correct one of the two");
            let message =
                format!("case `{case}` is never chosen: {says} {}{hint}", shown.join(", "));
            let pointer =
                format!("{}/decisionCases/{}", step.pointer, crate::document::escaped(case));
            self.add(Code::UnreachableCase, pointer, message);
        }
    }

    fn script(&mut self, index: usize, script: &Script<'_>) {
        let scene = self.scene;
        let step = &scene.steps.all[index];
        let pointer = format!("{}{}", step.pointer, script.below);
        let (tokens, _) = of_text(script.source);
        if !tokens.is_empty() && script.is_resolved {
            return;
        }
        let refers = |root: &str| root == "workflow" || scene.steps.find(root).is_some();
        let ignored = tokens.iter().find(|token| token.root.as_deref().is_some_and(refers));
        if let Some(token) = ignored {
            let message = format!(
                "`${{{}}}` is not replaced in this script; give it as an input parameter and read \
                 that as `$.name`",
                token.path
            );
            return self.add(Code::IgnoredReference, pointer, message);
        }
        let plain = match script.language {
            Language::JavaScript => Program::parse(script.source),
            Language::Jq => None,
        };
        if plain.is_none() && self.syntax_checks < SYNTAX_CHECKS_MAX {
            self.syntax_checks += 1;
            if let Some(error) = syntax_error(script.language, script.source) {
                let error = error.lines().next().unwrap_or_default().to_owned();
                let message = format!("the script does not parse, correct it: {error}");
                return self.add(Code::BrokenScript, pointer, message);
            }
        }
        if script.language == Language::JavaScript {
            self.inputs(index, script.source, &pointer);
        }
    }

    /// Inputs that a script reads and its step does not give.
    fn inputs(&mut self, index: usize, source: &str, pointer: &str) {
        let scene = self.scene;
        let step = &scene.steps.all[index];
        let input = step.task.input_parameters.to_value();
        for name in inputs_read(source) {
            if self.is_given(step, &name, &input) || is_of_loop(scene, index, &name) {
                continue;
            }
            let of_body = scene.steps.all.iter().enumerate();
            let of_body = of_body
                .filter(|(inner, _)| step.is("DO_WHILE") && scene.steps.is_within(*inner, index))
                .map(|(_, inner)| inner.reference());
            let own = step.is("DO_WHILE").then(|| step.reference());
            let known = members(&input).chain(of_body).chain(own);
            let hint = self.scene.hint(&name, known, "add it to `inputParameters`");
            let message = format!(
                "the script reads `$.{name}`, which is no input parameter of this step{hint}"
            );
            self.add(Code::MissingInput, pointer.to_owned(), message);
        }
    }
}

/// Whether a loop's condition finds this name beside the loop's own parameters.
fn is_of_loop(scene: &Scene<'_>, index: usize, name: &str) -> bool {
    let step = &scene.steps.all[index];
    if !step.is("DO_WHILE") {
        return false;
    }
    let is_inner = |inner: usize| inner == index || scene.steps.is_within(inner, index);
    name.starts_with("loop") || scene.steps.find(name).is_some_and(is_inner)
}

fn members(input: &Value) -> impl Iterator<Item = &str> {
    input.as_object().into_iter().flatten().map(|(name, _)| name.as_str())
}

const fn of_input<'s>(source: &'s str, language: Language, below: &'static str) -> Script<'s> {
    Script { source, language, below, is_resolved: true }
}

const fn raw<'s>(source: &'s str, below: &'static str) -> Script<'s> {
    Script { source, language: Language::JavaScript, below, is_resolved: false }
}
