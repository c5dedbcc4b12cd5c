//! The third stage: decides a batch's jobs one after another, on drafts of the executions' next states.
//!
//! Promises drafts, answers and lease changes that depend on nothing but the loaded states, the
//! definitions and the clock; nothing is written and nobody is answered here. What a decision needs
//! beyond the loaded states is named, for the loop to load. A panic ends one decision, not the batch.
mod aside;
mod assign;
mod batch;
mod command;
mod message;
mod resume;
mod slots;
mod start;

use super::attempt::{Attempt, Learned, Refused};
use super::dispatch::Dispatcher;
use super::draft::{Drafts, before_states, unprepare};
use super::job::{Job, Reply, Waiting, What};
use super::load::Loaded;
use super::state::{Cached, States};
use super::suspended::Suspended;
use crate::clock::Clock;
use crate::definitions::Definitions;
use crate::error::{OrchestratorError, no_workflow};
use aside::Aside;
use batch::{DraftBatch, JobDecider, JobOutcome, Known, answered};
use baton_common::planted::{Planted, is};
use baton_common::{ExecutionId, Timestamp};
use baton_decider::command::Message;
use baton_decider::decide::agenda::SliceLimits;
use baton_store::{Conflict, LimitMoves, MessageId, ReadyKey, Revision};
use baton_telemetry::EngineMetrics;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::time::Instant;

/// Most executions that start in the batch in which they are asked for. Without a bound, a definition
/// that starts itself would never let a batch end.
const BATCH_STARTS_MAX: usize = 256;
/// Most of them that stand at the end of a chain of starts, because a chain may have no end.
const BATCH_CHAINED_STARTS_MAX: usize = 16;
/// A chain is longer than this: a parent, its child and its grandchild are everyday.
const CHAIN_LEAST: u32 = 2;
/// Bytes of payloads after which a batch takes no further job: the others are for the next one.
const BATCH_BYTES_MAX: usize = 32 * 1024 * 1024;

/// An answer to a job, given once the batch is committed; `None` while the job waits for scripts.
pub(super) type Answer = Option<Result<Reply, OrchestratorError>>;

/// Decides batches.
pub(super) struct Decide {
    decider: JobDecider,
    aside: Aside,
    metrics: EngineMetrics,
}

/// A batch that is being decided.
pub(super) struct Deciding {
    jobs: Vec<Job>,
    /// How many of the jobs were asked for; the others came up with them.
    asked: usize,
    answers: Vec<Answer>,
    delivered: Vec<MessageId>,
    batch: DraftBatch,
    /// Jobs that did not fit into the batch.
    postponed: Vec<Job>,
    /// Executions about which something was decided that changes nothing, on a state that may be out
    /// of date: no fence would notice.
    unconfirmed: Vec<ExecutionId>,
    /// When the batch was taken up, and when its decisions began.
    began: [Instant; 2],
    earlier: usize,
}

/// A decided batch: what is to be committed, and what is to be answered then.
pub(super) struct Decided {
    pub(super) jobs: Vec<Job>,
    /// How many of the jobs were asked for; the others came up with them.
    pub(super) asked: usize,
    /// By job.
    pub(super) answers: Vec<Answer>,
    /// Decisions that wait for scripts.
    pub(super) waiting: Vec<Waiting>,
    pub(super) drafts: Drafts,
    /// The executions of the drafts in the order of their writes.
    pub(super) order: Vec<ExecutionId>,
    /// Loaded states that no decision has touched.
    pub(super) states: States,
    /// Messages that the decisions have received.
    pub(super) delivered: Vec<MessageId>,
    /// Of the definitions that decisions depend on, if they do.
    pub(super) revision: Option<Revision>,
    /// Ready tasks that no poll waits for.
    pub(super) unassigned: Vec<ReadyKey>,
    /// Ready tasks for which there is no slot, each with the limit.
    pub(super) limited: Vec<(ReadyKey, Arc<str>)>,
    /// What the commit must hold to.
    pub(super) limits: LimitMoves,
    /// The executions of those that became ready with this batch, one entry for each task.
    pub(super) queued: Vec<ExecutionId>,
    /// When it was decided.
    pub(super) at: Timestamp,
    /// How much each decision was allowed.
    pub(super) slice: SliceLimits,
    pub(super) learned: Learned,
    /// When the engine took the batch up.
    pub(super) began: Instant,
    /// How many attempts were made before this one.
    pub(super) earlier: usize,
}

/// A batch that must be decided on fresh states before anything of it may be answered.
pub(super) struct Unconfirmed {
    attempt: Attempt,
    drafts: Drafts,
    states: States,
}

impl Unconfirmed {
    /// The next attempt, and the states to put back before it.
    pub(super) fn split(self) -> (Result<Attempt, Refused>, impl Iterator<Item = Cached>) {
        let untouched = self.states.by_id.into_values().flatten();
        let states = before_states(self.drafts).chain(untouched);
        (self.attempt.again(Conflict::default()), states)
    }
}

impl Deciding {
    /// Takes out the jobs that did not fit into the batch.
    pub(super) fn take_postponed(&mut self) -> Vec<Job> {
        std::mem::take(&mut self.postponed)
    }

    /// The executions whose state is known to be out of date in memory.
    pub(super) fn learned(&self) -> &Learned {
        &self.batch.learned
    }

    /// Refuses all jobs: the database failed.
    pub(super) fn refuse(self, error: OrchestratorError) -> Refused {
        Refused { jobs: self.jobs, error }
    }
}

impl Decide {
    pub(super) fn new(
        clock: Arc<Clock>,
        definitions: Arc<Definitions>,
        metrics: EngineMetrics,
    ) -> Self {
        let decider = JobDecider { clock, definitions };
        Self { decider, aside: Aside::default(), metrics }
    }

    /// Begins a batch on its loaded states.
    pub(super) fn begin(&mut self, loaded: Loaded) -> Deciding {
        let Loaded { attempt, states } = loaded;
        let Attempt { jobs, slice, learned, began, earlier } = attempt;
        self.set_aside(&states);
        Deciding {
            asked: jobs.len(),
            answers: Vec::with_capacity(jobs.len()),
            jobs,
            delivered: Vec::new(),
            batch: DraftBatch::new(states, learned, self.decider.definitions.surroundings(), slice),
            postponed: Vec::new(),
            unconfirmed: Vec::new(),
            began: [began, Instant::now()],
            earlier,
        }
    }

    /// Adds states that came up while the batch was decided.
    pub(super) fn add(&mut self, deciding: &mut Deciding, states: States) {
        self.set_aside(&states);
        deciding.batch.states.by_id.extend(states.by_id);
        deciding.batch.states.fresh.extend(states.fresh);
    }

    fn set_aside(&mut self, states: &States) {
        for (id, reason) in &states.unreadable {
            self.aside.put(*id, reason);
        }
    }

    /// Decides until all is decided, or until states are missing: returns their executions, to be
    /// called again when they are added.
    pub(super) fn decide(&mut self, deciding: &mut Deciding) -> Option<Vec<ExecutionId>> {
        while deciding.answers.len() < deciding.jobs.len() {
            let index = deciding.answers.len();
            if deciding.batch.bytes >= BATCH_BYTES_MAX && index < deciding.asked {
                deciding.postponed.extend(deciding.jobs.drain(index..deciding.asked));
                deciding.asked = index;
                continue;
            }
            if !deciding.batch.is_loaded(deciding.jobs[index].target) {
                let targets = deciding.jobs[index..].iter().map(|job| job.target);
                return Some(targets.filter(|id| !deciding.batch.is_loaded(*id)).collect());
            }
            self.decide_next(deciding, index);
        }
        self.metrics.decide_duration.observe(deciding.began[1].elapsed());
        None
    }

    fn decide_next(&mut self, deciding: &mut Deciding, index: usize) {
        let Deciding { jobs, batch, .. } = deciding;
        let answer = match self.decide_guarded(batch, &mut jobs[index], index) {
            JobOutcome::Answered(answer) => Some(answer),
            JobOutcome::Suspended => None,
            JobOutcome::Created => {
                jobs.push(Job::begin(jobs[index].target));
                Some(Ok(Reply { id: jobs[index].target, task: None }))
            }
            JobOutcome::Passed { from, to, command } => {
                jobs.push(Job::new(to, What::Command(command), None));
                Some(Err(no_workflow(from)))
            }
        };
        let job = &jobs[index];
        batch.count_bytes(job.target);
        if is_unconfirmed(batch, job, answer.as_ref()) {
            deciding.unconfirmed.push(job.target);
        }
        if answer.as_ref().is_some_and(is_understood) {
            deciding.delivered.extend(job.message);
        }
        take_starts(batch, jobs, index);
        deciding.answers.push(answer);
    }

    /// Decides one job. A panic ends this decision and sets its execution aside; the batch continues.
    fn decide_guarded(
        &mut self,
        batch: &mut DraftBatch,
        job: &mut Job,
        index: usize,
    ) -> JobOutcome {
        let target = job.target;
        if let Some(reason) = self.aside.reason(target) {
            return set_aside(target, &reason);
        }
        match catch_unwind(AssertUnwindSafe(|| self.decider.decide_job(batch, job, index))) {
            Ok(outcome) => outcome,
            Err(panic) => {
                let reason = format!("a decision panicked: {}", panic_message(&*panic));
                tracing::error!(workflow.id = %target, reason, "an execution is set aside");
                self.aside.put(target, &reason);
                if let Some(draft) = batch.drafts.get_mut(&target) {
                    unprepare(draft);
                }
                set_aside(target, &reason)
            }
        }
    }

    /// Gives ready tasks to waiting polls and hands over the decided batch.
    ///
    /// # Errors
    /// [`Unconfirmed`] when something was decided on a state that may be out of date and that no fence
    /// of the commit covers.
    pub(super) fn finish(
        &self,
        deciding: Deciding,
        dispatcher: &mut Dispatcher,
        suspended: &Suspended,
    ) -> Result<Decided, Box<Unconfirmed>> {
        let Deciding { mut jobs, asked, answers, delivered, mut batch, .. } = deciding;
        let ([began, _], earlier) = (deciding.began, deciding.earlier);
        if !deciding.unconfirmed.is_empty() && !is(Planted::TrustAnOldState) {
            jobs.truncate(asked);
            let DraftBatch { mut learned, drafts, states, slice, .. } = batch;
            learned.stale.extend(deciding.unconfirmed);
            let attempt = Attempt { jobs, slice, learned, began, earlier };
            return Err(Box::new(Unconfirmed { attempt, drafts, states }));
        }
        let at = self.decider.clock.now();
        let assigned = assign::to_polls(&mut batch, dispatcher, suspended, at);
        batch.mark_outdated();
        let revision = batch.read_definitions.then_some(batch.snapshot.catalog.revision);
        let DraftBatch { states, drafts, waiting, learned, slice, .. } = batch;
        let assign::Assigned { order, unassigned, limited, queued, limits } = assigned;
        Ok(Decided {
            jobs,
            asked,
            answers,
            waiting,
            drafts,
            order,
            states,
            delivered,
            revision,
            unassigned,
            limited,
            limits,
            queued,
            at,
            slice,
            learned,
            began,
            earlier,
        })
    }

    /// A second has passed: lets executions be tried again whose time is over.
    pub(super) fn tick(&mut self) {
        self.aside.forget_old();
        let count = i64::try_from(self.aside.len()).unwrap_or(i64::MAX);
        self.metrics.executions_set_aside.set(count);
    }
}

impl JobDecider {
    /// Decides one job; `index` is its number in the batch.
    fn decide_job(&self, batch: &mut DraftBatch, job: &mut Job, index: usize) -> JobOutcome {
        let target = job.target;
        match &mut job.what {
            What::Start(request) => {
                let request = request.clone();
                self.start(batch, target, &request, Known::nothing(index))
            }
            What::Command(command) => {
                let command = command.clone();
                self.obey(batch, target, command, Known::nothing(index))
            }
            What::RestartOnLatest => self.restart_on_latest(batch, target, Known::nothing(index)),
            What::Lease(key) => {
                let key = key.clone();
                answered(target, command::lease_ready(batch, &key))
            }
            What::Child { from, body } => {
                let (from, body) = (*from, body.clone());
                self.start_child(batch, target, from, body)
            }
            What::Message(message) => {
                let message = message.clone();
                self.read_message(batch, &message, index)
            }
            What::Resume(resumption) => self.resume(batch, target, resumption, index),
        }
    }
}

/// The first starts that a decision asks for are decided in the same batch, so that their ids can be
/// read at once. Beyond a bound they stay messages, which later batches decide. A child is in the shard
/// of its parent.
fn take_starts(batch: &mut DraftBatch, jobs: &mut Vec<Job>, index: usize) {
    let from = jobs[index].target;
    let Some(draft) = batch.drafts.get_mut(&from) else { return };
    let mut starts: Vec<Message> = Vec::new();
    draft.messages.retain(|message| {
        let Some(start) = message.body.start() else { return true };
        let is_chained = start.lineage.generation > CHAIN_LEAST;
        let is_now = batch.starts < BATCH_STARTS_MAX
            && (!is_chained || batch.chained_starts < BATCH_CHAINED_STARTS_MAX);
        if is_now {
            batch.starts += 1;
            batch.chained_starts += usize::from(is_chained);
            starts.push(message.clone());
        }
        !is_now
    });
    for Message { to, body, .. } in starts {
        if !batch.learned.stale.contains(&to) {
            batch.states.by_id.entry(to).or_insert(None);
        }
        jobs.push(Job::child(to, from, body));
    }
}

/// Whether a job with this answer is done, so that its message can be deleted. A message that cannot be
/// read, or that must wait for an earlier one, stays.
fn is_understood(answer: &Result<Reply, OrchestratorError>) -> bool {
    match answer {
        Ok(_) => true,
        Err(error) => match error {
            OrchestratorError::NotFound(_)
            | OrchestratorError::Conflict(_)
            | OrchestratorError::Invalid(_)
            | OrchestratorError::Faulty(_)
            | OrchestratorError::IllegalState(_)
            | OrchestratorError::TooLarge(_) => true,
            OrchestratorError::Overloaded(_)
            | OrchestratorError::Unavailable(_)
            | OrchestratorError::TimedOut(_)
            | OrchestratorError::Corrupt(_) => false,
        },
    }
}

/// Whether a job changed nothing on a state that may be out of date.
fn is_unconfirmed(
    batch: &DraftBatch,
    job: &Job,
    answer: Option<&Result<Reply, OrchestratorError>>,
) -> bool {
    let is_claim = matches!(job.what, What::Lease(_)) && matches!(answer, Some(Ok(_)));
    let is_unchanged = batch.drafts.get(&job.target).is_some_and(|draft| {
        draft.before.is_some() && draft.changes.is_empty() && draft.messages.is_empty()
    });
    answer.is_some() && !is_claim && is_unchanged && !batch.states.fresh.contains(&job.target)
}

fn set_aside(id: ExecutionId, reason: &str) -> JobOutcome {
    let message = format!("workflow {id} is set aside: {reason}");
    JobOutcome::Answered(Err(OrchestratorError::Corrupt(message)))
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
