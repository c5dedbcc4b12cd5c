//! Deciding the jobs of a batch, one after another, on drafts of the executions' next states.
use super::jobs::{Job, Origin, Reply, ReplyTo, Resumption, StartRequest, What};
use super::loading::States;
use super::starting::start_messages;
use super::{Cached, Engine, Work};
use crate::definitions::{PinnedDefinition, Snapshot};
use crate::error::OrchestratorError;
use crate::journal;
use baton_common::planted::{Planted, is};
use baton_common::{ExecutionId, Timestamp};
use baton_decider::change::Change;
use baton_decider::command::{Command, Message, MessageBody, Rejection};
use baton_decider::decide::{Context, Decider, Decision, Evaluations, Outcome, decide_knowing};
use baton_decider::state::Execution;
use baton_expression::script::{ScriptError, ShareKey};
use baton_store::{MessageId, ReadyKey, StoredMessage, Version};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// An execution's next state, as far as the batch has come.
pub(super) struct Draft {
    /// Before the batch; `None` for a created.
    pub(super) before: Option<Cached>,
    pub(super) after: Arc<Execution>,
    pub(super) pinned: Option<Arc<PinnedDefinition>>,
    pub(super) changes: Vec<Change>,
    pub(super) messages: Vec<Message>,
    /// Bytes of its payloads that the batch has not counted yet.
    pub(super) uncounted_bytes: usize,
    /// Its input is another than before.
    pub(super) new_input: bool,
    pub(super) idempotency_key: Option<String>,
}

impl Draft {
    /// That of an execution which begins with this batch.
    pub(super) fn created(
        after: Arc<Execution>,
        pinned: Option<Arc<PinnedDefinition>>,
        request: &StartRequest,
    ) -> Self {
        let facts = (*after.facts).clone();
        Self {
            before: None,
            messages: start_messages(after.id(), request),
            after,
            pinned,
            changes: vec![Change::ExecutionStarted(Box::new(facts))],
            uncounted_bytes: 0,
            new_input: true,
            idempotency_key: request.idempotency_key.clone(),
        }
    }

    pub(super) fn version(&self) -> Version {
        self.before.as_ref().map_or(0, |cached| cached.version)
    }

    /// How many more executions are open with it: 1, 0 or -1. Children do not count.
    pub(super) fn opened(&self) -> i64 {
        let is_open = |execution: &Execution| {
            !execution.status.is_terminal() && execution.facts.parent.is_none()
        };
        let was_open = self.before.as_ref().is_some_and(|cached| is_open(&cached.execution));
        i64::from(is_open(&self.after)) - i64::from(was_open)
    }

    /// How long a task that a worker got at `at` had been ready, ms; `None` where the batch itself made
    /// it so.
    pub(super) fn waited_ms(&self, seq: u32, at: Timestamp) -> Option<i64> {
        let ready_at = self.before.as_ref()?.execution.ready_since(seq)?;
        Some(at.millis_since(ready_at))
    }

    /// How long each task that a worker got with it had been ready, ms.
    pub(super) fn waits_ms(&self) -> impl Iterator<Item = i64> {
        self.changes.iter().filter_map(|change| {
            let Change::TaskLeased { seq, at, .. } = change else { return None };
            Some(self.waited_ms(*seq, *at).unwrap_or(0))
        })
    }
}

/// A batch while it is decided.
pub(super) struct Deciding {
    pub(super) states: States,
    pub(super) drafts: BTreeMap<ExecutionId, Draft>,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) read_definitions: bool,
    pub(super) delivered: Vec<MessageId>,
    /// What to answer to each job once the batch is committed; `None` while it waits for scripts.
    pub(super) answers: Vec<Option<Result<Reply, OrchestratorError>>>,
    /// Decisions that wait for scripts.
    pub(super) waiting: Vec<Waiting>,
    /// Ready tasks for waiting polls.
    pub(super) claims: Vec<ReadyKey>,
    /// Executions about which something was decided that changes nothing, on a state that may be out
    /// of date: no fence would notice.
    pub(super) unconfirmed: HashSet<ExecutionId>,
    /// Newborns whose idempotency key another execution holds.
    pub(super) key_holders: HashMap<ExecutionId, ExecutionId>,
    /// How many starts it has key_holders up by itself.
    pub(super) starts: usize,
    /// Of them at the end of a chain.
    pub(super) chained_starts: usize,
    /// Bytes of the payloads in its changes.
    pub(super) bytes: usize,
}

impl Deciding {
    /// Nothing decided yet.
    pub(super) fn new(snapshot: Arc<Snapshot>) -> Self {
        Self {
            states: States::default(),
            drafts: BTreeMap::new(),
            snapshot,
            read_definitions: false,
            delivered: Vec::new(),
            answers: Vec::new(),
            waiting: Vec::new(),
            claims: Vec::new(),
            unconfirmed: HashSet::new(),
            key_holders: HashMap::new(),
            starts: 0,
            chained_starts: 0,
            bytes: 0,
        }
    }

    /// Counts the bytes that a decision has added.
    pub(super) fn count_bytes(&mut self, id: ExecutionId) {
        if let Some(draft) = self.drafts.get_mut(&id) {
            self.bytes += std::mem::take(&mut draft.uncounted_bytes);
        }
    }

    /// Suspended decisions whose draft went on without them have lost their ground.
    pub(super) fn mark_outdated(&mut self) {
        for waiting in &mut self.waiting {
            let draft = self.drafts.get(&waiting.target);
            if draft.map_or(0, |draft| draft.changes.len()) != waiting.changes {
                waiting.base = OUTDATED;
            }
        }
    }
}

/// A decision that waits for scripts.
pub(super) struct Waiting {
    pub(super) target: ExecutionId,
    pub(super) decider: Box<Decider>,
    pub(super) base: Version,
    /// How many changes its draft had then; with more of them at the commit the base is another.
    pub(super) changes: usize,
    pub(super) pinned: Option<Arc<PinnedDefinition>>,
    pub(super) origin: Origin,
    pub(super) job: usize,
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
    /// It is born; its first decision is to follow.
    Created,
    /// Another execution must decide instead: that a request failed, or that its child is not there.
    Passed { from: ExecutionId, to: ExecutionId, command: Command },
}

impl Engine {
    /// Decides one job; `index` is its number in the batch.
    pub(super) fn decide_job(
        &self,
        batch: &mut Deciding,
        job: &mut Job,
        index: usize,
    ) -> JobOutcome {
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
                Self::answered(target, Self::lease_ready(batch, &key))
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

    /// A request that failed is told to whoever asked for it.
    pub(super) fn passed(from: ExecutionId, to: ExecutionId, body: MessageBody) -> JobOutcome {
        JobOutcome::Passed { from, to, command: Command::Receive { from, number: 1, body } }
    }

    pub(super) fn answered(id: ExecutionId, result: Result<(), OrchestratorError>) -> JobOutcome {
        JobOutcome::Answered(result.map(|()| Reply { id, task: None }))
    }

    pub(super) fn context(&self, batch: &Deciding) -> Context {
        let surroundings = batch.snapshot.clone();
        Context { now: self.parts.clock.now(), slice: self.parts.slice, surroundings }
    }

    /// The draft of an execution, begun from its state when there is none yet.
    fn draft(batch: &mut Deciding, id: ExecutionId) -> Option<&mut Draft> {
        if !batch.drafts.contains_key(&id) {
            let cached = batch.states.by_id.get_mut(&id)?.take()?;
            let draft = Draft {
                after: cached.execution.clone(),
                before: Some(cached),
                pinned: None,
                changes: Vec::new(),
                messages: Vec::new(),
                uncounted_bytes: 0,
                new_input: false,
                idempotency_key: None,
            };
            batch.drafts.insert(id, draft);
        }
        batch.drafts.get_mut(&id)
    }

    fn obey(
        &self,
        batch: &mut Deciding,
        target: ExecutionId,
        command: Command,
        known: Known,
    ) -> JobOutcome {
        let Known { index, evaluations } = known;
        let context = self.context(batch);
        let Some(draft) = Self::draft(batch, target) else {
            return nobody_there(target, &command, context.now);
        };
        let origin = Origin::Command(command.clone());
        let seq = task_of(&command);
        prepare(draft, &command);
        match decide_knowing(&draft.after, command, context, evaluations) {
            Ok(Outcome::Decided(decision)) => {
                absorb(draft, *decision);
                let task = seq.and_then(|seq| shown(&draft.after, seq));
                JobOutcome::Answered(Ok(Reply { id: target, task }))
            }
            Ok(Outcome::Suspended(decider)) => {
                let base = draft.version() + i64::from(!draft.changes.is_empty());
                let (changes, pinned) = (draft.changes.len(), draft.pinned.clone());
                unprepare(draft);
                let job = index;
                let waiting = Waiting { target, decider, base, changes, pinned, origin, job };
                batch.waiting.push(waiting);
                JobOutcome::Suspended
            }
            Err(Rejection::Late) => {
                let task = seq.and_then(|seq| shown(&draft.after, seq));
                JobOutcome::Answered(Ok(Reply { id: target, task }))
            }
            Err(rejection) => {
                unprepare(draft);
                JobOutcome::Answered(Err(rejection.into()))
            }
        }
    }

    /// Exchanges the plan of an ended execution for that of the highest version, then restarts it.
    fn restart_on_latest(
        &self,
        batch: &mut Deciding,
        target: ExecutionId,
        known: Known,
    ) -> JobOutcome {
        let index = known.index;
        let snapshot = batch.snapshot.clone();
        let mut workflow_version = None;
        if let Some(draft) = Self::draft(batch, target)
            && draft.after.status.is_terminal()
        {
            let name = draft.after.facts.workflow_name.clone();
            if let Some(pinned) = self.parts.definitions.registered(&snapshot, &name, None) {
                workflow_version = Some(pinned.plan.definition.version);
                Arc::make_mut(&mut draft.after).plan = pinned.plan.clone();
                draft.pinned = Some(pinned);
            }
        }
        batch.read_definitions = true;
        let step = self.obey(batch, target, Command::Restart { workflow_version }, known);
        if let Some(waiting) = batch.waiting.last_mut().filter(|waiting| waiting.job == index) {
            waiting.origin = Origin::RestartOnLatest;
        }
        step
    }

    /// Gives a ready task to one of the waiting polls.
    fn lease_ready(batch: &mut Deciding, key: &ReadyKey) -> Result<(), OrchestratorError> {
        let (id, seq) = (key.task.execution(), key.task.seq());
        let draft = Self::draft(batch, id).ok_or_else(|| unknown(id))?;
        let is_ready = draft.after.ready_since(seq) == Some(key.ready_at);
        if draft.after.status.is_terminal() || !(is_ready || is(Planted::LeaseTwice)) {
            return Err(Rejection::NotReady.into());
        }
        // Which poll gets it is settled with the batch's other ready tasks.
        batch.claims.push(key.clone());
        Ok(())
    }

    /// Goes on with a decision whose scripts are evaluated, unless the execution has moved on.
    fn resume(
        &self,
        batch: &mut Deciding,
        target: ExecutionId,
        resumption: &mut Resumption,
        index: usize,
    ) -> JobOutcome {
        let now_at = if let Some(draft) = batch.drafts.get(&target) {
            if draft.changes.is_empty() { draft.version() } else { MOVED_ON }
        } else {
            let state = batch.states.by_id.get(&target).and_then(Option::as_ref);
            state.map_or(0, |cached| cached.version)
        };
        let origin = resumption.origin.clone();
        let is_based = now_at == resumption.base;
        if let Some(decided) = resumption.decided.as_ref().filter(|_| is_based) {
            return Self::finish_resumed(batch, target, resumption, copy_of(decided));
        }
        let Some(decider) = resumption.decider.take().filter(|_| is_based) else {
            // What is known of its scripts stays known, so that every try comes further.
            let known = Known { index, evaluations: resumption.evaluations.clone() };
            return match origin {
                Origin::Start(request) => self.start(batch, target, &request, known),
                Origin::Command(command) => self.obey(batch, target, command, known),
                Origin::RestartOnLatest => self.restart_on_latest(batch, target, known),
            };
        };
        match decider.resume(resumption.evaluations.clone()) {
            Ok(Outcome::Decided(decision)) => {
                resumption.decided = Some(Box::new(copy_of(&decision)));
                Self::finish_resumed(batch, target, resumption, *decision)
            }
            Ok(Outcome::Suspended(decider)) => {
                let (base, pinned) = (resumption.base, resumption.pinned.clone());
                let (changes, job) = (0, index);
                let waiting = Waiting { target, decider, base, changes, pinned, origin, job };
                batch.waiting.push(waiting);
                JobOutcome::Suspended
            }
            Err(rejection) => JobOutcome::Answered(Err(rejection.into())),
        }
    }

    fn finish_resumed(
        batch: &mut Deciding,
        target: ExecutionId,
        resumption: &Resumption,
        decision: Decision,
    ) -> JobOutcome {
        let seq = match &resumption.origin {
            Origin::Start(request) => {
                let execution = decision.execution.clone();
                let draft = Draft::created(execution, resumption.pinned.clone(), request);
                batch.drafts.insert(target, draft);
                None
            }
            Origin::Command(command) => task_of(command),
            Origin::RestartOnLatest => None,
        };
        let Some(draft) = Self::draft(batch, target) else {
            return JobOutcome::Answered(Err(unknown(target)));
        };
        if let Origin::Command(command) = &resumption.origin {
            prepare(draft, command);
        }
        if resumption.pinned.is_some() {
            draft.pinned.clone_from(&resumption.pinned);
        }
        absorb(draft, decision);
        let task = seq.and_then(|seq| shown(&draft.after, seq));
        JobOutcome::Answered(Ok(Reply { id: target, task }))
    }

    /// Turns a message into a request or a command.
    fn read_message(
        &self,
        batch: &mut Deciding,
        message: &StoredMessage,
        index: usize,
    ) -> JobOutcome {
        let (number, body) = match journal::decode_message(message) {
            Ok(message) => message,
            Err(error) => return JobOutcome::Answered(Err(error.into())),
        };
        let (start, starter) = match body {
            MessageBody::Start(start) => (start, None),
            MessageBody::StartFor { task, start } => (start, Some(task)),
            body @ (MessageBody::Started { .. }
            | MessageBody::ChildEnded { .. }
            | MessageBody::ChildRefused { .. }
            | MessageBody::FailureRefused { .. }
            | MessageBody::ChildReopened { .. }
            | MessageBody::ParentEnded { .. }
            | MessageBody::ParentRetried) => {
                let from = message.id.from;
                let command = Command::Receive { from, number, body };
                return self.obey(batch, message.to, command, Known::nothing(index));
            }
        };
        match self.request_of(batch, *start, message.id.from, starter) {
            Ok(request) => self.create(batch, message.to, &request),
            Err(error) => JobOutcome::Answered(Err(error)),
        }
    }

    /// Lets a decision's scripts be evaluated on other threads; it comes back as a job.
    pub(super) fn evaluate(&self, waiting: Waiting, reply: ReplyTo, message: Option<MessageId>) {
        let Waiting { target, decider, base, pinned, origin, .. } = waiting;
        let (run_script, handle) = (self.parts.run_script.clone(), self.handle.clone());
        let share = ShareKey::of_execution(target.uuid().as_u128());
        let scripts = decider.wanted().to_vec();
        tokio::spawn(async move {
            let mut evaluations = decider.evaluations().clone();
            let runs = scripts
                .into_iter()
                .map(|script| (script.clone(), tokio::spawn(run_script(share, script))));
            for (script, run) in runs.collect::<Vec<_>>() {
                // A decision must never wait for a result that does not come.
                let lost = |error: tokio::task::JoinError| {
                    Err(ScriptError::EngineLost { message: error.to_string() })
                };
                evaluations.insert(script, run.await.unwrap_or_else(lost));
            }
            let decider = Some(decider);
            let resumption =
                Resumption { decider, evaluations, decided: None, base, pinned, origin };
            let what = What::Resume(Box::new(resumption));
            let job = Job { message, ..Job::new(target, what, reply) };
            if let Some(handle) = handle.upgrade() {
                let _ = handle.send(Work::Job(Box::new(job))).await;
            }
        });
    }
}

/// What becomes of a command to an execution that is not there. Somebody may have the key, but is not
/// born yet: its request waits for a script. Or a parent tells its child something before the message
/// has come that starts it; who is told to go on later than that has been removed.
fn nobody_there(target: ExecutionId, command: &Command, now: Timestamp) -> JobOutcome {
    let is_from_parent = matches!(
        command,
        Command::Receive { body: MessageBody::ParentEnded { .. } | MessageBody::ParentRetried, .. }
    );
    let is_young = now.millis_since(target.made_at()) < START_UNDER_WAY_MS;
    if matches!(command, Command::Read) || (is_from_parent && is_young) {
        let unborn = OrchestratorError::Unavailable("its request is under way".into());
        return JobOutcome::Answered(Err(unborn));
    }
    if let Command::Receive { from: parent, body: MessageBody::ParentRetried, .. } = command {
        let command = Command::ChildGone { child: target };
        return JobOutcome::Passed { from: target, to: *parent, command };
    }
    JobOutcome::Answered(Err(unknown(target)))
}

/// How long after it was asked for a child may still be to come, ms. One that is not there later has
/// been removed.
const START_UNDER_WAY_MS: i64 = 600_000;

/// The version of a draft that has changed already: no suspended decision is based on it.
const MOVED_ON: Version = -1;
/// The base of a suspended decision whose draft has changed since: no draft is at it.
const OUTDATED: Version = -2;

fn copy_of(decision: &Decision) -> Decision {
    let Decision { execution, changes, messages } = decision;
    Decision { execution: execution.clone(), changes: changes.clone(), messages: messages.clone() }
}

/// Takes back what was exchanged in a draft for a command that changed nothing (yet).
pub(super) fn unprepare(draft: &mut Draft) {
    let is_prepared = draft.new_input || draft.pinned.is_some();
    if let Some(before) = draft.before.as_ref().filter(|_| draft.changes.is_empty() && is_prepared)
    {
        draft.after = before.execution.clone();
        (draft.pinned, draft.new_input) = (None, false);
    }
}

/// Adds a decision to its draft.
pub(super) fn absorb(draft: &mut Draft, decision: Decision) {
    draft.after = decision.execution;
    draft.uncounted_bytes += decision.changes.iter().map(Change::payload_bytes).sum::<usize>();
    draft.changes.extend(decision.changes);
    draft.messages.extend(decision.messages);
}

/// A rerun may bring a new input, which is not a change of the journal but of the row.
fn prepare(draft: &mut Draft, command: &Command) {
    if let Command::Rerun(rerun) = command
        && let Some(input) = &rerun.workflow_input
        && draft.after.status.is_terminal()
    {
        Arc::make_mut(&mut draft.after).input = input.clone();
        draft.new_input = true;
    }
}

/// The task that a command is about.
fn task_of(command: &Command) -> Option<u32> {
    match command {
        Command::UpdateTask(update) => Some(update.seq),
        Command::RenewLease { seq }
        | Command::LeaseTask { seq, .. }
        | Command::ReturnTask { seq, .. } => Some(*seq),
        Command::Begin
        | Command::WakeUp
        | Command::Read
        | Command::Pause
        | Command::Resume
        | Command::Terminate { .. }
        | Command::Restart { .. }
        | Command::Retry { .. }
        | Command::Rerun(_)
        | Command::SkipTask { .. }
        | Command::ResetCallbacks
        | Command::ChildGone { .. }
        | Command::Receive { .. } => None,
    }
}

/// A task and its queue, for an answer.
fn shown(execution: &Execution, seq: u32) -> Option<(Arc<baton_decider::state::Task>, String)> {
    let task = execution.task(seq)?;
    Some((task.clone(), execution.queue_of(task)))
}

pub(super) fn unknown(id: ExecutionId) -> OrchestratorError {
    OrchestratorError::NotFound(format!("No such workflow found by id: {id}"))
}
