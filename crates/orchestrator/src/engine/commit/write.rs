//! The write of one draft: a row, a journal entry, and the changes of queues and outbox.
use crate::engine::draft::Draft;
use crate::engine::ready::{ready_key, touched};
use crate::journal;
use baton_common::Timestamp;
use baton_common::planted::{Planted, is};
use baton_decider::change::Change;
use baton_decider::state::Execution;
use baton_format::{encode_changes, encode_message, encode_overview};
use baton_store::{
    ExecutionIndex, ExecutionWrite, MessageId, PlanHash, ReadyKey, StoredMessage, Waits,
};

/// The write of a draft, and the wake-up time that its row has afterwards.
pub(super) fn write_of(draft: &Draft, plan: PlanHash) -> (ExecutionWrite, Option<Timestamp>) {
    let after = &draft.after;
    let version = draft.version();
    let before = draft.before.as_ref();
    let state_before = before.map(|cached| &*cached.execution);
    let (ready_added, ready_removed) = ready_moves(draft);
    let wake_at = row_wake_at(draft).filter(|_| !is(Planted::LoseAWakeUp));
    let is_start = before.is_none();
    let reindexed = |change: &Change| matches!(change, Change::ExecutionRestarted(_));
    let needs_index = is_start || draft.changes.iter().any(reindexed);
    let needs_overview = is_start || draft.changes.iter().any(journal::touches_overview);
    let lost = usize::from(is(Planted::LoseAChange) && draft.changes.len() > 1);
    let kept = draft.changes.len() - lost;
    let write = ExecutionWrite {
        id: after.id(),
        expected_version: version,
        status: after.status,
        waits: waits_of(after),
        wake_at,
        ended_at: after.ended_at,
        index: needs_index.then(|| index_of(after, plan)),
        input: draft.new_input.then(|| after.input.clone()),
        overview: needs_overview.then(|| encode_overview(&journal::overview_of(after)).into()),
        journal: encode_changes(&draft.changes[..kept], state_before, after).into(),
        idempotency_key: draft.idempotency_key.clone().filter(|_| is_start),
        ready_added,
        ready_removed,
        sent: messages_of(draft, version + 1),
    };
    (write, wake_at)
}

fn index_of(execution: &Execution, plan: PlanHash) -> ExecutionIndex {
    let facts = &execution.facts;
    ExecutionIndex {
        workflow_name: facts.workflow_name.to_string(),
        workflow_version: facts.workflow_version,
        correlation_id: facts.correlation_id.clone(),
        created_at: execution.created_at,
        parent: facts.parent.map(|parent| parent.task),
        plan,
    }
}

/// The row's wake-up time moves only when an earlier one appears, when the old one has passed, or
/// when there is none any more.
fn row_wake_at(draft: &Draft) -> Option<Timestamp> {
    let wanted = draft.after.wake_at()?;
    let stored = draft.before.as_ref().and_then(|cached| cached.row_wake_at);
    let passed = |at: &Timestamp| *at <= draft.after.updated_at;
    Some(stored.filter(|at| !passed(at)).map_or(wanted, |stored| stored.min(wanted)))
}

fn waits_of(execution: &Execution) -> Waits {
    let bits = [Waits::LEASE, Waits::READY, Waits::CHILD, Waits::EXTERNAL, Waits::TIMER];
    let waits = execution.waits().into_iter().zip(bits);
    // Its parent is told of an end, and then that it continues.
    let is_reopened = !execution.status.is_terminal() && execution.sent_to_parent > 1;
    let reopened = if is_reopened { Waits::REOPENED } else { 0 };
    Waits(waits.filter(|(waits, _)| *waits).fold(reopened, |all, (_, bit)| all | bit))
}

fn messages_of(draft: &Draft, version: i64) -> Vec<StoredMessage> {
    let from = draft.after.id();
    let messages = draft.messages.iter().zip(0_i32..);
    let stored = |(message, number): (&baton_decider::command::Message, i32)| StoredMessage {
        id: MessageId { from, version, number },
        to: message.to,
        body: encode_message(message.number, &message.body).into(),
    };
    let mut messages: Vec<StoredMessage> = messages.map(stored).collect();
    if is(Planted::ForgetAMessage) {
        messages.pop();
    }
    messages
}

/// Ready rows to add and to take away.
fn ready_moves(draft: &Draft) -> (Vec<ReadyKey>, Vec<ReadyKey>) {
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    let before = draft.before.as_ref().map(|cached| &cached.execution);
    for seq in touched(draft) {
        let old = before.and_then(|execution| ready_key(execution, seq));
        let new = ready_key(&draft.after, seq);
        if old != new {
            removed.extend(old.filter(|_| !is(Planted::KeepReadyRows)));
            added.extend(new);
        }
    }
    (added, removed)
}
