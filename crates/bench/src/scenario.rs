//! What is registered, what an execution is given, and what must come of it.
use crate::options::{Scenario, ScenarioOptions};
use serde_json::{Map, Value, json};

/// Seconds a worker may stay silent: more than a run takes, so that no task comes twice by design.
const RESPONSE_TIMEOUT_S: u64 = 3600;

/// A scenario, ready to be run.
pub(crate) struct Plan {
    /// The scenario's name.
    pub(crate) name: &'static str,
    /// Task types that workers poll for.
    pub(crate) task_types: Vec<String>,
    pub(crate) definition: Value,
    pub(crate) workflow: String,
    pub(crate) workflows: u32,
    pub(crate) tasks_per_workflow: u32,
    shape: Shape,
    /// Tells the executions of this run from those that an earlier one left open.
    run_id: i64,
}

enum Shape {
    Row { padding: String },
    Fork { task_type: String },
}

impl Plan {
    pub(crate) fn new(scenario: &Scenario, prefix: &str, run_id: i64) -> Self {
        match scenario {
            Scenario::Steps(row) => Self::row(prefix, *row, run_id),
            Scenario::Latency(row) => Self { name: "latency", ..Self::row(prefix, *row, run_id) },
            Scenario::Fanout { width, workflows } => Self::fork(prefix, *width, *workflows, run_id),
        }
    }

    fn row(prefix: &str, row: ScenarioOptions, run_id: i64) -> Self {
        let workflow = format!("{prefix}_row_of_{}", row.steps);
        let task_types: Vec<String> =
            (1..=row.steps).map(|n| format!("{prefix}_step_{n}")).collect();
        let mut tasks = Vec::new();
        let mut previous = "${workflow.input.n}".to_owned();
        for (index, task_type) in task_types.iter().enumerate() {
            let reference = format!("step_{}", index + 1);
            let mut input = json!({"n": previous, "run": "${workflow.input.run}"});
            if row.payload_bytes > 0 {
                input["padding"] = json!("${workflow.input.padding}");
            }
            previous = format!("${{{reference}.output.n}}");
            tasks.push(json!({"name": task_type, "taskReferenceName": reference, "type": "SIMPLE",
                "inputParameters": input}));
        }
        let output = json!({"n": previous});
        let padding = "x".repeat(row.payload_bytes as usize);
        Self {
            name: "steps",
            definition: definition(&workflow, &tasks, &output),
            task_types,
            workflow,
            workflows: row.workflows,
            tasks_per_workflow: row.steps,
            shape: Shape::Row { padding },
            run_id,
        }
    }

    fn fork(prefix: &str, width: u32, workflows: u32, run_id: i64) -> Self {
        let workflow = format!("{prefix}_fanout");
        let task_type = format!("{prefix}_branch");
        let tasks = [
            json!({"name": "fork", "taskReferenceName": "fork", "type": "FORK_JOIN_DYNAMIC",
                "inputParameters": {"tasks": "${workflow.input.tasks}", "inputs": "${workflow.input.inputs}"},
                "dynamicForkTasksParam": "tasks", "dynamicForkTasksInputParamName": "inputs"}),
            json!({"name": "join", "taskReferenceName": "join", "type": "JOIN"}),
        ];
        Self {
            name: "fanout",
            definition: definition(&workflow, &tasks, &json!({})),
            task_types: vec![task_type.clone()],
            workflow,
            workflows,
            tasks_per_workflow: width,
            shape: Shape::Fork { task_type },
            run_id,
        }
    }

    /// The task definitions to register.
    pub(crate) fn task_definitions(&self) -> Value {
        let of = |name: &String| {
            json!({"name": name, "retryCount": 3, "timeoutSeconds": 0,
                "responseTimeoutSeconds": RESPONSE_TIMEOUT_S, "ownerEmail": "bench@example.com"})
        };
        self.task_types.iter().map(of).collect()
    }

    /// The input of the execution of this number.
    pub(crate) fn input(&self, number: u32) -> Value {
        let run = self.run_id;
        match &self.shape {
            Shape::Row { padding } if padding.is_empty() => json!({"n": number, "run": run}),
            Shape::Row { padding } => json!({"n": number, "run": run, "padding": padding}),
            Shape::Fork { task_type } => {
                let branches = 0..self.tasks_per_workflow;
                let tasks: Vec<Value> = branches
                    .clone()
                    .map(|n| json!({"name": task_type, "taskReferenceName": branch(n), "type": "SIMPLE"}))
                    .collect();
                let inputs: Map<String, Value> =
                    branches.map(|n| (branch(n), json!({"n": n, "run": run}))).collect();
                json!({"tasks": tasks, "inputs": inputs})
            }
        }
    }

    /// Whether the execution of this number gave what it has to: every task adds one.
    pub(crate) fn is_right(&self, number: u32, output: &Value) -> bool {
        match self.shape {
            Shape::Row { .. } => *output == json!({"n": number + self.tasks_per_workflow}),
            Shape::Fork { .. } => {
                let is_right = |n: u32| output[branch(n)] == json!({"n": n + 1});
                let branches = output.as_object().map_or(0, Map::len);
                branches == self.tasks_per_workflow as usize
                    && (0..self.tasks_per_workflow).all(is_right)
            }
        }
    }

    /// Whether an execution's tasks follow each other.
    pub(crate) fn is_row(&self) -> bool {
        matches!(self.shape, Shape::Row { .. })
    }

    /// Whether a task's `run` input is this run's.
    pub(crate) fn is_ours(&self, run: Option<i64>) -> bool {
        run == Some(self.run_id)
    }
}

fn branch(number: u32) -> String {
    format!("branch_{number}")
}

fn definition(name: &str, tasks: &[Value], output: &Value) -> Value {
    json!({"name": name, "version": 1, "schemaVersion": 2, "ownerEmail": "bench@example.com",
        "timeoutPolicy": "ALERT_ONLY", "timeoutSeconds": 0, "tasks": tasks,
        "outputParameters": output})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_hands_its_number_from_step_to_step() {
        let row = ScenarioOptions { workflows: 9, steps: 2, payload_bytes: 3 };
        let plan = Plan::row("p", row, 42);
        assert_eq!(plan.task_types, ["p_step_1", "p_step_2"]);
        assert_eq!(plan.definition["tasks"][1]["inputParameters"]["n"], "${step_1.output.n}");
        assert_eq!(plan.definition["outputParameters"], json!({"n": "${step_2.output.n}"}));
        assert_eq!(plan.input(7), json!({"n": 7, "run": 42, "padding": "xxx"}));
        assert!(plan.is_right(7, &json!({"n": 9})));
        assert!(!plan.is_right(7, &json!({"n": 8})));
        assert!(!plan.is_right(7, &json!({})));
        assert!(plan.is_ours(Some(42)) && !plan.is_ours(Some(41)) && !plan.is_ours(None));
    }

    #[test]
    fn a_fork_wants_the_result_of_every_branch() {
        let plan = Plan::fork("p", 2, 1, 42);
        assert_eq!(plan.task_types, ["p_branch"]);
        assert_eq!(plan.input(0)["tasks"][1]["taskReferenceName"], "branch_1");
        assert_eq!(plan.input(0)["inputs"]["branch_1"], json!({"n": 1, "run": 42}));
        let right = json!({"branch_0": {"n": 1}, "branch_1": {"n": 2}});
        assert!(plan.is_right(0, &right));
        assert!(!plan.is_right(0, &json!({"branch_0": {"n": 1}})));
        let doubled = json!({"branch_0": {"n": 1}, "branch_1": {"n": 2}, "branch_2": {"n": 3}});
        assert!(!plan.is_right(0, &doubled));
    }
}
