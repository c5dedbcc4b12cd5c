//! Decides commands to executions that exist.
use super::batch::{DraftBatch, JobDecider, JobOutcome, Known};
use crate::engine::draft::{absorb, prepare, unprepare};
use crate::engine::job::{Origin, Reply, Waiting};
use crate::error::{OrchestratorError, no_workflow};
use baton_common::planted::{Planted, is};
use baton_common::{ExecutionId, Timestamp};
use baton_decider::command::{Command, MessageBody, Rejection};
use baton_decider::decide::{Outcome, decide_knowing};
use baton_decider::state::Execution;
use baton_store::ReadyKey;
use std::sync::Arc;

/// How long the start of a child may still be under way, ms. A child that does not exist after that has
/// been removed.
const START_UNDER_WAY_MS: i64 = 600_000;

impl JobDecider {
    /// Decides a command.
    pub(super) fn obey(
        &self,
        batch: &mut DraftBatch,
        target: ExecutionId,
        command: Command,
        known: Known,
    ) -> JobOutcome {
        let Known { index, evaluations } = known;
        let context = self.context(batch);
        let Some(draft) = batch.draft(target) else {
            return not_there(target, &command, context.now);
        };
        let origin = Origin::Command(command.clone());
        let seq = task_of(&command);
        prepare(draft, &command);
        match decide_knowing(&draft.after, command, context, evaluations) {
            Ok(Outcome::Decided(decision)) => {
                absorb(draft, *decision);
                let task = seq.and_then(|seq| shown(&draft.after, seq));
                JobOutcome::Answered(Ok(Reply { id: target, task }))
            }
            Ok(Outcome::Suspended(decider)) => {
                let base = draft.version() + i64::from(!draft.changes.is_empty());
                let (changes, pinned) = (draft.changes.len(), draft.pinned.clone());
                unprepare(draft);
                let job = index;
                let waiting = Waiting { target, decider, base, changes, pinned, origin, job };
                batch.waiting.push(waiting);
                JobOutcome::Suspended
            }
            Err(Rejection::Late) => {
                let task = seq.and_then(|seq| shown(&draft.after, seq));
                JobOutcome::Answered(Ok(Reply { id: target, task }))
            }
            Err(rejection) => {
                unprepare(draft);
                JobOutcome::Answered(Err(rejection.into()))
            }
        }
    }

    /// Replaces the plan of an ended execution by that of the highest version, then restarts it.
    pub(super) fn restart_on_latest(
        &self,
        batch: &mut DraftBatch,
        target: ExecutionId,
        known: Known,
    ) -> JobOutcome {
        let index = known.index;
        let snapshot = batch.snapshot.clone();
        let mut workflow_version = None;
        if let Some(draft) = batch.draft(target)
            && draft.after.status.is_terminal()
        {
            let name = draft.after.facts.workflow_name.clone();
            if let Some(pinned) = self.definitions.registered(&snapshot, &name, None) {
                workflow_version = Some(pinned.plan.definition.version);
                Arc::make_mut(&mut draft.after).plan = pinned.plan.clone();
                draft.pinned = Some(pinned);
            }
        }
        batch.read_definitions = true;
        let outcome = self.obey(batch, target, Command::Restart { workflow_version }, known);
        if let Some(waiting) = batch.waiting.last_mut().filter(|waiting| waiting.job == index) {
            waiting.origin = Origin::RestartOnLatest;
        }
        outcome
    }
}

/// What becomes of a command to an execution that does not exist. Perhaps it does not exist yet: it owns an
/// idempotency key and its start waits for a script, or a parent tells its child something before the
/// message has come that starts it. A child that is told to continue later than that has been removed.
fn not_there(target: ExecutionId, command: &Command, now: Timestamp) -> JobOutcome {
    let is_from_parent = matches!(
        command,
        Command::Receive { body: MessageBody::ParentEnded { .. } | MessageBody::ParentRetried, .. }
    );
    let is_young = now.millis_since(target.made_at()) < START_UNDER_WAY_MS;
    if matches!(command, Command::Read) || (is_from_parent && is_young) {
        let not_yet = OrchestratorError::Unavailable("its start is under way".into());
        return JobOutcome::Answered(Err(not_yet));
    }
    if let Command::Receive { from: parent, body: MessageBody::ParentRetried, .. } = command {
        let command = Command::ChildGone { child: target };
        return JobOutcome::Passed { from: target, to: *parent, command };
    }
    JobOutcome::Answered(Err(no_workflow(target)))
}

/// Gives a ready task to one of the waiting polls.
pub(super) fn lease_ready(batch: &mut DraftBatch, key: &ReadyKey) -> Result<(), OrchestratorError> {
    let (id, seq) = (key.task.execution(), key.task.seq());
    let draft = batch.draft(id).ok_or_else(|| no_workflow(id))?;
    let is_ready = draft.after.ready_since(seq) == Some(key.ready_at);
    if draft.after.status.is_terminal() || !(is_ready || is(Planted::LeaseTwice)) {
        return Err(Rejection::NotReady.into());
    }
    // It is assigned to a poll together with the batch's other ready tasks.
    batch.claims.push(key.clone());
    Ok(())
}

/// The task that a command is about.
pub(super) fn task_of(command: &Command) -> Option<u32> {
    match command {
        Command::UpdateTask(update) => Some(update.seq),
        Command::RenewLease { seq }
        | Command::LeaseTask { seq, .. }
        | Command::ReturnTask { seq, .. } => Some(*seq),
        Command::Begin
        | Command::WakeUp
        | Command::Read
        | Command::Pause
        | Command::Resume
        | Command::Terminate { .. }
        | Command::Restart { .. }
        | Command::Retry { .. }
        | Command::Rerun(_)
        | Command::SkipTask { .. }
        | Command::ResetCallbacks
        | Command::ChildGone { .. }
        | Command::Receive { .. } => None,
    }
}

/// A task and its queue, for an answer.
pub(super) fn shown(
    execution: &Execution,
    seq: u32,
) -> Option<(Arc<baton_decider::state::Task>, String)> {
    let task = execution.task(seq)?;
    Some((task.clone(), execution.queue_of(task)))
}
