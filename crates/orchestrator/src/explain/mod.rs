//! What the decider has explained, as the API shows it.
mod summary;

use baton_common::ExecutionId;
use baton_common::Timestamp;
use baton_common::api::{Evidence, TaskExplanation, WaitGroup, WorkflowExplanation};
use baton_decider::explain::{Explained, Group, Ready, Standing, TaskWait, Wait};
use baton_decider::state::Execution;
use std::collections::HashMap;
use summary::Words;

/// Explanations of children, by id.
pub(crate) type Children = HashMap<ExecutionId, WorkflowExplanation>;

/// An explained execution, on its way to the API.
pub(crate) struct View<'a> {
    pub(crate) execution: &'a Execution,
    pub(crate) explained: Explained,
    pub(crate) now: Timestamp,
    /// Those that are known; others are only named.
    pub(crate) children: &'a Children,
}

impl View<'_> {
    /// The execution.
    pub(crate) fn workflow(&self) -> WorkflowExplanation {
        let explained = &self.explained;
        let waits: Vec<WaitGroup> =
            explained.groups.iter().map(|group| self.group(group)).collect();
        let Words { summary, remedy } = summary::workflow(self.execution, explained, &waits);
        WorkflowExplanation {
            workflow_id: self.execution.id(),
            workflow_name: self.execution.facts.workflow_name.clone(),
            status: self.execution.status,
            as_of: self.now,
            summary,
            remedy,
            since: match explained.standing {
                Standing::Unbegun { since }
                | Standing::Waits { since }
                | Standing::Held { since } => since,
                Standing::Ended { at, .. } => at,
            },
            timeout_time: explained.timeout_at,
            open_tasks: explained.open,
            waits,
            waits_left_out: explained.groups_left_out,
        }
    }

    /// The first of its tasks.
    pub(crate) fn first_task(&self) -> Option<TaskExplanation> {
        let first = self.explained.groups.first()?.first.first()?;
        self.task(first)
    }

    fn group(&self, group: &Group) -> WaitGroup {
        let tasks: Vec<TaskExplanation> =
            group.first.iter().filter_map(|wait| self.task(wait)).collect();
        let words = summary::group(group, &tasks);
        WaitGroup {
            reason: group.reason,
            count: group.count,
            summary: words.summary,
            remedy: words.remedy,
            tasks,
        }
    }

    fn task(&self, wait: &TaskWait) -> Option<TaskExplanation> {
        let task = self.execution.task(wait.seq)?;
        let id = self.execution.id();
        let evidence = evidence(wait);
        let child = evidence.child_workflow_id.and_then(|child| self.children.get(&child));
        let Words { summary, remedy } =
            summary::task(self.execution, task, wait, (self.now, child));
        Some(TaskExplanation {
            task_id: id.task(task.seq),
            workflow_id: id,
            reference_task_name: task.reference.clone(),
            task_type: self.execution.node_of(task).task_type.clone(),
            status: task.status,
            as_of: self.now,
            reason: wait.wait.reason(),
            summary,
            remedy,
            evidence,
            child: child.cloned().map(Box::new),
        })
    }
}

fn evidence(wait: &TaskWait) -> Evidence {
    let known = Evidence { timeout_time: wait.timeout_at, ..Evidence::default() };
    match wait.wait.clone() {
        Wait::Worker(ready) => evidence_of_ready(*ready, known),
        Wait::Lease { worker, since, until } => {
            Evidence { worker_id: worker, since: Some(since), until: Some(until), ..known }
        }
        Wait::Backoff { until, attempt, attempts, failure } => Evidence {
            until: Some(until),
            attempt: Some(attempt),
            attempts: Some(attempts),
            failure,
            ..known
        },
        Wait::Callback { until, worker } => {
            Evidence { until: Some(until), worker_id: worker, ..known }
        }
        Wait::StartDelay { until } | Wait::Timer { until } => {
            Evidence { until: Some(until), ..known }
        }
        Wait::Outside { since, .. } | Wait::Start { since } | Wait::Engine { since } => {
            Evidence { since: Some(since), ..known }
        }
        Wait::Child { child, since } => {
            Evidence { child_workflow_id: Some(child), since: Some(since), ..known }
        }
        Wait::Loop { iteration, open, first } => Evidence {
            iteration: Some(iteration),
            waiting_for: first,
            waiting_for_count: Some(open),
            ..known
        },
        Wait::Join { open, first, .. } => {
            Evidence { waiting_for: first, waiting_for_count: Some(open), ..known }
        }
        Wait::Nothing { at, why, .. } => Evidence { since: Some(at), failure: why, ..known },
    }
}

fn evidence_of_ready(ready: Ready, known: Evidence) -> Evidence {
    Evidence {
        since: Some(ready.since),
        queue: Some(ready.queue),
        position: ready.place.map(|place| place.ahead + 1),
        queue_size: ready.place.map(|place| place.size),
        at_least: ready.place.is_some_and(|place| place.at_least),
        handed_out_last_minute: ready.handed_out,
        last_polls: ready.polls,
        limit: ready.limit,
        ..known
    }
}
