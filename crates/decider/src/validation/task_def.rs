//! What makes a task definition fit to be registered.
use super::fault::Fault;
use baton_common::TaskDef;

/// Every fault of a task definition; none means that it can be registered. Negative timeouts and
/// retry delays are none, as in Conductor.
pub fn validate_task_def(definition: &TaskDef) -> Vec<Fault> {
    let mut faults = Vec::new();
    if definition.name.as_deref().is_none_or(str::is_empty) {
        let message = "TaskDef name cannot be null or empty";
        faults.push(Fault::of_member("name", message, definition.name.clone()));
    }
    faults.extend(super::texts::task_def_faults(definition));
    faults.extend(minimum_faults(definition));
    faults.extend(timeout_faults(definition));
    faults
}

/// Numbers below their minimum.
fn minimum_faults(definition: &TaskDef) -> Vec<Fault> {
    let response_timeout = definition.response_timeout_seconds;
    let response_message =
        format!("TaskDef responseTimeoutSeconds: {response_timeout} should be minimum 1 second");
    let rules = [
        ("retryCount", i64::from(definition.retry_count), 0, "TaskDef retryCount: 0 must be >= 0"),
        ("responseTimeoutSeconds", response_timeout, 1, response_message.as_str()),
        (
            "pollTimeoutSeconds",
            definition.poll_timeout_seconds.map_or(0, i64::from),
            0,
            "TaskDef pollTimeoutSeconds: 0 must be >= 0",
        ),
        (
            "backoffScaleFactor",
            i64::from(definition.backoff_scale_factor),
            1,
            "Backoff scale factor. Applicable for LINEAR_BACKOFF",
        ),
        (
            "maxRetryDelaySeconds",
            i64::from(definition.max_retry_delay_seconds),
            0,
            "TaskDef maxRetryDelaySeconds: 0 must be >= 0",
        ),
        (
            "backoffJitterMs",
            i64::from(definition.backoff_jitter_ms),
            0,
            "TaskDef backoffJitterMs: 0 must be >= 0",
        ),
        (
            "totalTimeoutSeconds",
            definition.total_timeout_seconds,
            0,
            "TaskDef totalTimeoutSeconds: 0 must be >= 0",
        ),
    ];
    let broken = rules.into_iter().filter(|(_, value, minimum, _)| value < minimum);
    broken
        .map(|(member, value, _, message)| {
            Fault::of_member(member, message, Some(value.to_string()))
        })
        .collect()
}

/// Timeouts that contradict each other.
fn timeout_faults(definition: &TaskDef) -> Vec<Fault> {
    let name = definition.name.as_deref().unwrap_or("null");
    let (response, timeout, total) = (
        definition.response_timeout_seconds,
        definition.timeout_seconds,
        definition.total_timeout_seconds,
    );
    let mut faults = Vec::new();
    if timeout > 0 && response > timeout {
        let message = format!(
            "TaskDef: {name} responseTimeoutSeconds: {response} must be less than \
             timeoutSeconds: {timeout}"
        );
        faults.push(Fault::of_whole("/responseTimeoutSeconds", message));
    }
    if total > 0 && timeout > total {
        let message = format!(
            "TaskDef: {name} timeoutSeconds: {timeout} must be less than or equal to \
             totalTimeoutSeconds: {total}"
        );
        faults.push(Fault::of_whole("/timeoutSeconds", message));
    }
    faults
}
