//! What is known of an execution from its start on.
use super::agenda::Lineage;
use super::{Json, Text, no_namespace, omit, payload, present, shared, some_json, some_text, text};
use crate::FormatError;
use baton_common::{ExecutionId, TaskId, Timestamp, Trace};
use baton_decider::state;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Start<'a> {
    id: ExecutionId,
    /// Reserved, see [`no_namespace`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<Text<'a>>,
    #[serde(borrow)]
    name: Text<'a>,
    version: i32,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation_id: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "omit::zero_u8")]
    priority: u8,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    task_to_domain: IndexMap<Text<'a>, Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<Parent>,
    #[serde(
        borrow,
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    variables: Option<Json<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_by: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<Cow<'a, Trace>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    lineage: Option<Lineage<'a>>,
}

/// Who started an execution as a child.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Parent {
    task: TaskId,
    depth: u32,
}

impl Parent {
    pub(super) fn of(parent: state::Parent) -> Self {
        let state::Parent { task, depth } = parent;
        Self { task, depth }
    }

    pub(super) fn read(self) -> state::Parent {
        state::Parent { task: self.task, depth: self.depth }
    }
}

/// Texts by text, borrowed.
pub(super) fn map_of(map: &IndexMap<String, String>) -> IndexMap<Text<'_>, Text<'_>> {
    map.iter().map(|(key, value)| (text(key), text(value))).collect()
}

/// Texts by text, owned.
pub(super) fn read_map(map: IndexMap<Text<'_>, Text<'_>>) -> IndexMap<String, String> {
    map.into_iter().map(|(key, value)| (key.into_owned(), value.into_owned())).collect()
}

impl<'a> Start<'a> {
    pub(super) fn of(facts: &'a state::StartFacts) -> Self {
        let state::StartFacts {
            id,
            workflow_name,
            workflow_version,
            correlation_id,
            priority,
            task_to_domain,
            parent,
            variables,
            event,
            created_by,
            idempotency_key,
            trace,
            lineage,
            at,
        } = facts;
        Self {
            id: *id,
            namespace: None,
            name: text(workflow_name),
            version: *workflow_version,
            at: *at,
            correlation_id: some_text(correlation_id.as_ref()),
            priority: *priority,
            task_to_domain: map_of(task_to_domain),
            parent: parent.map(Parent::of),
            variables: some_json(variables),
            event: some_text(event.as_ref()),
            created_by: some_text(created_by.as_ref()),
            idempotency_key: some_text(idempotency_key.as_ref()),
            trace: trace.as_ref().map(Cow::Borrowed),
            lineage: Lineage::of(lineage),
        }
    }

    pub(super) fn read(&self) -> Result<state::StartFacts, FormatError> {
        no_namespace(self.namespace.as_ref())?;
        let owned = |text: &Option<Text<'_>>| text.as_deref().map(str::to_owned);
        Ok(state::StartFacts {
            id: self.id,
            workflow_name: shared(self.name.clone()),
            workflow_version: self.version,
            correlation_id: owned(&self.correlation_id),
            priority: self.priority,
            task_to_domain: read_map(self.task_to_domain.clone()),
            parent: self.parent.map(Parent::read),
            variables: self.variables.map_or_else(Default::default, payload),
            event: owned(&self.event),
            created_by: owned(&self.created_by),
            idempotency_key: owned(&self.idempotency_key),
            trace: self.trace.as_deref().cloned(),
            lineage: self.lineage.as_ref().map(Lineage::read).unwrap_or_default(),
            at: self.at,
        })
    }
}
