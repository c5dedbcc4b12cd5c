//! Decides starts: with which definition and input an execution begins, and who is told when it cannot.
use super::batch::{DraftBatch, JobDecider, JobOutcome, Known, answered, passed};
use crate::definitions::PinnedDefinition;
use crate::engine::draft::{Draft, absorb};
use crate::engine::job::{Definition, Origin, Reply, StartRequest, Waiting};
use crate::error::{OrchestratorError, no_workflow};
use crate::view;
use baton_common::api::IdempotencyStrategy;
use baton_common::{ExecutionId, Payload, TaskId, strict};
use baton_decider::command::{ChildStart, Command, MessageBody};
use baton_decider::decide::{Outcome, decide_knowing};
use baton_decider::json;
use baton_decider::state::{Execution, StartFacts};
use std::sync::Arc;

impl JobDecider {
    pub(super) fn start(
        &self,
        batch: &mut DraftBatch,
        target: ExecutionId,
        request: &Arc<StartRequest>,
        known: Known,
    ) -> JobOutcome {
        let Known { index, evaluations } = known;
        if batch.exists(target) {
            return JobOutcome::Answered(Ok(Reply { id: target, task: None }));
        }
        let Some(draft) = self.created(batch, target, request) else {
            return refuse_start(target, request);
        };
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

    /// The draft of a new execution, before its first decision; `None` without its definition.
    fn created(
        &self,
        batch: &mut DraftBatch,
        target: ExecutionId,
        request: &StartRequest,
    ) -> Option<Draft> {
        let pinned = self.definition_of(batch, &request.definition)?;
        let facts = facts_of(target, request, &pinned, self.clock.now());
        let input = input_of(batch, request, &pinned);
        let execution = Arc::new(Execution::new(pinned.plan.clone(), facts, input));
        Some(Draft::created(execution, Some(pinned), request))
    }

    fn definition_of(
        &self,
        batch: &mut DraftBatch,
        wanted: &Definition,
    ) -> Option<Arc<PinnedDefinition>> {
        match wanted {
            Definition::Inline(pinned) => Some(pinned.clone()),
            Definition::Registered(name, version) => {
                batch.read_definitions = true;
                self.definitions.registered(&batch.snapshot, name, *version)
            }
        }
    }

    /// Creates an execution without its first decision, which follows as a command: the execution must
    /// exist even if that decision has to wait for a script.
    pub(super) fn create(
        &self,
        batch: &mut DraftBatch,
        target: ExecutionId,
        request: &StartRequest,
    ) -> JobOutcome {
        if batch.exists(target) {
            return answered(target, Ok(()));
        }
        if let Some(owner) = batch.learned.key_owner(target) {
            return key_is_taken(target, owner, request);
        }
        let Some(draft) = self.created(batch, target, request) else {
            return refuse_start(target, request);
        };
        batch.drafts.insert(target, draft);
        JobOutcome::Created
    }

    pub(super) fn request_of(
        &self,
        batch: &DraftBatch,
        start: ChildStart,
        from: ExecutionId,
        starter: Option<TaskId>,
    ) -> Result<StartRequest, OrchestratorError> {
        let definition = match &start.definition {
            // Version 0 is the highest, as no version at all.
            None => Definition::Registered(start.name, start.version.filter(|number| *number != 0)),
            Some(body) => {
                let definition = strict::from_str(body.get())
                    .map_err(|error| OrchestratorError::Invalid(error.to_string()))?;
                Definition::Inline(self.definitions.inline(&batch.snapshot, definition))
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
            idempotency_strategy: start
                .idempotency_strategy
                .unwrap_or(IdempotencyStrategy::ReturnExisting),
            trace: start.trace,
            lineage: start.lineage,
            failed: is_failure_workflow.then_some(from),
            starter,
        })
    }
}

/// Refuses a start for lack of a definition: whoever waits for it is told.
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
            passed(child, task.execution(), body)
        }
        (None, Some(to)) => {
            let body = MessageBody::FailureRefused { name, reason };
            passed(child, to, body)
        }
        (None, None) => JobOutcome::Answered(Err(OrchestratorError::NotFound(reason))),
    }
}

/// The input with the definition's defaults, and for a failure workflow the failed execution.
fn input_of(batch: &DraftBatch, request: &StartRequest, pinned: &PinnedDefinition) -> Payload {
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

/// Another execution owns the idempotency key of a start by message. START_WORKFLOW takes that one for
/// the one it asked for, unless its strategy refuses that; a parent that waits for its child's end is
/// refused.
fn key_is_taken(child: ExecutionId, owner: ExecutionId, request: &StartRequest) -> JobOutcome {
    let returns_existing = request.idempotency_strategy == IdempotencyStrategy::ReturnExisting;
    if let Some(task) = request.starter.filter(|_| returns_existing) {
        let body = MessageBody::Started { task, child: owner };
        return passed(owner, task.execution(), body);
    }
    let Some(task) = request.parent.map(|parent| parent.task).or(request.starter) else {
        return JobOutcome::Answered(Err(no_workflow(child)));
    };
    let reason = format!("the idempotency key is used by workflow {owner}");
    let body = MessageBody::ChildRefused { task, reason };
    passed(child, task.execution(), body)
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
