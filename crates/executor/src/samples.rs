//! Workers for the sample definitions in `examples/`.
use crate::{FnTask, Registry, TaskContext, TaskOutcome};
use baton_common::Payload;
use serde_json::{Value, json};

/// Slots of each sample type.
const SLOTS: usize = 16;

/// Adds the sample task types: `order_reserve`, `order_charge` (whose first attempt fails),
/// `order_ship` (fails for good when the input says `"address": "nowhere"`), `order_refund`,
/// `order_release`, `fan_out_part` and `approval_notify`.
#[must_use]
pub fn with_samples(registry: Registry) -> Registry {
    registry
        .with(FnTask::new("order_reserve", order_reserve), SLOTS)
        .with(FnTask::new("order_charge", order_charge), SLOTS)
        .with(FnTask::new("order_ship", order_ship), SLOTS)
        .with(FnTask::new("order_refund", order_refund), SLOTS)
        .with(FnTask::new("order_release", order_release), SLOTS)
        .with(FnTask::new("fan_out_part", fan_out_part), SLOTS)
        .with(FnTask::new("approval_notify", approval_notify), SLOTS)
}

fn completed(output: &Value) -> TaskOutcome {
    TaskOutcome::completed(Payload::of(output).unwrap_or_default())
}

async fn order_reserve(task: TaskContext) -> TaskOutcome {
    let input = task.input().to_value();
    let reservation = format!("reservation-{}", input["orderId"].as_str().unwrap_or("unknown"));
    task.log(format!("{} items reserved", input["items"].as_array().map_or(0, Vec::len)));
    completed(&json!({ "reservation": reservation }))
}

async fn order_charge(task: TaskContext) -> TaskOutcome {
    if task.task().retry_count == 0 {
        task.log("the card network did not answer");
        return TaskOutcome::failed(
            "the card network did not answer (the first attempt always fails)",
        );
    }
    let input = task.input().to_value();
    completed(&json!({ "charged": input["amount"], "attempt": task.task().retry_count + 1 }))
}

async fn order_ship(task: TaskContext) -> TaskOutcome {
    let input = task.input().to_value();
    if input["address"] == "nowhere" {
        return TaskOutcome::failed_for_good("nobody delivers to nowhere");
    }
    completed(&json!({ "parcel": format!("parcel-{}", task.task().task_id.seq()) }))
}

async fn order_refund(task: TaskContext) -> TaskOutcome {
    completed(&json!({ "refunded": task.input().to_value()["amount"] }))
}

async fn order_release(task: TaskContext) -> TaskOutcome {
    completed(&json!({ "released": task.input().to_value()["orderId"] }))
}

async fn fan_out_part(task: TaskContext) -> TaskOutcome {
    let number = task.input().to_value()["number"].as_i64().unwrap_or(0);
    completed(&json!({ "number": number, "square": number.saturating_mul(number) }))
}

async fn approval_notify(task: TaskContext) -> TaskOutcome {
    let approver = task.input().to_value()["approver"].clone();
    task.log(format!("{approver} was asked"));
    completed(&json!({ "asked": approver }))
}
