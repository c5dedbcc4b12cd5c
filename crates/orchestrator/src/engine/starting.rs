//! Births: which definition and input a created has, and who hears when it cannot be.
use super::Engine;
use super::batch::holder_of;
use super::deciding::{Deciding, Draft, JobOutcome, Known, Waiting, absorb, unknown};
use super::jobs::{Definition, Origin, Reply, StartRequest};
use crate::definitions::PinnedDefinition;
use crate::error::OrchestratorError;
use crate::view;
use baton_common::{ExecutionId, Payload, TaskId, strict};
use baton_decider::command::{ChildStart, Command, Message, MessageBody};
use baton_decider::decide::{Outcome, decide_knowing};
use baton_decider::json;
use baton_decider::state::{Execution, Parent, StartFacts};
use std::sync::Arc;

impl Engine {
    pub(super) fn start(
        &self,
        batch: &mut Deciding,
        target: ExecutionId,
        request: &Arc<StartRequest>,
        known: Known,
    ) -> JobOutcome {
        let Known { index, evaluations } = known;
        if batch.drafts.contains_key(&target)
            || batch.states.by_id.get(&target).is_some_and(Option::is_some)
        {
            return JobOutcome::Answered(Ok(Reply { id: target, task: None }));
        }
        let Some(pinned) = self.definition_of(batch, &request.definition) else {
            return Self::refuse_start(target, request);
        };
        let facts = facts_of(target, request, &pinned, self.parts.clock.now());
        let input = Self::input_of(batch, request, &pinned);
        let execution = Arc::new(Execution::new(pinned.plan.clone(), facts, input));
        let draft = Draft::created(execution, Some(pinned), request);
        match decide_knowing(&draft.after, Command::Begin, self.context(batch), evaluations) {
            Ok(Outcome::Decided(decision)) => {
                let mut draft = draft;
                absorb(&mut draft, *decision);
                batch.drafts.insert(target, draft);
                JobOutcome::Answered(Ok(Reply { id: target, task: None }))
            }
            Ok(Outcome::Suspended(decider)) => {
                let origin = Origin::Start(request.clone());
                let (base, changes, pinned) = (0, 0, draft.pinned);
                let job = index;
                let waiting = Waiting { target, decider, base, changes, pinned, origin, job };
                batch.waiting.push(waiting);
                JobOutcome::Suspended
            }
            Err(rejection) => JobOutcome::Answered(Err(rejection.into())),
        }
    }

    fn definition_of(
        &self,
        batch: &mut Deciding,
        wanted: &Definition,
    ) -> Option<Arc<PinnedDefinition>> {
        match wanted {
            Definition::Inline(pinned) => Some(pinned.clone()),
            Definition::Registered(name, version) => {
                batch.read_definitions = true;
                self.parts.definitions.registered(&batch.snapshot, name, *version)
            }
        }
    }

    fn refuse_start(child: ExecutionId, request: &StartRequest) -> JobOutcome {
        let (name, version) = match &request.definition {
            Definition::Registered(name, version) => (name.clone(), *version),
            Definition::Inline(_) => (String::new(), None),
        };
        let shown = version.map_or("null".to_owned(), |version| version.to_string());
        let reason = format!("No such workflow defined. name={name}, version={shown}");
        let waiting = request.parent.map(|parent| parent.task).or(request.starter);
        match (waiting, request.failed) {
            (Some(task), _) => {
                let body = MessageBody::ChildRefused { task, reason };
                Engine::passed(child, task.execution(), body)
            }
            (None, Some(to)) => {
                let body = MessageBody::FailureRefused { name, reason };
                Engine::passed(child, to, body)
            }
            (None, None) => JobOutcome::Answered(Err(OrchestratorError::NotFound(reason))),
        }
    }

    /// The input with the definition's defaults, and for a failure workflow the failed execution.
    fn input_of(batch: &Deciding, request: &StartRequest, pinned: &PinnedDefinition) -> Payload {
        let template = &pinned.plan.definition.input_template;
        let mut members = json::members(&json::put_absent(&request.input, template));
        let mut is_changed = !template.is_empty_object();
        for (key, value) in json::members(template) {
            if members.get(&key).is_some_and(Payload::is_null) {
                members.insert(key, value);
            }
        }
        if let Some(failed) = request.failed {
            let drafted = batch.drafts.get(&failed).map(|draft| &draft.after);
            let stored = batch.states.by_id.get(&failed).and_then(Option::as_ref);
            if let Some(failed) = drafted.or(stored.map(|cached| &cached.execution)) {
                members.insert("failedWorkflow".into(), json::payload(&view::workflow(failed)));
                is_changed = true;
            }
        }
        if is_changed { json::payload(&members) } else { request.input.clone() }
    }

    /// A request that another execution of this batch asks for: both are committed together.
    pub(super) fn start_child(
        &self,
        batch: &mut Deciding,
        target: ExecutionId,
        from: ExecutionId,
        body: MessageBody,
    ) -> JobOutcome {
        let (start, starter) = match body {
            MessageBody::Start(start) => (start, None),
            MessageBody::StartFor { task, start } => (start, Some(task)),
            MessageBody::Started { .. }
            | MessageBody::ChildEnded { .. }
            | MessageBody::ChildRefused { .. }
            | MessageBody::FailureRefused { .. }
            | MessageBody::ChildReopened { .. }
            | MessageBody::ParentEnded { .. }
            | MessageBody::ParentRetried => return Self::answered(target, Ok(())),
        };
        match self.request_of(batch, *start, from, starter) {
            Ok(request) => self.create(batch, target, &request),
            Err(error) => JobOutcome::Answered(Err(error)),
        }
    }

    /// Brings an execution into being without its first decision, which follows as a command: it
    /// must be there even if that has to wait for a script.
    pub(super) fn create(
        &self,
        batch: &mut Deciding,
        target: ExecutionId,
        request: &StartRequest,
    ) -> JobOutcome {
        let is_known = batch.states.by_id.get(&target).is_some_and(Option::is_some);
        if is_known || batch.drafts.contains_key(&target) {
            return Self::answered(target, Ok(()));
        }
        if let Some(holder) = holder_of(&batch.key_holders, target) {
            return key_is_held(target, holder, request);
        }
        let Some(pinned) = self.definition_of(batch, &request.definition) else {
            return Self::refuse_start(target, request);
        };
        let facts = facts_of(target, request, &pinned, self.parts.clock.now());
        let input = Self::input_of(batch, request, &pinned);
        let execution = Arc::new(Execution::new(pinned.plan.clone(), facts, input));
        batch.drafts.insert(target, Draft::created(execution, Some(pinned), request));
        JobOutcome::Created
    }

    pub(super) fn request_of(
        &self,
        batch: &Deciding,
        start: ChildStart,
        from: ExecutionId,
        starter: Option<TaskId>,
    ) -> Result<StartRequest, OrchestratorError> {
        let definition = match &start.definition {
            None => Definition::Registered(start.name, start.version),
            Some(body) => {
                let definition = strict::from_str(body.get())
                    .map_err(|error| OrchestratorError::Invalid(error.to_string()))?;
                Definition::Inline(self.parts.definitions.inline(&batch.snapshot, definition))
            }
        };
        let is_failure_workflow = start.parent.is_none()
            && starter.is_none()
            && json::members(&start.input).contains_key("failedWorkflow");
        Ok(StartRequest {
            definition,
            input: start.input,
            correlation_id: start.correlation_id,
            priority: start.priority,
            task_to_domain: start.task_to_domain,
            parent: start.parent,
            created_by: None,
            idempotency_key: start.idempotency_key,
            trace: start.trace,
            lineage: start.lineage,
            failed: is_failure_workflow.then_some(from),
            starter,
        })
    }
}

/// Another execution has the key that a child was to be born with: START_WORKFLOW is content with
/// that one, who waits for an end cannot be.
fn key_is_held(child: ExecutionId, holder: ExecutionId, request: &StartRequest) -> JobOutcome {
    if let Some(task) = request.starter {
        let body = MessageBody::Started { task, child: holder };
        return Engine::passed(holder, task.execution(), body);
    }
    let Some(Parent { task, .. }) = request.parent else {
        return JobOutcome::Answered(Err(unknown(child)));
    };
    let reason = format!("the idempotency key is used by workflow {holder}");
    let body = MessageBody::ChildRefused { task, reason };
    Engine::passed(child, task.execution(), body)
}

/// MessageBody that goes out with a request.
pub(super) fn start_messages(child: ExecutionId, request: &StartRequest) -> Vec<Message> {
    let message = |task: TaskId| {
        let body = MessageBody::Started { task, child };
        Message { to: task.execution(), number: 1, body }
    };
    request.starter.map(message).into_iter().collect()
}

fn facts_of(
    id: ExecutionId,
    request: &StartRequest,
    pinned: &PinnedDefinition,
    at: baton_common::Timestamp,
) -> StartFacts {
    let definition = &pinned.plan.definition;
    StartFacts {
        id,
        workflow_name: definition.name.as_deref().unwrap_or_default().into(),
        workflow_version: definition.version,
        correlation_id: request.correlation_id.clone(),
        priority: request.priority,
        task_to_domain: request.task_to_domain.clone(),
        parent: request.parent,
        variables: definition.variables.clone(),
        event: None,
        created_by: request.created_by.clone(),
        idempotency_key: request.idempotency_key.clone(),
        trace: request.trace.clone(),
        lineage: request.lineage.clone(),
        at,
    }
}
