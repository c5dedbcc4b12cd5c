//! The pure function at the heart: an execution and a command give changes, or a rejection.
//!
//! A decision is a small agenda of steps taken in order, each of which records changes and may put
//! further steps on the agenda. This file takes the steps. `decider.rs` has the decision under way and
//! `schedule.rs` what all tasks have in common; [`types`] builds on both, one file for each task type,
//! and is reached through the functions that a type gives.
//!
//! Scripts are not evaluated here: a decision that needs one is suspended, and continues when it is
//! given the results. A decision that has used up its slice leaves the rest of its agenda in the
//! state; see [`agenda`].
#![expect(
    clippy::unnecessary_wraps,
    reason = "steps of all types have one signature, also those that never stop for a script"
)]
mod after_end;
pub mod agenda;
mod causes;
mod decider;
mod finish;
mod iterations;
mod lineages;
mod messages;
mod names;
mod operations;
mod rerun;
mod revive;
mod schedule;
mod timeouts;
pub mod types;
mod updates;

pub use crate::surroundings::Surroundings;
pub use decider::{Context, Decider, Evaluations};

use crate::change::Change;
use crate::command::{Command, Message, Rejection};
pub(crate) use crate::state::AgendaItem;
use crate::state::{Execution, NodeKey};
use agenda::Rest;
use baton_common::limits::EXECUTION_BYTES_MAX;
use baton_common::planted::{Planted, is};
use baton_common::{TaskStatus, WorkflowStatus};
use decider::{Flow, Stop};
use std::sync::Arc;

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
    let mut decider = Decider::new(execution.clone(), context, types::ALL);
    decider.evaluations = evaluations;
    decider.obey(command)?;
    decider.run()
}

impl Decider {
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

    /// Created, but its first step is still to be scheduled.
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
}
