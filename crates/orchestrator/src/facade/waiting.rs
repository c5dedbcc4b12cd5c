//! Starts and signals whose caller waits for something to happen.
use super::tasks::open_wait;
use super::{Answer, ExecuteRequest, Orchestrator, execution_id};
use crate::error::OrchestratorError;
use crate::view;
use baton_common::api::{ReturnStrategy, SignalResponse, Task, Workflow};
use baton_common::limits::SUB_WORKFLOW_DEPTH_MAX;
use baton_common::{ExecutionId, Payload, TaskStatus};
use baton_decider::state::Execution;
use std::sync::Arc;
use std::time::Duration;

/// Longest time between two reads while waiting, ms: changes made by other processes and by children
/// are seen at the next read, those made here at once.
const READ_EVERY_MS: u64 = 100;

/// Longest wait until the parents of a reopened execution have learned of it, ms.
const PARENTS_WAIT_MS: i64 = 5_000;

/// What a waiting caller is shown.
struct Seen {
    target: Execution,
    /// The execution that is blocked, with the task that blocks it.
    blocking: Option<(Execution, u32)>,
    timed_out: bool,
}

impl Orchestrator {
    /// Starts an execution and waits for its end, a blocking task or one of the named steps.
    ///
    /// # Errors
    /// As [`Self::start_workflow`].
    pub async fn execute_workflow(&self, request: ExecuteRequest) -> Answer<SignalResponse> {
        let id = execution_id(&self.start_workflow(request.start).await?)?;
        let refs = &request.wait_until_task_refs;
        let seen = self.wait_for(id, refs, request.wait_for).await?;
        let strategy = strategy(&request.return_strategy)?;
        response(&seen, strategy, Some(request.request_id))
    }

    /// [`Self::signal`], then waits like [`Self::execute_workflow`].
    ///
    /// # Errors
    /// NotFound (no such execution, or it has no open WAIT), Unavailable.
    #[expect(clippy::too_many_arguments, reason = "they are the endpoint's own")]
    pub async fn signal_and_wait(
        &self,
        id: &str,
        status: TaskStatus,
        output: Payload,
        return_strategy: &str,
        wait_for: Duration,
    ) -> Answer<SignalResponse> {
        if !self.signal(id, status, output).await? {
            let message = format!("Found no blocked task in workflow {id} to signal");
            return Err(OrchestratorError::NotFound(message));
        }
        let seen = self.wait_for(execution_id(id)?, &[], wait_for).await?;
        response(&seen, strategy(return_strategy)?, None)
    }

    async fn wait_for(
        &self,
        id: ExecutionId,
        references: &[String],
        wait_for: Duration,
    ) -> Answer<Seen> {
        let watch = self.inner.watchers.watch(id);
        let wait_ms = i64::try_from(wait_for.as_millis()).unwrap_or(i64::MAX);
        let deadline = self.inner.clock.now().plus_millis(wait_ms);
        loop {
            let change = watch.change();
            let target = self.state(id).await?;
            let blocking = self.blocking(&target, references).await?;
            let left = deadline.millis_since(self.inner.clock.now());
            let is_done = target.status.is_terminal() || blocking.is_some();
            if is_done || left <= 0 || self.inner.closing.is_cancelled() {
                return Ok(Seen { target, blocking, timed_out: !is_done });
            }
            let pause = u64::try_from(left).unwrap_or(0).min(READ_EVERY_MS);
            let change = self.inner.closing.run_until_cancelled(change);
            let _ = tokio::time::timeout(Duration::from_millis(pause), change).await;
        }
    }

    /// Waits until the parents of an execution that was reopened have learned of it, at all levels, so
    /// that whoever reads them after the answer sees them running. Gives up after a while: the messages
    /// arrive in any case.
    pub(super) async fn wait_for_parents(&self, id: ExecutionId) -> Answer<()> {
        let deadline = self.inner.clock.now().plus_millis(PARENTS_WAIT_MS);
        let mut child = self.state(id).await?;
        while let Some(parent) = child.facts.parent {
            let above = parent.task.execution();
            let watch = self.inner.watchers.watch(above);
            child = loop {
                let change = watch.change();
                let state = match self.state(above).await {
                    Err(OrchestratorError::NotFound(_)) => return Ok(()),
                    state => state?,
                };
                let is_told = state.task(parent.task.seq()).is_none_or(|task| {
                    task.child != Some(child.id()) || task.received >= child.sent_to_parent
                });
                if is_told {
                    break state;
                }
                let is_late = deadline <= self.inner.clock.now();
                if is_late || self.inner.closing.is_cancelled() {
                    return Ok(());
                }
                let _ = tokio::time::timeout(Duration::from_millis(READ_EVERY_MS), change).await;
            };
        }
        Ok(())
    }

    /// The task at which an execution, or a child of it, stands still, or a named step that has ended.
    async fn blocking(
        &self,
        target: &Execution,
        references: &[String],
    ) -> Answer<Option<(Execution, u32)>> {
        let mut open = vec![(target.clone(), 0)];
        while let Some((execution, depth)) = open.pop() {
            let named = references.iter().find_map(|reference| {
                execution.by_base(reference).filter(|task| task.status.is_terminal())
            });
            let waiting = || {
                open_wait(&execution)
                    .and_then(|task| execution.task(task.seq()))
                    .filter(|task| task.wait_until.is_none())
            };
            if let Some(seq) = named.or_else(waiting).map(|task| task.seq) {
                return Ok(Some((execution, seq)));
            }
            if depth < SUB_WORKFLOW_DEPTH_MAX {
                for child in execution.open_tasks().filter_map(|task| task.child) {
                    if let Ok(child) = self.state(child).await {
                        open.push((child, depth + 1));
                    }
                }
            }
        }
        Ok(None)
    }
}

fn strategy(name: &str) -> Answer<ReturnStrategy> {
    let quoted = Payload::of(name).unwrap_or_else(|_| Payload::null());
    serde_json::from_str(quoted.get())
        .map_err(|_| OrchestratorError::Invalid(format!("returnStrategy: unknown value {name}")))
}

fn response(
    seen: &Seen,
    strategy: ReturnStrategy,
    request_id: Option<String>,
) -> Answer<SignalResponse> {
    let shown = match (strategy, &seen.blocking) {
        (ReturnStrategy::TargetWorkflow, _) | (ReturnStrategy::BlockingWorkflow, None) => {
            of_workflow(&view::workflow(&seen.target))
        }
        (ReturnStrategy::BlockingWorkflow, Some((execution, _))) => {
            of_workflow(&view::workflow(execution))
        }
        (
            ReturnStrategy::BlockingTask | ReturnStrategy::BlockingTaskInput,
            Some((execution, seq)),
        ) => match execution.task(*seq) {
            Some(task) => of_task(&view::task(execution, task)),
            None => of_workflow(&view::workflow(execution)),
        },
        (ReturnStrategy::BlockingTask | ReturnStrategy::BlockingTaskInput, None) => {
            return Err(OrchestratorError::IllegalState("no task blocks the workflow".into()));
        }
    };
    Ok(SignalResponse {
        response_type: strategy,
        target_workflow_id: seen.target.id(),
        target_workflow_status: seen.target.status,
        request_id,
        signal_timeout: seen.timed_out,
        ..shown
    })
}

fn of_workflow(workflow: &Workflow) -> SignalResponse {
    SignalResponse {
        correlation_id: workflow.correlation_id.clone(),
        input: workflow.input.clone(),
        output: workflow.output.clone(),
        status: Some(workflow.status.name().into()),
        priority: workflow.priority,
        variables: Some(workflow.variables.clone()),
        tasks: Some(workflow.tasks.clone()),
        created_by: workflow.created_by.clone(),
        create_time: workflow.create_time,
        update_time: workflow.update_time,
        ..blank(workflow.workflow_id)
    }
}

fn of_task(task: &Task) -> SignalResponse {
    SignalResponse {
        correlation_id: task.correlation_id.clone(),
        input: task.input_data.clone(),
        output: task.output_data.clone(),
        status: Some(task.status.name().into()),
        priority: task.workflow_priority,
        created_by: task.worker_id.clone(),
        create_time: task.start_time,
        update_time: task.update_time,
        task_type: Some(task.task_type.clone()),
        task_id: Some(task.task_id),
        reference_task_name: Some(task.reference_task_name.clone()),
        retry_count: Some(task.retry_count),
        task_def_name: Some(task.task_def_name.clone()),
        retried_task_id: task.retried_task_id,
        workflow_type: task.workflow_type.clone(),
        reason_for_incompletion: task.reason_for_incompletion.clone(),
        ..blank(task.workflow_instance_id)
    }
}

fn blank(workflow_id: ExecutionId) -> SignalResponse {
    SignalResponse {
        response_type: ReturnStrategy::TargetWorkflow,
        target_workflow_id: workflow_id,
        target_workflow_status: baton_common::WorkflowStatus::Running,
        request_id: None,
        workflow_id,
        correlation_id: None,
        input: Payload::empty_object(),
        output: Payload::empty_object(),
        signal_timeout: false,
        status: None,
        priority: 0,
        variables: None,
        tasks: None,
        created_by: None::<Arc<str>>,
        create_time: baton_common::Timestamp::default(),
        update_time: baton_common::Timestamp::default(),
        task_type: None,
        task_id: None,
        reference_task_name: None,
        retry_count: None,
        task_def_name: None,
        retried_task_id: None,
        workflow_type: None,
        reason_for_incompletion: None,
    }
}
