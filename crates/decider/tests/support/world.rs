//! What a history runs in: definitions, surroundings, a clock, one execution and its journal.
use super::command::{self, Words};
use super::definition::definition;
use super::file::Block;
use super::invariants::{
    Statuses, check_explained, check_joins, check_nothing_is_left_out, check_order,
};
use super::journal::Journal;
use super::line;
use super::seen::Seen;
use baton_common::{ExecutionId, TaskDef, Timestamp, WorkflowDef};
use baton_decider::change::Change;
use baton_decider::command::{Command, Message, MessageBody, Rejection};
use baton_decider::decide::agenda::SliceLimits;
use baton_decider::decide::types::pin;
use baton_decider::decide::{Context, Decision, Outcome, Surroundings, decide};
use baton_decider::plan::Plan;
use baton_decider::state::{Execution, Parent, StartFacts};
use baton_expression::script::{ScriptLimits, evaluate};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::Arc;

/// 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

#[derive(Clone, Default)]
struct Registry {
    task_defs: HashMap<String, Arc<TaskDef>>,
    versions: HashMap<String, i32>,
    domains: BTreeSet<(String, String)>,
    environment: HashMap<String, String>,
}

impl Surroundings for Registry {
    fn task_def(&self, name: &str) -> Option<Arc<TaskDef>> {
        self.task_defs.get(name).cloned()
    }

    fn latest_version(&self, name: &str) -> Option<i32> {
        self.versions.get(name).copied()
    }

    fn is_domain_active(&self, task_type: &str, domain: &str) -> bool {
        self.domains.contains(&(task_type.to_owned(), domain.to_owned()))
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.environment.get(name).cloned()
    }
}

/// A history under way.
pub(crate) struct World<'a> {
    registry: Registry,
    definition: WorkflowDef,
    execution: Option<Arc<Execution>>,
    created: Option<Execution>,
    journal: Journal,
    now: Timestamp,
    slice: SliceLimits,
    names: BTreeMap<String, String>,
    seen: &'a mut Seen,
}

impl<'a> World<'a> {
    /// Nothing registered, nothing started.
    pub(crate) fn new(seen: &'a mut Seen) -> Self {
        Self {
            registry: Registry::default(),
            definition: WorkflowDef::default(),
            execution: None,
            created: None,
            journal: Journal::default(),
            now: START,
            slice: SliceLimits::DEFAULT,
            names: BTreeMap::new(),
            seen,
        }
    }

    /// Obeys a block's command; answers the block with what came of it.
    pub(crate) fn play(&mut self, block: &Block) -> Block {
        let mut text = self.obey(&block.command);
        for (id, name) in &self.names {
            text = text.replace(id, name);
        }
        Block { command: block.command.clone(), transcript: text.trim().to_owned() }
    }

    fn obey(&mut self, text: &str) -> String {
        let mut words = Words(text);
        match words.word() {
            "workflow" => {
                self.definition = definition(words.0);
                String::new()
            }
            "task" => self.register(words.0),
            "version" => {
                let (name, version) = (words.word().to_owned(), words.word());
                self.registry.versions.insert(name, version.parse().expect("a version"));
                String::new()
            }
            "domain" => {
                let (task_type, domain) = (words.word().to_owned(), words.word().to_owned());
                self.registry.domains.insert((task_type, domain));
                String::new()
            }
            "environment" => {
                let (name, value) = (words.word().to_owned(), words.word().to_owned());
                self.registry.environment.insert(name, value);
                String::new()
            }
            "start" if self.execution.is_none() => {
                self.create(words);
                self.decide(&Command::Begin)
            }
            "create" => {
                self.create(words);
                String::new()
            }
            "slice" => {
                let of = |words: &mut Words| words.word().parse().expect("a limit");
                let (changes, scripts) = (of(&mut words), of(&mut words));
                self.slice = SliceLimits { changes, scripts, starts: changes, ..self.slice };
                String::new()
            }
            "at" => self.advance(START.plus_millis(words.millis())),
            "state" => self.state(),
            "again" => self.decide(&self.read(words.0, true)),
            "restart" => {
                self.change_plan(text);
                self.decide(&self.read(text, false))
            }
            _ => self.decide(&self.read(text, false)),
        }
    }

    fn read(&self, text: &str, is_again: bool) -> Command {
        command::read(text, self.current(), is_again)
    }

    /// The execution as it is now.
    pub(crate) fn current(&self) -> &Arc<Execution> {
        self.execution.as_ref().expect("an execution was started")
    }

    fn register(&mut self, lines: &str) -> String {
        for text in lines.lines() {
            let def: TaskDef = serde_json::from_str(text).expect("a task definition");
            let name = def.name.clone().expect("a task definition's name");
            self.registry.task_defs.insert(name, Arc::new(def));
        }
        String::new()
    }

    /// A restart on another version continues on the definition registered last.
    fn change_plan(&mut self, text: &str) {
        let plan = Arc::new(Plan::compile(pin(self.definition.clone(), &self.registry)));
        if let Some(execution) = self.execution.as_mut().filter(|_| text.contains("on version")) {
            Arc::make_mut(execution).plan = plan.clone();
        }
        if let Some(created) = self.created.as_mut().filter(|_| text.contains("on version")) {
            created.plan = plan;
        }
    }

    fn create(&mut self, mut words: Words) {
        let id = ExecutionId::new(self.now, 7);
        let parent = words.take("as child").then(|| Parent {
            task: ExecutionId::new(self.now, 8).task(1),
            depth: if words.take("at depth") { words.word().parse().unwrap() } else { 1 },
        });
        let input = words.json().unwrap_or_default();
        let correlation_id = words.take("correlation").then(|| words.word().to_owned());
        let domains = words.take("domains").then(|| words.json()).flatten();
        let facts = StartFacts {
            id,
            workflow_name: self.definition.name.as_deref().unwrap_or("flow").into(),
            workflow_version: self.definition.version,
            correlation_id,
            priority: 0,
            task_to_domain: domains
                .map(|domains| serde_json::from_str(domains.get()).unwrap())
                .unwrap_or_default(),
            parent,
            variables: self.definition.variables.clone(),
            event: None,
            created_by: None,
            idempotency_key: None,
            trace: None,
            lineage: baton_decider::state::Lineage::default(),
            at: self.now,
        };
        self.names.insert(id.to_string(), "<self>".into());
        if let Some(parent) = parent {
            self.names.insert(parent.task.to_string(), "<parent's task>".into());
            self.names.insert(parent.task.execution().to_string(), "<parent>".into());
        }
        let plan = Arc::new(Plan::compile(pin(self.definition.clone(), &self.registry)));
        let execution = Execution::new(plan, facts, input);
        self.created = Some(execution.clone());
        self.execution = Some(Arc::new(execution));
    }

    /// Moves the clock; a wake-up comes at its own time, as often as one is due.
    fn advance(&mut self, to: Timestamp) -> String {
        let mut text = String::new();
        for _ in 0..1000 {
            match self.current().wake_at() {
                Some(at) if at <= to => {
                    self.now = self.now.max(at);
                    text.push_str(self.decide(&Command::WakeUp).trim_end());
                    text.push('\n');
                }
                Some(_) | None => {
                    self.now = to;
                    let is_idle = text.is_empty();
                    return if is_idle { "nothing is due".into() } else { text.trim_end().into() };
                }
            }
        }
        panic!("it wakes up for ever: {}", &text[text.len().saturating_sub(600)..]);
    }
    fn decide(&mut self, command: &Command) -> String {
        let before = self.current().clone();
        self.seen.pairs.insert((command::name(command), before.status.name()));
        match self.decision(command.clone()) {
            Ok(decision) => {
                let text = self.tell(&before, &decision);
                self.check(command, &before, &decision);
                self.execution = Some(decision.execution);
                text
            }
            Err(Rejection::Late) => "ignored: the task or the execution has ended".to_owned(),
            Err(rejection) => format!("refused: {rejection}"),
        }
    }

    fn decision(&self, command: Command) -> Result<Decision, Rejection> {
        let surroundings = Arc::new(self.registry.clone());
        let context = Context { now: self.now, slice: self.slice, surroundings };
        let mut outcome = decide(self.current(), command, context)?;
        loop {
            match outcome {
                Outcome::Decided(decision) => return Ok(*decision),
                Outcome::Suspended(decider) => {
                    let limits = ScriptLimits::default();
                    let wanted = decider.wanted().to_vec();
                    let results = wanted
                        .into_iter()
                        .map(|script| (script.clone(), evaluate(&script, &limits)));
                    outcome = decider.resume(results.collect())?;
                }
            }
        }
    }

    /// The transcript of a decision.
    fn tell(&mut self, before: &Execution, decision: &Decision) -> String {
        let mut state = before.clone();
        let mut text = String::new();
        for change in &decision.changes {
            let _ = writeln!(text, "{}", line::of_change(&state, change));
            let was = Statuses::of(&state);
            state.apply(change);
            was.note(change, &Statuses::of(&state), self.seen);
            if let Change::TaskScheduled(task) = change {
                let id = state.id().task(task.seq).to_string();
                self.names.insert(id, format!("<{}>", line::label(task)));
            }
        }
        for message in &decision.messages {
            self.name_child(&state, message);
            let _ = writeln!(text, "{}", line::of_message(message));
        }
        let (was, is) = (before.wake_at(), state.wake_at());
        if was != is || self.journal.is_empty() {
            let wake = is
                .map_or("no wake-up".into(), |at| format!("wake-up at {}", line::time(&state, at)));
            if was.is_some() || is.is_some() {
                let _ = writeln!(text, "{wake}");
            }
        }
        if text.is_empty() { "no change".to_owned() } else { text }
    }

    fn name_child(&mut self, state: &Execution, message: &Message) {
        let task = match &message.body {
            MessageBody::Start(start) => {
                let Some(parent) = &start.parent else {
                    self.names.insert(message.to.to_string(), "<failure workflow>".into());
                    return;
                };
                parent.task
            }
            MessageBody::StartFor { task, .. } => *task,
            MessageBody::Started { .. }
            | MessageBody::ChildEnded { .. }
            | MessageBody::ChildRefused { .. }
            | MessageBody::ChildReopened { .. }
            | MessageBody::FailureRefused { .. }
            | MessageBody::ParentEnded { .. }
            | MessageBody::ParentRetried => return,
        };
        let task = state.task(task.seq()).expect("the task that starts a child");
        let count = self.names.values().filter(|name| name.starts_with("<child")).count();
        let name = format!("<child {} of {}>", count + 1, line::label(task));
        self.names.entry(message.to.to_string()).or_insert(name);
    }

    /// What must hold after every decision.
    fn check(&mut self, command: &Command, before: &Execution, decision: &Decision) {
        let faults = decision.execution.faults();
        assert!(faults.is_empty(), "after {command:?}: {faults:?}");
        check_order(before, &decision.changes);
        if !is_report_on_join(command, before) {
            check_joins(before, &decision.changes);
        }
        if !decision.execution.has_agenda() {
            check_nothing_is_left_out(&decision.execution);
        }
        check_explained(&decision.execution);
        let created = self.created.as_ref().expect("an execution was started");
        self.journal.keep(created, before, decision);
        let faults = self.journal.faults(&decision.execution);
        assert!(faults.is_empty(), "after {command:?}: {faults:?}");
    }

    fn state(&self) -> String {
        let execution = self.current();
        let mut text = format!("{} {}", execution.status, execution.output.get());
        if !execution.variables.is_empty_object() {
            let _ = write!(text, " variables {}", execution.variables.get());
        }
        for task in execution.tasks.values() {
            let times = task
                .iteration
                .checked_sub(1)
                .map_or(String::new(), |_| format!(" [{}]", task.iteration));
            let reason = task.reason.as_deref().map_or(String::new(), |why| format!(" \"{why}\""));
            let retried = if task.retried { " (repeated)" } else { "" };
            let _ = write!(
                text,
                "\n{}{times} {}{retried}{reason} {}",
                line::label(task),
                task.status,
                task.output.json().get()
            );
        }
        text
    }
}

fn is_report_on_join(command: &Command, before: &Execution) -> bool {
    let Command::UpdateTask(update) = command else { return false };
    before.task(update.seq).is_some_and(|task| task.join_on.is_some())
}
