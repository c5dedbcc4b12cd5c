//! What is registered, what an execution is given, and what must come of it.
mod children;
mod fork;
mod hostile;
mod mixed;
mod repeat;
mod row;
mod shape;
mod waiting;

pub(crate) use hostile::Hostile;
pub(crate) use shape::{Pace, Plan};

use crate::options::{Rate, RowOptions, Scenario};
use serde_json::{Value, json};
use shape::{DueWindow, Shape, definition, simple};
use std::time::Duration;

/// Seconds a worker may stay silent: more than a run takes, so that no task comes twice by design.
const RESPONSE_TIMEOUT_S: u64 = 3600;
/// How long an idle execution waits before it ends by itself: a day.
const IDLE_FOR: Duration = Duration::from_hours(24);
/// Rounds of an execution that is worked under an overload: so many that few need be started then, as
/// those wait with all the others.
const OVERLOAD_ROUNDS: u32 = 2_000;
/// How long executions that nobody works stay open, seconds.
const FLOOD_OPEN_S: u64 = 3600;
/// Idle executions that a server should start in a second at least, or it is given up.
const IDLE_PER_S_MIN: u32 = 200;

impl Plan {
    /// The plan of a scenario that is one run: `idle` and `yardstick` are made of others.
    pub(crate) fn new(scenario: &Scenario, prefix: &str, run_id: i64) -> Self {
        match *scenario {
            Scenario::Hostile(ref options) => {
                let row = RowOptions { workflows: options.workflows(), steps: 3, payload_bytes: 0 };
                let plan = row::plan(prefix, row, run_id);
                let per_second = Some(f64::from(options.rate));
                Self { name: "hostile", pace: Pace { per_second, ..plan.pace }, ..plan }
            }
            Scenario::Steps(row) => row::plan(prefix, row, run_id),
            Scenario::Idle { workflows, steps, .. } => {
                row::plan(prefix, RowOptions { workflows, steps, payload_bytes: 0 }, run_id)
            }
            Scenario::Latency { rate, row } => {
                let plan = row::plan(prefix, row, run_id);
                let (name, per_second) = match rate {
                    Rate::OneAtATime => ("latency, one at a time", None),
                    Rate::PerSecond(rate) => ("latency at a rate", Some(rate)),
                };
                Self { name, pace: Pace { per_second, ..plan.pace }, ..plan }
            }
            Scenario::Soak { seconds, steps, .. } => {
                row::plan(prefix, endless(steps), run_id).lasting("soak", seconds)
            }
            Scenario::Overload { seconds, .. } => {
                repeat::endless(prefix, OVERLOAD_ROUNDS, run_id).lasting("overload", 3 * seconds)
            }
            Scenario::Fanout { width, workflows } => fork::plan(prefix, width, workflows, run_id),
            Scenario::Loop { iterations, workflows } => {
                repeat::plan(prefix, iterations, workflows, run_id)
            }
            Scenario::Subworkflows { children, workflows } => {
                children::plan(prefix, children, workflows, run_id)
            }
            Scenario::Timers { workflows, window_s, lead_s } => {
                let [opens, lasts] = [lead_s, window_s].map(Duration::from_secs);
                waiting::timers(prefix, workflows, DueWindow { opens, lasts }, run_id)
            }
            Scenario::Mixed { workflows } => mixed::plan(prefix, workflows, run_id),
            Scenario::Yardstick(_) => unreachable!("the yardstick starts no executions"),
        }
    }

    /// The same under another name.
    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// The same under another name, with as many executions as there is time for.
    fn lasting(self, name: &'static str, seconds: u64) -> Self {
        let stop_after = Some(Duration::from_secs(seconds));
        Self { name, pace: Pace { stop_after, ..self.pace }, ..self }
    }

    /// Executions that only wait.
    pub(crate) fn idle(prefix: &str, executions: u32, run_id: i64) -> Self {
        waiting::idle(prefix, executions, run_id)
    }

    /// The workflow, with its definition, of those who start executions and do no work.
    pub(crate) fn flood(prefix: &str) -> (String, Value) {
        let workflow = format!("{prefix}_flood");
        let tasks = [simple(&format!("{prefix}_flooded"), "flooded", json!({}))];
        let mut definition = definition(&workflow, &tasks, &json!({}));
        definition["timeoutPolicy"] = json!("TIME_OUT_WF");
        definition["timeoutSeconds"] = json!(FLOOD_OPEN_S);
        (workflow, definition)
    }

    /// The task definitions to register. A failed task is tried again at once.
    pub(crate) fn task_definitions(&self) -> Value {
        let of = |name: &String| {
            json!({"name": name, "retryCount": 3, "retryDelaySeconds": 0, "timeoutSeconds": 0,
                "responseTimeoutSeconds": RESPONSE_TIMEOUT_S, "ownerEmail": "bench@example.com"})
        };
        self.task_types.iter().map(of).collect()
    }

    /// How long the execution of this number has to wait, when it is started `elapsed` after the
    /// first; in whole seconds, as servers of this API know no shorter ones.
    pub(crate) fn wait_of(&self, number: u32, elapsed: Duration) -> Option<Duration> {
        match &self.shape {
            Shape::Timer(window) => Some(waiting::wait_of(*window, number, elapsed)),
            Shape::Idle => Some(IDLE_FOR),
            Shape::Row { .. }
            | Shape::Fork { .. }
            | Shape::Loop { .. }
            | Shape::Children { .. }
            | Shape::Mixed => None,
        }
    }

    /// The input of the execution of this number.
    pub(crate) fn input(&self, number: u32, wait: Option<Duration>) -> Value {
        let key = self.key(number);
        match &self.shape {
            Shape::Row { padding, .. } => row::input(number, &key, padding),
            Shape::Fork { width, task_type } => fork::input(*width, task_type, &key),
            Shape::Loop { .. } => json!({"key": key}),
            Shape::Children { children, child } => children::input(*children, child, &key),
            Shape::Timer(_) | Shape::Idle => {
                let seconds = wait.unwrap_or_default().as_secs();
                json!({"n": number, "key": key, "wait": format!("{seconds} seconds")})
            }
            Shape::Mixed => mixed::input(number, &key),
        }
    }

    /// How many results the execution of this number needs.
    pub(crate) fn tasks_of(&self, number: u32) -> u32 {
        match &self.shape {
            Shape::Row { steps, .. } => *steps,
            Shape::Fork { width, .. } => *width,
            Shape::Loop { iterations } => *iterations,
            Shape::Children { children, .. } => *children,
            Shape::Timer(_) => 1,
            Shape::Mixed => mixed::tasks_of(number),
            Shape::Idle => 0,
        }
    }

    /// The status that every execution must come to.
    pub(crate) fn status(&self) -> &'static str {
        match &self.shape {
            Shape::Idle => "RUNNING",
            Shape::Row { .. }
            | Shape::Fork { .. }
            | Shape::Loop { .. }
            | Shape::Children { .. }
            | Shape::Timer(_)
            | Shape::Mixed => "COMPLETED",
        }
    }

    /// Whether the execution of this number gave what it has to: every task adds one.
    pub(crate) fn is_right(&self, number: u32, output: &Value) -> bool {
        match &self.shape {
            Shape::Row { steps, .. } => *output == json!({"n": number + steps}),
            Shape::Fork { width, .. } | Shape::Children { children: width, .. } => {
                fork::is_right(*width, output)
            }
            Shape::Loop { iterations } => {
                *output == json!({"n": iterations, "iterations": iterations})
            }
            Shape::Timer(_) => *output == json!({"n": number + 1}),
            Shape::Mixed => mixed::is_right(number, output),
            // What is open has none yet.
            Shape::Idle => true,
        }
    }

    /// Whether an execution's tasks follow each other.
    pub(crate) fn is_row(&self) -> bool {
        match &self.shape {
            Shape::Row { .. } | Shape::Loop { .. } => true,
            Shape::Fork { .. }
            | Shape::Children { .. }
            | Shape::Timer(_)
            | Shape::Mixed
            | Shape::Idle => false,
        }
    }

    /// How long the scenario takes by the clock, whatever the server does; or should at most, where
    /// there is that much to do.
    pub(crate) fn takes(&self) -> Duration {
        let by_rate = self
            .pace
            .per_second
            .map(|rate| Duration::from_secs_f64(f64::from(self.pace.workflows) / rate));
        let by_shape = match &self.shape {
            Shape::Timer(window) => Some(window.opens + window.lasts),
            Shape::Idle => {
                Some(Duration::from_secs(u64::from(self.pace.workflows / IDLE_PER_S_MIN)))
            }
            Shape::Row { .. }
            | Shape::Fork { .. }
            | Shape::Loop { .. }
            | Shape::Children { .. }
            | Shape::Mixed => None,
        };
        by_rate.or(by_shape).or(self.pace.stop_after).unwrap_or_default()
    }

    /// What a task says of where it belongs.
    fn key(&self, number: u32) -> String {
        format!("{}:{number}", self.run_id)
    }

    /// The number of the execution of this run that a task with this key belongs to.
    pub(crate) fn number_of(&self, key: &str) -> Option<u32> {
        let (run, number) = key.split_once(':')?;
        number.parse().ok().filter(|_| run.parse() == Ok(self.run_id))
    }
}

/// Executions of so many steps, without an end.
fn endless(steps: u32) -> RowOptions {
    RowOptions { workflows: u32::MAX, steps, payload_bytes: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(workflows: u32) -> RowOptions {
        RowOptions { workflows, steps: 2, payload_bytes: 3 }
    }

    #[test]
    fn a_row_hands_its_number_from_step_to_step() {
        let plan = Plan::new(&Scenario::Steps(row(9)), "p", 42);
        assert_eq!(plan.task_types, ["p_step_1", "p_step_2"]);
        let definition = &plan.definitions[0];
        assert_eq!(definition["tasks"][1]["inputParameters"]["n"], "${step_1.output.n}");
        assert_eq!(definition["outputParameters"], json!({"n": "${step_2.output.n}"}));
        assert_eq!(plan.input(7, None), json!({"n": 7, "key": "42:7", "padding": "xxx"}));
        assert_eq!(plan.tasks_of(7), 2);
        assert!(plan.is_right(7, &json!({"n": 9})));
        assert!(!plan.is_right(7, &json!({"n": 8})) && !plan.is_right(7, &json!({})));
    }

    #[test]
    fn a_task_belongs_to_this_run_or_to_none() {
        let plan = Plan::new(&Scenario::Steps(row(9)), "p", 42);
        assert_eq!(plan.number_of(&plan.key(7)), Some(7));
        for other in ["41:7", "42:", "42", "", ":7", "x:7"] {
            assert_eq!(plan.number_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_fork_wants_the_result_of_every_branch() {
        let plan = Plan::new(&Scenario::Fanout { width: 2, workflows: 1 }, "p", 42);
        assert_eq!(plan.task_types, ["p_branch"]);
        assert_eq!(plan.input(0, None)["tasks"][1]["taskReferenceName"], "b1");
        assert_eq!(plan.input(0, None)["inputs"]["b1"], json!({"n": 1, "key": "42:0"}));
        assert!(plan.is_right(0, &json!({"b0": {"n": 1}, "b1": {"n": 2}})));
        assert!(!plan.is_right(0, &json!({"b0": {"n": 1}})));
        assert!(!plan.is_right(0, &json!({"b0": {"n": 1}, "b1": {"n": 2}, "b2": {"n": 3}})));
    }

    #[test]
    fn children_are_branches_of_another_type() {
        let plan = Plan::new(&Scenario::Subworkflows { children: 2, workflows: 1 }, "p", 42);
        let input = plan.input(0, None);
        assert_eq!(input["tasks"][1]["subWorkflowParam"]["name"], "p_child");
        assert_eq!(plan.definitions[0]["name"], "p_child");
        assert_eq!((plan.workflow.as_str(), plan.tasks_of(0)), ("p_parent", 2));
        let output = json!({"b0": {"subWorkflowId": "c", "n": 1}, "b1": {"n": 2}});
        assert!(plan.is_right(0, &output));
    }

    #[test]
    fn a_loop_counts_its_rounds() {
        let plan = Plan::new(&Scenario::Loop { iterations: 5, workflows: 1 }, "p", 42);
        assert!(plan.definitions[0]["tasks"][0]["loopCondition"].as_str().unwrap().contains("< 5"));
        assert!(plan.is_right(3, &json!({"n": 5, "iterations": 5})));
        assert!(!plan.is_right(3, &json!({"n": 4, "iterations": 5})));
    }

    #[test]
    fn timers_come_due_within_their_window() {
        let timers = Scenario::Timers { workflows: 100, window_s: 10, lead_s: 20 };
        let plan = Plan::new(&timers, "p", 42);
        let wait = |number, elapsed| plan.wait_of(number, Duration::from_secs(elapsed)).unwrap();
        assert_eq!(wait(0, 0), Duration::from_secs(20));
        assert_eq!(wait(0, 5), Duration::from_secs(15));
        assert!((0..100).all(|number| (20..=30).contains(&wait(number, 0).as_secs())));
        assert_eq!(wait(50, 60), Duration::from_secs(1), "too late is as soon as possible");
        let input = plan.input(0, Some(wait(0, 0)));
        assert_eq!(input, json!({"n": 0, "key": "42:0", "wait": "20 seconds"}));
        assert_eq!(plan.takes(), Duration::from_secs(30));
    }

    #[test]
    fn timers_are_due_evenly_although_waits_are_whole_seconds() {
        let timers = Scenario::Timers { workflows: 20_000, window_s: 10, lead_s: 20 };
        let plan = Plan::new(&timers, "p", 42);
        let mut due_in_tenth = [0; 110];
        for number in 0..20_000 {
            let started = Duration::from_micros(125) * number;
            let due = started + plan.wait_of(number, started).unwrap();
            due_in_tenth[usize::try_from(due.as_millis() / 100).unwrap() - 195] += 1;
        }
        let inner = &due_in_tenth[10..100];
        assert!(inner.iter().all(|due| (150..=250).contains(due)), "200 in each: {inner:?}");
    }

    #[test]
    fn idle_executions_stay_open() {
        let plan = Plan::idle("p", 3, 42);
        assert_eq!((plan.status(), plan.tasks_of(0)), ("RUNNING", 0));
        assert_eq!(plan.wait_of(0, Duration::ZERO), Some(IDLE_FOR));
        assert!(plan.task_types.is_empty());
    }

    #[test]
    fn a_rate_says_how_long_a_run_takes() {
        let latency = Scenario::Latency { rate: Rate::PerSecond(4.0), row: row(10) };
        assert_eq!(Plan::new(&latency, "p", 42).takes(), Duration::from_millis(2500));
        let soak = Scenario::Soak { seconds: 7, steps: 1, hold_snapshot: false };
        assert_eq!(Plan::new(&soak, "p", 42).takes(), Duration::from_secs(7));
        assert_eq!(Plan::new(&Scenario::Steps(row(10)), "p", 42).takes(), Duration::ZERO);
    }
}
