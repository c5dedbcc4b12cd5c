//! How an execution is kept: its journal entries are JSON lists of changes, its state their fold.
use crate::library::Definitions;
use baton_common::{Payload, Timestamp, WorkflowStatus};
use baton_decider::change::Change;
use baton_decider::command::{Letter, News};
use baton_decider::plan::Plan;
use baton_decider::state::Execution;
use baton_store::{ExecutionRow, LoadedExecution, StoreError, Version};
use bytes::Bytes;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Execution-level facts, for readers that want no tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Overview {
    pub(crate) variables: Payload,
    pub(crate) output: Payload,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) failed_references: Vec<Arc<str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) failed_names: Vec<Arc<str>>,
    #[serde(default)]
    pub(crate) priority: u8,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub(crate) task_to_domain: IndexMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_retried_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) idempotency_key: Option<String>,
}

impl Overview {
    pub(crate) fn of(execution: &Execution) -> Self {
        let mut failed_references: Vec<Arc<str>> = Vec::new();
        let mut failed_names: Vec<Arc<str>> = Vec::new();
        for (seq, reference) in &execution.failed_references {
            if !failed_references.contains(reference) {
                failed_references.push(reference.clone());
            }
            if let Some(task) = execution.task(*seq) {
                let name = execution.node_of(task).name.clone();
                if !failed_names.contains(&name) {
                    failed_names.push(name);
                }
            }
        }
        let facts = &execution.facts;
        Self {
            variables: execution.variables.clone(),
            output: execution.output.clone(),
            reason: execution.reason.clone(),
            failed_references,
            failed_names,
            priority: facts.priority,
            task_to_domain: facts.task_to_domain.clone(),
            last_retried_at: execution.last_retried_at,
            created_by: facts.created_by.clone(),
            event: facts.event.clone(),
            idempotency_key: facts.idempotency_key.clone(),
        }
    }

    pub(crate) fn read(row: &ExecutionRow) -> Result<Self, StoreError> {
        serde_json::from_slice(&row.overview).map_err(|error| corrupt(row, &fault_in_json(&error)))
    }
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
        | Change::MessageHeard { .. }
        | Change::TasksRemoved { .. }
        | Change::LoopIterated { .. }
        | Change::LoopAdvanced { .. }
        | Change::StepsDefined { .. }
        | Change::AgendaLeft { .. }
        | Change::BranchesPlanned { .. }
        | Change::BranchesJoined { .. } => false,
    }
}

/// The bytes of a commit's changes.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// The changes in a commit's journal entry.
pub(crate) fn decode_changes(body: &Bytes) -> Result<Vec<Change>, StoreError> {
    let corrupt = |error| StoreError::Corrupt(format!("an entry: {}", fault_in_json(&error)));
    serde_json::from_slice(body).map_err(corrupt)
}

/// The bytes of a message.
pub(crate) fn encode_message(letter: &Letter) -> Bytes {
    encode(&(letter.number, &letter.news))
}

/// A message's number among those of its pair, and what it says.
pub(crate) fn decode_message(body: &Bytes) -> Result<(u32, News), StoreError> {
    let corrupt = |error| StoreError::Corrupt(format!("a message: {}", fault_in_json(&error)));
    serde_json::from_slice(body).map_err(corrupt)
}

/// The state that a stored execution is in.
pub(crate) async fn fold(
    loaded: &LoadedExecution,
    definitions: &Definitions,
) -> Result<Execution, StoreError> {
    let frozen = definitions.by_hash(loaded.row.index.plan).await?;
    fold_on(loaded, frozen.plan.clone())
}

/// As [`fold`], where the plan is at hand.
pub(crate) fn fold_on(loaded: &LoadedExecution, plan: Arc<Plan>) -> Result<Execution, StoreError> {
    let row = &loaded.row;
    let mut changes = Vec::new();
    for (_, body) in &loaded.journal {
        let entry: Vec<Change> =
            serde_json::from_slice(body).map_err(|error| corrupt(row, &fault_in_json(&error)))?;
        changes.extend(entry);
    }
    let mut changes = changes.into_iter();
    let Some(Change::ExecutionStarted(facts)) = changes.next() else {
        return Err(corrupt(row, &"its journal does not begin with its start"));
    };
    let mut execution = Execution::new(plan, *facts, row.input.clone());
    let changes: Vec<Change> = changes.collect();
    // What came before the last restart belonged to a plan that may no longer be this one.
    let is_restart = |change: &Change| matches!(change, Change::ExecutionRestarted(_));
    let from = changes.iter().rposition(is_restart).unwrap_or(0);
    for change in &changes[from..] {
        execution.apply(change);
    }
    execution.created_at = row.index.created_at;
    check(row, &execution)?;
    Ok(execution)
}

/// Adds later journal entries to a state; false when it must be folded anew instead, because a
/// restart is among them.
pub(crate) fn catch_up(
    execution: &mut Execution,
    loaded: &LoadedExecution,
) -> Result<bool, StoreError> {
    for (_, body) in &loaded.journal {
        let entry: Vec<Change> = serde_json::from_slice(body)
            .map_err(|error| corrupt(&loaded.row, &fault_in_json(&error)))?;
        for change in &entry {
            if matches!(change, Change::ExecutionRestarted(_)) {
                return Ok(false);
            }
            execution.apply(change);
        }
    }
    Ok(true)
}

fn check(row: &ExecutionRow, execution: &Execution) -> Result<(), StoreError> {
    if execution.status == row.status {
        return Ok(());
    }
    let (stored, folded): (WorkflowStatus, _) = (row.status, execution.status);
    Err(corrupt(row, &format!("its row says {stored}, its journal {folded}")))
}

fn corrupt(row: &ExecutionRow, what: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("execution {}: {what}", row.id))
}

/// Where JSON of ours is wrong. The parser's own words may quote a payload, and errors are logged.
pub(crate) fn fault_in_json(error: &serde_json::Error) -> String {
    format!("{:?} fault in line {}, column {}", error.classify(), error.line(), error.column())
}

/// The version after which journal entries are needed to fold the whole state.
pub(crate) const FROM_THE_START: Version = 0;
