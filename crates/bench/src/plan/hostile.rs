//! Definitions that would hold an engine without bounds, each with a start of it.
use super::{children, definition, fork};
use crate::options::Attack;
use bytes::Bytes;
use serde_json::{Value, json};

/// Rounds of the long loop: what engines allow at most.
const ROUNDS: u32 = 10_000;
/// Members of the list that the loop reads one of in each round, and the bytes of each: 2 MB in all.
const MEMBERS: usize = 10_000;
const MEMBER_BYTES: usize = 200;
/// Steps of which each holds twice what the one before it held.
const DOUBLINGS: u32 = 30;
/// Branches of the wide fork.
const BRANCHES: u32 = 5_000;
/// Children of one parent.
const CHILDREN: u32 = 3_000;
/// Scripts of one fork; every fourth does not end.
const SCRIPTS: u32 = 8;
/// Longer than any index takes.
const CORRELATION_ID_BYTES: usize = 3_000;
/// Above what an input may have, bytes.
const LARGE_INPUT_BYTES: usize = 17 * 1024 * 1024;
/// An input that may be, bytes, and how often a step that may not be holds it.
const STEP_INPUT_BYTES: usize = 4 * 1024 * 1024;
const STEP_HOLDS: usize = 4;

/// A hostile workflow.
#[derive(Debug)]
pub(crate) struct Hostile {
    pub(crate) name: String,
    /// The first is started; others come of it.
    pub(crate) definitions: Vec<Value>,
    /// The request that starts one.
    pub(crate) start: Bytes,
}

impl Hostile {
    pub(crate) fn new(attack: Attack, prefix: &str) -> Self {
        let name = attack.name();
        let workflow = format!("{prefix}_hostile_{}", name.replace('-', "_"));
        let mut others = Vec::new();
        let (tasks, input) = match attack {
            Attack::StartsItself => (vec![starts(&workflow)], json!({})),
            Attack::FailsIntoItself => (vec![fails()], json!({})),
            Attack::ForksIntoItself => {
                (forks(&["a", "b"], |name| child(name, &workflow)), json!({}))
            }
            Attack::LongLoop => (vec![long_loop()], list()),
            Attack::Doubling => ((0..=DOUBLINGS).map(doubled).collect(), json!({})),
            Attack::WideFork => (wide(), json!({"list": (0..BRANCHES).collect::<Vec<_>>()})),
            Attack::ManyChildren => {
                let child = format!("{workflow}_child");
                others.push(definition(&child, &[noop("a", &json!({}))], &json!({})));
                (fork::tasks().into(), children::input(CHILDREN, &child, ""))
            }
            Attack::EndlessScripts => (scripts(), json!({})),
            Attack::LongCorrelationId => (vec![noop("a", &json!({}))], json!({})),
            Attack::LargeInput => {
                (vec![noop("a", &json!({}))], json!({"text": "x".repeat(LARGE_INPUT_BYTES)}))
            }
            Attack::LargeStep => {
                let large = json!({"all": vec!["${workflow.input.text}"; STEP_HOLDS]});
                (vec![noop("a", &large)], json!({"text": "x".repeat(STEP_INPUT_BYTES)}))
            }
        };
        let mut started = definition(&workflow, &tasks, &json!({}));
        let mut start = json!({"name": workflow, "version": 1, "input": input});
        if attack == Attack::FailsIntoItself {
            started["failureWorkflow"] = json!(workflow);
        }
        if attack == Attack::LongCorrelationId {
            start["correlationId"] = json!(correlation_id());
        }
        let definitions = std::iter::once(started).chain(others).collect();
        Self { name, definitions, start: start.to_string().into() }
    }

    /// The names of what is started, and of what comes of it.
    pub(crate) fn workflows(&self) -> Vec<String> {
        let name = |definition: &Value| definition["name"].as_str().map(str::to_owned);
        self.definitions.iter().filter_map(name).collect()
    }
}

fn starts(workflow: &str) -> Value {
    json!({"name": "again", "taskReferenceName": "again", "type": "START_WORKFLOW",
        "inputParameters": {"startWorkflow": {"name": workflow, "version": 1, "input": {}}}})
}

fn fails() -> Value {
    json!({"name": "end", "taskReferenceName": "end", "type": "TERMINATE",
        "inputParameters": {"terminationStatus": "FAILED", "terminationReason": "it fails at once"}})
}

fn child(reference: &str, workflow: &str) -> Value {
    json!({"name": "child", "taskReferenceName": reference, "type": "SUB_WORKFLOW",
        "subWorkflowParam": {"name": workflow, "version": 1}})
}

fn noop(reference: &str, input: &Value) -> Value {
    json!({"name": "nothing", "taskReferenceName": reference, "type": "NOOP",
        "inputParameters": input})
}

fn inline(reference: &str, input: &Value) -> Value {
    json!({"name": "inline", "taskReferenceName": reference, "type": "INLINE",
        "inputParameters": input})
}

/// A fork of one task in each branch, and its join.
fn forks(references: &[&str], task: impl Fn(&str) -> Value) -> Vec<Value> {
    let branches: Vec<Value> = references.iter().map(|name| json!([task(name)])).collect();
    vec![
        json!({"name": "fork", "taskReferenceName": "fork", "type": "FORK_JOIN",
            "forkTasks": branches}),
        json!({"name": "join", "taskReferenceName": "join", "type": "JOIN", "joinOn": references}),
    ]
}

fn long_loop() -> Value {
    let read =
        noop("read", &json!({"member": format!("${{workflow.input.list[{}]}}", MEMBERS / 2)}));
    let condition = format!("if ($.loop['iteration'] < {ROUNDS}) {{ true; }} else {{ false; }}");
    json!({"name": "loop", "taskReferenceName": "loop", "type": "DO_WHILE",
        "inputParameters": {"keepLastN": 2}, "loopCondition": condition, "loopOver": [read]})
}

fn list() -> Value {
    json!({"list": vec!["x".repeat(MEMBER_BYTES); MEMBERS]})
}

fn doubled(step: u32) -> Value {
    let held = match step.checked_sub(1) {
        None => json!("x".repeat(100)),
        Some(before) => json!(vec![format!("${{t{before}.output.result}}"); 2]),
    };
    inline(
        &format!("t{step}"),
        &json!({"evaluatorType": "value-param", "expression": "held", "held": held}),
    )
}

fn wide() -> Vec<Value> {
    vec![
        json!({"name": "fork", "taskReferenceName": "fork", "type": "FORK_JOIN_DYNAMIC",
            "inputParameters": {"forkTaskName": "nothing", "forkTaskType": "NOOP",
                "forkTaskInputs": "${workflow.input.list}"}}),
        json!({"name": "join", "taskReferenceName": "join", "type": "JOIN"}),
    ]
}

fn scripts() -> Vec<Value> {
    let names: Vec<String> = (0..SCRIPTS).map(|n| format!("s{n}")).collect();
    let references: Vec<&str> = names.iter().map(String::as_str).collect();
    forks(&references, |name| {
        let is_endless =
            references.iter().position(|other| *other == name).is_some_and(|n| n % 4 == 3);
        let expression = if is_endless {
            "(function () { while (true) {} })()"
        } else {
            "(function () { return String($.name); })()"
        };
        inline(
            name,
            &json!({"evaluatorType": "javascript", "name": name, "expression": expression}),
        )
    })
}

/// A text that does not get shorter when it is compressed, as indexes do.
fn correlation_id() -> String {
    let mut state = 1_u32;
    let letter = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'!' + u8::try_from((state >> 16) % 90).unwrap_or(0))
    };
    (0..CORRELATION_ID_BYTES).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn each_attack_starts_the_first_of_its_definitions() {
        for attack in Attack::value_variants() {
            let hostile = Hostile::new(*attack, "p");
            let start: Value = serde_json::from_slice(&hostile.start).unwrap();
            assert_eq!(start["name"], hostile.definitions[0]["name"], "{}", hostile.name);
            assert!(hostile.workflows().iter().all(|name| name.starts_with("p_hostile_")));
        }
    }

    #[test]
    fn what_attacks_itself_names_itself() {
        let first = |attack| Hostile::new(attack, "p").definitions.swap_remove(0);
        let [sends, falls, forks, scripts] = [
            Attack::StartsItself,
            Attack::FailsIntoItself,
            Attack::ForksIntoItself,
            Attack::EndlessScripts,
        ]
        .map(first);
        let sent = &sends["tasks"][0]["inputParameters"]["startWorkflow"]["name"];
        assert_eq!((sent, &falls["failureWorkflow"]), (&sends["name"], &falls["name"]));
        let children = forks["tasks"][0]["forkTasks"].as_array().unwrap();
        let name = |branch: &Value| branch[0]["subWorkflowParam"]["name"].clone();
        assert_eq!(children.iter().map(name).collect::<Vec<_>>(), vec![forks["name"].clone(); 2]);
        assert_eq!(scripts.to_string().matches("while (true)").count(), 2);
    }

    #[test]
    fn what_is_too_long_or_too_large_is() {
        let start = |attack| Hostile::new(attack, "p").start;
        assert!(start(Attack::LargeInput).len() > LARGE_INPUT_BYTES);
        let start: Value = serde_json::from_slice(&start(Attack::LongCorrelationId)).unwrap();
        let id = start["correlationId"].as_str().unwrap();
        assert_eq!(id.len(), CORRELATION_ID_BYTES);
        assert!(!id[1..].contains(&id[..8]), "{id}");
        assert_eq!(doubled(1)["inputParameters"]["held"], json!(vec!["${t0.output.result}"; 2]));
    }
}
