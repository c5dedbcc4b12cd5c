//! The pure function at the heart: an execution and a command give changes, or a rejection.
//!
//! A decision is a small agenda of steps worked off in order, each of which records changes and may
//! put further steps on the agenda. Scripts are not evaluated here: a decision that needs one is
//! suspended, and goes on when it is given the results.
#![expect(
    clippy::unnecessary_wraps,
    reason = "steps of all types have one signature, also those that never stop for a script"
)]
mod causes;
mod do_while;
mod dynamic_fork;
mod finish;
mod fork;
mod inline;
mod join;
mod news;
mod operations;
mod rerun;
mod revive;
mod schedule;
mod settle;
mod sub_workflow;
mod switch;
mod terminate;
mod timeouts;
mod updates;
mod variables;
mod wait;
mod worker;

use crate::change::Change;
use crate::command::{Command, Letter, News, Rejection};
use crate::scope::ExecutionScope;
use crate::state::{Execution, NodeKey, Task};
use baton_common::limits::STEPS_PER_DECISION_MAX;
use baton_common::{ExecutionId, Payload, TaskDef, Timestamp, WorkflowStatus};
use baton_expression::script::{Script, ScriptError};
use baton_expression::template::{ResolveLimits, Template};
use std::collections::{HashMap, VecDeque};
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
    pub letters: Vec<Letter>,
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
    let mut decider = Decider::new(execution.clone(), context);
    decider.obey(command)?;
    decider.run()
}

/// A step of a decision.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Create the task of a node, inside a loop or not.
    Schedule { place: NodeKey, loop_task: Option<u32> },
    /// Do what the engine itself does for a task.
    Run(u32),
    /// Draw the consequences of a task's end.
    Settle(u32),
}

/// Why a step did not come to its end.
pub(crate) enum Stop {
    /// A script must be evaluated first; the step is taken again then.
    Wanted,
    /// The whole command is refused.
    Rejected(Rejection),
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
    letters: Vec<Letter>,
    agenda: VecDeque<Step>,
    blocked: Vec<Step>,
    wanted: Vec<Script>,
    evaluations: Evaluations,
    steps_left: u32,
}

impl Decider {
    fn new(execution: Arc<Execution>, context: Context) -> Self {
        Self {
            execution,
            context,
            changes: Vec::new(),
            letters: Vec::new(),
            agenda: VecDeque::new(),
            blocked: Vec::new(),
            wanted: Vec::new(),
            evaluations: HashMap::new(),
            steps_left: STEPS_PER_DECISION_MAX,
        }
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
        self.agenda.extend(std::mem::take(&mut self.blocked));
        self.run()
    }

    fn run(mut self) -> Result<Outcome, Rejection> {
        loop {
            while let Some(step) = self.agenda.pop_front() {
                self.take(step)?;
            }
            if self.wanted.is_empty() && !self.quiesce() && self.wanted.is_empty() {
                break;
            }
            self.evaluate_plain();
            if !self.wanted.is_empty() {
                return Ok(Outcome::Suspended(Box::new(self)));
            }
            self.agenda.extend(std::mem::take(&mut self.blocked));
        }
        let Self { execution, changes, letters, .. } = self;
        Ok(Outcome::Decided(Box::new(Decision { execution, changes, letters })))
    }

    /// Evaluates the wanted scripts that need no engine. They take effect together with those that
    /// do, so that it makes no difference which a script is.
    fn evaluate_plain(&mut self) {
        for script in std::mem::take(&mut self.wanted) {
            match script.plain_result() {
                Some(result) => drop(self.evaluations.insert(script, Ok(result))),
                None => self.wanted.push(script),
            }
        }
    }

    fn take(&mut self, step: Step) -> Result<(), Rejection> {
        if self.execution.status != WorkflowStatus::Running {
            return Ok(());
        }
        if self.steps_left == 0 {
            self.fail_for_good("the definition goes on without end or wait");
            return Ok(());
        }
        self.steps_left -= 1;
        let flow = match step {
            Step::Schedule { place, loop_task } => self.schedule(place, loop_task),
            Step::Run(seq) => self.run_task(seq),
            Step::Settle(seq) => self.settle(seq),
        };
        match flow {
            Ok(()) => Ok(()),
            Err(Stop::Wanted) => {
                self.blocked.push(step);
                Ok(())
            }
            Err(Stop::Rejected(rejection)) => Err(rejection),
        }
    }

    /// With nothing left on the agenda: ends what is over. True when that put something on it.
    fn quiesce(&mut self) -> bool {
        if self.execution.status != WorkflowStatus::Running {
            return false;
        }
        if self.close_loops() || !self.wanted.is_empty() || self.release_stranded_joins() {
            return true;
        }
        self.complete_if_done();
        false
    }

    fn obey(&mut self, command: Command) -> Result<(), Rejection> {
        match command {
            Command::Begin => self.begin(),
            Command::UpdateTask(update) => self.update_task(&update),
            Command::RenewLease { seq } => self.renew_lease(seq),
            Command::LeaseTask { seq, worker } => self.lease_task(seq, worker),
            Command::ReturnTask { seq, poll_count, leased_at } => {
                self.return_task(seq, poll_count, leased_at)
            }
            Command::WakeUp if self.is_unbegun() => self.begin(),
            Command::WakeUp => {
                self.check_deadlines();
                Ok(())
            }
            Command::Look => Ok(()),
            Command::Pause => self.pause(),
            Command::Resume => self.resume_execution(),
            Command::Terminate { reason } => self.terminate(reason),
            Command::Restart { workflow_version } => self.restart(workflow_version),
            Command::Retry { resume_children } => self.retry(resume_children),
            Command::Rerun(rerun) => self.rerun(rerun),
            Command::SkipTask { reference } => self.skip_task(reference),
            Command::ResetCallbacks => self.reset_callbacks(),
            Command::Hear { from, version, news } => self.hear(from, version, news),
        }
    }

    /// Born, but its first step is still to be scheduled.
    fn is_unbegun(&self) -> bool {
        self.execution.last_seq == 0 && self.execution.status == WorkflowStatus::Running
    }

    fn begin(&mut self) -> Result<(), Rejection> {
        match self.execution.plan.first {
            Some(node) => {
                let place = NodeKey { plan: 0, node };
                self.agenda.push_back(Step::Schedule { place, loop_task: None });
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
        Arc::make_mut(&mut self.execution).apply(&change);
        self.changes.push(change);
    }

    pub(crate) fn send(&mut self, to: ExecutionId, news: News) {
        self.letters.push(Letter { to, news });
    }

    pub(crate) fn put(&mut self, step: Step) {
        self.agenda.push_back(step);
    }

    pub(crate) fn drop_agenda(&mut self) {
        self.agenda.clear();
        self.blocked.clear();
        self.wanted.clear();
    }

    /// The task with this number, or the rejection that there is none.
    pub(crate) fn known(&self, seq: u32) -> Result<Arc<Task>, Rejection> {
        let missing = || Rejection::NoSuchTask(self.execution.id().task(seq));
        self.execution.task(seq).cloned().ok_or_else(missing)
    }

    /// The result of a script, or a stop that asks for it.
    pub(crate) fn evaluate(&mut self, script: Script) -> Flow<Result<Payload, ScriptError>> {
        if let Some(result) = self.evaluations.get(&script) {
            return Ok(result.clone());
        }
        if !self.wanted.contains(&script) {
            self.wanted.push(script);
        }
        Err(Stop::Wanted)
    }

    /// Resolves a template against the execution; `seq` is the task whose input it is, where its
    /// type lets templates name the task's id.
    pub(crate) fn resolve(&self, template: &Template, seq: Option<u32>) -> Payload {
        let surroundings = &self.context.surroundings;
        let scope = ExecutionScope {
            execution: &self.execution,
            task_id: seq.map(|seq| self.execution.id().task(seq).to_string()),
            environment: &|name| surroundings.environment(name),
        };
        let resolved = template.resolve(&scope, &ResolveLimits::TASK_INPUT);
        resolved.value.unwrap_or_else(|_| Payload::null())
    }
}
