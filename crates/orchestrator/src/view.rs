//! Executions and tasks as the API shows them.
use crate::definitions::PinnedDefinition;
use crate::journal;
use baton_common::api;
use baton_common::{Payload, TaskStatus, Timestamp};
use baton_decider::json;
use baton_decider::state::{Execution, Task};
use baton_format::Overview;
use baton_store::ExecutionRow;
use std::sync::Arc;

/// A task of an execution.
pub(crate) fn task(execution: &Execution, task: &Task) -> api::Task {
    let node = execution.node_of(task);
    let id = execution.id();
    let started = task.started_at.unwrap_or_default();
    let waited =
        if task.started_at.is_some() { started.millis_since(task.scheduled_at).max(0) } else { 0 };
    let facts = &execution.facts;
    api::Task {
        status: task.status,
        input_data: task.input.clone(),
        output_data: task.output.json(),
        reference_task_name: task.reference.clone(),
        retry_count: small(task.retry_count),
        seq: small(task.seq),
        correlation_id: facts.correlation_id.as_deref().map(Arc::from),
        poll_count: small(task.poll_count),
        task_def_name: node.def_name().into(),
        scheduled_time: task.scheduled_at,
        start_time: started,
        end_time: task.ended_at.unwrap_or_default(),
        update_time: task.updated_at,
        start_delay_in_seconds: i32::try_from(task.start_delay_seconds).unwrap_or(i32::MAX),
        retried_task_id: task.retried_task.map(|seq| id.task(seq)),
        retried: task.retried,
        executed: task.status.is_terminal() && task.status != TaskStatus::Skipped,
        response_timeout_seconds: node.task_def.response_timeout_seconds,
        workflow_type: Some(facts.workflow_name.clone()),
        reason_for_incompletion: task.reason.clone(),
        callback_after_seconds: task.callback_after_seconds,
        worker_id: task.worker.clone(),
        workflow_task: Some(step_json(execution, task)),
        domain: task.domain.clone(),
        rate_limit_per_frequency: node.task_def.rate_limit_per_frequency,
        rate_limit_frequency_in_seconds: node.task_def.rate_limit_frequency_in_seconds,
        workflow_priority: facts.priority.into(),
        iteration: small(task.iteration),
        sub_workflow_id: task.child,
        queue_wait_time: waited,
        loop_over_task: task.iteration > 0,
        ..api::Task::scheduled(id.task(task.seq), node.task_type.clone())
    }
}

/// A task as its worker gets it: with the trace that it belongs to.
pub(crate) fn polled(execution: &Execution, polled: &Task) -> api::Task {
    let view = task(execution, polled);
    let Some(trace) = &execution.facts.trace else { return view };
    let traceparent = trace.traceparent(view.task_id).map(Arc::from);
    let tracestate = trace.state.clone().filter(|_| traceparent.is_some());
    api::Task { traceparent, tracestate, ..view }
}

/// The step's definition; branches that share one show their own name and input in it.
fn step_json(execution: &Execution, task: &Task) -> Payload {
    let node = execution.node(task.place);
    if task.runs.is_some() {
        let name = json::payload(&execution.node_of(task).name);
        return json::with_member(&node.task_json, "name", name);
    }
    if !node.reference.is_empty() {
        return node.task_json.clone();
    }
    let mut members = json::members(&node.task_json);
    members.insert("taskReferenceName".into(), json::payload(task.base_reference()));
    members.insert("inputParameters".into(), task.input.clone());
    json::payload(&members)
}

/// An execution from its whole state.
pub(crate) fn workflow(execution: &Execution) -> api::Workflow {
    let overview = journal::overview_of(execution);
    let tasks = execution.tasks.values().map(|each| task(execution, each)).collect();
    let facts = &execution.facts;
    api::Workflow {
        create_time: execution.created_at,
        start_time: execution.created_at,
        update_time: execution.updated_at,
        end_time: execution.ended_at.unwrap_or_default(),
        status: execution.status,
        parent_workflow_id: facts.parent.map(|parent| parent.task.execution()),
        parent_workflow_task_id: facts.parent.map(|parent| parent.task),
        tasks,
        input: execution.input.clone(),
        correlation_id: facts.correlation_id.as_deref().map(Arc::from),
        workflow_definition: execution.plan.json.clone(),
        workflow_version: facts.workflow_version,
        ..with_overview(overview, api::Workflow::running(facts.id, facts.workflow_name.clone()))
    }
}

/// An execution without its tasks, from its row alone.
pub(crate) fn summary_workflow(
    row: &ExecutionRow,
    overview: Overview,
    pinned: &PinnedDefinition,
) -> api::Workflow {
    let name: Arc<str> = row.index.workflow_name.as_str().into();
    api::Workflow {
        create_time: row.index.created_at,
        start_time: row.index.created_at,
        update_time: row.updated_at,
        end_time: row.ended_at.unwrap_or_default(),
        status: row.status,
        parent_workflow_id: row.index.parent.map(baton_common::TaskId::execution),
        parent_workflow_task_id: row.index.parent,
        input: row.input.clone(),
        correlation_id: row.index.correlation_id.as_deref().map(Arc::from),
        workflow_definition: pinned.plan.json.clone(),
        workflow_version: row.index.workflow_version,
        ..with_overview(overview, api::Workflow::running(row.id, name))
    }
}

fn with_overview(overview: Overview, workflow: api::Workflow) -> api::Workflow {
    api::Workflow {
        output: overview.output,
        variables: overview.variables,
        reason_for_incompletion: overview.reason,
        failed_reference_task_names: overview.failed_references,
        failed_task_names: overview.failed_names,
        priority: overview.priority.into(),
        task_to_domain: overview.task_to_domain,
        last_retried_time: overview.last_retried_at.unwrap_or_default(),
        created_by: overview.created_by.as_deref().map(Arc::from),
        event: overview.event.as_deref().map(Arc::from),
        idempotency_key: overview.idempotency_key.as_deref().map(Arc::from),
        ..workflow
    }
}

fn small(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Milliseconds from a start to an end; 0 while there is no end.
pub(crate) fn duration_ms(start: Timestamp, end: Option<Timestamp>) -> i64 {
    end.map_or(0, |end| end.millis_since(start).max(0))
}
