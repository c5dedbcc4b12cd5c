//! A task as readers and workers see it.
use crate::{ExecutionId, Payload, TaskId, TaskStatus, Timestamp};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize, Serializer};
use std::sync::Arc;

/// One attempt at one step. Every member that Conductor always prints is always printed.
#[expect(clippy::struct_excessive_bools, reason = "the wire has these five")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// What runs it; for a SIMPLE step, the step's name.
    #[serde(default)]
    pub task_type: Arc<str>,
    /// Its state.
    pub status: TaskStatus,
    /// Its input, as it stands.
    #[serde(default)]
    pub input_data: Payload,
    /// The step's name, with `__<iteration>` inside a loop.
    #[serde(default)]
    pub reference_task_name: Arc<str>,
    /// Attempts before this one.
    #[serde(default)]
    pub retry_count: i32,
    /// Its number in the execution.
    #[serde(default)]
    pub seq: i32,
    /// The execution's correlation id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Arc<str>>,
    /// How often it was handed out.
    #[serde(default)]
    pub poll_count: i32,
    /// Its definition's name; the task type where there is none.
    #[serde(default)]
    pub task_def_name: Arc<str>,
    /// When it was scheduled.
    #[serde(default)]
    pub scheduled_time: Timestamp,
    /// When it was first handed out.
    #[serde(default)]
    pub start_time: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub end_time: Timestamp,
    /// When it last changed.
    #[serde(default)]
    pub update_time: Timestamp,
    /// Seconds it is held back after scheduling.
    #[serde(default)]
    pub start_delay_in_seconds: i32,
    /// The attempt before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried_task_id: Option<TaskId>,
    /// Whether a newer attempt exists.
    #[serde(default)]
    pub retried: bool,
    /// Whether the engine has taken note of its end.
    #[serde(default)]
    pub executed: bool,
    /// Conductor's mark that a worker may report by callback; always true.
    #[serde(default = "yes")]
    pub callback_from_worker: bool,
    /// Seconds a worker may stay silent; 0 = no limit.
    #[serde(default)]
    pub response_timeout_seconds: i64,
    /// Its execution.
    pub workflow_instance_id: ExecutionId,
    /// The workflow definition's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_type: Option<Arc<str>>,
    /// Its id.
    pub task_id: TaskId,
    /// Why it did not end well, at most 500 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_for_incompletion: Option<Arc<str>>,
    /// Seconds until it is handed out again.
    #[serde(default)]
    pub callback_after_seconds: i64,
    /// Who has or had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<Arc<str>>,
    /// Its output, as it stands.
    #[serde(default)]
    pub output_data: Payload,
    /// The step of the definition, spliced in unparsed; a stub of name and reference if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_task: Option<Payload>,
    /// Its domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Arc<str>>,
    /// From its definition.
    #[serde(default)]
    pub rate_limit_per_frequency: i32,
    /// From its definition.
    #[serde(default)]
    pub rate_limit_frequency_in_seconds: i32,
    /// Where the input is kept outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_input_payload_storage_path: Option<Arc<str>>,
    /// Where the output is kept outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_output_payload_storage_path: Option<Arc<str>>,
    /// The execution's priority.
    #[serde(default)]
    pub workflow_priority: i32,
    /// Queue suffix of a name space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_name_space: Option<Arc<str>>,
    /// Queue suffix of isolated system tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation_group_id: Option<Arc<str>>,
    /// Number of the loop's round, from 1; 0 outside a loop.
    #[serde(default)]
    pub iteration: i32,
    /// The child execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_workflow_id: Option<ExecutionId>,
    /// Whether the child was acted upon since the parent last looked.
    #[serde(default)]
    pub subworkflow_changed: bool,
    /// The loop or fork that scheduled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_task_id: Option<TaskId>,
    /// Secrets and settings resolved for this poll; left out when empty.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub runtime_metadata: IndexMap<String, String>,
    /// Always 0, as in Conductor.
    #[serde(default)]
    pub first_start_time: Timestamp,
    /// Measurements of the exchange; printed even when empty.
    #[serde(default)]
    pub execution_metadata: ExecutionMetadata,
    /// The task definition, spliced in unparsed; prints null where there is none.
    #[serde(default)]
    pub task_definition: Option<Payload>,
    /// Milliseconds it waited for a worker.
    #[serde(default)]
    pub queue_wait_time: i64,
    /// Whether it belongs to a loop: `iteration > 0`.
    #[serde(default)]
    pub loop_over_task: bool,
    /// The W3C trace context for whoever works on it; only polls show it, and only in a trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<Arc<str>>,
    /// What goes with `traceparent`, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<Arc<str>>,
}

const fn yes() -> bool {
    true
}

impl Task {
    /// A scheduled task without input; a literal with `..Task::scheduled(id, name)` gives the rest.
    pub fn scheduled(task_id: TaskId, task_type: Arc<str>) -> Self {
        Self {
            task_type: Arc::clone(&task_type),
            status: TaskStatus::Scheduled,
            input_data: Payload::empty_object(),
            reference_task_name: Arc::clone(&task_type),
            retry_count: 0,
            seq: i32::try_from(task_id.seq()).unwrap_or(i32::MAX),
            correlation_id: None,
            poll_count: 0,
            task_def_name: task_type,
            scheduled_time: Timestamp::default(),
            start_time: Timestamp::default(),
            end_time: Timestamp::default(),
            update_time: Timestamp::default(),
            start_delay_in_seconds: 0,
            retried_task_id: None,
            retried: false,
            executed: false,
            callback_from_worker: true,
            response_timeout_seconds: 0,
            workflow_instance_id: task_id.execution(),
            workflow_type: None,
            task_id,
            reason_for_incompletion: None,
            callback_after_seconds: 0,
            worker_id: None,
            output_data: Payload::empty_object(),
            workflow_task: None,
            domain: None,
            rate_limit_per_frequency: 0,
            rate_limit_frequency_in_seconds: 1,
            external_input_payload_storage_path: None,
            external_output_payload_storage_path: None,
            workflow_priority: 0,
            execution_name_space: None,
            isolation_group_id: None,
            iteration: 0,
            sub_workflow_id: None,
            subworkflow_changed: false,
            parent_task_id: None,
            runtime_metadata: IndexMap::new(),
            first_start_time: Timestamp::default(),
            execution_metadata: ExecutionMetadata::default(),
            task_definition: None,
            queue_wait_time: 0,
            loop_over_task: false,
            traceparent: None,
            tracestate: None,
        }
    }
}

/// When a task was sent, begun and reported; filled by some workers, kept by nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExecutionMetadata {
    /// When the server answered the poll.
    pub server_send_time: Option<i64>,
    /// When the worker had the answer.
    pub client_receive_time: Option<i64>,
    /// When the work began.
    pub execution_start_time: Option<i64>,
    /// When the work ended.
    pub execution_end_time: Option<i64>,
    /// When the report was sent.
    pub client_send_time: Option<i64>,
    /// Milliseconds the poll took.
    pub poll_network_latency: Option<i64>,
    /// Milliseconds the report took.
    pub update_network_latency: Option<i64>,
    /// Free form.
    pub additional_context: Payload,
}

impl Serialize for ExecutionMetadata {
    /// Prints Conductor's computed getters too: `additionalContextMap`, `executionDuration`, `empty`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let times = [
            ("serverSendTime", self.server_send_time),
            ("clientReceiveTime", self.client_receive_time),
            ("executionStartTime", self.execution_start_time),
            ("executionEndTime", self.execution_end_time),
            ("clientSendTime", self.client_send_time),
            ("pollNetworkLatency", self.poll_network_latency),
            ("updateNetworkLatency", self.update_network_latency),
        ];
        let duration = self.execution_end_time.zip(self.execution_start_time);
        let mut map = serializer.serialize_map(None)?;
        for (name, time) in times {
            if let Some(time) = time {
                map.serialize_entry(name, &time)?;
            }
        }
        map.serialize_entry("additionalContext", &self.additional_context)?;
        map.serialize_entry("additionalContextMap", &self.additional_context)?;
        if let Some((end, start)) = duration {
            map.serialize_entry("executionDuration", &end.saturating_sub(start))?;
        }
        let empty = times.iter().all(|(_, time)| time.is_none());
        map.serialize_entry("empty", &(empty && self.additional_context.is_empty_object()))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        let execution = ExecutionId::new(Timestamp::from_millis(1_795_329_039_876), 1);
        Task {
            input_data: Payload::parse(r#"{"name":"ada", "n":1.0}"#.to_owned()).unwrap(),
            workflow_task: Some(Payload::parse(r#"{"name":"greet"}"#.to_owned()).unwrap()),
            workflow_type: Some("hello".into()),
            ..Task::scheduled(execution.task(1), "greet".into())
        }
    }

    #[test]
    fn a_task_prints_every_member_that_conductor_always_prints() {
        insta::assert_json_snapshot!(serde_json::to_value(task()).unwrap());
    }

    #[test]
    fn a_task_survives_the_wire() {
        let json = serde_json::to_string(&task()).unwrap();
        assert_eq!(serde_json::from_str::<Task>(&json).unwrap(), task());
        assert!(json.contains(r#""inputData":{"name":"ada", "n":1.0}"#), "{json}");
    }

    #[test]
    fn a_sparse_task_of_another_server_is_read() {
        let json = r#"{"status":"IN_PROGRESS","taskId":"f60ee7e6-5191-43d1-a9e9-f444ca8444c6",
            "workflowInstanceId":"a95f2ebd-971b-4389-a39a-b8fdc276330c","taskDefinition":null}"#;
        let task: Task = serde_json::from_str(json).unwrap();
        assert!(task.callback_from_worker);
        assert_eq!(task.output_data, Payload::empty_object());
        assert_eq!(task.task_id.to_string(), "f60ee7e6-5191-43d1-a9e9-f444ca8444c6");
    }
}
