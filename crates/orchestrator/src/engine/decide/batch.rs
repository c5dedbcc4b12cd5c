//! A batch while it is decided: what its decisions read, and what comes of each.
use crate::clock::Clock;
use crate::definitions::{Definitions, Snapshot};
use crate::engine::attempt::Learned;
use crate::engine::draft::{Draft, Drafts};
use crate::engine::job::{Reply, Waiting};
use crate::engine::state::States;
use crate::error::OrchestratorError;
use baton_common::ExecutionId;
use baton_decider::command::{Command, MessageBody};
use baton_decider::decide::agenda::SliceLimits;
use baton_decider::decide::{Context, Evaluations};
use baton_store::{ReadyKey, Version};
use std::sync::Arc;

/// The base of a suspended decision whose draft has changed since: no draft is at it.
const OUTDATED: Version = -2;

/// The drafts of a batch while it is decided, with all that its decisions read and bring about.
pub(in crate::engine) struct DraftBatch {
    pub(in crate::engine) states: States,
    pub(in crate::engine) drafts: Drafts,
    pub(in crate::engine) snapshot: Arc<Snapshot>,
    /// How much each decision may do.
    pub(in crate::engine) slice: SliceLimits,
    /// Whether a decision depends on the registered definitions.
    pub(super) read_definitions: bool,
    /// Decisions that wait for scripts.
    pub(super) waiting: Vec<Waiting>,
    /// Ready tasks for waiting polls.
    pub(super) claims: Vec<ReadyKey>,
    pub(in crate::engine) learned: Learned,
    /// Starts that the batch itself has asked for and decides.
    pub(super) starts: usize,
    /// Of them those at the end of a chain of starts.
    pub(super) chained_starts: usize,
    /// Bytes of the payloads in its changes.
    pub(super) bytes: usize,
}

impl DraftBatch {
    /// Nothing decided yet.
    pub(super) fn new(
        states: States,
        learned: Learned,
        snapshot: Arc<Snapshot>,
        slice: SliceLimits,
    ) -> Self {
        Self {
            states,
            drafts: Drafts::new(),
            snapshot,
            slice,
            read_definitions: false,
            waiting: Vec::new(),
            claims: Vec::new(),
            learned,
            starts: 0,
            chained_starts: 0,
            bytes: 0,
        }
    }

    /// Whether the execution has been loaded, or starts with this batch.
    pub(super) fn is_loaded(&self, id: ExecutionId) -> bool {
        self.states.by_id.contains_key(&id) || self.drafts.contains_key(&id)
    }

    /// Whether there is such an execution.
    pub(super) fn exists(&self, id: ExecutionId) -> bool {
        self.drafts.contains_key(&id) || self.states.by_id.get(&id).is_some_and(Option::is_some)
    }

    /// The draft of an execution, begun from its state when there is none yet.
    pub(super) fn draft(&mut self, id: ExecutionId) -> Option<&mut Draft> {
        if !self.drafts.contains_key(&id) {
            let cached = self.states.by_id.get_mut(&id)?.take()?;
            self.drafts.insert(id, Draft::of(cached));
        }
        self.drafts.get_mut(&id)
    }

    /// Counts the bytes that a decision has added.
    pub(super) fn count_bytes(&mut self, id: ExecutionId) {
        if let Some(draft) = self.drafts.get_mut(&id) {
            self.bytes += std::mem::take(&mut draft.uncounted_bytes);
        }
    }

    /// Marks the suspended decisions whose draft has changed since: they cannot continue on it.
    pub(super) fn mark_outdated(&mut self) {
        for waiting in &mut self.waiting {
            let draft = self.drafts.get(&waiting.target);
            if draft.map_or(0, |draft| draft.changes.len()) != waiting.changes {
                waiting.base = OUTDATED;
            }
        }
    }
}

/// What is known before a job is decided.
pub(super) struct Known {
    /// The job's number in the batch.
    pub(super) index: usize,
    /// Results of scripts that earlier tries have asked for.
    pub(super) evaluations: Evaluations,
}

impl Known {
    /// Its number alone.
    pub(super) fn nothing(index: usize) -> Self {
        Self { index, evaluations: Evaluations::new() }
    }
}

/// What came of deciding one job.
pub(super) enum JobOutcome {
    /// It has its answer.
    Answered(Result<Reply, OrchestratorError>),
    /// It waits for scripts.
    Suspended,
    /// The execution is created; its first decision is to follow.
    Created,
    /// Another execution must decide instead: that a start which it asked for is refused, or that its
    /// child is not there.
    Passed { from: ExecutionId, to: ExecutionId, command: Command },
}

/// Decides single jobs: reads the clock and the definitions, and changes nothing but the drafts.
pub(super) struct JobDecider {
    pub(super) clock: Arc<Clock>,
    pub(super) definitions: Arc<Definitions>,
}

impl JobDecider {
    pub(super) fn context(&self, batch: &DraftBatch) -> Context {
        let surroundings = batch.snapshot.clone();
        Context { now: self.clock.now(), slice: batch.slice, surroundings }
    }
}

/// The answer of a job that is only acknowledged.
pub(super) fn answered(id: ExecutionId, result: Result<(), OrchestratorError>) -> JobOutcome {
    JobOutcome::Answered(result.map(|()| Reply { id, task: None }))
}

/// A refused start is told to the execution that asked for it.
pub(super) fn passed(from: ExecutionId, to: ExecutionId, body: MessageBody) -> JobOutcome {
    JobOutcome::Passed { from, to, command: Command::Receive { from, number: 1, body } }
}
