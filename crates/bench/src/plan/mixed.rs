//! A shop: what a service of every day looks like. Reserve, then charge and pack side by side, then
//! deliver in one of five ways, then the invoice.
use super::shape::{Pace, Plan, Shape, definition, simple};
use serde_json::{Value, json};

/// How a parcel goes; of twenty orders fourteen are plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    /// A child execution.
    Express,
    /// JavaScript.
    Gift,
    /// jq.
    Abroad,
    /// A second's wait.
    Later,
}

impl Way {
    fn of(number: u32) -> Self {
        match number % 20 {
            1 | 11 => Self::Express,
            2 => Self::Gift,
            12 => Self::Abroad,
            3 => Self::Later,
            _ => Self::Plain,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Express => "express",
            Self::Gift => "gift",
            Self::Abroad => "abroad",
            Self::Later => "later",
        }
    }
}

/// Every tenth card is refused at first.
fn is_refused_once(number: u32) -> bool {
    number.is_multiple_of(10)
}

pub(super) fn plan(prefix: &str, workflows: u32, run_id: i64) -> Plan {
    let (workflow, child) = (format!("{prefix}_shop"), format!("{prefix}_express"));
    let [reserve, charge, pack, carry, invoice] =
        ["reserve", "charge", "pack", "carry", "invoice"].map(|name| format!("{prefix}_{name}"));
    let carrying = simple(&carry, "carry", json!({"n": "${workflow.input.n}"}));
    let fork = [
        [simple(
            &charge,
            "charge",
            json!({"n": "${reserve.output.n}", "failFirst": "${workflow.input.refused}"}),
        )],
        [simple(&pack, "pack", json!({"n": "${reserve.output.n}"}))],
    ];
    let tasks = [
        json!({"name": "note", "taskReferenceName": "note", "type": "SET_VARIABLE",
            "inputParameters": {"way": "${workflow.input.way}"}}),
        simple(&reserve, "reserve", json!({"n": "${workflow.input.n}"})),
        json!({"name": "fork", "taskReferenceName": "fork", "type": "FORK_JOIN", "forkTasks": fork}),
        json!({"name": "join", "taskReferenceName": "join", "type": "JOIN",
            "joinOn": ["charge", "pack"]}),
        deliver(&child),
        simple(&invoice, "invoice", json!({"n": "${charge.output.n}"})),
    ];
    let output = json!({"n": "${invoice.output.n}", "packed": "${pack.output.n}",
        "way": "${workflow.variables.way}", "express": "${express.output.n}",
        "gift": "${gift.output.result}", "abroad": "${abroad.output.result}"});
    Plan {
        name: "mixed",
        pace: Pace::all_of(workflows),
        definitions: vec![
            definition(&child, &[carrying], &json!({"n": "${carry.output.n}"})),
            definition(&workflow, &tasks, &output),
        ],
        task_types: vec![reserve, charge, pack, carry, invoice],
        workflow,
        shape: Shape::Mixed,
        run_id,
    }
}

fn deliver(child: &str) -> Value {
    let n = "${pack.output.n}";
    json!({"name": "deliver", "taskReferenceName": "deliver", "type": "SWITCH",
    "evaluatorType": "value-param", "expression": "way",
    "inputParameters": {"way": "${workflow.variables.way}"},
    "defaultCase": [],
    "decisionCases": {
        "express": [{"name": "express", "taskReferenceName": "express", "type": "SUB_WORKFLOW",
            "inputParameters": {"n": n, "key": "${workflow.input.key}"},
            "subWorkflowParam": {"name": child, "version": 1}}],
        "gift": [{"name": "gift", "taskReferenceName": "gift", "type": "INLINE",
            "inputParameters": {"evaluatorType": "graaljs", "expression": "$.n + 1", "n": n}}],
        "abroad": [{"name": "abroad", "taskReferenceName": "abroad", "type": "JSON_JQ_TRANSFORM",
            "inputParameters": {"queryExpression": ".n + 1", "n": n}}],
        "later": [{"name": "later", "taskReferenceName": "later", "type": "WAIT",
            "inputParameters": {"duration": "1 seconds"}}],
    }})
}

pub(super) fn input(number: u32, key: &str) -> Value {
    json!({"n": number, "key": key, "way": Way::of(number).name(),
        "refused": is_refused_once(number)})
}

/// Reserve, charge, pack and invoice; the carrying, and the charge that was refused.
pub(super) fn tasks_of(number: u32) -> u32 {
    4 + u32::from(Way::of(number) == Way::Express) + u32::from(is_refused_once(number))
}

pub(super) fn is_right(number: u32, output: &Value) -> bool {
    let way = Way::of(number);
    let taken = |asked: Way| (way == asked).then_some(number + 3);
    *output
        == json!({"n": number + 3, "packed": number + 2, "way": way.name(),
        "express": taken(Way::Express), "gift": taken(Way::Gift), "abroad": taken(Way::Abroad)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_is_taken_and_says_what_must_come_of_it() {
        let plan = plan("p", 20, 42);
        let express = plan.input(1, None);
        assert_eq!((&express["way"], &express["refused"]), (&json!("express"), &json!(false)));
        assert_eq!(plan.input(10, None)["refused"], true);
        assert_eq!((0..20).map(tasks_of).sum::<u32>(), 20 * 4 + 2 + 2);
        let right = json!({"n": 4, "packed": 3, "way": "express", "express": 4, "gift": null,
            "abroad": null});
        assert!(plan.is_right(1, &right));
        assert!(!plan.is_right(2, &right));
        let simple_order = json!({"n": 7, "packed": 6, "way": "plain", "express": null, "gift": null,
            "abroad": null});
        assert!(plan.is_right(4, &simple_order));
    }
}
