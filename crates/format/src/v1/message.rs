//! Messages between executions. A new kind is one variant of [`Body`] and one arm in each direction.
use super::agenda::Lineage;
use super::start::{Parent, map_of, read_map};
use super::{Json, Text, no_namespace, omit, payload, present, some_json, some_text, text};
use crate::{FormatError, envelope};
use baton_common::api::IdempotencyStrategy;
use baton_common::{ExecutionId, TaskId, Trace, WorkflowStatus};
use baton_decider::command::{self, MessageBody};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Message<'a> {
    /// Reserved, see [`no_namespace`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<Text<'a>>,
    /// Its number among those of its sender to its receiver, from 1.
    number: u32,
    #[serde(borrow)]
    body: Body<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
enum Body<'a> {
    #[serde(borrow)]
    Start(ChildStart<'a>),
    StartFor {
        task: TaskId,
        #[serde(borrow)]
        start: ChildStart<'a>,
    },
    Started {
        task: TaskId,
        child: ExecutionId,
    },
    ChildEnded {
        task: TaskId,
        status: WorkflowStatus,
        #[serde(borrow)]
        output: Json<'a>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Text<'a>>,
        #[serde(default, skip_serializing_if = "omit::no")]
        saw_outside: bool,
    },
    ChildRefused {
        task: TaskId,
        reason: Text<'a>,
    },
    FailureRefused {
        name: Text<'a>,
        reason: Text<'a>,
    },
    ChildReopened {
        task: TaskId,
    },
    ParentEnded {
        reason: Text<'a>,
    },
    ParentRetried {},
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChildStart<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<i32>,
    #[serde(
        borrow,
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    definition: Option<Json<'a>>,
    #[serde(
        borrow,
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    input: Option<Json<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation_id: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    task_to_domain: IndexMap<Text<'a>, Text<'a>>,
    #[serde(default, skip_serializing_if = "omit::zero_u8")]
    priority: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<Parent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idempotency_strategy: Option<IdempotencyStrategy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<Cow<'a, Trace>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    lineage: Option<Lineage<'a>>,
}

/// The bytes of a message.
pub fn encode_message(number: u32, body: &MessageBody) -> Vec<u8> {
    envelope::single(super::VERSION, &Message { namespace: None, number, body: Body::of(body) })
}

/// Reads a message: its number among those of its pair, and what it says.
///
/// # Errors
/// [`FormatError`].
pub fn decode_message(bytes: &[u8]) -> Result<(u32, MessageBody), FormatError> {
    let (_, text) = envelope::open(bytes)?;
    let Message { namespace, number, body } = envelope::part(text)?;
    no_namespace(namespace.as_ref())?;
    Ok((number, body.read()))
}

impl<'a> Body<'a> {
    fn of(body: &'a MessageBody) -> Self {
        match body {
            MessageBody::Start(start) => Self::Start(ChildStart::of(start)),
            MessageBody::StartFor { task, start } => {
                Self::StartFor { task: *task, start: ChildStart::of(start) }
            }
            MessageBody::Started { task, child } => Self::Started { task: *task, child: *child },
            MessageBody::ChildEnded { task, status, output, reason, saw_outside } => {
                Self::ChildEnded {
                    task: *task,
                    status: *status,
                    output: output.raw(),
                    reason: some_text(reason.as_ref()),
                    saw_outside: *saw_outside,
                }
            }
            MessageBody::ChildRefused { task, reason } => {
                Self::ChildRefused { task: *task, reason: text(reason) }
            }
            MessageBody::FailureRefused { name, reason } => {
                Self::FailureRefused { name: text(name), reason: text(reason) }
            }
            MessageBody::ChildReopened { task } => Self::ChildReopened { task: *task },
            MessageBody::ParentEnded { reason } => Self::ParentEnded { reason: text(reason) },
            MessageBody::ParentRetried => Self::ParentRetried {},
        }
    }

    fn read(self) -> MessageBody {
        match self {
            Self::Start(start) => MessageBody::Start(Box::new(start.read())),
            Self::StartFor { task, start } => {
                MessageBody::StartFor { task, start: Box::new(start.read()) }
            }
            Self::Started { task, child } => MessageBody::Started { task, child },
            Self::ChildEnded { task, status, output, reason, saw_outside } => {
                MessageBody::ChildEnded {
                    task,
                    status,
                    output: payload(output),
                    reason: reason.map(Text::into_owned),
                    saw_outside,
                }
            }
            Self::ChildRefused { task, reason } => {
                MessageBody::ChildRefused { task, reason: reason.into_owned() }
            }
            Self::FailureRefused { name, reason } => {
                MessageBody::FailureRefused { name: name.into_owned(), reason: reason.into_owned() }
            }
            Self::ChildReopened { task } => MessageBody::ChildReopened { task },
            Self::ParentEnded { reason } => {
                MessageBody::ParentEnded { reason: reason.into_owned() }
            }
            Self::ParentRetried {} => MessageBody::ParentRetried,
        }
    }
}

impl<'a> ChildStart<'a> {
    fn of(start: &'a command::ChildStart) -> Self {
        let command::ChildStart {
            name,
            version,
            definition,
            input,
            correlation_id,
            task_to_domain,
            priority,
            parent,
            idempotency_key,
            idempotency_strategy,
            trace,
            lineage,
        } = start;
        Self {
            name: text(name),
            version: *version,
            definition: definition.as_ref().map(baton_common::Payload::raw),
            input: some_json(input),
            correlation_id: some_text(correlation_id.as_ref()),
            task_to_domain: map_of(task_to_domain),
            priority: *priority,
            parent: parent.map(Parent::of),
            idempotency_key: some_text(idempotency_key.as_ref()),
            idempotency_strategy: *idempotency_strategy,
            trace: trace.as_ref().map(Cow::Borrowed),
            lineage: Lineage::of(lineage),
        }
    }

    fn read(self) -> command::ChildStart {
        command::ChildStart {
            name: self.name.into_owned(),
            version: self.version,
            definition: self.definition.map(payload),
            input: super::json_or_empty(self.input),
            correlation_id: self.correlation_id.map(Text::into_owned),
            task_to_domain: read_map(self.task_to_domain),
            priority: self.priority,
            parent: self.parent.map(Parent::read),
            idempotency_key: self.idempotency_key.map(Text::into_owned),
            idempotency_strategy: self.idempotency_strategy,
            trace: self.trace.map(Cow::into_owned),
            lineage: self.lineage.as_ref().map(Lineage::read).unwrap_or_default(),
        }
    }
}
