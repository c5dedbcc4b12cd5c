//! A decision under way: what it has come to so far, and the operations that everything else in a
//! decision is made of. Task types are declared here too, as their functions work on a decision.
use super::agenda::{Agenda, Slice, SliceLimits};
use crate::change::Change;
use crate::command::{Message, MessageBody, Rejection};
use crate::plan::Node;
use crate::scope::ExecutionScope;
use crate::state::{AgendaItem, Execution, Expansion, NodeKey, Task};
use crate::surroundings::Surroundings;
use crate::task_type::Facts;
use baton_common::{ExecutionId, Payload, TaskId, Timestamp};
use baton_expression::script::{Script, ScriptError};
use baton_expression::template::{ResolveLimits, Resolved, Template};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The time of a decision and its surroundings.
#[derive(Clone)]
pub struct Context {
    /// Now, by the database's clock.
    pub now: Timestamp,
    /// How much is decided before the rest is left to the next decision.
    pub slice: SliceLimits,
    /// Everything else.
    pub surroundings: Arc<dyn Surroundings>,
}

/// Results of scripts, by script.
pub type Evaluations = HashMap<Script, Result<Payload, ScriptError>>;

/// Why a step did not come to its end.
pub(crate) enum Stop {
    /// A script must be evaluated first; the step is taken again then.
    Wanted,
    /// The whole command is refused.
    Rejected(Rejection),
    /// A value is larger than its limit, with the limit's name and the value.
    TooLarge(String),
}

impl Stop {
    /// What an execution that fails by it says.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Wanted => "a script is missing".to_owned(),
            Self::Rejected(rejection) => rejection.to_string(),
            Self::TooLarge(reason) => reason.clone(),
        }
    }
}

impl From<Rejection> for Stop {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

pub(crate) type Flow<T = ()> = Result<T, Stop>;

/// A task type. Each has a file of its own in `types`, which says in what it differs from the ones in
/// `types/engine.rs` and `types/worker.rs`.
pub(crate) struct TaskType {
    /// What is known without an execution.
    pub(crate) facts: Facts,
    /// Creates the task of a step, inside the loop of a DO_WHILE task or not.
    pub(crate) schedule: fn(&mut Decider, &Node, NodeKey, Option<u32>) -> Flow,
    /// Does what the engine does for an open task.
    pub(crate) run: fn(&mut Decider, &Arc<Task>, &Node) -> Flow,
    /// Begins a task that was held back, or made anew.
    pub(crate) activate: fn(&mut Decider, &Arc<Task>),
    /// Draws the consequences of a good end once more, when an ended execution continues: what
    /// has followed already is not touched.
    pub(crate) follow_again: fn(&mut Decider, &Task, &Node),
}

/// All task types.
#[derive(Clone, Copy)]
pub(crate) struct TaskTypes {
    /// Those with a name.
    pub(crate) named: &'static [&'static TaskType],
    /// What any other name is.
    pub(crate) other: &'static TaskType,
}

impl TaskTypes {
    /// The type that a node's facts belong to.
    fn of(self, node: &Node) -> &'static TaskType {
        let mut named = self.named.iter().copied();
        named.find(|known| std::ptr::eq(&raw const known.facts, node.facts)).unwrap_or(self.other)
    }
}

/// A decision under way.
pub struct Decider {
    types: TaskTypes,
    pub(crate) execution: Arc<Execution>,
    pub(crate) context: Context,
    pub(super) changes: Vec<Change>,
    pub(super) messages: Vec<Message>,
    pub(super) agenda: Agenda,
    /// Steps that wait for a script.
    pub(super) blocked: Vec<AgendaItem>,
    pub(super) wanted: Vec<Script>,
    pub(super) evaluations: Evaluations,
    pub(super) expansions: BTreeMap<u32, Expansion>,
    pub(super) slice: Slice,
    /// A step needs a script for which this slice has no room.
    pub(super) is_short: bool,
    /// Whether this decision continues with what earlier slices left.
    pub(super) continues: bool,
}

impl Decider {
    pub(super) fn new(execution: Arc<Execution>, context: Context, types: TaskTypes) -> Self {
        Self {
            types,
            slice: Slice::new(context.slice),
            execution,
            context,
            changes: Vec::new(),
            messages: Vec::new(),
            agenda: Agenda::default(),
            blocked: Vec::new(),
            wanted: Vec::new(),
            evaluations: HashMap::new(),
            expansions: BTreeMap::new(),
            is_short: false,
            continues: false,
        }
    }

    /// Results of scripts that it knows, for another try of the same decision.
    pub fn evaluations(&self) -> &Evaluations {
        &self.evaluations
    }

    /// The scripts it waits for.
    pub fn wanted(&self) -> &[Script] {
        &self.wanted
    }

    /// The type of a node.
    pub(super) fn type_of(&self, node: &Node) -> &'static TaskType {
        self.types.of(node)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.context.now
    }

    /// Applies a change and keeps it for the record.
    pub(crate) fn record(&mut self, change: Change) {
        self.slice.used.changes += 1;
        self.slice.used.bytes += change.payload_bytes();
        Arc::make_mut(&mut self.execution).apply(&change);
        self.changes.push(change);
    }

    /// Asks for another execution: the first message of a pair.
    pub(crate) fn send_start(&mut self, to: ExecutionId, body: MessageBody) {
        self.slice.used.starts += 1;
        self.messages.push(Message { to, number: 1, body });
    }

    /// Tells the child of a task something.
    pub(crate) fn send_to_child(&mut self, seq: u32, body: MessageBody) {
        let Some(child) = self.execution.task(seq).and_then(|task| task.child) else { return };
        self.record(Change::MessageSent { seq: Some(seq) });
        let number = self.execution.task(seq).map_or(0, |task| task.sent);
        self.messages.push(Message { to: child, number, body });
    }

    /// Tells the parent something, if there is one.
    pub(crate) fn send_to_parent(&mut self, body: impl FnOnce(TaskId) -> MessageBody) {
        let Some(parent) = self.execution.facts.parent else { return };
        self.record(Change::MessageSent { seq: None });
        let (to, number) = (parent.task.execution(), self.execution.sent_to_parent);
        self.messages.push(Message { to, number, body: body(parent.task) });
    }

    pub(crate) fn put(&mut self, step: AgendaItem) {
        self.agenda.push_back(step);
    }

    /// Drops the steps of this decision, but for those that a reopened execution needs.
    pub(crate) fn drop_agenda(&mut self) {
        self.agenda.retain_new(AgendaItem::outlives_an_end);
        self.blocked.clear();
        self.wanted.clear();
    }

    /// The task with this number, or the rejection that there is none.
    pub(crate) fn known(&self, seq: u32) -> Result<Arc<Task>, Rejection> {
        let missing = || Rejection::NoSuchTask(self.execution.id().task(seq));
        self.execution.task(seq).cloned().ok_or_else(missing)
    }

    /// The result of a script, or a stop that asks for it. A script that needs no engine is
    /// evaluated here, and takes effect when the step is taken again, like the others.
    pub(crate) fn evaluate(&mut self, script: Script) -> Flow<Result<Payload, ScriptError>> {
        if let Some(result) = self.evaluations.get(&script) {
            return Ok(result.clone());
        }
        if let Some(result) = script.plain_result() {
            self.evaluations.insert(script, Ok(result));
        } else if !self.wanted.contains(&script) {
            if self.has_room_for_script() {
                self.wanted.push(script);
            } else {
                self.is_short = true;
            }
        }
        Err(Stop::Wanted)
    }

    /// Whether this decision may wait for another script.
    pub(crate) fn has_room_for_script(&self) -> bool {
        !self.slice.has_all_scripts(self.wanted.len())
    }

    /// Resolves a template against the execution; `seq` is the task whose input it is, where its
    /// type lets templates name the task's id.
    ///
    /// # Errors
    /// [`Stop::TooLarge`] when the value is larger than the input of a task may be.
    pub(crate) fn resolve(&self, template: &Template, seq: Option<u32>) -> Flow<Payload> {
        self.resolve_within(template, seq, &ResolveLimits::TASK_INPUT)
    }

    /// As [`Self::resolve`], with limits of its own.
    pub(crate) fn resolve_within(
        &self,
        template: &Template,
        seq: Option<u32>,
        limits: &ResolveLimits,
    ) -> Flow<Payload> {
        let surroundings = &self.context.surroundings;
        let scope = ExecutionScope {
            execution: &self.execution,
            task_id: seq.map(|seq| self.execution.id().task(seq).to_string()),
            environment: &|name| surroundings.environment(name),
        };
        let Resolved { value, cost } = template.resolve(&scope, limits);
        self.slice.read(cost);
        value.map_err(|error| Stop::TooLarge(error.to_string()))
    }
}
