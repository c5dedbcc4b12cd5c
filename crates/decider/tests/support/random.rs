//! Random definitions under random commands: whatever happens, the invariants hold, and once
//! everything that is asked for is answered, the execution ends.
//!
//! `BATON_SEED=n` plays one seed, `BATON_SEEDS=n` so many from 1. A failing seed is printed as the
//! history that leads to it.
use super::file::Block;
use super::seen::Seen;
use super::world::World;
use baton_common::{TaskStatus, WorkflowStatus};
use baton_decider::state::{Delivery, Execution};
use serde_json::{Value, json};
use std::fmt::Write;

/// SplitMix64: small, seeded, the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((bits ^ (bits >> 31)) >> 33).unwrap_or(0) % sides
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }
}

/// Makes definitions in which every step has a name of its own.
struct Author<'a> {
    dice: &'a mut Dice,
    steps: usize,
}

impl Author<'_> {
    fn sequence(&mut self, depth: usize) -> Vec<Value> {
        let length = 1 + self.dice.roll(3);
        (0..length).flat_map(|_| self.step(depth)).collect()
    }

    fn name(&mut self) -> String {
        self.steps += 1;
        format!("s{}", self.steps)
    }

    fn step(&mut self, depth: usize) -> Vec<Value> {
        let name = self.name();
        let inner = depth < 3 && self.steps < 25;
        match self.dice.roll(if inner { 14 } else { 9 }) {
            0 => vec![json!({"ref": name, "type": "NOOP"})],
            1 => vec![json!({"ref": name, "type": "WAIT", "in": {"duration": "10s"}})],
            2 => vec![
                json!({"ref": name, "type": "SET_VARIABLE", "in": {"v": "${workflow.input.x}"}}),
            ],
            3 => vec![self.child(&name)],
            4 => vec![json!({"ref": name, "type": "HUMAN"})],
            5 => vec![json!({"ref": name, "type": "SIMPLE", "permissive": true, "retryCount": 0})],
            6 => vec![json!({"ref": name, "type": "SIMPLE", "optional": true, "retryCount": 1,
                "taskDefinition": {"name": name, "retryDelaySeconds": self.dice.roll(2) * 5}})],
            7 | 8 => {
                vec![json!({"ref": name, "type": "SIMPLE", "startDelay": self.dice.roll(2) * 3,
                "taskDefinition": {"name": name, "retryCount": 1, "retryDelaySeconds": 5,
                    "responseTimeoutSeconds": 20, "timeoutPolicy": "RETRY"}})]
            }
            9 => vec![self.switch(&name, depth)],
            10 => self.fork(&name, depth),
            11 => self.dynamic_fork(&name),
            _ => vec![self.repeat(&name, depth)],
        }
    }

    fn child(&mut self, name: &str) -> Value {
        let optional = self.dice.roll(3) == 0;
        json!({"ref": name, "type": "SUB_WORKFLOW", "optional": optional,
            "subWorkflowParam": {"name": "child", "version": 1}, "in": {"x": 1}})
    }

    fn switch(&mut self, name: &str, depth: usize) -> Value {
        let case = self.dice.pick(&["a", "b", "c"]);
        let (evaluator, expression) = self.dice.pick(&[
            ("value-param", "k"),
            ("javascript", "$.k"),
            ("javascript", "String($.k)"),
        ]);
        json!({"ref": name, "type": "SWITCH", "evaluatorType": evaluator, "expression": expression,
            "in": {"k": case},
            "decisionCases": {"a": self.sequence(depth + 1), "b": []},
            "defaultCase": self.sequence(depth + 1)})
    }

    fn fork(&mut self, name: &str, depth: usize) -> Vec<Value> {
        let branches: Vec<Vec<Value>> =
            (0..=self.dice.roll(3)).map(|_| self.sequence(depth + 1)).collect();
        let last = |branch: &Vec<Value>| branch.last().map(|step| step["ref"].clone());
        let on: Vec<Value> = branches.iter().filter_map(last).collect();
        vec![
            json!({"ref": name, "type": "FORK_JOIN", "forkTasks": branches}),
            json!({"ref": format!("{name}j"), "type": "JOIN", "joinOn": on}),
        ]
    }

    fn dynamic_fork(&mut self, name: &str) -> Vec<Value> {
        let inputs: Vec<usize> = (0..self.dice.roll(4)).collect();
        let mut input = json!({"forkTaskName": "w", "forkTaskInputs": inputs});
        if self.dice.roll(3) == 0 {
            input = json!({"forkTaskWorkflow": "child", "forkTaskWorkflowVersion": "1",
                "forkTaskInputs": inputs});
        }
        // A name of its own for each fork, since branches without one share theirs.
        if input["forkTaskName"].is_string() {
            input["forkTaskName"] = json!(format!("{name}w"));
        }
        vec![
            json!({"ref": name, "type": "FORK_JOIN_DYNAMIC", "in": input}),
            json!({"ref": format!("{name}j"), "type": "JOIN"}),
        ]
    }

    fn repeat(&mut self, name: &str, depth: usize) -> Value {
        let body = self.sequence(depth + 1);
        match self.dice.roll(3) {
            0 => json!({"ref": name, "type": "DO_WHILE", "loopOver": body,
                "loopCondition": format!("$.{name}.iteration < 2")}),
            1 => json!({"ref": name, "type": "DO_WHILE", "loopOver": body, "loopCondition": "",
                "items": "${workflow.input.list}", "in": {"keepLastN": 1}}),
            _ => json!({"ref": name, "type": "DO_WHILE", "loopOver": body, "loopCondition": "",
                "items": "${workflow.input.list}"}),
        }
    }
}

/// A history that is made up while it is played.
struct Story<'a> {
    world: World<'a>,
    dice: Dice,
    told: String,
    seconds: i64,
}

impl Story<'_> {
    fn say(&mut self, command: String) {
        let _ = write!(self.told, "{command}\n----\n");
        let played = self.world.play(&Block { command, transcript: String::new() });
        let _ = write!(self.told, "{}\n\n", played.transcript);
    }

    fn later(&mut self, seconds: i64) {
        self.seconds += seconds;
        let seconds = self.seconds;
        self.say(format!("at {seconds}s"));
    }

    fn any_command(&mut self) {
        let execution = self.world.current();
        let tasks: Vec<u32> = execution.tasks.keys().copied().collect();
        if tasks.is_empty() {
            return self.say("wake".into());
        }
        let open: Vec<u32> = execution.open_tasks().map(|task| task.seq).collect();
        let any = self.dice.pick(&tasks);
        let seq = if open.is_empty() { any } else { self.dice.pick(&open) };
        let is_child = execution.task(seq).is_some_and(|task| task.child.is_some());
        let is_any_child = execution.task(any).is_some_and(|task| task.child.is_some());
        match self.dice.roll(30) {
            0..=9 => answer(self.world.current(), seq).into_iter().for_each(|text| self.say(text)),
            10 | 11 if is_child => self.say(format!("child {seq} failed \"no\"")),
            10 | 11 => self.say(format!("fail {seq} \"no\"")),
            12 => self.say(format!("fail {seq} \"never\" terminal")),
            13 => self.say(format!("lease {seq} by w")),
            14 => self.say(format!("report {seq} after 5s {{\"x\":1}}")),
            15 => self.say(format!("return {seq}")),
            16 => self.say("pause".into()),
            17 | 18 => self.say("resume".into()),
            19 => self.say("terminate \"by hand\"".into()),
            20 => self.say("retry resuming children".into()),
            21 | 22 => self.say("retry".into()),
            23 => self.say(format!("rerun from {any}")),
            24 => self.say("restart".into()),
            25 => {
                let step = 1 + self.dice.roll(10);
                self.say(format!("skip s{step}"));
            }
            26 if is_any_child => self.say(format!("child {any} reopened")),
            27 if is_any_child => self.say(format!("again child {any} completed")),
            28 => self.say(format!("complete {any}")),
            _ => self.later(7),
        }
    }

    /// Answers everything that is asked for until the execution has ended.
    fn come_to_an_end(&mut self) {
        for _ in 0..2000 {
            let execution = self.world.current();
            if execution.status.is_terminal() {
                return;
            }
            if execution.status == WorkflowStatus::Paused {
                self.say("resume".into());
                continue;
            }
            let answers = execution.open_tasks().find_map(|task| answer(execution, task.seq));
            match answers {
                Some(text) => self.say(text),
                None => self.later(3600),
            }
        }
        panic!("it does not come to an end");
    }
}

/// What would end an open task that waits for others than the engine.
fn answer(execution: &Execution, seq: u32) -> Option<String> {
    let task = execution.task(seq).filter(|task| !task.status.is_terminal())?;
    if task.child.is_some() {
        return Some(format!("child {seq} completed {{\"r\":1}}"));
    }
    let node = execution.node_of(task);
    let is_held = matches!(task.delivery, Delivery::Ready(_) | Delivery::Leased);
    let is_asked = task.status == TaskStatus::InProgress && &*node.task_type == "HUMAN";
    (is_held || is_asked).then(|| format!("complete {seq} {{\"r\":1}}"))
}

fn play(seed: u64, walked: &mut Seen) -> Result<(), String> {
    let mut dice = Dice(seed);
    let tasks = Author { dice: &mut dice, steps: 0 }.sequence(0);
    let definition = json!({"name": "random", "tasks": tasks});
    let told = String::new();
    let mut story = Story { world: World::new(walked), dice, told, seconds: 0 };
    let slice = story.dice.pick(&[512, 512, 512, 1, 2, 5]);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        story.say(format!("slice {slice} {}", slice.min(4)));
        story.say(format!("workflow\n{definition}"));
        story.say("start as child {\"list\":[1,2]}".into());
        for _ in 0..40 {
            story.any_command();
        }
        story.come_to_an_end();
    }));
    result.map_err(|panic| {
        let why = panic.downcast_ref::<String>().cloned();
        let why = why.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        format!("BATON_SEED={seed}: {}\n{}", why.unwrap_or_default(), story.told)
    })
}

/// Goal: no command in any order breaks an invariant or leaves an execution without end.
/// Method: seeds make definitions and commands; then every open question is answered.
#[test]
fn whatever_comes_the_execution_stays_sound_and_comes_to_its_end() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("BATON_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("BATON_SEEDS").unwrap_or(300),
    };
    let is_many = seeds.clone().count() > 100;
    let mut seen = Seen::default();
    let failures: Vec<String> =
        seeds.filter_map(|seed| play(seed, &mut seen).err()).take(3).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n======\n"));
    for command in ["UpdateTask", "Rerun", "Retry", "Restart", "Receive ChildReopened"] {
        for status in WorkflowStatus::ALL.map(WorkflowStatus::name) {
            let is_met = seen.pairs.contains(&(command, status));
            // A walk that never gets there would prove nothing.
            assert!(is_met || !is_many || status == "TIMED_OUT", "no {command} when {status}");
        }
    }
}
