//! What waits in the queues and who asks for it: `/api/tasks/queue/…`.
//!
//! Our queues hand a task to a worker and forget it in one step, so nothing is ever "popped but not
//! acknowledged", and nothing can have fallen out of a queue.
use crate::extract::{Params, Segments};
use crate::respond::{self, Answer};
use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::{get, post};
use baton_orchestrator::Orchestrator;
use indexmap::IndexMap;
use serde::Serialize;
use std::collections::BTreeMap;

pub(crate) fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Orchestrator: FromRef<S>,
{
    Router::new()
        .route("/api/tasks/queue/sizes", get(queue_sizes))
        .route("/api/tasks/queue/size", get(queue_size))
        .route("/api/tasks/queue/all", get(all_queues))
        .route("/api/tasks/queue/all/verbose", get(all_queues_verbose))
        .route("/api/tasks/queue/states", get(queue_states))
        .route("/api/tasks/queue/polldata", get(poll_data))
        .route("/api/tasks/queue/polldata/all", get(all_poll_data))
        .route("/api/tasks/queue/requeue/{taskType}", post(requeue_tasks))
}

/// Ready tasks of each task type asked for.
async fn queue_sizes(State(orchestrator): State<Orchestrator>, params: Params) -> Answer {
    params.required("taskType")?;
    let sizes = orchestrator.queue_sizes().await?;
    let asked = params.list("taskType").into_iter();
    let asked = asked.map(|task_type| (sizes.get(&task_type).copied().unwrap_or(0), task_type));
    respond::json(&asked.map(|(size, task_type)| (task_type, size)).collect::<IndexMap<_, _>>())
}

/// Ready tasks of one queue, as a bare number.
async fn queue_size(State(orchestrator): State<Orchestrator>, params: Params) -> Answer {
    let queue = queue_name(&params.required("taskType")?, &params);
    let sizes = orchestrator.queue_sizes().await?;
    respond::json(&sizes.get(&queue).copied().unwrap_or(0))
}

/// `[domain:]taskType[@executionNamespace][-isolationGroupId]`.
fn queue_name(task_type: &str, params: &Params) -> String {
    let mut name = params.text("domain").map_or_else(String::new, |domain| domain + ":");
    name.push_str(task_type);
    for (separator, part) in [('@', "executionNamespace"), ('-', "isolationGroupId")] {
        if let Some(part) = params.text(part) {
            name.push(separator);
            name.push_str(&part);
        }
    }
    name
}

/// Ready tasks of every queue, by name.
async fn all_queues(State(orchestrator): State<Orchestrator>) -> Answer {
    respond::json(&orchestrator.queue_sizes().await?)
}

/// One shard's state.
#[derive(Serialize)]
struct Shard {
    size: u64,
    uacked: u64,
}

/// Ready tasks of every queue; each queue has the one shard that Conductor's SQL queues have.
async fn all_queues_verbose(State(orchestrator): State<Orchestrator>) -> Answer {
    let sizes = orchestrator.queue_sizes().await?.into_iter();
    let shards = sizes.map(|(queue, size)| (queue, [("a", Shard { size, uacked: 0 })]));
    let shards = shards.map(|(queue, shards)| (queue, BTreeMap::from(shards)));
    respond::json(&shards.collect::<BTreeMap<_, _>>())
}

/// Every queue that has ready tasks or a limit in use, with what limits it.
async fn queue_states(State(orchestrator): State<Orchestrator>) -> Answer {
    respond::json(&orchestrator.queues().await?)
}

/// Who polled one task type last, by domain.
async fn poll_data(State(orchestrator): State<Orchestrator>, params: Params) -> Answer {
    let task_type = params.required("taskType")?;
    respond::json(&orchestrator.poll_data(Some(&task_type)).await?)
}

/// Who polled last, of every task type.
async fn all_poll_data(State(orchestrator): State<Orchestrator>) -> Answer {
    respond::json(&orchestrator.poll_data(None).await?)
}

/// Answers how many tasks of a type are ready; they are in their queue already.
async fn requeue_tasks(
    State(orchestrator): State<Orchestrator>,
    Segments(task_type): Segments<String>,
) -> Answer {
    let sizes = orchestrator.queue_sizes().await?;
    Ok(respond::text(sizes.get(&task_type).copied().unwrap_or(0).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_named_as_conductor_names_it() {
        let name = |query: &str| queue_name("t", &Params::parse(query));
        assert_eq!(name(""), "t");
        assert_eq!(name("domain=west"), "west:t");
        assert_eq!(name("domain=w&executionNamespace=n&isolationGroupId=g"), "w:t@n-g");
    }
}
