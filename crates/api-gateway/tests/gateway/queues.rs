//! What waits, and who asks.
use crate::executions::shop;

#[tokio::test]
async fn queues_are_counted() {
    let api = shop().await;
    for _ in 0..2 {
        api.started("order").await;
    }
    api.ok("GET /api/tasks/poll/send?workerid=w1&domain=west", "").await;
    for (name, call) in [
        ("queue_sizes", "GET sizes?taskType=pack,send&taskType=nobody"),
        ("queue_sizes_of_none", "GET sizes"),
        ("queue_size", "GET size?taskType=pack"),
        ("queue_size_of_domain", "GET size?taskType=pack&domain=west"),
        ("queue_size_of_none", "GET size"),
        ("all_queues", "GET all"),
        ("all_queues_verbose", "GET all/verbose"),
        ("poll_data", "GET polldata?taskType=send"),
        ("poll_data_of_none", "GET polldata"),
        ("all_poll_data", "GET polldata/all"),
        ("requeue_tasks", "POST requeue/pack"),
    ] {
        let (method, path) = call.split_once(' ').unwrap();
        api.shows(name, &format!("{method} /api/tasks/queue/{path}"), "").await;
    }
}
