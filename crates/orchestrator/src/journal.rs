//! How an execution is kept: records of `baton-format` in the journal, in messages and in its row.
use crate::definitions::Definitions;
use crate::snapshots::Since;
use baton_common::WorkflowStatus;
use baton_decider::change::Change;
use baton_decider::command::MessageBody;
use baton_decider::plan::Plan;
use baton_decider::state::Execution;
use baton_format::{FormatError, Overview, Unreadable};
use baton_store::{ExecutionRow, LoadedExecution, StoreError, StoredMessage, Version};
use bytes::Bytes;
use indexmap::IndexSet;
use std::sync::Arc;

/// What readers want to know who want no tasks.
pub(crate) fn overview_of(execution: &Execution) -> Overview {
    let (mut references, mut names) = (IndexSet::new(), IndexSet::new());
    for (seq, reference) in &execution.failed_references {
        references.insert(reference.clone());
        let task = execution.task(*seq);
        names.extend(task.map(|task| execution.node_of(task).name.clone()));
    }
    let facts = &execution.facts;
    Overview {
        variables: execution.variables.clone(),
        output: execution.output.clone(),
        reason: execution.reason.clone(),
        failed_references: references.into_iter().collect(),
        failed_names: names.into_iter().collect(),
        priority: facts.priority,
        task_to_domain: facts.task_to_domain.clone(),
        last_retried_at: execution.last_retried_at,
        created_by: facts.created_by.clone(),
        event: facts.event.clone(),
        idempotency_key: facts.idempotency_key.clone(),
    }
}

/// The overview in a row.
pub(crate) fn read_overview(row: &ExecutionRow) -> Result<Overview, StoreError> {
    let unreadable = |error: FormatError| {
        corrupt(row, &format!("version {}: its overview: {error}", row.version))
    };
    baton_format::decode_overview(&row.overview).map_err(unreadable)
}

/// Whether a change alters what the overview says.
pub(crate) fn touches_overview(change: &Change) -> bool {
    match change {
        Change::ExecutionStarted(_)
        | Change::VariablesSet { .. }
        | Change::ExecutionPaused { .. }
        | Change::ExecutionResumed { .. }
        | Change::ExecutionEnded(_)
        | Change::OutputAmended { .. }
        | Change::ExecutionReopened { .. }
        | Change::ExecutionRestarted(_) => true,
        Change::TaskScheduled(_)
        | Change::TaskLeased { .. }
        | Change::TaskMoved { .. }
        | Change::TaskReported(_)
        | Change::TaskRenewed { .. }
        | Change::TaskInputSet { .. }
        | Change::TaskEnded(_)
        | Change::TaskForgiven { .. }
        | Change::TaskOverdue { .. }
        | Change::TaskReopened(_)
        | Change::MessageSent { .. }
        | Change::MessageReceived { .. }
        | Change::TasksRemoved { .. }
        | Change::LoopIterated { .. }
        | Change::LoopAdvanced { .. }
        | Change::StepsDefined { .. }
        | Change::AgendaLeft { .. }
        | Change::BranchesPlanned { .. }
        | Change::BranchesJoined { .. } => false,
    }
}

/// A message's number among those of its pair, and what it says.
pub(crate) fn decode_message(message: &StoredMessage) -> Result<(u32, MessageBody), StoreError> {
    let id = &message.id;
    let unreadable = |error| {
        let name =
            format!("message {} of version {} of execution {}", id.number, id.version, id.from);
        StoreError::Corrupt(format!("{name}: {error}"))
    };
    baton_format::decode_message(&message.body).map_err(unreadable)
}

/// Whether what was loaded tells the whole state, without anything that was known before.
pub(crate) fn is_whole(loaded: &LoadedExecution) -> bool {
    loaded.snapshot.is_some() || loaded.journal.first().is_some_and(|(version, _)| *version == 1)
}

/// The state that a stored execution is in, and how much of its journal was read for it.
pub(crate) async fn fold(
    loaded: &LoadedExecution,
    definitions: &Definitions,
) -> Result<(Execution, Since), StoreError> {
    let pinned = definitions.by_hash(loaded.row.index.plan).await?;
    let (execution, changes) = replay(loaded, pinned.plan.clone())?;
    Ok((execution, since(loaded, changes)))
}

/// As [`fold`], where the plan is at hand.
pub(crate) fn fold_on(loaded: &LoadedExecution, plan: Arc<Plan>) -> Result<Execution, StoreError> {
    replay(loaded, plan).map(|(execution, _)| execution)
}

/// The state, and how many changes were read for it.
fn replay(loaded: &LoadedExecution, plan: Arc<Plan>) -> Result<(Execution, usize), StoreError> {
    let (row, input) = (&loaded.row, loaded.row.input.clone());
    let snapshot = loaded.snapshot.as_ref();
    let snapshot = snapshot.map(|snapshot| (snapshot.version, snapshot.body.as_ref()));
    let (mut execution, changes) =
        baton_format::replay(plan, input, snapshot, &entries(&loaded.journal))
            .map_err(|error| unreadable(row, &error))?;
    execution.created_at = row.index.created_at;
    check(row, &execution)?;
    Ok((execution, changes))
}

/// Adds later journal entries to a state and tells how much that was; `None` when it must be folded
/// anew instead, because a restart is among them.
pub(crate) fn catch_up(
    execution: &mut Execution,
    loaded: &LoadedExecution,
) -> Result<Option<Since>, StoreError> {
    let changes = baton_format::catch_up(execution, &entries(&loaded.journal))
        .map_err(|error| unreadable(&loaded.row, &error))?;
    Ok(changes.map(|changes| since(loaded, changes)))
}

fn entries(journal: &[(Version, Bytes)]) -> Vec<(Version, &[u8])> {
    journal.iter().map(|(version, body)| (*version, body.as_ref())).collect()
}

fn since(loaded: &LoadedExecution, changes: usize) -> Since {
    Since { changes, bytes: loaded.journal.iter().map(|(_, body)| body.len()).sum() }
}

fn check(row: &ExecutionRow, execution: &Execution) -> Result<(), StoreError> {
    if execution.status == row.status {
        return Ok(());
    }
    let (stored, folded): (WorkflowStatus, _) = (row.status, execution.status);
    let version = row.version;
    let what = format!("version {version}: its row says {stored}, its journal {folded}");
    Err(corrupt(row, &what))
}

fn unreadable(row: &ExecutionRow, error: &Unreadable) -> StoreError {
    corrupt(row, error)
}

fn corrupt(row: &ExecutionRow, what: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("execution {}: {what}", row.id))
}

/// The version after which journal entries are needed to fold the whole state.
pub(crate) const FROM_THE_START: Version = 0;
