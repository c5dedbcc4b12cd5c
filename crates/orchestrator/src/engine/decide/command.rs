//! Decides commands to executions that exist.
use super::batch::{DraftBatch, JobDecider, JobOutcome, Known};
use crate::engine::draft::{absorb, prepare, unprepare};
use crate::engine::job::{Origin, Reply, Waiting};
use crate::error::{OrchestratorError, no_workflow};
use baton_common::ExecutionId;
use baton_common::planted::{Planted, is};
use baton_decider::command::{Command, MessageBody, Rejection};
use baton_decider::decide::{Outcome, decide_knowing};
use baton_decider::state::Execution;
use baton_store::ReadyKey;
use std::sync::Arc;

/// How long after it was asked for a child may still be to come, ms. One that is not there later has
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
            // Somebody has the key, but is not born yet: its request waits for a script. Or a parent tells
            // its child something before the message has come that starts it.
            let is_young = context.now.millis_since(target.made_at()) < START_UNDER_WAY_MS;
            let is_from_parent = matches!(
                command,
                Command::Receive {
                    body: MessageBody::ParentEnded { .. } | MessageBody::ParentRetried,
                    ..
                }
            );
            let is_to_come = matches!(command, Command::Read) || (is_from_parent && is_young);
            let unborn = || OrchestratorError::Unavailable("its request is under way".into());
            return JobOutcome::Answered(Err(if is_to_come {
                unborn()
            } else {
                no_workflow(target)
            }));
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

    /// Exchanges the plan of an ended execution for that of the highest version, then restarts it.
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
        let step = self.obey(batch, target, Command::Restart { workflow_version }, known);
        if let Some(waiting) = batch.waiting.last_mut().filter(|waiting| waiting.job == index) {
            waiting.origin = Origin::RestartOnLatest;
        }
        step
    }
}

/// Gives a ready task to one of the waiting polls.
pub(super) fn lease_ready(batch: &mut DraftBatch, key: &ReadyKey) -> Result<(), OrchestratorError> {
    let (id, seq) = (key.task.execution(), key.task.seq());
    let draft = batch.draft(id).ok_or_else(|| no_workflow(id))?;
    let is_ready = draft.after.ready_since(seq) == Some(key.ready_at);
    if draft.after.status.is_terminal() || !(is_ready || is(Planted::LeaseTwice)) {
        return Err(Rejection::NotReady.into());
    }
    // Which poll gets it is settled with the batch's other ready tasks.
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
