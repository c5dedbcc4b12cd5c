//! Overviews: the facts about an execution that its row holds beside the index.
use super::start::{map_of, read_map};
use super::{Json, Text, json_or_empty, omit, present, shared, some_json, some_text, text};
use crate::{FormatError, envelope, overview};
use baton_common::Timestamp;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Overview<'a> {
    #[serde(
        borrow,
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    variables: Option<Json<'a>>,
    #[serde(
        borrow,
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    output: Option<Json<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failed_references: Vec<Text<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failed_names: Vec<Text<'a>>,
    #[serde(default, skip_serializing_if = "omit::zero_u8")]
    priority: u8,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    task_to_domain: IndexMap<Text<'a>, Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_retried_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_by: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<Text<'a>>,
}

fn texts(names: &[Arc<str>]) -> Vec<Text<'_>> {
    names.iter().map(|name| text(name)).collect()
}

impl<'a> Overview<'a> {
    pub(crate) fn of(overview: &'a overview::Overview) -> Self {
        let overview::Overview {
            variables,
            output,
            reason,
            failed_references,
            failed_names,
            priority,
            task_to_domain,
            last_retried_at,
            created_by,
            event,
            idempotency_key,
        } = overview;
        Self {
            variables: some_json(variables),
            output: some_json(output),
            reason: some_text(reason.as_ref()),
            failed_references: texts(failed_references),
            failed_names: texts(failed_names),
            priority: *priority,
            task_to_domain: map_of(task_to_domain),
            last_retried_at: *last_retried_at,
            created_by: some_text(created_by.as_ref()),
            event: some_text(event.as_ref()),
            idempotency_key: some_text(idempotency_key.as_ref()),
        }
    }

    pub(crate) fn read(self) -> overview::Overview {
        let shared_all = |names: Vec<Text<'_>>| names.into_iter().map(shared).collect();
        overview::Overview {
            variables: json_or_empty(self.variables),
            output: json_or_empty(self.output),
            reason: self.reason.map(shared),
            failed_references: shared_all(self.failed_references),
            failed_names: shared_all(self.failed_names),
            priority: self.priority,
            task_to_domain: read_map(self.task_to_domain),
            last_retried_at: self.last_retried_at,
            created_by: self.created_by.map(Text::into_owned),
            event: self.event.map(Text::into_owned),
            idempotency_key: self.idempotency_key.map(Text::into_owned),
        }
    }
}

/// The bytes of an overview.
pub fn encode_overview(overview: &overview::Overview) -> Vec<u8> {
    envelope::single(super::VERSION, &Overview::of(overview))
}

/// Reads an overview.
///
/// # Errors
/// [`FormatError`].
pub fn decode_overview(bytes: &[u8]) -> Result<overview::Overview, FormatError> {
    let (_, text) = envelope::open(bytes)?;
    envelope::part::<Overview<'_>>(text).map(Overview::read)
}
