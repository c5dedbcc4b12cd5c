//! Changes. A new kind is one variant, one arm in [`Change::of`] and one in [`Change::read`].
use super::agenda::{AgendaItem, Branches, read_steps};
use super::start::Start;
use super::task::{Delivery, Progress, Task, output_of, read_output, read_slots, slots_of};
use super::{Json, Text, omit, payload, present, shared, some_text, text};
use crate::FormatError;
use baton_common::{ExecutionId, Payload, TaskStatus, Timestamp, WorkflowStatus};
use baton_decider::change;
use baton_decider::state::{self, Execution};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One fact.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum Change<'a> {
    #[serde(borrow)]
    ExecutionStarted(Start<'a>),
    #[serde(borrow)]
    Scheduled(Task<'a>),
    Leased {
        seq: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        worker: Option<Text<'a>>,
        /// Since version 2.
        #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
        slots: Vec<Text<'a>>,
        at: Timestamp,
    },
    Moved {
        seq: u32,
        delivery: Delivery,
        at: Timestamp,
    },
    #[serde(borrow)]
    Reported(Report<'a>),
    Renewed {
        seq: u32,
        at: Timestamp,
    },
    InputSet {
        seq: u32,
        #[serde(borrow)]
        input: Json<'a>,
    },
    #[serde(borrow)]
    Ended(End<'a>),
    Forgiven {
        seq: u32,
    },
    Overdue {
        seq: u32,
        deadline: u8,
    },
    #[serde(borrow)]
    Reopened(Reopening<'a>),
    MessageSent {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<u32>,
    },
    MessageReceived {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<u32>,
        number: u32,
        #[serde(default, skip_serializing_if = "omit::no")]
        saw_outside: bool,
    },
    Removed {
        seqs: Vec<u32>,
    },
    Iterated {
        seq: u32,
        iteration: u32,
        #[serde(borrow)]
        outputs: Json<'a>,
    },
    Advanced {
        seq: u32,
        iteration: u32,
        #[serde(
            borrow,
            default,
            deserialize_with = "present",
            skip_serializing_if = "Option::is_none"
        )]
        item: Option<Json<'a>>,
        #[serde(default, skip_serializing_if = "omit::zero")]
        forget_until: u32,
    },
    StepsDefined {
        #[serde(borrow)]
        steps: Vec<Json<'a>>,
    },
    AgendaLeft {
        #[serde(default, skip_serializing_if = "omit::zero")]
        taken: u32,
        #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
        first: Vec<AgendaItem<'a>>,
        #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
        last: Vec<AgendaItem<'a>>,
    },
    #[serde(borrow)]
    BranchesPlanned(Branches<'a>),
    BranchesJoined {
        fork: u32,
        #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
        names: Vec<Text<'a>>,
        #[serde(default, skip_serializing_if = "omit::no")]
        is_done: bool,
    },
    VariablesSet {
        #[serde(borrow)]
        variables: Json<'a>,
    },
    ExecutionPaused {
        at: Timestamp,
    },
    ExecutionResumed {
        at: Timestamp,
    },
    #[serde(borrow)]
    ExecutionEnded(ExecutionEnd<'a>),
    OutputAmended {
        #[serde(borrow)]
        output: Json<'a>,
    },
    ExecutionReopened {
        at: Timestamp,
    },
    #[serde(borrow)]
    ExecutionRestarted(Restart<'a>),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Report<'a> {
    seq: u32,
    status: TaskStatus,
    #[serde(
        borrow,
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    output: Option<Json<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    worker: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "omit::zero_i64")]
    callback_after_seconds: i64,
    #[serde(default, skip_serializing_if = "Delivery::is_none")]
    delivery: Delivery,
    #[serde(default, skip_serializing_if = "omit::no")]
    is_external: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    child: Option<ExecutionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wait_until: Option<Timestamp>,
    at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct End<'a> {
    seq: u32,
    status: TaskStatus,
    #[serde(
        borrow,
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    output: Option<Json<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    worker: Option<Text<'a>>,
    at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Reopening<'a> {
    seq: u32,
    status: TaskStatus,
    #[serde(default, skip_serializing_if = "Delivery::is_none")]
    delivery: Delivery,
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
    wait_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    child: Option<ExecutionId>,
    at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExecutionEnd<'a> {
    status: WorkflowStatus,
    #[serde(borrow)]
    output: Json<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed_task: Option<u32>,
    at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Restart<'a> {
    at: Timestamp,
    #[serde(
        borrow,
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    variables: Option<Json<'a>>,
    #[serde(default, skip_serializing_if = "omit::no")]
    is_new_start: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation_id: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workflow_version: Option<i32>,
    last_seq: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failed: Vec<(u32, Text<'a>)>,
}

fn raw(payload: &Payload) -> Json<'_> {
    payload.raw()
}

impl<'a> Change<'a> {
    /// A change of an execution in this state, to be written.
    pub(crate) fn of(change: &'a change::Change, execution: &'a Execution) -> Self {
        use change::Change as From;
        match change {
            From::ExecutionStarted(facts) => Self::ExecutionStarted(Start::of(facts)),
            From::TaskScheduled(task) => Self::Scheduled(Task::of(task, execution)),
            From::TaskLeased { seq, worker, slots, at } => Self::Leased {
                seq: *seq,
                worker: some_text(worker.as_ref()),
                slots: slots_of(slots),
                at: *at,
            },
            From::TaskMoved { seq, delivery, at } => {
                Self::Moved { seq: *seq, delivery: Delivery::of(*delivery), at: *at }
            }
            From::TaskReported(report) => Self::Reported(Report::of(report)),
            From::TaskRenewed { seq, at } => Self::Renewed { seq: *seq, at: *at },
            From::TaskInputSet { seq, input } => Self::InputSet { seq: *seq, input: raw(input) },
            From::TaskEnded(end) => Self::Ended(End::of(end)),
            From::TaskForgiven { seq } => Self::Forgiven { seq: *seq },
            From::TaskOverdue { seq, deadline } => Self::Overdue { seq: *seq, deadline: *deadline },
            From::TaskReopened(reopening) => Self::Reopened(Reopening::of(reopening)),
            From::MessageSent { seq } => Self::MessageSent { seq: *seq },
            From::MessageReceived { seq, number, saw_outside } => {
                Self::MessageReceived { seq: *seq, number: *number, saw_outside: *saw_outside }
            }
            From::TasksRemoved { seqs } => Self::Removed { seqs: seqs.clone() },
            From::LoopIterated { seq, iteration, outputs } => {
                Self::Iterated { seq: *seq, iteration: *iteration, outputs: raw(outputs) }
            }
            From::LoopAdvanced { seq, iteration, item, forget_until } => Self::Advanced {
                seq: *seq,
                iteration: *iteration,
                item: item.as_ref().map(raw),
                forget_until: *forget_until,
            },
            From::StepsDefined { steps } => {
                Self::StepsDefined { steps: steps.iter().map(raw).collect() }
            }
            From::AgendaLeft { taken, first, last } => {
                let steps = |steps: &[state::AgendaItem]| {
                    steps.iter().map(|step| AgendaItem::of(*step, execution)).collect()
                };
                Self::AgendaLeft { taken: *taken, first: steps(first), last: steps(last) }
            }
            From::BranchesPlanned { fork, branches, joined } => {
                Self::BranchesPlanned(Branches::of(*fork, branches, joined.iter()))
            }
            From::BranchesJoined { fork, names, is_done } => Self::BranchesJoined {
                fork: *fork,
                names: names.iter().map(|name| text(name)).collect(),
                is_done: *is_done,
            },
            From::VariablesSet { variables } => Self::VariablesSet { variables: raw(variables) },
            From::ExecutionPaused { at } => Self::ExecutionPaused { at: *at },
            From::ExecutionResumed { at } => Self::ExecutionResumed { at: *at },
            From::ExecutionEnded(end) => Self::ExecutionEnded(ExecutionEnd::of(end)),
            From::OutputAmended { output } => Self::OutputAmended { output: raw(output) },
            From::ExecutionReopened { at } => Self::ExecutionReopened { at: *at },
            From::ExecutionRestarted(restart) => Self::ExecutionRestarted(Restart::of(restart)),
        }
    }

    /// The change as the decider has it, for an execution in this state.
    fn read(self, execution: &Execution) -> Result<change::Change, FormatError> {
        use change::Change as To;
        Ok(match self {
            Self::ExecutionStarted(start) => To::ExecutionStarted(Box::new(start.read()?)),
            Self::Scheduled(task) => To::TaskScheduled(Arc::new(task.read(execution)?)),
            Self::Leased { seq, worker, slots, at } => {
                To::TaskLeased { seq, worker: worker.map(shared), slots: read_slots(slots), at }
            }
            Self::Moved { seq, delivery, at } => {
                To::TaskMoved { seq, delivery: delivery.read(), at }
            }
            Self::Reported(report) => To::TaskReported(Box::new(report.read())),
            Self::Renewed { seq, at } => To::TaskRenewed { seq, at },
            Self::InputSet { seq, input } => To::TaskInputSet { seq, input: payload(input) },
            Self::Ended(end) => To::TaskEnded(Box::new(end.read())),
            Self::Forgiven { seq } => To::TaskForgiven { seq },
            Self::Overdue { seq, deadline } => To::TaskOverdue { seq, deadline },
            Self::Reopened(reopening) => To::TaskReopened(Box::new(reopening.read())),
            Self::MessageSent { seq } => To::MessageSent { seq },
            Self::MessageReceived { seq, number, saw_outside } => {
                To::MessageReceived { seq, number, saw_outside }
            }
            Self::Removed { seqs } => To::TasksRemoved { seqs },
            Self::Iterated { seq, iteration, outputs } => {
                To::LoopIterated { seq, iteration, outputs: payload(outputs) }
            }
            Self::Advanced { seq, iteration, item, forget_until } => {
                To::LoopAdvanced { seq, iteration, item: item.map(payload), forget_until }
            }
            Self::StepsDefined { steps } => {
                To::StepsDefined { steps: steps.into_iter().map(payload).collect() }
            }
            Self::AgendaLeft { taken, first, last } => To::AgendaLeft {
                taken,
                first: read_steps(&first, execution)?,
                last: read_steps(&last, execution)?,
            },
            Self::BranchesPlanned(branches) => {
                let fork = branches.fork();
                let (branches, joined) = branches.read()?;
                To::BranchesPlanned { fork, branches, joined }
            }
            Self::BranchesJoined { fork, names, is_done } => {
                To::BranchesJoined { fork, names: names.into_iter().map(shared).collect(), is_done }
            }
            Self::VariablesSet { variables } => To::VariablesSet { variables: payload(variables) },
            Self::ExecutionPaused { at } => To::ExecutionPaused { at },
            Self::ExecutionResumed { at } => To::ExecutionResumed { at },
            Self::ExecutionEnded(end) => To::ExecutionEnded(Box::new(end.read())),
            Self::OutputAmended { output } => To::OutputAmended { output: payload(output) },
            Self::ExecutionReopened { at } => To::ExecutionReopened { at },
            Self::ExecutionRestarted(restart) => To::ExecutionRestarted(Box::new(restart.read())),
        })
    }

    /// Reads it and applies it.
    pub(crate) fn apply(self, execution: &mut Execution) -> Result<change::Change, FormatError> {
        let change = self.read(execution)?;
        execution.apply(&change);
        Ok(change)
    }

    /// Whether it begins the execution anew.
    pub(crate) fn is_restart(&self) -> bool {
        matches!(self, Self::ExecutionRestarted(_))
    }

    /// Whether it names steps of a definition.
    pub(crate) fn is_about_steps(&self) -> bool {
        matches!(self, Self::Scheduled(_) | Self::StepsDefined { .. })
    }

    /// The facts of a start; `None` for any other change.
    pub(crate) fn start(&self) -> Option<Result<baton_decider::state::StartFacts, FormatError>> {
        if let Self::ExecutionStarted(start) = self { Some(start.read()) } else { None }
    }
}

impl<'a> Report<'a> {
    fn of(report: &'a change::TaskReport) -> Self {
        let change::TaskReport {
            seq,
            status,
            output,
            reason,
            worker,
            callback_after_seconds,
            delivery,
            is_external,
            child,
            wait_until,
            at,
        } = report;
        Self {
            seq: *seq,
            status: *status,
            output: output.as_ref().map(raw),
            reason: some_text(reason.as_ref()),
            worker: some_text(worker.as_ref()),
            callback_after_seconds: *callback_after_seconds,
            delivery: Delivery::of(*delivery),
            is_external: *is_external,
            child: *child,
            wait_until: *wait_until,
            at: *at,
        }
    }

    fn read(self) -> change::TaskReport {
        change::TaskReport {
            seq: self.seq,
            status: self.status,
            output: self.output.map(payload),
            reason: self.reason.map(shared),
            worker: self.worker.map(shared),
            callback_after_seconds: self.callback_after_seconds,
            delivery: self.delivery.read(),
            is_external: self.is_external,
            child: self.child,
            wait_until: self.wait_until,
            at: self.at,
        }
    }
}

impl<'a> End<'a> {
    fn of(end: &'a change::TaskEnd) -> Self {
        let change::TaskEnd { seq, status, output, reason, worker, at } = end;
        Self {
            seq: *seq,
            status: *status,
            output: output.as_ref().map(raw),
            reason: some_text(reason.as_ref()),
            worker: some_text(worker.as_ref()),
            at: *at,
        }
    }

    fn read(self) -> change::TaskEnd {
        change::TaskEnd {
            seq: self.seq,
            status: self.status,
            output: self.output.map(payload),
            reason: self.reason.map(shared),
            worker: self.worker.map(shared),
            at: self.at,
        }
    }
}

impl<'a> Reopening<'a> {
    fn of(reopening: &'a change::TaskReopening) -> Self {
        let change::TaskReopening {
            seq,
            status,
            delivery,
            input,
            output,
            retry_count,
            wait_until,
            child,
            at,
        } = reopening;
        let (output, progress) = output_of(output);
        Self {
            seq: *seq,
            status: *status,
            delivery: Delivery::of(*delivery),
            input: input.as_ref().map(raw),
            output,
            progress,
            retry_count: *retry_count,
            wait_until: *wait_until,
            child: *child,
            at: *at,
        }
    }

    fn read(self) -> change::TaskReopening {
        change::TaskReopening {
            seq: self.seq,
            status: self.status,
            delivery: self.delivery.read(),
            input: self.input.map(payload),
            output: read_output(self.output, self.progress),
            retry_count: self.retry_count,
            wait_until: self.wait_until,
            child: self.child,
            at: self.at,
        }
    }
}

impl<'a> ExecutionEnd<'a> {
    fn of(end: &'a change::ExecutionEnd) -> Self {
        let change::ExecutionEnd { status, output, reason, failed_task, at } = end;
        Self {
            status: *status,
            output: raw(output),
            reason: some_text(reason.as_ref()),
            failed_task: *failed_task,
            at: *at,
        }
    }

    fn read(self) -> change::ExecutionEnd {
        change::ExecutionEnd {
            status: self.status,
            output: payload(self.output),
            reason: self.reason.map(shared),
            failed_task: self.failed_task,
            at: self.at,
        }
    }
}

impl<'a> Restart<'a> {
    fn of(restart: &'a change::Restart) -> Self {
        let change::Restart {
            at,
            variables,
            is_new_start,
            correlation_id,
            workflow_version,
            last_seq,
            failed_references,
        } = restart;
        let failed = failed_references.iter().map(|(seq, name)| (*seq, text(name)));
        Self {
            at: *at,
            variables: variables.as_ref().map(raw),
            is_new_start: *is_new_start,
            correlation_id: some_text(correlation_id.as_ref()),
            workflow_version: *workflow_version,
            last_seq: *last_seq,
            failed: failed.collect(),
        }
    }

    fn read(self) -> change::Restart {
        let failed = self.failed.into_iter().map(|(seq, name)| (seq, shared(name)));
        change::Restart {
            at: self.at,
            variables: self.variables.map(payload),
            is_new_start: self.is_new_start,
            correlation_id: self.correlation_id.map(Text::into_owned),
            workflow_version: self.workflow_version,
            last_seq: self.last_seq,
            failed_references: failed.collect(),
        }
    }
}
