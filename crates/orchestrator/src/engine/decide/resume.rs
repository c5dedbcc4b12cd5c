//! Continues decisions whose scripts have been evaluated.
use super::batch::{DraftBatch, JobDecider, JobOutcome, Known};
use super::command::{shown, task_of};
use crate::engine::draft::{Draft, absorb, prepare};
use crate::engine::job::{Origin, Reply, Resumption, Waiting};
use crate::error::no_workflow;
use baton_common::ExecutionId;
use baton_decider::decide::{Decision, Outcome};
use baton_store::Version;

/// The version of a draft that has changed already: no suspended decision is based on it.
const MOVED_ON: Version = -1;

impl JobDecider {
    /// Continues a decision with the results of its scripts, or makes it again when the execution has
    /// changed since.
    pub(super) fn resume(
        &self,
        batch: &mut DraftBatch,
        target: ExecutionId,
        resumption: &mut Resumption,
        index: usize,
    ) -> JobOutcome {
        let now_at = if let Some(draft) = batch.drafts.get(&target) {
            if draft.changes.is_empty() { draft.version() } else { MOVED_ON }
        } else {
            let state = batch.states.by_id.get(&target).and_then(Option::as_ref);
            state.map_or(0, |cached| cached.version)
        };
        let origin = resumption.origin.clone();
        let is_based = now_at == resumption.base;
        if let Some(decided) = resumption.decided.as_ref().filter(|_| is_based) {
            return finish_resumed(batch, target, resumption, copy_of(decided));
        }
        let Some(decider) = resumption.decider.take().filter(|_| is_based) else {
            // What is known of its scripts stays known, so that every try comes further.
            let known = Known { index, evaluations: resumption.evaluations.clone() };
            return match origin {
                Origin::Start(request) => self.start(batch, target, &request, known),
                Origin::Command(command) => self.obey(batch, target, command, known),
                Origin::RestartOnLatest => self.restart_on_latest(batch, target, known),
            };
        };
        match decider.resume(resumption.evaluations.clone()) {
            Ok(Outcome::Decided(decision)) => {
                resumption.decided = Some(Box::new(copy_of(&decision)));
                finish_resumed(batch, target, resumption, *decision)
            }
            Ok(Outcome::Suspended(decider)) => {
                let (base, pinned) = (resumption.base, resumption.pinned.clone());
                let (changes, job) = (0, index);
                let waiting = Waiting { target, decider, base, changes, pinned, origin, job };
                batch.waiting.push(waiting);
                JobOutcome::Suspended
            }
            Err(rejection) => JobOutcome::Answered(Err(rejection.into())),
        }
    }
}

fn finish_resumed(
    batch: &mut DraftBatch,
    target: ExecutionId,
    resumption: &Resumption,
    decision: Decision,
) -> JobOutcome {
    let seq = match &resumption.origin {
        Origin::Start(request) => {
            let execution = decision.execution.clone();
            let draft = Draft::created(execution, resumption.pinned.clone(), request);
            batch.drafts.insert(target, draft);
            None
        }
        Origin::Command(command) => task_of(command),
        Origin::RestartOnLatest => None,
    };
    let Some(draft) = batch.draft(target) else {
        return JobOutcome::Answered(Err(no_workflow(target)));
    };
    if let Origin::Command(command) = &resumption.origin {
        prepare(draft, command);
    }
    if resumption.pinned.is_some() {
        draft.pinned.clone_from(&resumption.pinned);
    }
    absorb(draft, decision);
    let task = seq.and_then(|seq| shown(&draft.after, seq));
    JobOutcome::Answered(Ok(Reply { id: target, task }))
}

fn copy_of(decision: &Decision) -> Decision {
    let Decision { execution, changes, messages } = decision;
    Decision { execution: execution.clone(), changes: changes.clone(), messages: messages.clone() }
}
