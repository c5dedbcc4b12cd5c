//! The pure function at the heart: an execution and a command give changes, or a rejection.
//!
//! A decision is a small agenda of steps worked off in order, each of which records changes and may
//! put further steps on the agenda. Scripts are not evaluated here: a decision that needs one is
//! suspended, and continues when it is given the results. A decision that has used up its slice
//! leaves the rest of its agenda in the state; see [`agenda`].
#![expect(
    clippy::unnecessary_wraps,
    reason = "steps of all types have one signature, also those that never stop for a script"
)]
mod after_end;
pub mod agenda;
mod causes;
mod do_while;
mod dynamic_fork;
mod finish;
mod fork;
mod inline;
mod join;
mod messages;
mod names;
mod operations;
mod rerun;
mod revive;
mod schedule;
mod sub_workflow;
mod switch;
mod terminate;
mod timeouts;
mod updates;
mod variables;
mod wait;
mod worker;

use crate::change::Change;
use crate::command::{Command, Message, MessageBody, Rejection};
use crate::scope::ExecutionScope;
pub(crate) use crate::state::AgendaItem;
use crate::state::{Execution, Expansion, NodeKey, Task};
use agenda::{Agenda, Rest, Slice, SliceLimits};
use baton_common::limits::EXECUTION_BYTES_MAX;
use baton_common::planted::{Planted, is};
use baton_common::{ExecutionId, Payload, TaskDef, TaskId, TaskStatus, Timestamp, WorkflowStatus};
use baton_expression::script::{Script, ScriptError};
use baton_expression::template::{ResolveLimits, Resolved, Template};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What a decision may know of the world beyond the execution, as of one moment.
pub trait Surroundings: Send + Sync {
    /// The registered task definition of a name.
    fn task_def(&self, name: &str) -> Option<Arc<TaskDef>>;
    /// The highest registered version of a workflow.
    fn latest_version(&self, name: &str) -> Option<i32>;
    /// Whether workers of this domain have polled the task type lately.
    fn is_domain_active(&self, task_type: &str, domain: &str) -> bool;
    /// The value of `workflow.env.NAME`.
    fn environment(&self, name: &str) -> Option<String>;
}

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

/// What a command comes to.
pub enum Outcome {
    /// It is decided.
    Decided(Box<Decision>),
    /// It goes on once these scripts are evaluated.
    Suspended(Box<Decider>),
}

/// A decided command.
pub struct Decision {
    /// The state afterwards.
    pub execution: Arc<Execution>,
    /// How it came about.
    pub changes: Vec<Change>,
    /// What others are told.
    pub messages: Vec<Message>,
}

/// Decides a command.
///
/// # Errors
/// The [`Rejection`]; nothing changes then.
pub fn decide(
    execution: &Arc<Execution>,
    command: Command,
    context: Context,
) -> Result<Outcome, Rejection> {
    decide_knowing(execution, command, context, Evaluations::new())
}

/// [`decide`], with results of scripts that an earlier try has asked for: a decision that has to be
/// made again never asks for the same script twice.
///
/// # Errors
/// As [`decide`].
pub fn decide_knowing(
    execution: &Arc<Execution>,
    command: Command,
    context: Context,
    evaluations: Evaluations,
) -> Result<Outcome, Rejection> {
    let mut decider = Decider::new(execution.clone(), context);
    decider.evaluations = evaluations;
    decider.obey(command)?;
    decider.run()
}

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

/// A decision under way.
pub struct Decider {
    pub(crate) execution: Arc<Execution>,
    pub(crate) context: Context,
    changes: Vec<Change>,
    messages: Vec<Message>,
    agenda: Agenda,
    /// Steps that wait for a script.
    blocked: Vec<AgendaItem>,
    wanted: Vec<Script>,
    evaluations: Evaluations,
    expansions: BTreeMap<u32, Expansion>,
    slice: Slice,
    /// A step needs a script for which this slice has no room.
    is_short: bool,
    /// Whether this decision continues with what earlier slices left.
    continues: bool,
}

impl Decider {
    fn new(execution: Arc<Execution>, context: Context) -> Self {
        Self {
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

    /// Goes on with the scripts' results.
    ///
    /// # Errors
    /// The [`Rejection`]; nothing changes then.
    pub fn resume(mut self, evaluations: Evaluations) -> Result<Outcome, Rejection> {
        self.evaluations.extend(evaluations);
        self.wanted.clear();
        self.unblock();
        self.run()
    }

    /// Takes steps until there are none, the slice is used up, or a script must be evaluated.
    fn run(mut self) -> Result<Outcome, Rejection> {
        while self.takes_steps() {
            self.take_steps()?;
            if self.slice.is_used_up() || (self.is_short && self.slice.has_all_scripts(0)) {
                self.put(AgendaItem::Quiesce);
                break;
            }
            if !self.wanted.is_empty() {
                self.slice.used.scripts += self.wanted.len();
                return Ok(Outcome::Suspended(Box::new(self)));
            }
            let has_blocked = !self.blocked.is_empty();
            self.unblock();
            if !has_blocked && !self.quiesce() && self.blocked.is_empty() {
                break;
            }
        }
        Ok(Outcome::Decided(Box::new(self.conclude())))
    }

    fn take_steps(&mut self) -> Result<(), Rejection> {
        while self.takes_steps()
            && !self.slice.is_used_up()
            && !self.is_short
            && let Some(step) = self.agenda.pop_front()
        {
            self.take(step)?;
            self.check_size();
        }
        Ok(())
    }

    /// Steps that waited for a script are taken again, before all others.
    fn unblock(&mut self) {
        self.is_short = false;
        self.agenda.push_first(std::mem::take(&mut self.blocked).into_iter());
    }

    /// Whether this decision takes the steps of its agenda. One that comes between two slices only
    /// adds its own: they take their turn behind the rest.
    fn takes_steps(&self) -> bool {
        let is_running = self.execution.status == WorkflowStatus::Running
            || (is(Planted::IgnoreThePause) && self.execution.status == WorkflowStatus::Paused);
        is_running && (self.continues || self.execution.agenda.is_empty())
    }

    /// Leaves what is not done to the next slice.
    fn conclude(mut self) -> Decision {
        self.unblock();
        match self.execution.status {
            WorkflowStatus::Running => {}
            // What ended meanwhile is settled when it is resumed.
            WorkflowStatus::Paused => self.agenda.drop_new(),
            WorkflowStatus::Completed
            | WorkflowStatus::Failed
            | WorkflowStatus::TimedOut
            | WorkflowStatus::Terminated => self.agenda.retain_new(AgendaItem::outlives_an_end),
        }
        self.record_expansions();
        if let Some(Rest { taken, first, last }) = std::mem::take(&mut self.agenda).into_rest() {
            let taken = u32::try_from(taken).unwrap_or(u32::MAX);
            self.record(Change::AgendaLeft { taken, first, last });
        }
        self.finish_lineages();
        let Self { execution, changes, messages, .. } = self;
        Decision { execution, changes, messages }
    }

    fn take(&mut self, step: AgendaItem) -> Result<(), Rejection> {
        let flow = match step {
            AgendaItem::Schedule { place, loop_task } => self.schedule(place, loop_task),
            AgendaItem::Run(seq) => self.run_task(seq),
            AgendaItem::AfterEnd(seq) => self.after_end(seq),
            AgendaItem::Branches(fork) => self.expand_fork(fork),
            AgendaItem::Quiesce => Ok(()),
        };
        match flow {
            Ok(()) => Ok(()),
            Err(Stop::Wanted) => {
                self.blocked.push(step);
                Ok(())
            }
            Err(Stop::Rejected(rejection)) => Err(rejection),
            Err(Stop::TooLarge(reason)) => {
                self.fail_step(step, &reason);
                Ok(())
            }
        }
    }

    /// Fails the task of a step whose values are too large; the execution where it has none.
    fn fail_step(&mut self, step: AgendaItem, reason: &str) {
        match step {
            AgendaItem::Schedule { place, loop_task } => {
                self.schedule_failed(place, loop_task, reason);
            }
            AgendaItem::Run(seq) => {
                self.end(seq, TaskStatus::FailedWithTerminalError, None, Some(reason));
            }
            AgendaItem::AfterEnd(_) | AgendaItem::Branches(_) | AgendaItem::Quiesce => {
                self.fail_for_good(reason);
            }
        }
    }

    /// Fails an execution that holds more than one may.
    fn check_size(&mut self) {
        let bytes = self.execution.payload_bytes();
        if bytes > EXECUTION_BYTES_MAX && self.execution.status == WorkflowStatus::Running {
            self.fail_for_good(&format!(
                "the inputs, outputs and variables of the execution are {bytes} bytes, over the \
                 limit of {EXECUTION_BYTES_MAX}"
            ));
        }
    }

    /// With nothing left on the agenda: ends what is over. True when that put something on it.
    fn quiesce(&mut self) -> bool {
        if self.execution.status != WorkflowStatus::Running {
            return false;
        }
        let waits_for_script = |decider: &Self| !decider.blocked.is_empty();
        if self.close_loops() || waits_for_script(self) || self.release_stranded_joins() {
            return true;
        }
        self.complete_if_done();
        false
    }

    fn obey(&mut self, command: Command) -> Result<(), Rejection> {
        match command {
            Command::Begin => {
                self.continue_agenda();
                self.begin()
            }
            Command::UpdateTask(update) => self.update_task(&update),
            Command::RenewLease { seq } => self.renew_lease(seq),
            Command::LeaseTask { seq, worker } => self.lease_task(seq, worker),
            Command::ReturnTask { seq, poll_count, leased_at } => {
                self.return_task(seq, poll_count, leased_at)
            }
            Command::WakeUp => {
                self.continue_agenda();
                if self.is_unbegun() {
                    return self.begin();
                }
                self.check_deadlines();
                Ok(())
            }
            Command::Read => Ok(()),
            Command::Pause => self.pause(),
            Command::Resume => self.resume_execution(),
            Command::Terminate { reason } => self.terminate(reason),
            Command::Restart { workflow_version } => self.restart(workflow_version),
            Command::Retry { resume_children } => self.retry(resume_children),
            Command::Rerun(rerun) => self.rerun(rerun),
            Command::SkipTask { reference } => self.skip_task(reference),
            Command::ResetCallbacks => self.reset_callbacks(),
            Command::ChildGone { child } => self.child_is_gone(child),
            Command::Receive { from, number, body } => self.receive(from, number, body),
        }
    }

    /// Takes what earlier slices left before its own steps.
    fn continue_agenda(&mut self) {
        self.continues = true;
        self.agenda.carry(&self.execution.agenda);
    }

    /// Born, but its first step is still to be scheduled.
    fn is_unbegun(&self) -> bool {
        self.execution.last_seq == 0 && self.execution.status == WorkflowStatus::Running
    }

    fn begin(&mut self) -> Result<(), Rejection> {
        match self.execution.plan.first {
            Some(node) => {
                let place = NodeKey { plan: 0, node };
                self.agenda.push_back(AgendaItem::Schedule { place, loop_task: None });
                Ok(())
            }
            None => Err(Rejection::Impossible("the definition has no tasks".into())),
        }
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
