//! The next state of an execution while its batch is decided, with the changes that lead to it.
use super::job::StartRequest;
use super::state::Cached;
use crate::definitions::PinnedDefinition;
use baton_common::api::IdempotencyStrategy;
use baton_common::planted::{Planted, is};
use baton_common::{ExecutionId, TaskId, Timestamp};
use baton_decider::change::Change;
use baton_decider::command::{Command, Message, MessageBody};
use baton_decider::decide::Decision;
use baton_decider::state::Execution;
use baton_store::Version;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Drafts by execution.
pub(super) type Drafts = BTreeMap<ExecutionId, Draft>;

/// An execution's next state, as far as the batch is decided.
pub(super) struct Draft {
    /// Its state before the batch; `None` for a new execution.
    pub(super) before: Option<Cached>,
    pub(super) after: Arc<Execution>,
    pub(super) pinned: Option<Arc<PinnedDefinition>>,
    pub(super) changes: Vec<Change>,
    pub(super) messages: Vec<Message>,
    /// Bytes of its payloads that are not counted for the batch yet.
    pub(super) uncounted_bytes: usize,
    /// Whether its input has changed.
    pub(super) new_input: bool,
    pub(super) idempotency_key: Option<String>,
    /// Whether it takes the key of an execution that has ended.
    pub(super) takes_key_of_ended: bool,
    /// Whether a decision about it waits for a script.
    pub(super) waits_for_script: bool,
}

impl Draft {
    /// The draft of a new execution.
    pub(super) fn created(
        after: Arc<Execution>,
        pinned: Option<Arc<PinnedDefinition>>,
        request: &StartRequest,
    ) -> Self {
        let facts = (*after.facts).clone();
        Self {
            before: None,
            messages: start_messages(after.id(), request),
            after,
            pinned,
            changes: vec![Change::ExecutionStarted(Box::new(facts))],
            uncounted_bytes: 0,
            new_input: true,
            idempotency_key: request.idempotency_key.clone(),
            takes_key_of_ended: request.idempotency_strategy == IdempotencyStrategy::FailOnRunning,
            waits_for_script: false,
        }
    }

    /// The draft of an execution that the batch has not changed yet.
    pub(super) fn of(cached: Cached) -> Self {
        Self {
            after: cached.execution.clone(),
            before: Some(cached),
            pinned: None,
            changes: Vec::new(),
            messages: Vec::new(),
            uncounted_bytes: 0,
            new_input: false,
            idempotency_key: None,
            takes_key_of_ended: false,
            waits_for_script: false,
        }
    }

    pub(super) fn version(&self) -> Version {
        self.before.as_ref().map_or(0, |cached| cached.version)
    }

    /// The slots that its tasks have no longer.
    pub(super) fn slots_freed(&self) -> impl Iterator<Item = &(Arc<str>, u32)> {
        let before = self.before.iter().flat_map(|cached| cached.execution.slots.iter());
        before.filter(|slot| !self.after.slots.contains(*slot))
    }

    /// The slots that its tasks have taken.
    pub(super) fn slots_taken(&self) -> impl Iterator<Item = &(Arc<str>, u32)> {
        let was_held = |slot: &(Arc<str>, u32)| {
            self.before.as_ref().is_some_and(|cached| cached.execution.slots.contains(slot))
        };
        self.after.slots.iter().filter(move |slot| !was_held(slot))
    }

    /// How many more executions are open with it: 1, 0 or -1. Children do not count.
    pub(super) fn opened(&self) -> i64 {
        let is_open = |execution: &Execution| {
            !execution.status.is_terminal() && execution.facts.parent.is_none()
        };
        let was_open = self.before.as_ref().is_some_and(|cached| is_open(&cached.execution));
        i64::from(is_open(&self.after)) - i64::from(was_open)
    }

    /// How long a task that was leased at `at` had been ready, ms; `None` where the batch itself made it
    /// ready.
    pub(super) fn waited_ms(&self, seq: u32, at: Timestamp) -> Option<i64> {
        let ready_at = self.before.as_ref()?.execution.ready_since(seq)?;
        Some(at.millis_since(ready_at))
    }

    /// How long each task that was leased with it had been ready, ms.
    pub(super) fn waits_ms(&self) -> impl Iterator<Item = i64> {
        self.changes.iter().filter_map(|change| {
            let Change::TaskLeased { seq, at, .. } = change else { return None };
            Some(self.waited_ms(*seq, *at).unwrap_or(0))
        })
    }
}

/// Undoes [`prepare`] and an exchanged plan for a command that has changed nothing.
pub(super) fn unprepare(draft: &mut Draft) {
    let is_prepared = draft.new_input || draft.pinned.is_some();
    if let Some(before) = draft.before.as_ref().filter(|_| draft.changes.is_empty() && is_prepared)
    {
        draft.after = before.execution.clone();
        (draft.pinned, draft.new_input) = (None, false);
    }
}

/// Adds a decision to its draft.
pub(super) fn absorb(draft: &mut Draft, decision: Decision) {
    draft.after = decision.execution;
    draft.uncounted_bytes += decision.changes.iter().map(Change::payload_bytes).sum::<usize>();
    draft.changes.extend(decision.changes);
    draft.messages.extend(decision.messages);
}

/// Puts the new input of a rerun into the draft: it is kept in the row, not in the journal.
pub(super) fn prepare(draft: &mut Draft, command: &Command) {
    if let Command::Rerun(rerun) = command
        && let Some(input) = &rerun.workflow_input
        && draft.after.status.is_terminal()
    {
        Arc::make_mut(&mut draft.after).input = input.clone();
        draft.new_input = true;
    }
}

/// What a new execution tells the START_WORKFLOW task that asked for it.
fn start_messages(child: ExecutionId, request: &StartRequest) -> Vec<Message> {
    let message = |task: TaskId| {
        let body = MessageBody::Started { task, child };
        Message { to: task.execution(), number: 1, body }
    };
    request.starter.map(message).into_iter().collect()
}

/// The states that drafts were made from, when nothing of them was committed. What another process has
/// changed since is caught up from there.
pub(super) fn before_states(drafts: Drafts) -> impl Iterator<Item = Cached> {
    drafts.into_values().filter_map(|draft| {
        let lost = draft.after;
        let keeps = |before: Cached| Cached { execution: lost, ..before };
        draft.before.map(|old| if is(Planted::KeepALostDraft) { keeps(old) } else { old })
    })
}
