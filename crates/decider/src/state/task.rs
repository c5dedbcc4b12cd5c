//! One attempt at one step.
use super::iterations::Iterations;
use crate::json::{self, Object};
use baton_common::{ExecutionId, Payload, TaskStatus, Timestamp};
use std::sync::Arc;

/// A node's place in its plan.
pub type NodeId = u32;

/// Names a node: of the execution's plan (`plan` 0), or of a step defined while it ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeKey {
    /// 0 = the execution's own plan; n = its n-th later definition.
    pub plan: u32,
    /// The node there.
    pub node: NodeId,
}

/// Where an open task is, seen from the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// No worker is asked for it.
    #[default]
    None,
    /// It may be handed out at this time.
    Delayed(Timestamp),
    /// Any worker may take it, since this time.
    Ready(Timestamp),
    /// A worker has it.
    Leased,
}

/// Names of limits; `None` for none, as of most tasks.
pub type Slots = Option<Arc<[Arc<str>]>>;

/// How far a DO_WHILE has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoopProgress {
    /// The iteration under way, from 1; 0 = none.
    pub iteration: u32,
    /// The outputs of each iteration's steps, by base reference name.
    pub iterations: Iterations,
    /// The item under way, for loops over a list.
    pub item: Option<Payload>,
}

/// What a task has put out.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// One JSON object.
    Plain(Payload),
    /// A loop's output, kept by iteration and written out when somebody asks.
    Loop(LoopProgress),
}

impl Output {
    /// The JSON object that readers see.
    pub fn json(&self) -> Payload {
        match self {
            Self::Plain(payload) => payload.clone(),
            Self::Loop(progress) => progress.json(),
        }
    }

    /// Size, bytes; a loop's without the names of its members.
    pub(crate) fn len_bytes(&self) -> usize {
        match self {
            Self::Plain(payload) => payload.len_bytes(),
            Self::Loop(LoopProgress { iterations, item, .. }) => {
                iterations.len_bytes() + item.as_ref().map_or(0, Payload::len_bytes)
            }
        }
    }
}

impl Default for Output {
    fn default() -> Self {
        Self::Plain(Payload::empty_object())
    }
}

impl LoopProgress {
    /// The JSON object that readers see.
    pub(crate) fn json(&self) -> Payload {
        let iterations = self.iterations.iter();
        let members = iterations.map(|(iteration, output)| (iteration.to_string(), output.clone()));
        json::payload(&self.head().into_iter().chain(members).collect::<Object>())
    }

    /// Of [`Self::json`] at least the members of these names, without a look at the others.
    pub(crate) fn json_of<'n>(&self, names: impl Iterator<Item = &'n str>) -> Payload {
        let iterations = names.filter_map(|name| {
            let iteration: u32 = name.parse().ok()?;
            Some((iteration.to_string(), self.iterations.get(iteration)?.clone()))
        });
        json::payload(&self.head().into_iter().chain(iterations).collect::<Object>())
    }

    /// The members beside the iterations.
    pub(crate) fn head(&self) -> Object {
        let mut members = Object::new();
        members.insert("iteration".into(), json::payload(&self.iteration));
        if let Some(item) = &self.item {
            members.insert("loopIndex".into(), json::payload(&self.iteration.saturating_sub(1)));
            members.insert("loopItem".into(), item.clone());
        }
        members
    }
}

/// One attempt at one step of an execution. What a task shows but does not hold (type, settings)
/// comes from its node.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Number in its execution, from 1; its id is made of it.
    pub seq: u32,
    /// The step's name, with `__n` for each loop around it.
    pub reference: Arc<str>,
    /// The step's name without the loops around it, where there are any.
    pub base: Option<Arc<str>>,
    /// The step's place in the flow.
    pub place: NodeKey,
    /// What runs there, where that is decided at run time (DYNAMIC).
    pub runs: Option<NodeKey>,
    /// State.
    pub status: TaskStatus,
    /// Resolved input.
    pub input: Payload,
    /// Output.
    pub output: Output,
    /// Attempts before this one.
    pub retry_count: u32,
    /// The attempt that this one repeats.
    pub retried_task: Option<u32>,
    /// Whether a later attempt repeats this one.
    pub retried: bool,
    /// The iteration it belongs to, 0 outside loops.
    pub iteration: u32,
    /// The DO_WHILE task around it.
    pub loop_task: Option<u32>,
    /// When it was scheduled.
    pub scheduled_at: Timestamp,
    /// When the first attempt was scheduled.
    pub first_scheduled_at: Timestamp,
    /// When a worker first got it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When anything of it last changed; response timeouts count from here.
    pub updated_at: Timestamp,
    /// Seconds it was held back at first.
    pub start_delay_seconds: i64,
    /// Seconds its worker asked to be left alone.
    pub callback_after_seconds: i64,
    /// How often it was handed out.
    pub poll_count: u32,
    /// Who has or had it.
    pub worker: Option<Arc<str>>,
    /// Sub-queue it is handed out from.
    pub domain: Option<Arc<str>>,
    /// Why it did not end well.
    pub reason: Option<Arc<str>>,
    /// The execution it started.
    pub child: Option<ExecutionId>,
    /// Messages sent to the child, its start included.
    pub sent: u32,
    /// Messages received from the child.
    pub received: u32,
    /// Where it is, seen from the queue.
    pub delivery: Delivery,
    /// When a WAIT is over.
    pub wait_until: Option<Timestamp>,
    /// The steps a JOIN waits for, by full reference name.
    pub join_on: Option<Arc<[Arc<str>]>>,
    /// Whether the action has begun and an outside call must complete it.
    pub is_external: bool,
    /// Deadlines that passed with policy ALERT_ONLY, so that they do not pass again.
    pub alerted: u8,
    /// Whether it has ended before and was made anew in place.
    pub was_ended: bool,
    /// The limits under which it holds a slot, by name: from its lease until it leaves its worker.
    pub slots: Slots,
}

impl Task {
    /// The step's name without `__n`.
    pub fn base_reference(&self) -> &str {
        self.base.as_deref().unwrap_or(&self.reference)
    }

    /// How far it has come as a loop. One that was ended by a report has lost its iterations.
    pub(crate) fn loop_progress(&self) -> LoopProgress {
        match &self.output {
            Output::Loop(progress) => progress.clone(),
            Output::Plain(_) => LoopProgress { iteration: self.iteration, ..Default::default() },
        }
    }

    /// The iteration of the loop around it, 0 outside loops. A loop's own `iteration` is another
    /// number: how far it has come itself.
    pub fn around_iteration(&self) -> u32 {
        let last = self.suffix().rsplit("__").next();
        last.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// Size of its input and output, bytes; rough for a loop.
    pub(crate) fn payload_bytes(&self) -> usize {
        self.input.len_bytes() + self.output.len_bytes()
    }

    /// The `__n` part, empty outside loops.
    pub fn suffix(&self) -> &str {
        &self.reference[self.base_reference().len()..]
    }
}
