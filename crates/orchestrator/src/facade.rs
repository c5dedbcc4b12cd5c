//! What the gateway may ask of the engine.
use crate::error::OrchestratorError;
use baton_common::api::{
    BulkResponse, PollData, RerunWorkflowRequest, SearchResult, SignalResponse,
    StartWorkflowRequest, Task, TaskExecLog, TaskResult, Workflow, WorkflowDefSummary,
    WorkflowStatusView, WorkflowSummary,
};
use baton_common::{Payload, TaskDef, TaskStatus, WorkflowDef, WorkflowStatus};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

type Answer<T> = Result<T, OrchestratorError>;

/// The engine of one process: decides, commits and dispatches. Cheap to clone.
#[derive(Clone)]
pub struct Orchestrator {
    pub(crate) inner: Arc<()>,
}

/// A worker asks for tasks.
#[derive(Clone, Debug)]
pub struct PollRequest {
    /// The task type.
    pub task_type: String,
    /// The domain, if any.
    pub domain: Option<String>,
    /// Who asks.
    pub worker: Option<String>,
    /// At most this many.
    pub count: usize,
    /// How long to wait for the first.
    pub timeout: Duration,
}

/// Tasks leased to a poller. Unless [`Self::delivered`] is called, dropping this hands every one
/// of them back to its queue at once.
pub struct PolledTasks {
    /// The tasks, ready to be sent.
    pub tasks: Vec<Task>,
}

impl PolledTasks {
    /// The answer has been written: the worker has them.
    pub fn delivered(self) {
        unimplemented!()
    }
}

/// A search as the gateway has read it from the query string.
#[derive(Clone, Debug, Default)]
pub struct SearchRequest {
    /// Offset of the first result.
    pub start: usize,
    /// Most results.
    pub size: usize,
    /// `field:ASC|field:DESC`.
    pub sort: Option<String>,
    /// `*` or words.
    pub free_text: Option<String>,
    /// Conditions joined by AND: `status IN (A,B) AND workflowType = 'x' AND startTime > 1`.
    pub query: Option<String>,
    /// Only executions that no other started.
    pub top_level_only: bool,
}

/// Which of a workflow's state a signal or update asks back.
#[derive(Clone, Debug)]
pub struct ExecuteRequest {
    /// The start itself.
    pub start: StartWorkflowRequest,
    /// Echoed.
    pub request_id: String,
    /// Answer also when one of these steps has ended.
    pub wait_until_task_refs: Vec<String>,
    /// Longest wait.
    pub wait_for: Duration,
    /// TARGET_WORKFLOW, BLOCKING_WORKFLOW, BLOCKING_TASK or BLOCKING_TASK_INPUT.
    pub return_strategy: String,
}

#[expect(clippy::missing_errors_doc, reason = "written with the bodies")]
#[expect(clippy::unused_async, reason = "written with the bodies")]
impl Orchestrator {
    // --- definitions -------------------------------------------------------------------------
    /// Creates a workflow definition; Conflict when the version exists and not `overwrite`; Faulty.
    pub async fn register_workflow(&self, definition: WorkflowDef, overwrite: bool) -> Answer<()> {
        let _ = (definition, overwrite);
        unimplemented!()
    }
    /// Creates or replaces workflow definitions, all or none; the names are the successes.
    pub async fn update_workflows(&self, definitions: Vec<WorkflowDef>) -> Answer<BulkResponse> {
        let _ = definitions;
        unimplemented!()
    }
    /// Checks a definition without storing it.
    pub async fn validate_workflow(&self, definition: WorkflowDef) -> Answer<()> {
        let _ = definition;
        unimplemented!()
    }
    /// One version of a definition, the highest for `None`.
    pub async fn workflow_definition(&self, name: &str, version: Option<i32>) -> Answer<Payload> {
        let _ = (name, version);
        unimplemented!()
    }
    /// Every version of every definition, by name and version.
    pub async fn workflow_definitions(&self) -> Answer<Vec<Payload>> {
        unimplemented!()
    }
    /// The highest version of every definition.
    pub async fn latest_workflow_definitions(&self) -> Answer<Vec<Payload>> {
        unimplemented!()
    }
    /// Names with their versions, ascending.
    pub async fn workflow_versions(&self) -> Answer<BTreeMap<String, Vec<WorkflowDefSummary>>> {
        unimplemented!()
    }
    /// Deletes one version; NotFound.
    pub async fn delete_workflow(&self, name: &str, version: i32) -> Answer<()> {
        let _ = (name, version);
        unimplemented!()
    }
    /// Creates or replaces task definitions; Faulty.
    pub async fn register_tasks(&self, definitions: Vec<TaskDef>) -> Answer<()> {
        let _ = definitions;
        unimplemented!()
    }
    /// Replaces one task definition; NotFound, Faulty.
    pub async fn update_task_definition(&self, definition: TaskDef) -> Answer<()> {
        let _ = definition;
        unimplemented!()
    }
    /// One task definition; NotFound.
    pub async fn task_definition(&self, name: &str) -> Answer<Payload> {
        let _ = name;
        unimplemented!()
    }
    /// Every task definition.
    pub async fn task_definitions(&self) -> Answer<Vec<Payload>> {
        unimplemented!()
    }
    /// Deletes a task definition; NotFound.
    pub async fn delete_task_definition(&self, name: &str) -> Answer<()> {
        let _ = name;
        unimplemented!()
    }

    // --- executions --------------------------------------------------------------------------
    /// Starts an execution and answers its id after the commit.
    pub async fn start_workflow(&self, request: StartWorkflowRequest) -> Answer<String> {
        let _ = request;
        unimplemented!()
    }
    /// Starts an execution and waits for its end, a blocking task or one of the named steps.
    pub async fn execute_workflow(&self, request: ExecuteRequest) -> Answer<SignalResponse> {
        let _ = request;
        unimplemented!()
    }
    /// The execution, with all its tasks or none.
    pub async fn workflow(&self, id: &str, include_tasks: bool) -> Answer<Workflow> {
        let _ = (id, include_tasks);
        unimplemented!()
    }
    /// The execution's status.
    pub async fn workflow_status(
        &self,
        id: &str,
        include_output: bool,
        include_variables: bool,
    ) -> Answer<WorkflowStatusView> {
        let _ = (id, include_output, include_variables);
        unimplemented!()
    }
    /// A page of the execution's tasks in order, of these statuses (any for none).
    pub async fn workflow_tasks(
        &self,
        id: &str,
        start: usize,
        count: usize,
        statuses: &[TaskStatus],
    ) -> Answer<SearchResult<Task>> {
        let _ = (id, start, count, statuses);
        unimplemented!()
    }
    /// Ids of open executions of a workflow, or of all that started in a period (epoch ms).
    pub async fn running_workflows(
        &self,
        name: &str,
        version: i32,
        period: Option<(i64, i64)>,
    ) -> Answer<Vec<String>> {
        let _ = (name, version, period);
        unimplemented!()
    }
    /// Executions of a workflow with this correlation id; open ones only unless `include_closed`.
    pub async fn correlated_workflows(
        &self,
        name: &str,
        correlation_id: &str,
        include_closed: bool,
        include_tasks: bool,
    ) -> Answer<Vec<Workflow>> {
        let _ = (name, correlation_id, include_closed, include_tasks);
        unimplemented!()
    }
    /// A page of summaries.
    pub async fn search_workflows(&self, request: SearchRequest) -> Answer<SearchResult<WorkflowSummary>> {
        let _ = request;
        unimplemented!()
    }
    /// Looks at an execution now.
    pub async fn decide(&self, id: &str) -> Answer<()> {
        let _ = id;
        unimplemented!()
    }
    /// Holds an execution.
    pub async fn pause(&self, id: &str) -> Answer<()> {
        let _ = id;
        unimplemented!()
    }
    /// Lets a held execution go on.
    pub async fn resume(&self, id: &str) -> Answer<()> {
        let _ = id;
        unimplemented!()
    }
    /// Ends an execution and its children.
    pub async fn terminate(&self, id: &str, reason: Option<String>) -> Answer<()> {
        let _ = (id, reason);
        unimplemented!()
    }
    /// Deletes an execution; `archive` demands that it has ended (Invalid otherwise).
    pub async fn remove(&self, id: &str, archive: bool) -> Answer<()> {
        let _ = (id, archive);
        unimplemented!()
    }
    /// Begins an ended execution anew under its id.
    pub async fn restart(&self, id: &str, use_latest_definitions: bool) -> Answer<()> {
        let _ = (id, use_latest_definitions);
        unimplemented!()
    }
    /// Tries the failed steps of an ended execution again.
    pub async fn retry(&self, id: &str, resume_sub_workflow_tasks: bool) -> Answer<()> {
        let _ = (id, resume_sub_workflow_tasks);
        unimplemented!()
    }
    /// Runs an ended execution again from a task, or whole.
    pub async fn rerun(&self, id: &str, request: RerunWorkflowRequest) -> Answer<String> {
        let _ = (id, request);
        unimplemented!()
    }
    /// Passes over a step that has not begun.
    pub async fn skip_task(&self, id: &str, reference: &str) -> Answer<()> {
        let _ = (id, reference);
        unimplemented!()
    }
    /// Makes delayed tasks pollable now.
    pub async fn reset_callbacks(&self, id: &str) -> Answer<()> {
        let _ = id;
        unimplemented!()
    }

    // --- tasks -------------------------------------------------------------------------------
    /// Leases ready tasks to a worker; waits until there is one or the time is over.
    pub async fn poll(&self, request: PollRequest) -> Answer<PolledTasks> {
        let _ = request;
        unimplemented!()
    }
    /// Applies a worker's result; answers the task's id. Late results change nothing.
    pub async fn update_task(&self, result: TaskResult) -> Answer<String> {
        let _ = result;
        unimplemented!()
    }
    /// Applies a result; when the task has ended, polls the same queue once for the same worker.
    pub async fn update_task_and_poll(&self, result: TaskResult) -> Answer<PolledTasks> {
        let _ = result;
        unimplemented!()
    }
    /// Completes (or fails …) the open task of a step, its output merged; `None` when there is none.
    pub async fn update_task_by_reference(
        &self,
        id: &str,
        reference: &str,
        status: TaskStatus,
        output: Payload,
        worker: Option<String>,
    ) -> Answer<Option<String>> {
        let _ = (id, reference, status, output, worker);
        unimplemented!()
    }
    /// Gives a result to the first open WAIT of the execution or its open children; answers whether
    /// there was one.
    pub async fn signal(&self, id: &str, status: TaskStatus, output: Payload) -> Answer<bool> {
        let _ = (id, status, output);
        unimplemented!()
    }
    /// [`Self::signal`], then waits like [`Self::execute_workflow`].
    pub async fn signal_and_wait(
        &self,
        id: &str,
        status: TaskStatus,
        output: Payload,
        return_strategy: &str,
        wait_for: Duration,
    ) -> Answer<SignalResponse> {
        let _ = (id, status, output, return_strategy, wait_for);
        unimplemented!()
    }
    /// One task.
    pub async fn task(&self, id: &str) -> Answer<Task> {
        let _ = id;
        unimplemented!()
    }
    /// Adds a log line to a task.
    pub async fn log_task(&self, id: &str, line: String) -> Answer<()> {
        let _ = (id, line);
        unimplemented!()
    }
    /// A task's log lines, oldest first.
    pub async fn task_logs(&self, id: &str) -> Answer<Vec<TaskExecLog>> {
        let _ = id;
        unimplemented!()
    }
    /// Ready tasks by queue (`type` or `domain:type`).
    pub async fn queue_sizes(&self) -> Answer<BTreeMap<String, u64>> {
        unimplemented!()
    }
    /// Who polled last, by domain; of all types for `None`.
    pub async fn poll_data(&self, task_type: Option<&str>) -> Answer<Vec<PollData>> {
        let _ = task_type;
        unimplemented!()
    }

    // --- the process -------------------------------------------------------------------------
    /// Whether the database answers.
    pub async fn is_healthy(&self) -> bool {
        let _ = (&self.inner, WorkflowStatus::Running);
        unimplemented!()
    }
}
