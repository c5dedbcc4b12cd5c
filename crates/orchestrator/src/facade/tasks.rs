//! What workers and others do with tasks.
use super::{Answer, Orchestrator, PollRequest, PolledTasks, execution_id};
use crate::engine::{Claim, EngineRequest, Offer, Receipt, Reply, WaitingPoll, What};
use crate::error::OrchestratorError;
use crate::view;
use baton_common::api::{PollData, Task, TaskExecLog, TaskResult};
use baton_common::limits::{
    POLL_COUNT_MAX, SUB_WORKFLOW_DEPTH_MAX, TASK_LOGS_PER_UPDATE_MAX, TASK_LOGS_READ_MAX,
};
use baton_common::{ExecutionId, Payload, TaskId, TaskStatus};
use baton_decider::command::{Command, TaskUpdate};
use baton_decider::state::Execution;
use baton_decider::task_type::Waits;
use baton_store::{QueueSize, TaskLog, WaitQuery, queue_of_lane};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long an update waits for its worker's next task, ms. **Source**: Conductor's fixed poll wait.
const NEXT_TASK_WAIT_MS: u64 = 100;

/// How long a poll waits for the commit of a lease that is under way, after its own time is over.
const LEASE_COMMIT_WAIT: Duration = Duration::from_secs(10);

impl Orchestrator {
    /// Leases ready tasks to a worker; waits until there is one or the time is over.
    ///
    /// # Errors
    /// Unavailable.
    pub async fn poll(&self, request: PollRequest) -> Answer<PolledTasks> {
        let PollRequest { task_type, domain, worker, count, timeout } = request;
        let domain = domain.filter(|domain| !domain.is_empty());
        let by = worker.as_deref().unwrap_or_default();
        self.inner.polls.note(&task_type, domain.as_deref(), by);
        let queue = match domain {
            Some(domain) => format!("{domain}:{task_type}"),
            None => task_type,
        };
        self.poll_queue(queue, worker.map(Arc::from), count, timeout).await
    }

    async fn poll_queue(
        &self,
        queue: String,
        worker: Option<Arc<str>>,
        count: usize,
        timeout: Duration,
    ) -> Answer<PolledTasks> {
        let (reply, mut receiver) = oneshot::channel();
        let count = count.clamp(1, POLL_COUNT_MAX);
        let claim = Claim::default();
        let poll = WaitingPoll { queue: queue.clone(), worker, count, claim: claim.clone(), reply };
        self.inner.engine.send(EngineRequest::Poll(poll)).await?;
        let offered = self.inner.closing.run_until_cancelled(&mut receiver);
        let waited = tokio::time::timeout(timeout, offered).await;
        let waited = match waited {
            Ok(Some(offer)) => Ok(Some(offer)),
            // A task is on its way: it must not be handed back because its commit takes long.
            Ok(None) | Err(_) if !claim.give_up() => {
                tokio::time::timeout(LEASE_COMMIT_WAIT, &mut receiver).await.map(Some)
            }
            over => over,
        };
        let offer = if let Ok(Some(offer)) = waited {
            offer.ok()
        } else {
            // Tasks that were sent in this very moment still count.
            receiver.close();
            receiver.try_recv().ok()
        };
        if let Some(offer) = &offer {
            self.inner.handed_out.note(&queue, offer.tasks.len());
        }
        Ok(offer.map_or_else(nothing, |Offer { tasks, receipt }| PolledTasks {
            tasks: tasks.into_iter().map(|handed| handed.task).collect(),
            receipt,
        }))
    }

    /// Gives a leased task back unfinished: it is ready again at once. A later lease is not touched.
    ///
    /// # Errors
    /// NotFound, Conflict (it is no longer leased), Unavailable.
    pub async fn return_task(&self, task: &Task) -> Answer<()> {
        let id = task.task_id;
        let poll_count = u32::try_from(task.poll_count).unwrap_or(0);
        let command = Command::ReturnTask { seq: id.seq(), poll_count, leased_at: None };
        self.inner.engine.ask(id.execution(), What::Command(command)).await.map(|_| ())
    }

    /// Applies a worker's result; answers the task's id. Late results change nothing.
    ///
    /// # Errors
    /// NotFound, Invalid, Unavailable.
    pub async fn update_task(&self, result: TaskResult) -> Answer<String> {
        let (task, _) = self.apply_result(result).await?;
        Ok(task.to_string())
    }

    /// Applies a result; when the task has ended, polls the same queue once for the same worker.
    ///
    /// # Errors
    /// NotFound, Invalid, Unavailable.
    pub async fn update_task_and_poll(&self, result: TaskResult) -> Answer<PolledTasks> {
        let worker = result.worker_id.clone();
        let extends = result.extend_lease;
        let (_, reply) = self.apply_result(result).await?;
        let queue = reply.task.filter(|(task, _)| task.status.is_terminal() && !extends);
        match queue {
            None => Ok(nothing()),
            Some((_, queue)) => {
                let wait = Duration::from_millis(NEXT_TASK_WAIT_MS);
                self.poll_queue(queue, worker.map(Arc::from), 1, wait).await
            }
        }
    }

    async fn apply_result(&self, result: TaskResult) -> Answer<(TaskId, Reply)> {
        let workflow = result.workflow_instance_id.as_deref().unwrap_or_default();
        let execution = execution_id(workflow)?;
        let text = result.task_id.as_deref().unwrap_or_default();
        let task: TaskId = text.parse().map_err(|_| no_task(text))?;
        if task.execution() != execution {
            self.row(execution).await?;
            return Err(no_task(text));
        }
        let seq = task.seq();
        let command = if result.extend_lease {
            Command::RenewLease { seq }
        } else {
            let status = result.status.ok_or_else(|| {
                OrchestratorError::Invalid("status: a task result needs a status".into())
            })?;
            Command::UpdateTask(TaskUpdate {
                seq,
                status: status.task_status(),
                output: result.output_data,
                merge_output: false,
                reason: result.reason_for_incompletion,
                worker: result.worker_id,
                callback_after_seconds: result.callback_after_seconds,
            })
        };
        let reply = self.inner.engine.ask(execution, What::Command(command)).await?;
        self.keep_logs(task, result.logs).await?;
        Ok((task, reply))
    }

    async fn keep_logs(&self, task: TaskId, logs: Vec<TaskExecLog>) -> Answer<()> {
        if logs.is_empty() {
            return Ok(());
        }
        let now = self.inner.clock.now();
        let lines = logs.into_iter().take(TASK_LOGS_PER_UPDATE_MAX).map(|log| TaskLog {
            task,
            at: if log.created_time.millis() > 0 { log.created_time } else { now },
            line: log.log.unwrap_or_default(),
        });
        Ok(self.inner.store.append_task_logs(&lines.collect::<Vec<_>>()).await?)
    }

    /// Completes (or fails …) the open task of a step, its output merged; `None` when there is none.
    ///
    /// # Errors
    /// Unavailable.
    #[expect(clippy::too_many_arguments, reason = "they are the endpoint's own")]
    pub async fn update_task_by_reference(
        &self,
        id: &str,
        reference: &str,
        status: TaskStatus,
        output: Payload,
        worker: Option<String>,
    ) -> Answer<Option<String>> {
        let execution = match execution_id(id) {
            Ok(id) => self.state(id).await,
            Err(error) => Err(error),
        };
        let execution = match execution {
            Ok(execution) => execution,
            Err(OrchestratorError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let open: Vec<_> = execution.open_tasks().collect();
        let exact = open.iter().find(|task| &*task.reference == reference);
        let found = exact.or_else(|| open.iter().find(|task| task.base_reference() == reference));
        let Some(task) = found else { return Ok(None) };
        let id = execution.id().task(task.seq);
        self.merge_result(id, status, output, worker).await?;
        Ok(Some(id.to_string()))
    }

    async fn merge_result(
        &self,
        task: TaskId,
        status: TaskStatus,
        output: Payload,
        worker: Option<String>,
    ) -> Answer<()> {
        let command = Command::UpdateTask(TaskUpdate {
            seq: task.seq(),
            status,
            output,
            merge_output: true,
            reason: None,
            worker,
            callback_after_seconds: 0,
        });
        self.inner.engine.ask(task.execution(), What::Command(command)).await?;
        Ok(())
    }

    /// Gives a result to the first open WAIT of the execution or its open children; answers whether
    /// there was one.
    ///
    /// # Errors
    /// NotFound, Unavailable.
    pub async fn signal(&self, id: &str, status: TaskStatus, output: Payload) -> Answer<bool> {
        let Some(task) = self.blocking_wait(execution_id(id)?).await? else { return Ok(false) };
        self.merge_result(task, status, output, None).await?;
        Ok(true)
    }

    /// The first open WAIT, depth first.
    async fn blocking_wait(&self, id: ExecutionId) -> Answer<Option<TaskId>> {
        let mut open = vec![(id, 0)];
        while let Some((id, depth)) = open.pop() {
            let execution = self.state(id).await?;
            if let Some(task) = open_wait(&execution) {
                return Ok(Some(task));
            }
            if depth < SUB_WORKFLOW_DEPTH_MAX {
                let children: Vec<ExecutionId> =
                    execution.open_tasks().filter_map(|task| task.child).collect();
                open.extend(children.into_iter().rev().map(|child| (child, depth + 1)));
            }
        }
        Ok(None)
    }

    /// One task.
    ///
    /// # Errors
    /// NotFound, Unavailable.
    pub async fn task(&self, id: &str) -> Answer<Task> {
        let missing = || OrchestratorError::NotFound(format!("Task not found for taskId: {id}"));
        let task: TaskId = id.parse().map_err(|_| missing())?;
        let execution = match self.state(task.execution()).await {
            Err(OrchestratorError::NotFound(_)) => return Err(missing()),
            other => other?,
        };
        let found = execution.task(task.seq()).ok_or_else(missing)?;
        Ok(view::task(&execution, found))
    }

    /// Adds a log line to a task, whether or not there is one of that id.
    ///
    /// # Errors
    /// Unavailable.
    pub async fn log_task(&self, id: &str, line: String) -> Answer<()> {
        let Ok(task) = id.parse() else { return Ok(()) };
        let log = TaskLog { task, at: self.inner.clock.now(), line };
        Ok(self.inner.store.append_task_logs(&[log]).await?)
    }

    /// A task's log lines, oldest first.
    ///
    /// # Errors
    /// Unavailable.
    pub async fn task_logs(&self, id: &str) -> Answer<Vec<TaskExecLog>> {
        let Ok(task) = id.parse::<TaskId>() else { return Ok(Vec::new()) };
        let limit = u32::try_from(TASK_LOGS_READ_MAX).unwrap_or(u32::MAX);
        let lines = self.inner.store.task_logs(task, limit).await?;
        let log = |line: TaskLog| TaskExecLog {
            log: Some(line.line),
            task_id: Some(line.task.to_string()),
            created_time: line.at,
        };
        Ok(lines.into_iter().map(log).collect())
    }

    /// Ready tasks by queue (`type` or `domain:type`).
    ///
    /// # Errors
    /// Unavailable.
    pub async fn queue_sizes(&self) -> Answer<BTreeMap<String, u64>> {
        let sizes = whole_queues(self.inner.store.queue_sizes().await?).into_iter();
        Ok(sizes.map(|size| (size.queue, size.ready)).collect())
    }

    /// Who polled last, by domain; of all types for `None`.
    ///
    /// # Errors
    /// Unavailable.
    pub async fn poll_data(&self, task_type: Option<&str>) -> Answer<Vec<PollData>> {
        let polls = self.inner.polls.take_changes();
        if !polls.is_empty() {
            self.inner.store.record_polls(&polls).await?;
        }
        let query = WaitQuery::of_polls(task_type);
        let mut polls = self.inner.store.load_waits(&query).await?.polls;
        // The health check's writes have no task type.
        polls.retain(|poll| !poll.task_type.is_empty());
        polls.sort_by(|one, other| {
            (&one.task_type, &one.domain).cmp(&(&other.task_type, &other.domain))
        });
        let data = |poll: baton_store::PollRecord| PollData {
            queue_name: poll.task_type.into(),
            domain: Some(poll.domain).filter(|domain| !domain.is_empty()).map(Arc::from),
            worker_id: Some(poll.worker).filter(|worker| !worker.is_empty()).map(Arc::from),
            last_poll_time: poll.at,
        };
        Ok(polls.into_iter().map(data).collect())
    }
}

/// The sizes of whole queues, with their lanes.
pub(super) fn whole_queues(sizes: Vec<QueueSize>) -> Vec<QueueSize> {
    let mut whole: BTreeMap<String, QueueSize> = BTreeMap::new();
    for size in sizes {
        let queue = queue_of_lane(&size.queue).to_owned();
        let sum = whole.entry(queue.clone()).or_insert(QueueSize { queue, ready: 0, ..size });
        sum.ready += size.ready;
        sum.oldest = sum.oldest.min(size.oldest);
    }
    whole.into_values().collect()
}

/// The first WAIT that waits for somebody or for a time.
pub(super) fn open_wait(execution: &Execution) -> Option<TaskId> {
    let is_wait = |task: &&Arc<baton_decider::state::Task>| {
        let waits = (execution.node_of(task).facts.waits)(task);
        matches!(waits, Waits::Timer(_) | Waits::Signal)
    };
    execution.open_tasks().find(is_wait).map(|task| execution.id().task(task.seq))
}

fn nothing() -> PolledTasks {
    PolledTasks { tasks: Vec::new(), receipt: Receipt::default() }
}

fn no_task(id: &str) -> OrchestratorError {
    OrchestratorError::NotFound(format!("No such task found by id: {id}"))
}
