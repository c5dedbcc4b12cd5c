//! Snapshots: the whole state of an execution. Its first part holds what is there once, then comes each
//! task. What follows from the tasks (indexes, counters) is made anew when it is read; plan and input
//! are in the execution's row.
use super::agenda::{AgendaItem, Branches, read_steps};
use super::start::Start;
use super::task::Task;
use super::{
    Json, Text, json_or_empty, omit, payload, present, shared, some_json, some_text, text,
};
use crate::FormatError;
use crate::envelope::{self, Parts, Writer};
use baton_common::{Payload, Timestamp, WorkflowStatus};
use baton_decider::change::Change;
use baton_decider::plan::Plan;
use baton_decider::state::{Execution, Expansion};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Head<'a> {
    #[serde(borrow)]
    start: Start<'a>,
    status: WorkflowStatus,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed_task: Option<u32>,
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    updated_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_retried_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reopened_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failed: Vec<(u32, Text<'a>)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failed_before_restart: Vec<(u32, Text<'a>)>,
    #[serde(default, skip_serializing_if = "omit::zero")]
    last_seq: u32,
    /// Steps defined while it ran; the n-th is plan n.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    steps: Vec<Json<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unsettled: Vec<u32>,
    #[serde(default, skip_serializing_if = "omit::zero")]
    sent_to_parent: u32,
    #[serde(default, skip_serializing_if = "omit::zero")]
    received_from_parent: u32,
    #[serde(default, skip_serializing_if = "omit::no")]
    saw_outside: bool,
    /// Executions that it has started by its steps.
    #[serde(default, skip_serializing_if = "omit::zero")]
    starts: u32,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    agenda: Vec<AgendaItem<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    branches: Vec<Branches<'a>>,
}

type Failures = imbl::OrdSet<(u32, Arc<str>)>;

fn failures(failed: &Failures) -> Vec<(u32, Text<'_>)> {
    failed.iter().map(|(seq, name)| (*seq, text(name))).collect()
}

fn read_failures(failed: Vec<(u32, Text<'_>)>) -> Failures {
    failed.into_iter().map(|(seq, name)| (seq, shared(name))).collect()
}

fn branches_of<'a>((fork, expansion): (&u32, &'a Arc<Expansion>)) -> Branches<'a> {
    Branches::of(*fork, &expansion.branches, expansion.joined.iter())
}

/// The step that a plan of its own was made of; its first node is the step itself.
fn step_of(plan: &Plan) -> Option<Json<'_>> {
    plan.first.and_then(|first| plan.node(first)).map(|node| node.task_json.raw())
}

impl<'a> Head<'a> {
    fn of(execution: &'a Execution) -> Self {
        Self {
            start: Start::of(&execution.facts),
            status: execution.status,
            variables: some_json(&execution.variables),
            output: some_json(&execution.output),
            reason: some_text(execution.reason.as_ref()),
            failed_task: execution.failed_task,
            created_at: execution.created_at,
            ended_at: execution.ended_at,
            updated_at: execution.updated_at,
            last_retried_at: execution.last_retried_at,
            paused_at: execution.paused_at,
            reopened_at: execution.reopened_at,
            failed: failures(&execution.failed_references),
            failed_before_restart: failures(&execution.inherited_failures),
            last_seq: execution.last_seq,
            steps: execution.step_plans.iter().filter_map(|plan| step_of(plan)).collect(),
            unsettled: execution.unsettled.iter().copied().collect(),
            sent_to_parent: execution.sent_to_parent,
            received_from_parent: execution.received_from_parent,
            saw_outside: execution.saw_outside,
            starts: execution.starts,
            agenda: execution.agenda.iter().map(|step| AgendaItem::of(*step, execution)).collect(),
            branches: execution.expansions.iter().map(branches_of).collect(),
        }
    }

    /// The state without its steps and tasks.
    fn read(self, plan: Arc<Plan>, input: Payload) -> Result<Execution, FormatError> {
        let mut execution = Execution::new(plan, self.start.read()?, input);
        execution.status = self.status;
        execution.variables = json_or_empty(self.variables);
        execution.output = json_or_empty(self.output);
        execution.reason = self.reason.map(shared);
        execution.failed_task = self.failed_task;
        execution.created_at = self.created_at;
        execution.ended_at = self.ended_at;
        execution.updated_at = self.updated_at;
        execution.last_retried_at = self.last_retried_at;
        execution.paused_at = self.paused_at;
        execution.reopened_at = self.reopened_at;
        execution.failed_references = read_failures(self.failed);
        execution.inherited_failures = read_failures(self.failed_before_restart);
        execution.last_seq = self.last_seq;
        execution.unsettled = self.unsettled.into_iter().collect();
        execution.sent_to_parent = self.sent_to_parent;
        execution.received_from_parent = self.received_from_parent;
        execution.saw_outside = self.saw_outside;
        execution.starts = self.starts;
        Ok(execution)
    }
}

/// The bytes of an execution's state. May take a second for 100,000 tasks: not for the engine's thread.
pub fn encode_snapshot(execution: &Execution) -> Vec<u8> {
    let has_slots = execution.tasks.values().any(|task| task.slots.is_some());
    let version = if has_slots { super::WITH_SLOTS } else { super::VERSION };
    let mut writer = Writer::new(version);
    writer.push(&Head::of(execution));
    for task in execution.tasks.values() {
        writer.push(&Task::of(task, execution));
    }
    writer.finish()
}

/// The state in a snapshot; without its steps and tasks where a later restart makes them obsolete.
pub(crate) fn decode(
    bytes: &[u8],
    plan: Arc<Plan>,
    input: Payload,
    with_tasks: bool,
) -> Result<Execution, FormatError> {
    let (_, text) = envelope::open(bytes)?;
    let Parts { first: mut head, rest: tasks } = envelope::parts::<Head<'_>, Task<'_>>(text)?;
    let steps: Vec<Payload> = std::mem::take(&mut head.steps).into_iter().map(payload).collect();
    let agenda = std::mem::take(&mut head.agenda);
    let branches = std::mem::take(&mut head.branches);
    let updated_at = head.updated_at;
    let mut execution = head.read(plan, input)?;
    if with_tasks {
        execution.apply(&Change::StepsDefined { steps });
        for task in tasks {
            let task = task.read(&execution)?;
            execution.tasks.insert(task.seq, Arc::new(task));
        }
        execution.rebuild();
        let (taken, first) = (0, read_steps(&agenda, &execution)?);
        execution.apply(&Change::AgendaLeft { taken, first, last: Vec::new() });
        for branches in branches {
            let fork = branches.fork();
            let (branches, joined) = branches.read()?;
            execution.apply(&Change::BranchesPlanned { fork, branches, joined });
        }
        execution.updated_at = updated_at;
    }
    Ok(execution)
}
