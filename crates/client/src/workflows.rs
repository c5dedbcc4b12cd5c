//! Executions: start, read, steer, search.
use crate::target::Target;
use crate::{Client, ClientError};
use baton_common::ExecutionId;
use baton_common::api::{
    RerunWorkflowRequest, SearchResult, SkipTaskRequest, StartWorkflowRequest, Workflow,
    WorkflowExplanation, WorkflowStatusView, WorkflowSummary,
};
use reqwest::Method;

/// Whether an execution is read with its tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tasks {
    /// All of them.
    Included,
    /// None: the answer is small.
    Omitted,
}

/// How much the status view holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The state alone.
    StateOnly,
    /// Output and variables too.
    WithOutput,
}

/// Which definition a restart takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Definitions {
    /// The one the execution was started with.
    Original,
    /// The latest version.
    Latest,
}

/// Where a retry continues when a child failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubWorkflows {
    /// A new child is started.
    StartAnew,
    /// The failed child continues.
    Resume,
}

/// What becomes of a removed execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Archive {
    /// It stays readable; it must have ended.
    Keep,
    /// It is gone, whatever its state.
    Drop,
}

/// What to search for, and which page.
#[derive(Clone, Debug, Default)]
pub struct SearchRequest {
    /// Offset of the first result.
    pub start: usize,
    /// Most results.
    pub size: usize,
    /// `field:ASC|field:DESC`.
    pub sort: Option<String>,
    /// Words to look for.
    pub free_text: Option<String>,
    /// `field = value AND …`.
    pub query: Option<String>,
}

impl SearchRequest {
    pub(crate) fn target(&self, path: Target) -> Target {
        path.query("start", self.start)
            .query("size", self.size)
            .query_if("sort", self.sort.as_ref())
            .query_if("freeText", self.free_text.as_ref())
            .query_if("query", self.query.as_ref())
    }
}

impl Client {
    /// Starts an execution. Give an idempotency key where a doubled start would harm: after
    /// [`ClientError::Unavailable`] with `sent` the execution may exist.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] when no such definition exists; [`ClientError::Invalid`].
    pub async fn start_workflow(
        &self,
        request: &StartWorkflowRequest,
    ) -> Result<ExecutionId, ClientError> {
        let call = self.change(Method::POST, Target::new("/workflow")).json(request)?;
        let answer = call.into_text().await?;
        answer.trim().parse().map_err(|_| ClientError::Unexpected {
            status: 200,
            message: format!("`{answer}` is no id of this engine"),
        })
    }

    /// One execution.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] when there is none.
    pub async fn workflow(&self, id: ExecutionId, tasks: Tasks) -> Result<Workflow, ClientError> {
        let target = workflow(id).query("includeTasks", tasks == Tasks::Included);
        self.read(target).into_json().await
    }

    /// The state of one execution; the cheapest way to wait for its end.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] when there is none.
    pub async fn workflow_status(
        &self,
        id: ExecutionId,
        detail: Detail,
    ) -> Result<WorkflowStatusView, ClientError> {
        let full = detail == Detail::WithOutput;
        let target = workflow(id).literal("/status");
        let target = target.query("includeOutput", full).query("includeVariables", full);
        self.read(target).into_json().await
    }

    /// Why an execution and its tasks are where they are, and what would move them.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] when there is none.
    pub async fn explain_workflow(
        &self,
        id: ExecutionId,
    ) -> Result<WorkflowExplanation, ClientError> {
        self.read(workflow(id).literal("/explain")).into_json().await
    }

    /// Stops scheduling; tasks in progress go on.
    ///
    /// # Errors
    /// [`ClientError::Conflict`] when it has ended.
    pub async fn pause_workflow(&self, id: ExecutionId) -> Result<(), ClientError> {
        self.change(Method::PUT, workflow(id).literal("/pause")).done().await
    }

    /// Goes on after a pause.
    ///
    /// # Errors
    /// [`ClientError::Conflict`] or [`ClientError::Unexpected`] when it is not paused.
    pub async fn resume_workflow(&self, id: ExecutionId) -> Result<(), ClientError> {
        self.change(Method::PUT, workflow(id).literal("/resume")).done().await
    }

    /// Ends an execution as TERMINATED.
    ///
    /// # Errors
    /// [`ClientError::Conflict`] when it has completed.
    pub async fn terminate_workflow(
        &self,
        id: ExecutionId,
        reason: Option<&str>,
    ) -> Result<(), ClientError> {
        self.change(Method::DELETE, workflow(id).query_if("reason", reason)).done().await
    }

    /// Removes an execution.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] when it is to be archived and has not ended.
    pub async fn remove_workflow(
        &self,
        id: ExecutionId,
        archive: Archive,
    ) -> Result<(), ClientError> {
        let target = workflow(id).literal("/remove");
        let target = target.query("archiveWorkflow", archive == Archive::Keep);
        self.change(Method::DELETE, target).done().await
    }

    /// Has the engine decide about an execution now.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] when there is none.
    pub async fn decide_workflow(&self, id: ExecutionId) -> Result<(), ClientError> {
        self.change(Method::PUT, Target::new("/workflow/decide").segment(id)).done().await
    }

    /// Runs an ended execution again from its beginning, under the same id.
    ///
    /// # Errors
    /// [`ClientError::Conflict`] while it is open; [`ClientError::NotFound`].
    pub async fn restart_workflow(
        &self,
        id: ExecutionId,
        definitions: Definitions,
    ) -> Result<(), ClientError> {
        let target = workflow(id).literal("/restart");
        let target = target.query("useLatestDefinitions", definitions == Definitions::Latest);
        self.change(Method::POST, target).done().await
    }

    /// Tries the failed tasks of an ended execution again.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] while it runs (as Conductor words it); [`ClientError::Conflict`]
    /// when nothing can be tried again.
    pub async fn retry_workflow(
        &self,
        id: ExecutionId,
        children: SubWorkflows,
    ) -> Result<(), ClientError> {
        let target = workflow(id).literal("/retry");
        let target = target.query("resumeSubworkflowTasks", children == SubWorkflows::Resume);
        self.change(Method::POST, target).done().await
    }

    /// Runs an ended execution again from one of its tasks.
    ///
    /// # Errors
    /// [`ClientError::Conflict`] while it is open; [`ClientError::Invalid`] for an unknown task.
    pub async fn rerun_workflow(
        &self,
        id: ExecutionId,
        request: &RerunWorkflowRequest,
    ) -> Result<(), ClientError> {
        self.change(Method::POST, workflow(id).literal("/rerun")).json(request)?.done().await
    }

    /// Passes over a step that has not begun.
    ///
    /// # Errors
    /// [`ClientError::Conflict`] or [`ClientError::Unexpected`] when it has begun or is unknown.
    pub async fn skip_task(
        &self,
        id: ExecutionId,
        reference_name: &str,
        request: &SkipTaskRequest,
    ) -> Result<(), ClientError> {
        let target = workflow(id).literal("/skiptask").segment(reference_name);
        self.change(Method::PUT, target).json(request)?.done().await
    }

    /// Searches executions.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] when the query is malformed or the page too large.
    pub async fn search_workflows(
        &self,
        request: &SearchRequest,
    ) -> Result<SearchResult<WorkflowSummary>, ClientError> {
        self.read(request.target(Target::new("/workflow/search"))).into_json().await
    }
}

fn workflow(id: ExecutionId) -> Target {
    Target::new("/workflow").segment(id)
}
