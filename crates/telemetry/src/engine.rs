//! What the engine's loop records.
use crate::catalog::{Catalog, Group};
use crate::histogram::Histogram;
use crate::labels::{ByName, Labeled, OTHER};
use crate::sampled::{LABEL, Sampled};
use baton_common::{TaskStatus, WorkflowStatus};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

/// The ends of an execution, in the order of [`workflow_slot`].
const WORKFLOW_ENDS: [WorkflowStatus; 4] = [
    WorkflowStatus::Completed,
    WorkflowStatus::Failed,
    WorkflowStatus::TimedOut,
    WorkflowStatus::Terminated,
];

/// The ends of a task, in the order of [`task_slot`].
const TASK_ENDS: [TaskStatus; 7] = [
    TaskStatus::Completed,
    TaskStatus::CompletedWithErrors,
    TaskStatus::Failed,
    TaskStatus::FailedWithTerminalError,
    TaskStatus::TimedOut,
    TaskStatus::Canceled,
    TaskStatus::Skipped,
];

const fn workflow_slot(status: WorkflowStatus) -> Option<usize> {
    match status {
        WorkflowStatus::Running | WorkflowStatus::Paused => None,
        WorkflowStatus::Completed => Some(0),
        WorkflowStatus::Failed => Some(1),
        WorkflowStatus::TimedOut => Some(2),
        WorkflowStatus::Terminated => Some(3),
    }
}

const fn task_slot(status: TaskStatus) -> Option<usize> {
    match status {
        TaskStatus::Scheduled | TaskStatus::InProgress => None,
        TaskStatus::Completed => Some(0),
        TaskStatus::CompletedWithErrors => Some(1),
        TaskStatus::Failed => Some(2),
        TaskStatus::FailedWithTerminalError => Some(3),
        TaskStatus::TimedOut => Some(4),
        TaskStatus::Canceled => Some(5),
        TaskStatus::Skipped => Some(6),
    }
}

/// Everything the engine of a process records. A clone is another handle to the same counts.
#[derive(Clone, Debug)]
pub struct EngineMetrics {
    workflows_started: Labeled<Counter, 1>,
    workflows_ended: Labeled<Counter, 2>,
    tasks_scheduled: Labeled<Counter, 1>,
    tasks_ended: Labeled<Counter, 2>,
    schedule_to_start: Labeled<Histogram, 1>,
    scripts: Labeled<Counter, 2>,
    script_duration: Labeled<Histogram, 1>,
    /// From an execution's start to its end.
    pub workflow_duration: Histogram,
    /// From the decision that made a task ready to its leaving for a worker, lease committed.
    pub step_latency: Histogram,
    /// Tasks leased to a waiting poll in the commit that made them ready.
    pub tasks_handed_over: Counter,
    /// Tasks that became ready while no poll waited for them.
    pub tasks_queued: Counter,
    /// Leases that ended because the worker fell silent.
    pub lease_expiries: Counter,
    /// How much later than its time a wake-up was looked at.
    pub timer_lateness: Histogram,
    /// Polls that wait, by queue; looked up once a second.
    pub pollers: Sampled,
    /// Ready tasks by queue, reserved ones included; looked up when somebody asks.
    pub queue_depth: Sampled,
    /// Slots of the limits of task definitions.
    pub limit_slots: Sampled,
    /// Of them those that are held.
    pub limit_in_use: Sampled,
    /// Ready tasks of definitions that have a limit.
    pub limit_waiting: Sampled,
    /// Age of the oldest ready task by queue, seconds; looked up when somebody asks.
    pub queue_oldest_age: Sampled,
    /// Transactions committed.
    pub commits: Counter,
    /// From handing a batch to the lane to its answer.
    pub commit_duration: Histogram,
    /// Executions written in a commit.
    pub commit_batch: Histogram,
    /// Batches decided again because others were faster.
    pub conflicts: Counter,
    /// Deciding all jobs of a batch.
    pub decide_duration: Histogram,
    /// States found in memory.
    pub cache_hits: Counter,
    /// States read from the database.
    pub cache_misses: Counter,
    /// 1 if the database answered when it was last asked, else 0.
    pub database_up: Gauge,
    /// Executions whose last decision left a rest for the next slice.
    pub executions_continuing: Gauge,
    /// Executions that are left alone for a while because they cannot be decided.
    pub executions_set_aside: Gauge,
    /// Starts by message that wait for a batch with room.
    pub starts_waiting: Gauge,
    /// Undelivered messages that this version cannot read, when they were last looked for.
    pub messages_unreadable: Gauge,
    /// Loops beside the engine that failed and were started again.
    pub loop_restarts: Counter,
}

impl Default for EngineMetrics {
    fn default() -> Self {
        Self {
            workflows_started: Labeled::new(["workflow"]),
            workflows_ended: Labeled::new(["workflow", "status"]),
            tasks_scheduled: Labeled::new(["task_type"]),
            tasks_ended: Labeled::new(["task_type", "status"]),
            schedule_to_start: Labeled::new(["task_type"]),
            scripts: Labeled::new(["language", "outcome"]),
            script_duration: Labeled::new(["language"]),
            workflow_duration: Histogram::seconds(),
            step_latency: Histogram::seconds(),
            tasks_handed_over: Counter::default(),
            tasks_queued: Counter::default(),
            lease_expiries: Counter::default(),
            timer_lateness: Histogram::seconds(),
            pollers: Sampled::default(),
            queue_depth: Sampled::default(),
            limit_slots: Sampled::default(),
            limit_in_use: Sampled::default(),
            limit_waiting: Sampled::default(),
            queue_oldest_age: Sampled::default(),
            commits: Counter::default(),
            commit_duration: Histogram::seconds(),
            commit_batch: Histogram::sizes(),
            conflicts: Counter::default(),
            decide_duration: Histogram::seconds(),
            cache_hits: Counter::default(),
            cache_misses: Counter::default(),
            database_up: Gauge::default(),
            executions_continuing: Gauge::default(),
            executions_set_aside: Gauge::default(),
            starts_waiting: Gauge::default(),
            messages_unreadable: Gauge::default(),
            loop_restarts: Counter::default(),
        }
    }
}

impl EngineMetrics {
    /// The metrics of each workflow, for the loop that records them.
    pub fn by_workflow(&self) -> ByName<WorkflowMetrics> {
        ByName::new(WorkflowMetrics::new(self, OTHER), |other, name| {
            WorkflowMetrics::new(&other.all, name)
        })
    }

    /// The metrics of each task type, for the loop that records them.
    pub fn by_task_type(&self) -> ByName<TaskTypeMetrics> {
        ByName::new(TaskTypeMetrics::new(self, OTHER), |other, name| {
            TaskTypeMetrics::new(&other.all, name)
        })
    }

    /// Evaluations of scripts of this language that gave a result (or did not), and how long they
    /// took.
    pub fn scripts(&self, language: &str) -> ([Counter; 2], Histogram) {
        let outcomes = ["failed", "ok"].map(|outcome| self.scripts.with([language, outcome]));
        (outcomes, self.script_duration.with([language]))
    }
}

/// The metrics of one workflow.
#[derive(Clone, Debug)]
pub struct WorkflowMetrics {
    all: EngineMetrics,
    /// Executions started.
    pub started: Counter,
    ended: [Counter; WORKFLOW_ENDS.len()],
}

impl WorkflowMetrics {
    fn new(all: &EngineMetrics, workflow: &str) -> Self {
        let ended = |status: WorkflowStatus| all.workflows_ended.with([workflow, status.name()]);
        let started = all.workflows_started.with([workflow]);
        Self { started, ended: WORKFLOW_ENDS.map(ended), all: all.clone() }
    }

    /// An execution has this status now; counted if that is an end.
    pub fn ended(&self, status: WorkflowStatus) {
        if let Some(counter) = workflow_slot(status).and_then(|slot| self.ended.get(slot)) {
            counter.inc();
        }
    }
}

/// The metrics of one task type.
#[derive(Clone, Debug)]
pub struct TaskTypeMetrics {
    all: EngineMetrics,
    /// Tasks scheduled.
    pub scheduled: Counter,
    /// From a task's becoming ready to its lease.
    pub schedule_to_start: Histogram,
    ended: [Counter; TASK_ENDS.len()],
}

impl TaskTypeMetrics {
    fn new(all: &EngineMetrics, task_type: &str) -> Self {
        let ended = |status: TaskStatus| all.tasks_ended.with([task_type, status.name()]);
        Self {
            scheduled: all.tasks_scheduled.with([task_type]),
            schedule_to_start: all.schedule_to_start.with([task_type]),
            ended: TASK_ENDS.map(ended),
            all: all.clone(),
        }
    }

    /// A task has this status now; counted if that is an end.
    pub fn ended(&self, status: TaskStatus) {
        if let Some(counter) = task_slot(status).and_then(|slot| self.ended.get(slot)) {
            counter.inc();
        }
    }
}

impl Group for EngineMetrics {
    fn register(&self, catalog: &mut Catalog) {
        self.register_executions(catalog);
        self.register_queues(catalog);
        self.register_batches(catalog);
    }
}

impl EngineMetrics {
    fn register_executions(&self, catalog: &mut Catalog) {
        catalog.add_labeled(
            "baton_workflows_started_total",
            "Executions started",
            &self.workflows_started,
        );
        catalog.add_labeled(
            "baton_workflows_ended_total",
            "Executions ended, by how",
            &self.workflows_ended,
        );
        catalog.add(
            "baton_workflow_duration_seconds",
            "Time from an execution's start to its end",
            &self.workflow_duration,
        );
        catalog.add_labeled(
            "baton_tasks_scheduled_total",
            "Tasks scheduled, retries included",
            &self.tasks_scheduled,
        );
        catalog.add_labeled("baton_tasks_ended_total", "Tasks ended, by how", &self.tasks_ended);
        catalog.add(
            "baton_timer_lateness_seconds",
            "How much later than its time a wake-up was looked at",
            &self.timer_lateness,
        );
        catalog.add_labeled(
            "baton_scripts_evaluated_total",
            "Scripts evaluated by an engine, by language and outcome",
            &self.scripts,
        );
        catalog.add(
            "baton_executions_continuing",
            "Executions whose last decision left a rest for the next slice",
            &self.executions_continuing,
        );
        catalog.add(
            "baton_executions_set_aside",
            "Executions that are left alone because they cannot be read or decided",
            &self.executions_set_aside,
        );
        catalog.add(
            "baton_child_starts_waiting",
            "Starts that executions ask for and that wait for a batch with room",
            &self.starts_waiting,
        );
        catalog.add(
            "baton_messages_unreadable",
            "Undelivered messages between executions that this version cannot read",
            &self.messages_unreadable,
        );
        catalog.add(
            "baton_loop_restarts_total",
            "Background loops that failed and were started again",
            &self.loop_restarts,
        );
        catalog.add_labeled(
            "baton_script_duration_seconds",
            "Time a script took, the wait for a free evaluator included",
            &self.script_duration,
        );
    }

    fn register_queues(&self, catalog: &mut Catalog) {
        catalog.add_labeled(
            "baton_task_schedule_to_start_seconds",
            "Time from a task's becoming ready to its lease",
            &self.schedule_to_start,
        );
        catalog.add(
            "baton_step_latency_seconds",
            "Time from the decision on a result to the next task's leaving for a worker, commits included",
            &self.step_latency,
        );
        catalog.add(
            "baton_tasks_handed_over_total",
            "Tasks leased to a waiting poll in the commit that made them ready",
            &self.tasks_handed_over,
        );
        catalog.add(
            "baton_tasks_queued_total",
            "Tasks that became ready while no poll waited for them",
            &self.tasks_queued,
        );
        catalog.add(
            "baton_lease_expiries_total",
            "Leases that ended because the worker fell silent",
            &self.lease_expiries,
        );
        catalog.enter("baton_pollers", &[LABEL], "Polls that wait at this process", &self.pollers);
        catalog.enter(
            "baton_queue_depth",
            &[LABEL],
            "Ready tasks in the whole database",
            &self.queue_depth,
        );
        catalog.enter(
            "baton_limit_slots",
            &[LABEL],
            "Tasks of a definition that may be with workers at a time",
            &self.limit_slots,
        );
        catalog.enter(
            "baton_limit_in_use",
            &[LABEL],
            "Tasks of a definition with a limit that are with workers",
            &self.limit_in_use,
        );
        catalog.enter(
            "baton_limit_waiting",
            &[LABEL],
            "Ready tasks of a definition with a limit",
            &self.limit_waiting,
        );
        catalog.enter(
            "baton_queue_oldest_age_seconds",
            &[LABEL],
            "Age of the oldest ready task in the whole database",
            &self.queue_oldest_age,
        );
    }

    fn register_batches(&self, catalog: &mut Catalog) {
        catalog.add("baton_commits_total", "Transactions committed", &self.commits);
        catalog.add(
            "baton_commit_duration_seconds",
            "Time a commit took, as the engine saw it",
            &self.commit_duration,
        );
        catalog.add(
            "baton_commit_batch_executions",
            "Executions written in a commit",
            &self.commit_batch,
        );
        catalog.add(
            "baton_conflicts_total",
            "Batches decided again because others were faster",
            &self.conflicts,
        );
        catalog.add(
            "baton_decide_duration_seconds",
            "Time to decide all jobs of a batch, loading not included",
            &self.decide_duration,
        );
        catalog.add("baton_cache_hits_total", "States found in memory", &self.cache_hits);
        catalog.add(
            "baton_cache_misses_total",
            "States that had to be read from the database",
            &self.cache_misses,
        );
        catalog.add(
            "baton_database_up",
            "Whether the database answered when it was last asked",
            &self.database_up,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each end is counted under its own name.
    #[test]
    fn ends_and_slots_agree() {
        let slots = TASK_ENDS.map(task_slot);
        assert!(slots.iter().enumerate().all(|(index, slot)| *slot == Some(index)));
        assert!(TASK_ENDS.iter().all(|status| status.is_terminal()));
        let slots = WORKFLOW_ENDS.map(workflow_slot);
        assert!(slots.iter().enumerate().all(|(index, slot)| *slot == Some(index)));
        let ends = WorkflowStatus::ALL.into_iter().filter(|status| status.is_terminal());
        assert_eq!(ends.count(), WORKFLOW_ENDS.len());
    }
}
