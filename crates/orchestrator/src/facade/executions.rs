//! Starting, reading and steering executions.
use super::{Answer, Orchestrator, execution_id};
use crate::engine::{Definition, EngineRequest, StartRequest, What};
use crate::error::{OrchestratorError, no_workflow};
use crate::journal;
use crate::view;
use baton_common::api::{
    IdempotencyStrategy, RerunWorkflowRequest, SearchResult, StartWorkflowRequest, Task, Workflow,
    WorkflowStatusView,
};
use baton_common::ids::shard_of_key;
use baton_common::limits::{SUB_WORKFLOW_DEPTH_MAX, WORKFLOW_PAYLOAD_BYTES_MAX};
use baton_common::{ExecutionId, TaskId, TaskStatus, WorkflowDef};
use baton_decider::command::{Command, Rerun};
use baton_decider::state::Lineage;
use baton_store::ExecutionRow;
use std::sync::Arc;

/// How often a removal is tried on an execution that others change meanwhile.
const REMOVAL_TRIES_MAX: usize = 16;

/// How often a start is tried whose key's holder ends while it is asked.
const KEY_TRIES_MAX: usize = 8;

impl Orchestrator {
    /// Starts an execution and answers its id after the commit. With an idempotency key, at most one
    /// execution of the workflow has that key.
    ///
    /// # Errors
    /// NotFound (no such definition), Invalid, Faulty (a definition in the request), TooLarge,
    /// Conflict (the key is used and the strategy refuses that), Overloaded, Unavailable.
    pub async fn start_workflow(&self, request: StartWorkflowRequest) -> Answer<String> {
        let mut request = self.request_of(request).await?;
        let id = self.id_of(&request);
        request.trace = self.inner.tracer.trace_of(id, request.trace.take());
        let request = Arc::new(request);
        let _place = self.inner.admission.enter().await?;
        for _ in 0..KEY_TRIES_MAX {
            let reply = self.inner.engine.ask(id, What::Start(request.clone())).await?;
            if reply.id == id || self.is_holder_returned(reply.id, &request).await? {
                return Ok(reply.id.to_string());
            }
        }
        let message = "the executions under the idempotency key change again and again";
        Err(OrchestratorError::Unavailable(message.to_owned()))
    }

    /// A fresh id; in the shard that keeps the request's idempotency key, if it has one.
    fn id_of(&self, request: &StartRequest) -> ExecutionId {
        let id = self.new_id();
        let Some(key) = &request.idempotency_key else { return id };
        let name = match &request.definition {
            Definition::Registered(name, _) => name,
            Definition::Inline(pinned) => {
                pinned.plan.definition.name.as_deref().unwrap_or_default()
            }
        };
        id.in_shard(shard_of_key(name, key))
    }

    /// Whether a start under a used key is answered with the execution that holds it; not where that
    /// one has ended meanwhile and another may take the key.
    async fn is_holder_returned(
        &self,
        holder: ExecutionId,
        request: &StartRequest,
    ) -> Answer<bool> {
        match request.idempotency_strategy {
            IdempotencyStrategy::ReturnExisting => return Ok(true),
            IdempotencyStrategy::FailOnRunning if self.row(holder).await?.status.is_terminal() => {
                return Ok(false);
            }
            IdempotencyStrategy::FailOnRunning | IdempotencyStrategy::Fail => {}
        }
        let message = format!("the idempotency key is used by workflow {holder}");
        Err(OrchestratorError::Conflict(message))
    }

    async fn request_of(&self, request: StartWorkflowRequest) -> Answer<StartRequest> {
        let Some(input) = request.input else {
            let message = "NULL input passed when starting workflow";
            return Err(OrchestratorError::Invalid(message.into()));
        };
        if input.len_bytes() > WORKFLOW_PAYLOAD_BYTES_MAX {
            return Err(OrchestratorError::TooLarge(format!(
                "the input of {} bytes is larger than the limit of {WORKFLOW_PAYLOAD_BYTES_MAX}",
                input.len_bytes()
            )));
        }
        if !(0..=99).contains(&request.priority) {
            let rule = if request.priority < 0 { "minimum 0" } else { "maximum 99" };
            let message = format!("priority: {} should be {rule}", request.priority);
            return Err(OrchestratorError::Invalid(message));
        }
        let name = request.name.unwrap_or_default();
        if name.is_empty() && request.workflow_def.is_none() {
            let message = "Workflow name cannot be null or empty";
            return Err(OrchestratorError::Invalid(message.into()));
        }
        let definition = self.definition_for(name, request.version, request.workflow_def).await?;
        Ok(StartRequest {
            definition,
            input,
            correlation_id: request.correlation_id,
            priority: u8::try_from(request.priority.clamp(0, 99)).unwrap_or(0),
            task_to_domain: request.task_to_domain,
            parent: None,
            created_by: request.created_by,
            idempotency_key: request.idempotency_key,
            idempotency_strategy: request
                .idempotency_strategy
                .unwrap_or(IdempotencyStrategy::ReturnExisting),
            trace: request.trace,
            lineage: Lineage::default(),
            failed: None,
            starter: None,
        })
    }

    /// The definition of a start: the one in the request, else the registered one.
    async fn definition_for(
        &self,
        name: String,
        version: Option<i32>,
        inline: Option<WorkflowDef>,
    ) -> Answer<Definition> {
        if let Some(mut definition) = inline {
            if definition.name.is_none() {
                definition.name = Some(name);
            }
            self.check_workflow(&definition, "startWorkflow.arg0.workflowDef")?;
            let snapshot = self.inner.definitions.surroundings();
            return Ok(Definition::Inline(self.inner.definitions.inline(&snapshot, definition)));
        }
        let is_known = self.inner.definitions.catalog().workflow(&name, version).is_some();
        if !is_known {
            let catalog = self.inner.definitions.refresh().await?;
            if catalog.workflow(&name, version).is_none() {
                let version = version.map_or("null".to_owned(), |version| version.to_string());
                return Err(OrchestratorError::NotFound(format!(
                    "No such workflow defined. name={name}, version={version}"
                )));
            }
        }
        Ok(Definition::Registered(name, version))
    }

    /// The execution, with all its tasks or none; one round trip.
    ///
    /// # Errors
    /// NotFound, Unavailable, Corrupt.
    pub async fn workflow(&self, id: &str, include_tasks: bool) -> Answer<Workflow> {
        let id = execution_id(id)?;
        if include_tasks {
            return Ok(view::workflow(&self.state(id).await?));
        }
        let row = self.row(id).await?;
        self.summary_of(&row).await
    }

    /// An execution without its tasks, from its row.
    pub(crate) async fn summary_of(&self, row: &ExecutionRow) -> Answer<Workflow> {
        let pinned = self.inner.definitions.by_hash(row.index.plan).await?;
        Ok(view::summary_workflow(row, journal::read_overview(row)?, &pinned))
    }

    /// The execution's status.
    ///
    /// # Errors
    /// NotFound, Unavailable.
    pub async fn workflow_status(
        &self,
        id: &str,
        include_output: bool,
        include_variables: bool,
    ) -> Answer<WorkflowStatusView> {
        let row = self.row(execution_id(id)?).await?;
        let overview = journal::read_overview(&row)?;
        Ok(WorkflowStatusView {
            workflow_id: row.id,
            correlation_id: row.index.correlation_id.as_deref().map(Arc::from),
            output: include_output.then_some(overview.output),
            variables: include_variables.then_some(overview.variables),
            status: row.status,
        })
    }

    /// A page of the execution's tasks in order, of these statuses (any for none).
    ///
    /// # Errors
    /// NotFound, Unavailable.
    pub async fn workflow_tasks(
        &self,
        id: &str,
        start: usize,
        count: usize,
        statuses: &[TaskStatus],
    ) -> Answer<SearchResult<Task>> {
        let execution = self.state(execution_id(id)?).await?;
        let wanted = |status: TaskStatus| statuses.is_empty() || statuses.contains(&status);
        let all = execution.tasks.values().filter(|task| wanted(task.status));
        let all: Vec<_> = all.collect();
        let page = all.iter().skip(start).take(count).map(|task| view::task(&execution, task));
        Ok(SearchResult {
            total_hits: i64::try_from(all.len()).unwrap_or(i64::MAX),
            results: page.collect(),
        })
    }

    /// Wakes an execution now.
    ///
    /// # Errors
    /// NotFound, Unavailable.
    pub async fn decide(&self, id: &str) -> Answer<()> {
        self.command(id, Command::WakeUp).await
    }

    /// Pauses an execution: results are kept, nothing new is scheduled.
    ///
    /// # Errors
    /// NotFound, Conflict (it has ended), Unavailable.
    pub async fn pause(&self, id: &str) -> Answer<()> {
        self.command(id, Command::Pause).await
    }

    /// Resumes a paused execution.
    ///
    /// # Errors
    /// NotFound, IllegalState (it is not paused), Unavailable.
    pub async fn resume(&self, id: &str) -> Answer<()> {
        self.command(id, Command::Resume).await
    }

    /// Ends an execution and its children.
    ///
    /// # Errors
    /// NotFound, Conflict (it is completed), Unavailable.
    pub async fn terminate(&self, id: &str, reason: Option<String>) -> Answer<()> {
        self.command(id, Command::Terminate { reason }).await
    }

    /// Deletes an execution; `archive` demands that it has ended. An open one is terminated first, so
    /// that its parent and its children learn of its end; one that cannot be decoded goes as it is.
    ///
    /// # Errors
    /// NotFound, Invalid (not ended), Unavailable.
    pub async fn remove(&self, id: &str, archive: bool) -> Answer<()> {
        let id = execution_id(id)?;
        for _ in 0..REMOVAL_TRIES_MAX {
            let row = self.row(id).await?;
            if archive && !row.status.is_terminal() {
                let message = format!("Cannot archive workflow: {id} with status: {}", row.status);
                return Err(OrchestratorError::Invalid(message));
            }
            let is_over = row.status.is_terminal() || self.end_for_removal(id).await?;
            if is_over && self.inner.store.remove(id, row.version).await? {
                return self.inner.engine.send(EngineRequest::Forget(id)).await;
            }
        }
        let message = format!("workflow {id} is changed again and again; nothing is removed");
        Err(OrchestratorError::Unavailable(message))
    }

    /// Terminates an execution that is to be removed; true where it cannot be decided, so that nothing
    /// more can be done for those around it.
    async fn end_for_removal(&self, id: ExecutionId) -> Answer<bool> {
        let reason = Some(format!("Workflow {id} has been removed"));
        let terminate = What::Command(Command::Terminate { reason });
        match self.inner.engine.ask(id, terminate).await {
            // Looked at again: it has another version now, or has ended by itself.
            Ok(_) | Err(OrchestratorError::Conflict(_)) => Ok(false),
            Err(OrchestratorError::Corrupt(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Restarts an ended execution under its id.
    ///
    /// # Errors
    /// NotFound (also: not restartable), Conflict (not ended), Unavailable.
    pub async fn restart(&self, id: &str, use_latest_definitions: bool) -> Answer<()> {
        if use_latest_definitions {
            self.inner.definitions.refresh().await?;
            self.inner.engine.ask(execution_id(id)?, What::RestartOnLatest).await?;
        } else {
            self.command(id, Command::Restart { workflow_version: None }).await?;
        }
        self.wait_for_parents(execution_id(id)?).await
    }

    /// Tries the failed steps of an ended execution again.
    ///
    /// # Errors
    /// NotFound (also: still running), Conflict (nothing to retry), Unavailable.
    pub async fn retry(&self, id: &str, resume_sub_workflow_tasks: bool) -> Answer<()> {
        let resume_children = resume_sub_workflow_tasks;
        self.command(id, Command::Retry { resume_children }).await?;
        self.wait_for_parents(execution_id(id)?).await
    }

    /// How many parents stand above an execution.
    ///
    /// # Errors
    /// NotFound, Unavailable.
    pub async fn depth(&self, id: &str) -> Answer<u32> {
        let mut depth = 0;
        let mut row = self.row(execution_id(id)?).await?;
        while let Some(parent) = row.index.parent.filter(|_| depth < SUB_WORKFLOW_DEPTH_MAX) {
            depth += 1;
            row = match self.row(parent.execution()).await {
                Err(OrchestratorError::NotFound(_)) => break,
                row => row?,
            };
        }
        Ok(depth)
    }

    /// Runs an ended execution again from a task, or whole.
    ///
    /// # Errors
    /// NotFound, Conflict (not ended), Invalid (no such task), Unavailable.
    pub async fn rerun(&self, id: &str, request: RerunWorkflowRequest) -> Answer<String> {
        let execution = execution_id(id)?;
        let from = match &request.re_run_from_task_id {
            None => None,
            Some(task) => Some(self.rerun_target(execution, task).await?),
        };
        let target = from.map_or(execution, TaskId::execution);
        let rerun = Rerun {
            from: from.map(TaskId::seq),
            workflow_input: request.workflow_input.filter(|_| target == execution),
            task_input: request.task_input,
            correlation_id: request.correlation_id,
        };
        self.inner.engine.ask(target, What::Command(Command::Rerun(rerun))).await?;
        self.wait_for_parents(target).await?;
        Ok(id.to_owned())
    }

    /// The task a rerun begins at: one of the execution's own, or of its children's.
    async fn rerun_target(&self, execution: ExecutionId, task: &str) -> Answer<TaskId> {
        let missing = || OrchestratorError::Invalid(format!("Task {task} not found"));
        let row = self.row(execution).await?;
        let id: TaskId = task.parse().map_err(|_| missing())?;
        if !row.status.is_terminal() || id.execution() == execution {
            return Ok(if id.execution() == execution { id } else { execution.task(id.seq()) });
        }
        let mut above = id.execution();
        while let Ok(row) = self.row(above).await {
            match row.index.parent {
                Some(parent) if parent.execution() == execution => return Ok(id),
                Some(parent) => above = parent.execution(),
                None => break,
            }
        }
        Err(missing())
    }

    /// Skips a step that has not begun.
    ///
    /// # Errors
    /// NotFound, IllegalState (not running, no such step, step has begun), Unavailable.
    pub async fn skip_task(&self, id: &str, reference: &str) -> Answer<()> {
        self.command(id, Command::SkipTask { reference: reference.to_owned() }).await
    }

    /// Makes delayed tasks pollable now.
    ///
    /// # Errors
    /// NotFound, Conflict (it has ended), Unavailable.
    pub async fn reset_callbacks(&self, id: &str) -> Answer<()> {
        self.command(id, Command::ResetCallbacks).await
    }

    async fn command(&self, id: &str, command: Command) -> Answer<()> {
        let parsed = execution_id(id)?;
        match self.inner.engine.ask(parsed, What::Command(command)).await {
            Ok(_) => Ok(()),
            Err(OrchestratorError::NotFound(text)) if text.contains(id) => Err(no_workflow(id)),
            Err(error) => Err(error),
        }
    }
}
