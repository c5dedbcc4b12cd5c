//! Cases as the JSON that clients register.
use crate::case::Case;
use crate::case::{By, Does, Kind, LoopBy, ScriptKind, Source, Step, Workflow};
use serde_json::{Value, json};

/// Task types that workers poll.
pub(crate) const QUEUES: [&str; 3] = ["w0", "w1", "w2"];
/// How long a worker may stay silent, seconds.
pub(crate) const RESPONSE_S: i64 = 10;
/// From which number on a SWITCH by a plain script takes the second case.
pub(crate) const PLAIN_LIMIT: i64 = 3;

/// The definition of a workflow.
pub(crate) fn workflow(case: &Case, index: usize) -> Value {
    let Workflow { steps, output, failure } = &case.workflows[index];
    let names: Vec<(String, &'static str)> = fields(steps);
    let writer = Writer { fields: names };
    let mut definition = json!({
        "name": name(index), "version": 1, "schemaVersion": 2, "ownerEmail": "a@b.c",
        "timeoutSeconds": 0, "timeoutPolicy": "ALERT_ONLY", "tasks": writer.steps(steps),
        "outputParameters": {"n": writer.source(output)},
    });
    if let Some(failure) = failure {
        definition["failureWorkflow"] = json!(name(*failure));
    }
    definition
}

/// The name of a workflow.
pub(crate) fn name(index: usize) -> String {
    format!("wf{index}")
}

/// The definition of a task type.
pub(crate) fn task(queue: &str, limit: Option<u32>) -> Value {
    json!({"name": queue, "ownerEmail": "a@b.c", "retryCount": 100, "retryLogic": "FIXED",
        "retryDelaySeconds": 1, "timeoutSeconds": 0, "responseTimeoutSeconds": RESPONSE_S,
        "concurrentExecLimit": limit})
}

/// Which worker runs a step.
pub(crate) fn queue_of(name: &str) -> &'static str {
    let sum: usize = name.bytes().map(usize::from).sum();
    QUEUES[sum % QUEUES.len()]
}

/// The input of an execution.
pub(crate) fn input(n: i64) -> Value {
    json!({"n": n, "l1": [1], "l2": [1, 2], "l3": [1, 2, 3]})
}

/// In which member each step puts out its number.
fn fields(steps: &[Step]) -> Vec<(String, &'static str)> {
    let mut all = Vec::new();
    for step in steps {
        let field = if matches!(step.kind, Kind::Script { .. }) { "result" } else { "n" };
        all.push((step.name.clone(), field));
        crate::case::inner(&step.kind).for_each(|inner| all.extend(fields(inner)));
    }
    all
}

struct Writer {
    fields: Vec<(String, &'static str)>,
}

impl Writer {
    fn source(&self, source: &Source) -> Value {
        match source {
            Source::Constant(n) => json!(n),
            Source::Input => json!("${workflow.input.n}"),
            Source::Variable(name) => json!(format!("${{workflow.variables.{name}}}")),
            Source::Output(name) => {
                let field = self.fields.iter().find(|(known, _)| known == name);
                json!(format!("${{{name}.output.{}}}", field.map_or("n", |(_, field)| field)))
            }
        }
    }

    fn steps(&self, steps: &[Step]) -> Vec<Value> {
        steps.iter().flat_map(|step| self.step(step)).collect()
    }

    fn step(&self, step: &Step) -> Vec<Value> {
        let mut lines = self.lines(&step.name, &step.kind);
        if let Some(first) = lines.first_mut() {
            first["taskReferenceName"] = json!(step.name);
            first["optional"] = json!(step.optional);
            if first.get("name").is_none() {
                first["name"] = json!(step.name);
            }
        }
        lines
    }

    fn lines(&self, name: &str, kind: &Kind) -> Vec<Value> {
        let one = match kind {
            Kind::Work { .. } => self.work(name, kind),
            Kind::Script { script, input } => script_of(*script, &self.source(input)),
            Kind::Set { input } => {
                json!({"type": "SET_VARIABLE", "inputParameters": {(name): self.source(input)}})
            }
            Kind::Switch { by, input, cases, default } => {
                let count = cases.len();
                let keys = (0..).map(|key: u32| key.to_string());
                let cases = keys.zip(cases).map(|(key, steps)| (key, json!(self.steps(steps))));
                let (evaluator, expression) = match by {
                    By::Value => ("value-param", "n".to_owned()),
                    By::Plain => ("javascript", format!("$.n < {PLAIN_LIMIT} ? '0' : '1'")),
                    By::Script => ("javascript", format!("Math.abs($.n) % {}", count + 1)),
                };
                let cases: serde_json::Map<String, Value> = cases.collect();
                json!({"type": "SWITCH", "evaluatorType": evaluator, "expression": expression,
                    "inputParameters": {"n": self.source(input)}, "decisionCases": cases,
                    "defaultCase": self.steps(default)})
            }
            Kind::Loop { rounds, by, keep, body } => {
                let mut line = json!({"type": "DO_WHILE", "loopOver": self.steps(body),
                    "inputParameters": {"keepLastN": keep}});
                if keep.is_none() {
                    line["inputParameters"] = json!({});
                }
                line["loopCondition"] = match by {
                    LoopBy::Plain => json!(format!("$.{name}['iteration'] < {rounds}")),
                    LoopBy::Script => json!(format!("Math.abs($.{name}['iteration']) < {rounds}")),
                    LoopBy::Items => {
                        line["items"] = json!(format!("${{workflow.input.l{rounds}}}"));
                        json!("")
                    }
                };
                line
            }
            Kind::Fork { branches } => {
                let last = |branch: &Vec<Step>| branch.last().map(last_name);
                let on: Vec<String> = branches.iter().filter_map(last).collect();
                let branches: Vec<_> = branches.iter().map(|branch| self.steps(branch)).collect();
                let fork = json!({"type": "FORK_JOIN", "forkTasks": branches});
                return vec![fork, join(name, &on)];
            }
            Kind::Many { count, child, input } => return self.many(name, *count, *child, input),
            Kind::Child { workflow, input } => child(*workflow, &self.source(input)),
            Kind::Start { workflow, input } => {
                let start = json!({"name": super::definition::name(*workflow), "version": 1,
                    "input": child_input(&self.source(input))});
                json!({"type": "START_WORKFLOW", "inputParameters": {"startWorkflow": start}})
            }
            Kind::Wait { seconds } => {
                json!({"type": "WAIT", "inputParameters": {"duration": format!("{seconds}s")}})
            }
            Kind::Signal => json!({"type": "WAIT"}),
            Kind::Human => json!({"type": "HUMAN"}),
            Kind::Terminate { status } => {
                json!({"type": "TERMINATE", "inputParameters":
                    {"terminationStatus": status, "workflowOutput": {"n": 77}}})
            }
            Kind::Noop => json!({"type": "NOOP"}),
        };
        vec![one]
    }

    fn work(&self, name: &str, kind: &Kind) -> Value {
        let Kind::Work { does, retries, delay_s, start_delay_s, input, is_dynamic } = kind else {
            return Value::Null;
        };
        let queue = queue_of(name);
        let input = json!({"n": self.source(input), "does": text_of(*does), "type": queue});
        let definition = json!({"name": queue, "retryCount": retries, "retryLogic": "FIXED",
            "retryDelaySeconds": delay_s, "timeoutSeconds": 0,
            "responseTimeoutSeconds": RESPONSE_S});
        if *is_dynamic {
            return json!({"type": "DYNAMIC", "name": "any", "dynamicTaskNameParam": "type",
                "inputParameters": input, "startDelay": start_delay_s});
        }
        json!({"type": "SIMPLE", "name": queue, "inputParameters": input,
            "startDelay": start_delay_s, "taskDefinition": definition})
    }

    fn many(&self, name: &str, count: u32, workflow: Option<usize>, input: &Source) -> Vec<Value> {
        let n = self.source(input);
        let branch = |index: u32| {
            let reference = branch_name(name, index);
            let mut step = match workflow {
                Some(workflow) => child(workflow, &n),
                None => json!({"type": "SIMPLE", "name": queue_of(&reference)}),
            };
            if workflow.is_some() {
                step["name"] = json!(reference);
            }
            step["taskReferenceName"] = json!(reference);
            step
        };
        let steps: Vec<Value> = (0..count).map(branch).collect();
        let input = |_| match workflow {
            Some(_) => child_input(&n),
            None => json!({"n": n, "does": text_of(Does::Succeeds)}),
        };
        let inputs: serde_json::Map<String, Value> =
            (0..count).map(|index| (branch_name(name, index), input(index))).collect();
        let fork = json!({"type": "FORK_JOIN_DYNAMIC", "dynamicForkTasksParam": "steps",
            "dynamicForkTasksInputParamName": "inputs",
            "inputParameters": {"steps": steps, "inputs": inputs}});
        vec![fork, join(name, &[])]
    }
}

/// The name of a dynamic branch.
pub(crate) fn branch_name(fork: &str, index: u32) -> String {
    format!("{fork}x{index}")
}

/// The name that a JOIN waits for.
pub(crate) fn last_name(step: &Step) -> String {
    let has_join = matches!(step.kind, Kind::Fork { .. } | Kind::Many { .. });
    if has_join { format!("{}j", step.name) } else { step.name.clone() }
}

fn join(name: &str, on: &[String]) -> Value {
    let name = format!("{name}j");
    json!({"type": "JOIN", "name": name, "taskReferenceName": name, "joinOn": on})
}

fn child(workflow: usize, n: &Value) -> Value {
    json!({"type": "SUB_WORKFLOW", "subWorkflowParam": {"name": name(workflow), "version": 1},
        "inputParameters": child_input(n)})
}

fn child_input(n: &Value) -> Value {
    let mut input = input(0);
    input["n"] = n.clone();
    input
}

fn script_of(script: ScriptKind, n: &Value) -> Value {
    let inline = |expression: &str| {
        json!({"type": "INLINE", "inputParameters":
            {"evaluatorType": "javascript", "expression": expression, "n": n}})
    };
    match script {
        ScriptKind::Plain => inline("$.n"),
        ScriptKind::Inline => inline("Math.abs($.n) + 2"),
        ScriptKind::Broken => inline("throw new Error('broken')"),
        ScriptKind::Lambda => json!({"type": "LAMBDA", "inputParameters":
            {"scriptExpression": "return Math.abs($.n) + 4;", "n": n}}),
        ScriptKind::Jq => json!({"type": "JSON_JQ_TRANSFORM", "inputParameters":
            {"queryExpression": ".n + 3", "n": n}}),
    }
}

/// What a worker is told to do.
pub(crate) fn text_of(does: Does) -> String {
    match does {
        Does::Succeeds => "succeed".to_owned(),
        Does::FailsFirst(times) => format!("fail {times}"),
        Does::Fails => "fail".to_owned(),
        Does::FailsForGood => "give up".to_owned(),
    }
}
