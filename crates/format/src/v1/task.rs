//! Tasks, as the journal and snapshots hold them.
use super::place::Place;
use super::{
    Json, Text, json_or_empty, omit, payload, present, shared, some_json, some_text, text,
};
use crate::FormatError;
use baton_common::{ExecutionId, TaskStatus, Timestamp};
use baton_decider::state::{self, Execution, LoopProgress};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A whole task.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the members' names are the format's")]
pub(crate) struct Task<'a> {
    pub(super) seq: u32,
    /// The step's name without the loops around it.
    #[serde(borrow, rename = "ref")]
    base: Text<'a>,
    /// What the loops around it add to its name, as in `__2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    suffix: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "omit::zero")]
    plan: u32,
    /// See [`Place`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<Text<'a>>,
    /// What runs there, where that is decided at run time.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    runs: Option<Place<'a>>,
    #[serde(default = "scheduled", skip_serializing_if = "is_scheduled")]
    status: TaskStatus,
    #[serde(
        borrow,
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    input: Option<Json<'a>>,
    #[serde(
        borrow,
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    output: Option<Json<'a>>,
    #[serde(borrow, rename = "loop", default, skip_serializing_if = "Option::is_none")]
    progress: Option<Progress<'a>>,
    #[serde(default, skip_serializing_if = "omit::zero")]
    retry_count: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retried_task: Option<u32>,
    #[serde(default, skip_serializing_if = "omit::no")]
    retried: bool,
    #[serde(default, skip_serializing_if = "omit::zero")]
    iteration: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    loop_task: Option<u32>,
    /// When it was scheduled; the times below are left out when they are this one.
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "omit::zero_i64")]
    start_delay_seconds: i64,
    #[serde(default, skip_serializing_if = "omit::zero_i64")]
    callback_after_seconds: i64,
    #[serde(default, skip_serializing_if = "omit::zero")]
    poll_count: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    worker: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    domain: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    child: Option<ExecutionId>,
    #[serde(default, skip_serializing_if = "omit::zero")]
    sent: u32,
    #[serde(default, skip_serializing_if = "omit::zero")]
    received: u32,
    #[serde(default, skip_serializing_if = "Delivery::is_none")]
    delivery: Delivery,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wait_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    join_on: Option<Vec<Text<'a>>>,
    #[serde(default, skip_serializing_if = "omit::no")]
    is_external: bool,
    #[serde(default, skip_serializing_if = "omit::zero_u8")]
    alerted: u8,
    #[serde(default, skip_serializing_if = "omit::no")]
    was_ended: bool,
    /// Since version 2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    slots: Vec<Text<'a>>,
}

fn scheduled() -> TaskStatus {
    TaskStatus::Scheduled
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_scheduled(status: &TaskStatus) -> bool {
    *status == TaskStatus::Scheduled
}

/// The limits under which a task holds a slot.
pub(super) fn slots_of(slots: &state::Slots) -> Vec<Text<'_>> {
    slots.iter().flat_map(|slots| slots.iter()).map(|name| text(name)).collect()
}

pub(super) fn read_slots(slots: Vec<Text<'_>>) -> state::Slots {
    (!slots.is_empty()).then(|| slots.into_iter().map(shared).collect())
}

/// Where an open task is, seen from the queue.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Delivery {
    #[default]
    None,
    Delayed(Timestamp),
    Ready(Timestamp),
    Leased,
}

impl Delivery {
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    pub(super) fn of(delivery: state::Delivery) -> Self {
        match delivery {
            state::Delivery::None => Self::None,
            state::Delivery::Delayed(at) => Self::Delayed(at),
            state::Delivery::Ready(at) => Self::Ready(at),
            state::Delivery::Leased => Self::Leased,
        }
    }

    pub(super) fn read(self) -> state::Delivery {
        match self {
            Self::None => state::Delivery::None,
            Self::Delayed(at) => state::Delivery::Delayed(at),
            Self::Ready(at) => state::Delivery::Ready(at),
            Self::Leased => state::Delivery::Leased,
        }
    }
}

/// How far a DO_WHILE has come.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Progress<'a> {
    iteration: u32,
    /// Outputs by iteration.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    iterations: Vec<(u32, Json<'a>)>,
    #[serde(
        borrow,
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    item: Option<Json<'a>>,
}

/// An output: of a loop, or else one object, left out when it is `{}`.
pub(super) fn output_of(output: &state::Output) -> (Option<Json<'_>>, Option<Progress<'_>>) {
    match output {
        state::Output::Plain(payload) => (some_json(payload), None),
        state::Output::Loop(LoopProgress { iteration, iterations, item }) => {
            let iterations = iterations.iter();
            let progress = Progress {
                iteration: *iteration,
                iterations: iterations.map(|(number, output)| (number, output.raw())).collect(),
                item: item.as_ref().map(baton_common::Payload::raw),
            };
            (None, Some(progress))
        }
    }
}

pub(super) fn read_output(json: Option<Json<'_>>, progress: Option<Progress<'_>>) -> state::Output {
    let Some(Progress { iteration, iterations, item }) = progress else {
        return state::Output::Plain(json_or_empty(json));
    };
    let iterations = iterations.into_iter().map(|(number, output)| (number, payload(output)));
    let (iterations, item) = (iterations.collect(), item.map(payload));
    state::Output::Loop(LoopProgress { iteration, iterations, item })
}

impl<'a> Task<'a> {
    #[expect(clippy::too_many_lines, reason = "each member once, and nothing else")]
    pub(super) fn of(task: &'a state::Task, execution: &'a Execution) -> Self {
        let name = task.base_reference();
        // Each member is named here, so that a new one does not compile until it has its place.
        let state::Task {
            seq,
            reference: _,
            base,
            place,
            runs,
            status,
            input,
            output,
            retry_count,
            retried_task,
            retried,
            iteration,
            loop_task,
            scheduled_at,
            first_scheduled_at,
            started_at,
            ended_at,
            updated_at,
            start_delay_seconds,
            callback_after_seconds,
            poll_count,
            worker,
            domain,
            reason,
            child,
            sent,
            received,
            delivery,
            wait_until,
            join_on,
            is_external,
            alerted,
            was_ended,
            slots,
        } = task;
        let Place { plan, path } = Place::of(*place, name, execution);
        let (output, progress) = output_of(output);
        let other = |at: &Timestamp| Some(*at).filter(|at| at != scheduled_at);
        let join_on = join_on.as_ref();
        Self {
            seq: *seq,
            base: text(name),
            suffix: base.as_ref().map(|_| text(task.suffix())),
            plan,
            path,
            runs: runs.map(|runs| Place::of(runs, name, execution)),
            status: *status,
            input: some_json(input),
            output,
            progress,
            retry_count: *retry_count,
            retried_task: *retried_task,
            retried: *retried,
            iteration: *iteration,
            loop_task: *loop_task,
            at: *scheduled_at,
            first_at: other(first_scheduled_at),
            updated_at: other(updated_at),
            started_at: *started_at,
            ended_at: *ended_at,
            start_delay_seconds: *start_delay_seconds,
            callback_after_seconds: *callback_after_seconds,
            poll_count: *poll_count,
            worker: some_text(worker.as_ref()),
            domain: some_text(domain.as_ref()),
            reason: some_text(reason.as_ref()),
            child: *child,
            sent: *sent,
            received: *received,
            delivery: Delivery::of(*delivery),
            wait_until: *wait_until,
            join_on: join_on.map(|names| names.iter().map(|name| text(name)).collect()),
            is_external: *is_external,
            alerted: *alerted,
            was_ended: *was_ended,
            slots: slots_of(slots),
        }
    }

    pub(super) fn read(self, execution: &Execution) -> Result<state::Task, FormatError> {
        let place = Place { plan: self.plan, path: self.path }.read(&self.base, execution)?;
        let runs = self.runs.map(|runs| runs.read(&self.base, execution)).transpose()?;
        let (reference, base): (Arc<str>, _) = match self.suffix {
            None => (shared(self.base), None),
            Some(suffix) => (format!("{}{suffix}", self.base).into(), Some(shared(self.base))),
        };
        Ok(state::Task {
            seq: self.seq,
            reference,
            base,
            place,
            runs,
            status: self.status,
            input: json_or_empty(self.input),
            output: read_output(self.output, self.progress),
            retry_count: self.retry_count,
            retried_task: self.retried_task,
            retried: self.retried,
            iteration: self.iteration,
            loop_task: self.loop_task,
            scheduled_at: self.at,
            first_scheduled_at: self.first_at.unwrap_or(self.at),
            started_at: self.started_at,
            ended_at: self.ended_at,
            updated_at: self.updated_at.unwrap_or(self.at),
            start_delay_seconds: self.start_delay_seconds,
            callback_after_seconds: self.callback_after_seconds,
            poll_count: self.poll_count,
            worker: self.worker.map(shared),
            domain: self.domain.map(shared),
            reason: self.reason.map(shared),
            child: self.child,
            sent: self.sent,
            received: self.received,
            delivery: self.delivery.read(),
            wait_until: self.wait_until,
            join_on: self.join_on.map(|names| names.into_iter().map(shared).collect()),
            is_external: self.is_external,
            alerted: self.alerted,
            was_ended: self.was_ended,
            slots: read_slots(self.slots),
        })
    }
}
