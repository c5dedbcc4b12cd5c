//! The types of steps, and members that the type of their step does not read.
use crate::finding::{Code, Finding};
use crate::nearest::nearest;
use crate::scene::Scene;
use crate::steps::Step;
use baton_common::WorkflowTask;
use baton_decider::decide::types;
use baton_decider::task_type::{Mark, Starts};

/// Names that authors give to types, beside those that are nearly right.
const ALIASES: [(&str, &str); 12] = [
    ("FORK", "FORK_JOIN"),
    ("PARALLEL", "FORK_JOIN"),
    ("DYNAMIC_FORK", "FORK_JOIN_DYNAMIC"),
    ("FORK_DYNAMIC", "FORK_JOIN_DYNAMIC"),
    ("LOOP", "DO_WHILE"),
    ("WHILE", "DO_WHILE"),
    ("JQ", "JSON_JQ_TRANSFORM"),
    ("JSON_JQ", "JSON_JQ_TRANSFORM"),
    ("JAVASCRIPT", "INLINE"),
    ("SCRIPT", "INLINE"),
    ("IF", "SWITCH"),
    ("SLEEP", "WAIT"),
];

/// Everything about the types of steps.
pub(crate) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, step) in scene.steps.all.iter().enumerate() {
        findings.extend(misspelled(scene, step));
        findings.extend(unused(step));
        findings.extend(join(scene, index, step));
    }
    findings.extend(of_definition(scene));
    findings
}

/// A type that is none of the engine's but nearly one, unless it is known to be a worker's own.
pub(crate) fn misspelled(scene: &Scene<'_>, step: &Step<'_>) -> Option<Finding> {
    let name = step.task_type();
    if step.facts.is_some() || is_known(scene, name) {
        return None;
    }
    let upper = name.to_uppercase().replace(['-', ' '], "_");
    let alias = ALIASES.iter().find(|(alias, _)| *alias == upper).map(|(_, meant)| *meant);
    let meant = alias.or_else(|| nearest(name, types::all().map(|facts| facts.name)))?;
    let message = format!(
        "`{name}` is not a type of the engine, so that the task waits for a worker of that name; \
         did you mean `{meant}`?"
    );
    Some(Finding::new(Code::MisspelledType, format!("{}/type", step.pointer), message))
}

fn is_known(scene: &Scene<'_>, name: &str) -> bool {
    let yes = Some(true);
    scene.known.has_task_def(name) == yes || scene.known.is_polled(name) == yes
}

/// A member, whether a step gives it, and which types read it.
type Member = (&'static str, fn(&WorkflowTask) -> bool, &'static [&'static str]);

const MEMBERS: [Member; 17] = [
    ("decisionCases", |task| !task.decision_cases.is_empty(), &["SWITCH", "DECISION"]),
    ("defaultCase", |task| !task.default_case.is_empty(), &["SWITCH", "DECISION"]),
    ("forkTasks", |task| !task.fork_tasks.is_empty(), &["FORK_JOIN"]),
    ("loopOver", |task| !task.loop_over.is_empty(), &["DO_WHILE"]),
    ("loopCondition", |task| is_given(task.loop_condition.as_ref()), &["DO_WHILE"]),
    ("items", |task| is_given(task.items.as_ref()), &["DO_WHILE"]),
    ("joinOn", |task| !task.join_on.is_empty(), &["JOIN", "EXCLUSIVE_JOIN"]),
    (
        "defaultExclusiveJoinTask",
        |task| !task.default_exclusive_join_task.is_empty(),
        &["EXCLUSIVE_JOIN"],
    ),
    ("sink", |task| is_given(task.sink.as_ref()), &["EVENT"]),
    ("subWorkflowParam", |task| task.sub_workflow_param.is_some(), &["SUB_WORKFLOW"]),
    ("caseValueParam", |task| is_given(task.case_value_param.as_ref()), &["DECISION"]),
    ("caseExpression", |task| is_given(task.case_expression.as_ref()), &["DECISION"]),
    ("expression", |task| is_given(task.expression.as_ref()), &["SWITCH"]),
    ("scriptExpression", |task| is_given(task.script_expression.as_ref()), &[]),
    ("dynamicTaskNameParam", |task| is_given(task.dynamic_task_name_param.as_ref()), &["DYNAMIC"]),
    (
        "dynamicForkTasksParam",
        |task| is_given(task.dynamic_fork_tasks_param.as_ref()),
        &["FORK_JOIN_DYNAMIC"],
    ),
    (
        "dynamicForkTasksInputParamName",
        |task| is_given(task.dynamic_fork_tasks_input_param_name.as_ref()),
        &["FORK_JOIN_DYNAMIC"],
    ),
];

fn is_given(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

/// Members that have no effect on a step of this type.
fn unused(step: &Step<'_>) -> Vec<Finding> {
    let (task, name) = (step.task, step.task_type());
    let mut findings = Vec::new();
    let mut add = |member: &str, message: String| {
        let pointer = format!("{}/{member}", step.pointer);
        findings.push(Finding::new(Code::UnusedValue, pointer, message));
    };
    for (member, is_given, types) in MEMBERS {
        if !is_given(task) || types.contains(&name) {
            continue;
        }
        let in_input =
            matches!((name, member), ("INLINE", "expression") | ("LAMBDA", "scriptExpression"));
        let advice = if in_input {
            format!("; {name} reads it from `inputParameters`")
        } else if let [only] = types {
            format!("; only {only} reads it")
        } else if types.is_empty() {
            "; remove it".to_owned()
        } else {
            format!("; only {} read it", types.join(" and "))
        };
        add(member, format!("`{member}` has no effect on a step of type {name}{advice}"));
    }
    let Some(facts) = step.facts else { return findings };
    if facts.has(Mark::NotRetried) && task.retry_count.is_some_and(|count| count > 0) {
        add(
            "retryCount",
            format!("`retryCount` has no effect: {name} is never retried by itself; remove it"),
        );
    }
    let is_delayed = facts.is_worker() || facts.starts != Starts::Nothing;
    if task.start_delay > 0 && !is_delayed {
        let message = format!("`startDelay` has no effect on a step of type {name}");
        add("startDelay", format!("{message}; put a WAIT before it"));
    }
    findings
}

/// A JOIN that waits for nothing, or twice for the same.
fn join(scene: &Scene<'_>, index: usize, step: &Step<'_>) -> Vec<Finding> {
    if !step.is("JOIN") {
        return Vec::new();
    }
    let pointer = format!("{}/joinOn", step.pointer);
    let names = &step.task.join_on;
    if scene.steps.before(index).is_some_and(Step::has_run_time_branches) {
        return Vec::new();
    }
    if names.is_empty() {
        let message =
            "`joinOn` names no step, so that this JOIN waits for nothing; name the last step of \
                       each branch"
                .to_owned();
        return vec![Finding::new(Code::UnusedValue, pointer, message)];
    }
    let repeated = names.iter().enumerate().filter(|(at, name)| names[..*at].contains(name));
    repeated
        .map(|(at, name)| {
            let message = format!("`joinOn` names `{name}` twice; remove one");
            Finding::new(Code::UnusedValue, format!("{pointer}/{at}"), message)
        })
        .collect()
}

fn of_definition(scene: &Scene<'_>) -> Option<Finding> {
    let definition = scene.definition;
    let is_alone = definition.failure_workflow_version.is_some()
        && definition.failure_workflow.as_deref().is_none_or(str::is_empty);
    let message = "`failureWorkflowVersion` has no effect without `failureWorkflow`; remove it";
    is_alone.then(|| Finding::new(Code::UnusedValue, "/failureWorkflowVersion", message))
}
