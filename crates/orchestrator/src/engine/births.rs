//! Births: which definition and input a newborn has, and who hears when it cannot be.
use super::Engine;
use super::batch::holder_of;
use super::deciding::{Deciding, Draft, Known, Step, Waiting, absorb, unknown};
use super::jobs::{Birth, Definition, Origin, Reply};
use crate::error::OrchestratorError;
use crate::library::Frozen;
use crate::view;
use baton_common::{ExecutionId, Payload, TaskId, strict};
use baton_decider::command::{ChildStart, Command, Letter, News};
use baton_decider::decide::{Outcome, decide_knowing};
use baton_decider::json;
use baton_decider::state::{Execution, Parent, StartFacts};
use std::sync::Arc;

impl Engine {
    pub(super) fn give_birth(
        &self,
        batch: &mut Deciding,
        target: ExecutionId,
        birth: &Arc<Birth>,
        known: Known,
    ) -> Step {
        let Known { index, evaluations } = known;
        if batch.drafts.contains_key(&target)
            || batch.states.by_id.get(&target).is_some_and(Option::is_some)
        {
            return Step::Answered(Ok(Reply { id: target, task: None }));
        }
        let Some(frozen) = self.definition_of(batch, &birth.definition) else {
            return Self::refuse_birth(target, birth);
        };
        let facts = facts_of(target, birth, &frozen, self.parts.clock.now());
        let input = Self::input_of(batch, birth, &frozen);
        let execution = Arc::new(Execution::new(frozen.plan.clone(), facts, input));
        let draft = Draft::newborn(execution, Some(frozen), birth);
        match decide_knowing(&draft.after, Command::Begin, self.context(batch), evaluations) {
            Ok(Outcome::Decided(decision)) => {
                let mut draft = draft;
                absorb(&mut draft, *decision);
                batch.drafts.insert(target, draft);
                Step::Answered(Ok(Reply { id: target, task: None }))
            }
            Ok(Outcome::Suspended(decider)) => {
                let origin = Origin::Start(birth.clone());
                let (base, changes, frozen) = (0, 0, draft.frozen);
                let job = index;
                let waiting = Waiting { target, decider, base, changes, frozen, origin, job };
                batch.waiting.push(waiting);
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

    fn refuse_birth(child: ExecutionId, birth: &Birth) -> Step {
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
    fn input_of(batch: &Deciding, birth: &Birth, frozen: &Frozen) -> Payload {
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

    /// A birth that another execution of this batch asks for: both are committed together.
    pub(super) fn bear_child(
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
    pub(super) fn bear(&self, batch: &mut Deciding, target: ExecutionId, birth: &Birth) -> Step {
        let is_known = batch.states.by_id.get(&target).is_some_and(Option::is_some);
        if is_known || batch.drafts.contains_key(&target) {
            return Self::answered(target, Ok(()));
        }
        if let Some(holder) = holder_of(&batch.taken, target) {
            return key_taken(target, holder, birth);
        }
        let Some(frozen) = self.definition_of(batch, &birth.definition) else {
            return Self::refuse_birth(target, birth);
        };
        let facts = facts_of(target, birth, &frozen, self.parts.clock.now());
        let input = Self::input_of(batch, birth, &frozen);
        let execution = Arc::new(Execution::new(frozen.plan.clone(), facts, input));
        batch.drafts.insert(target, Draft::newborn(execution, Some(frozen), birth));
        Step::Born
    }

    pub(super) fn birth_of(
        &self,
        batch: &Deciding,
        start: ChildStart,
        from: ExecutionId,
        starter: Option<TaskId>,
    ) -> Result<Birth, OrchestratorError> {
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
        Ok(Birth {
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
fn key_taken(child: ExecutionId, holder: ExecutionId, birth: &Birth) -> Step {
    if let Some(task) = birth.starter {
        let news = News::Started { task, child: holder };
        return Step::Passed { from: holder, to: task.execution(), news };
    }
    let Some(Parent { task, .. }) = birth.parent else {
        return Step::Answered(Err(unknown(child)));
    };
    let reason = format!("the idempotency key is used by workflow {holder}");
    let news = News::ChildRefused { task, reason };
    Step::Passed { from: child, to: task.execution(), news }
}

/// News that goes out with a birth.
pub(super) fn birth_letters(child: ExecutionId, birth: &Birth) -> Vec<Letter> {
    let letter = |task: TaskId| {
        let news = News::Started { task, child };
        Letter { to: task.execution(), number: 1, news }
    };
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
        trace: birth.trace.clone(),
        lineage: birth.lineage.clone(),
        at,
    }
}
