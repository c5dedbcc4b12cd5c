//! Deciding the jobs of a batch, one after another, on drafts of the executions' next states.
use super::jobs::{Birth, Definition, Job, Origin, Reply, ReplyTo, Resumption, What};
use super::loading::States;
use super::{Cached, Engine, Work};
use crate::error::OrchestratorError;
use crate::journal;
use crate::library::{Frozen, Snapshot};
use crate::view;
use baton_common::{ExecutionId, Payload, TaskId};
use baton_decider::change::Change;
use baton_decider::command::{ChildStart, Command, Letter, News, Rejection};
use baton_decider::decide::{Context, Decider, Decision, Evaluations, Outcome, decide};
use baton_decider::json;
use baton_decider::state::{Execution, StartFacts};
use baton_store::{Message, MessageId, ReadyKey, Version};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// An execution's next state, as far as the batch has come.
pub(super) struct Draft {
    /// Before the batch; `None` for a newborn.
    pub(super) before: Option<Cached>,
    pub(super) after: Execution,
    pub(super) frozen: Option<Arc<Frozen>>,
    pub(super) changes: Vec<Change>,
    pub(super) letters: Vec<Letter>,
    /// Its input is another than before.
    pub(super) new_input: bool,
    pub(super) idempotency_key: Option<String>,
}

impl Draft {
    pub(super) fn version(&self) -> Version {
        self.before.as_ref().map_or(0, |cached| cached.version)
    }
}

/// A batch while it is decided.
pub(super) struct Deciding {
    pub(super) states: States,
    pub(super) drafts: HashMap<ExecutionId, Draft>,
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
    pub(super) doubtful: HashSet<ExecutionId>,
}

/// A decision that waits for scripts.
pub(super) struct Waiting {
    pub(super) target: ExecutionId,
    pub(super) decider: Box<Decider>,
    pub(super) base: Version,
    pub(super) origin: Origin,
    pub(super) job: usize,
}

/// What came of deciding one job.
pub(super) enum Step {
    /// It has its answer.
    Answered(Result<Reply, OrchestratorError>),
    /// It waits for scripts.
    Suspended,
    /// It is born; its first decision is to follow.
    Born,
    /// Another execution must decide instead: a birth that failed is news to whoever asked for it.
    Passed { from: ExecutionId, to: ExecutionId, news: News },
}

impl Engine {
    /// Decides one job; `index` is its number in the batch.
    pub(super) fn decide_job(&self, batch: &mut Deciding, job: &mut Job, index: usize) -> Step {
        let target = job.target;
        match &mut job.what {
            What::Start(birth) => {
                let birth = birth.clone();
                self.give_birth(batch, target, &birth, index)
            }
            What::Command(command) => {
                let command = command.clone();
                self.obey(batch, target, command, index)
            }
            What::RestartOnLatest => self.restart_on_latest(batch, target, index),
            What::Lease(key) => {
                let key = key.clone();
                Self::answered(target, self.lease_ready(batch, &key))
            }
            What::Child { from, news } => {
                let (from, news) = (*from, news.clone());
                self.bear_child(batch, target, from, news)
            }
            What::Message(message) => {
                let message = message.clone();
                self.read_message(batch, &message, index)
            }
            What::Resume(resumption) => self.go_on(batch, target, resumption, index),
        }
    }

    fn answered(id: ExecutionId, result: Result<(), OrchestratorError>) -> Step {
        Step::Answered(result.map(|()| Reply { id, task: None }))
    }

    fn context(&self, batch: &Deciding) -> Context {
        Context { now: self.parts.clock.now(), surroundings: batch.snapshot.clone() }
    }

    /// The draft of an execution, begun from its state when there is none yet.
    fn draft<'a>(batch: &'a mut Deciding, id: ExecutionId) -> Option<&'a mut Draft> {
        if !batch.drafts.contains_key(&id) {
            let cached = batch.states.by_id.get_mut(&id)?.take()?;
            let draft = Draft {
                after: cached.execution.clone(),
                before: Some(cached),
                frozen: None,
                changes: Vec::new(),
                letters: Vec::new(),
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
        index: usize,
    ) -> Step {
        let context = self.context(batch);
        let Some(draft) = Self::draft(batch, target) else {
            return Step::Answered(Err(unknown(target)));
        };
        let origin = Origin::Command(command.clone());
        let seq = task_of(&command);
        prepare(draft, &command);
        match decide(&draft.after, command, context) {
            Ok(Outcome::Decided(decision)) => {
                absorb(draft, *decision);
                let task = seq.and_then(|seq| shown(&draft.after, seq));
                Step::Answered(Ok(Reply { id: target, task }))
            }
            Ok(Outcome::Suspended(decider)) => {
                let base = draft.version() + i64::from(!draft.changes.is_empty());
                batch.waiting.push(Waiting { target, decider, base, origin, job: index });
                Step::Suspended
            }
            Err(Rejection::Late) => {
                let task = seq.and_then(|seq| shown(&draft.after, seq));
                Step::Answered(Ok(Reply { id: target, task }))
            }
            Err(rejection) => Step::Answered(Err(rejection.into())),
        }
    }

    /// Exchanges the plan of an ended execution for that of the highest version, then restarts it.
    fn restart_on_latest(&self, batch: &mut Deciding, target: ExecutionId, index: usize) -> Step {
        let snapshot = batch.snapshot.clone();
        let mut workflow_version = None;
        if let Some(draft) = Self::draft(batch, target)
            && draft.after.status.is_terminal()
        {
            let name = draft.after.facts.workflow_name.clone();
            if let Some(frozen) = self.parts.definitions.registered(&snapshot, &name, None) {
                workflow_version = Some(frozen.plan.definition.version);
                draft.after.plan = frozen.plan.clone();
                draft.frozen = Some(frozen);
            }
        }
        batch.read_definitions = true;
        self.obey(batch, target, Command::Restart { workflow_version }, index)
    }

    /// Gives a ready task to one of the waiting polls.
    fn lease_ready(&self, batch: &mut Deciding, key: &ReadyKey) -> Result<(), OrchestratorError> {
        let (id, seq) = (key.task.execution(), key.task.seq());
        let draft = Self::draft(batch, id).ok_or_else(|| unknown(id))?;
        if draft.after.status.is_terminal() || draft.after.ready_since(seq) != Some(key.ready_at) {
            return Err(Rejection::NotReady.into());
        }
        // Which poll gets it is settled with the batch's other ready tasks.
        batch.claims.push(key.clone());
        Ok(())
    }

    fn give_birth(
        &self,
        batch: &mut Deciding,
        target: ExecutionId,
        birth: &Arc<Birth>,
        index: usize,
    ) -> Step {
        if batch.drafts.contains_key(&target)
            || batch.states.by_id.get(&target).is_some_and(Option::is_some)
        {
            return Step::Answered(Ok(Reply { id: target, task: None }));
        }
        let Some(frozen) = self.definition_of(batch, &birth.definition) else {
            return self.refuse_birth(target, birth);
        };
        let facts = facts_of(target, birth, &frozen, self.parts.clock.now());
        let input = self.input_of(batch, birth, &frozen);
        let execution = Execution::new(frozen.plan.clone(), facts.clone(), input);
        let started = Change::ExecutionStarted(Box::new(facts));
        let draft = Draft {
            before: None,
            after: execution,
            frozen: Some(frozen),
            changes: vec![started],
            letters: birth_letters(target, birth),
            new_input: true,
            idempotency_key: birth.idempotency_key.clone(),
        };
        match decide(&draft.after, Command::Begin, self.context(batch)) {
            Ok(Outcome::Decided(decision)) => {
                let mut draft = draft;
                absorb(&mut draft, *decision);
                batch.drafts.insert(target, draft);
                Step::Answered(Ok(Reply { id: target, task: None }))
            }
            Ok(Outcome::Suspended(decider)) => {
                let origin = Origin::Start(birth.clone());
                batch.waiting.push(Waiting { target, decider, base: 0, origin, job: index });
                Step::Suspended
            }
            Err(rejection) => Step::Answered(Err(rejection.into())),
        }
    }

    fn definition_of(&self, batch: &mut Deciding, wanted: &Definition) -> Option<Arc<Frozen>> {
        match wanted {
            Definition::Inline(frozen) => Some(frozen.clone()),
            Definition::Registered(name, version) => {
                batch.read_definitions = true;
                self.parts.definitions.registered(&batch.snapshot, name, *version)
            }
        }
    }

    fn refuse_birth(&self, child: ExecutionId, birth: &Birth) -> Step {
        let (name, version) = match &birth.definition {
            Definition::Registered(name, version) => (name.clone(), *version),
            Definition::Inline(_) => (String::new(), None),
        };
        let shown = version.map_or("null".to_owned(), |version| version.to_string());
        let reason = format!("No such workflow defined. name={name}, version={shown}");
        let waiting = birth.parent.map(|parent| parent.task).or(birth.starter);
        match (waiting, birth.failed) {
            (Some(task), _) => {
                let news = News::ChildRefused { task, reason };
                Step::Passed { from: child, to: task.execution(), news }
            }
            (None, Some(to)) => {
                let news = News::FailureRefused { name, reason };
                Step::Passed { from: child, to, news }
            }
            (None, None) => Step::Answered(Err(OrchestratorError::NotFound(reason))),
        }
    }

    /// The input with the definition's defaults, and for a failure workflow the failed execution.
    fn input_of(&self, batch: &Deciding, birth: &Birth, frozen: &Frozen) -> Payload {
        let template = &frozen.plan.definition.input_template;
        let mut members = json::members(&json::put_absent(&birth.input, template));
        let mut is_changed = !template.is_empty_object();
        for (key, value) in json::members(template) {
            if members.get(&key).is_some_and(Payload::is_null) {
                members.insert(key, value);
            }
        }
        if let Some(failed) = birth.failed {
            let drafted = batch.drafts.get(&failed).map(|draft| &draft.after);
            let stored = batch.states.by_id.get(&failed).and_then(Option::as_ref);
            if let Some(failed) = drafted.or(stored.map(|cached| &cached.execution)) {
                members.insert("failedWorkflow".into(), json::payload(&view::workflow(failed)));
                is_changed = true;
            }
        }
        if is_changed { json::payload(&members) } else { birth.input.clone() }
    }

    /// Goes on with a decision whose scripts are evaluated, unless the execution has moved on.
    fn go_on(
        &self,
        batch: &mut Deciding,
        target: ExecutionId,
        resumption: &mut Resumption,
        index: usize,
    ) -> Step {
        let now_at = match batch.drafts.get(&target) {
            Some(draft) => if draft.changes.is_empty() { draft.version() } else { MOVED_ON },
            None => {
                let state = batch.states.by_id.get(&target).and_then(Option::as_ref);
                state.map_or(0, |cached| cached.version)
            }
        };
        let origin = resumption.origin.clone();
        let decider = resumption.decider.take().filter(|_| now_at == resumption.base);
        let Some(decider) = decider else {
            return match origin {
                Origin::Start(birth) => self.give_birth(batch, target, &birth, index),
                Origin::Command(command) => self.obey(batch, target, command, index),
            };
        };
        let evaluations = std::mem::take(&mut resumption.evaluations);
        match decider.resume(evaluations) {
            Ok(Outcome::Decided(decision)) => self.finish_resumed(batch, target, &origin, *decision),
            Ok(Outcome::Suspended(decider)) => {
                let base = resumption.base;
                batch.waiting.push(Waiting { target, decider, base, origin, job: index });
                Step::Suspended
            }
            Err(rejection) => Step::Answered(Err(rejection.into())),
        }
    }

    fn finish_resumed(
        &self,
        batch: &mut Deciding,
        target: ExecutionId,
        origin: &Origin,
        decision: Decision,
    ) -> Step {
        let seq = match origin {
            Origin::Start(birth) => {
                let Some(frozen) = self.definition_of(batch, &birth.definition) else {
                    return self.refuse_birth(target, birth);
                };
                let facts = (*decision.execution.facts).clone();
                let draft = Draft {
                    before: None,
                    after: decision.execution.clone(),
                    frozen: Some(frozen),
                    changes: vec![Change::ExecutionStarted(Box::new(facts))],
                    letters: birth_letters(target, birth),
                    new_input: true,
                    idempotency_key: birth.idempotency_key.clone(),
                };
                batch.drafts.insert(target, draft);
                None
            }
            Origin::Command(command) => task_of(command),
        };
        let Some(draft) = Self::draft(batch, target) else {
            return Step::Answered(Err(unknown(target)));
        };
        absorb(draft, decision);
        let task = seq.and_then(|seq| shown(&draft.after, seq));
        Step::Answered(Ok(Reply { id: target, task }))
    }

    /// Turns a message into a birth or a command.
    fn read_message(&self, batch: &mut Deciding, message: &Message, index: usize) -> Step {
        let news = match journal::decode_news(&message.body) {
            Ok(news) => news,
            Err(error) => return Step::Answered(Err(error.into())),
        };
        let (start, starter) = match news {
            News::Start(start) => (start, None),
            News::StartFor { task, start } => (start, Some(task)),
            news @ (News::Started { .. }
            | News::ChildEnded { .. }
            | News::ChildRefused { .. }
            | News::FailureRefused { .. }
            | News::ChildReopened { .. }
            | News::ParentEnded { .. }
            | News::ParentRetried) => {
                let (from, version) = (message.id.from, message.id.version);
                let command = Command::Hear { from, version, news };
                return self.obey(batch, message.to, command, index);
            }
        };
        match self.birth_of(batch, *start, message.id.from, starter) {
            Ok(birth) => self.bear(batch, message.to, &birth),
            Err(error) => Step::Answered(Err(error)),
        }
    }

    /// A birth that another execution of this batch asks for: both are committed together.
    fn bear_child(
        &self,
        batch: &mut Deciding,
        target: ExecutionId,
        from: ExecutionId,
        news: News,
    ) -> Step {
        let (start, starter) = match news {
            News::Start(start) => (start, None),
            News::StartFor { task, start } => (start, Some(task)),
            News::Started { .. }
            | News::ChildEnded { .. }
            | News::ChildRefused { .. }
            | News::FailureRefused { .. }
            | News::ChildReopened { .. }
            | News::ParentEnded { .. }
            | News::ParentRetried => return Self::answered(target, Ok(())),
        };
        match self.birth_of(batch, *start, from, starter) {
            Ok(birth) => self.bear(batch, target, &birth),
            Err(error) => Step::Answered(Err(error)),
        }
    }

    /// Brings an execution into being without its first decision, which follows as a command: it
    /// must be there even if that has to wait for a script.
    fn bear(&self, batch: &mut Deciding, target: ExecutionId, birth: &Birth) -> Step {
        let is_known = batch.states.by_id.get(&target).is_some_and(Option::is_some);
        if is_known || batch.drafts.contains_key(&target) {
            return Self::answered(target, Ok(()));
        }
        let Some(frozen) = self.definition_of(batch, &birth.definition) else {
            return self.refuse_birth(target, birth);
        };
        let facts = facts_of(target, birth, &frozen, self.parts.clock.now());
        let input = self.input_of(batch, birth, &frozen);
        let draft = Draft {
            before: None,
            after: Execution::new(frozen.plan.clone(), facts.clone(), input),
            frozen: Some(frozen),
            changes: vec![Change::ExecutionStarted(Box::new(facts))],
            letters: birth_letters(target, birth),
            new_input: true,
            idempotency_key: birth.idempotency_key.clone(),
        };
        batch.drafts.insert(target, draft);
        Step::Born
    }

    fn birth_of(
        &self,
        batch: &Deciding,
        start: ChildStart,
        from: ExecutionId,
        starter: Option<TaskId>,
    ) -> Result<Birth, OrchestratorError> {
        let definition = match &start.definition {
            None => Definition::Registered(start.name, start.version),
            Some(body) => {
                let definition = serde_json::from_str(body.get())
                    .map_err(|error| OrchestratorError::Invalid(error.to_string()))?;
                Definition::Inline(self.parts.definitions.inline(&batch.snapshot, definition))
            }
        };
        let is_failure_workflow = start.parent.is_none()
            && starter.is_none()
            && json::members(&start.input).contains_key("failedWorkflow");
        Ok(Birth {
            definition,
            input: start.input,
            correlation_id: start.correlation_id,
            priority: start.priority,
            task_to_domain: start.task_to_domain,
            parent: start.parent,
            created_by: None,
            idempotency_key: start.idempotency_key,
            failed: is_failure_workflow.then_some(from),
            starter,
        })
    }

    /// Lets a decision's scripts be evaluated on other threads; it comes back as a job.
    pub(super) fn evaluate(&self, waiting: Waiting, reply: ReplyTo, message: Option<MessageId>) {
        let Waiting { target, decider, base, origin, .. } = waiting;
        let (evaluate, handle) = (self.parts.evaluate.clone(), self.handle.clone());
        let scripts = decider.wanted().to_vec();
        tokio::spawn(async move {
            let mut evaluations = Evaluations::new();
            let runs = scripts.into_iter().map(|script| {
                let evaluate = evaluate.clone();
                tokio::task::spawn_blocking(move || {
                    let result = evaluate(&script);
                    (script, result)
                })
            });
            for run in runs.collect::<Vec<_>>() {
                if let Ok((script, result)) = run.await {
                    evaluations.insert(script, result);
                }
            }
            let decider = Some(decider);
            let resumption = Resumption { decider, evaluations, base, origin };
            let what = What::Resume(Box::new(resumption));
            let job = Job { message, ..Job::new(target, what, reply) };
            let _ = handle.send(Work::Job(Box::new(job))).await;
        });
    }
}

/// The version of a draft that has changed already: no suspended decision is based on it.
const MOVED_ON: Version = -1;

/// News that goes out with a birth.
fn birth_letters(child: ExecutionId, birth: &Birth) -> Vec<Letter> {
    let letter = |task: TaskId| Letter { to: task.execution(), news: News::Started { task, child } };
    birth.starter.map(letter).into_iter().collect()
}

fn facts_of(
    id: ExecutionId,
    birth: &Birth,
    frozen: &Frozen,
    at: baton_common::Timestamp,
) -> StartFacts {
    let definition = &frozen.plan.definition;
    StartFacts {
        id,
        workflow_name: definition.name.as_deref().unwrap_or_default().into(),
        workflow_version: definition.version,
        correlation_id: birth.correlation_id.clone(),
        priority: birth.priority,
        task_to_domain: birth.task_to_domain.clone(),
        parent: birth.parent,
        variables: definition.variables.clone(),
        event: None,
        created_by: birth.created_by.clone(),
        idempotency_key: birth.idempotency_key.clone(),
        at,
    }
}

/// Adds a decision to its draft.
fn absorb(draft: &mut Draft, decision: Decision) {
    draft.after = decision.execution;
    draft.changes.extend(decision.changes);
    draft.letters.extend(decision.letters);
}

/// A rerun may bring a new input, which is not a change of the journal but of the row.
fn prepare(draft: &mut Draft, command: &Command) {
    if let Command::Rerun(rerun) = command
        && let Some(input) = &rerun.workflow_input
        && draft.after.status.is_terminal()
    {
        draft.after.input = input.clone();
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
        | Command::Look
        | Command::Pause
        | Command::Resume
        | Command::Terminate { .. }
        | Command::Restart { .. }
        | Command::Retry { .. }
        | Command::Rerun(_)
        | Command::SkipTask { .. }
        | Command::ResetCallbacks
        | Command::Hear { .. } => None,
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
