//! START_WORKFLOW: another execution, asked for by message. **Source**: conductor-semantics §1.11.
use super::super::decider::{Decider, Flow, TaskType};
use super::engine::ENGINE;
use crate::command::{ChildStart, MessageBody};
use crate::json;
use crate::plan::Node;
use crate::state::{Lineage, NodeKey, Task};
use crate::task_type::{Facts, Starts, Waits};
use baton_common::api::IdempotencyStrategy;
use baton_common::{ExecutionId, Payload, SpanId, TaskStatus};
use std::sync::Arc;

pub(super) static START_WORKFLOW: TaskType = TaskType {
    facts: Facts {
        starts: Starts::Other,
        waits: |_| Waits::Start,
        ..Facts::of_engine("START_WORKFLOW")
    },
    schedule: Decider::schedule_start_workflow,
    activate: Decider::launch_other,
    ..ENGINE
};

impl Decider {
    fn schedule_start_workflow(
        &mut self,
        node: &Node,
        place: NodeKey,
        loop_task: Option<u32>,
    ) -> Flow {
        let mut task = self.new_task(node, place, loop_task);
        task.input = self.input_of(node, None)?;
        self.hold_back(node, task);
        Ok(())
    }

    /// Starts another execution for a START_WORKFLOW task; its start completes the task.
    fn launch_other(&mut self, task: &Arc<Task>) {
        #[derive(serde::Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Request {
            name: Option<String>,
            version: Option<i32>,
            input: Payload,
            correlation_id: Option<String>,
            task_to_domain: Option<indexmap::IndexMap<String, String>>,
            workflow_def: Option<Payload>,
            priority: Option<u8>,
            idempotency_key: Option<String>,
            idempotency_strategy: Option<IdempotencyStrategy>,
        }
        let members = json::members(&task.input);
        let request = members.get("startWorkflow").filter(|value| value.is_object());
        let request = request.ok_or("Missing 'startWorkflow' in input data".to_owned());
        let request = request.and_then(|raw| {
            serde_json::from_str(raw.get()).map_err(|fault| format!("startWorkflow: {fault}"))
        });
        let request: Request = match request {
            Ok(request) => request,
            Err(reason) => return self.end(task.seq, TaskStatus::Failed, None, Some(&reason)),
        };
        let facts = &self.execution.facts;
        let id = self.execution.id().task(task.seq);
        let start = ChildStart {
            name: request.name.unwrap_or_default(),
            version: request.version,
            definition: request.workflow_def,
            input: request.input,
            correlation_id: request.correlation_id.or_else(|| facts.correlation_id.clone()),
            task_to_domain: request.task_to_domain.unwrap_or_else(|| facts.task_to_domain.clone()),
            priority: request.priority.unwrap_or(0),
            parent: None,
            idempotency_key: request.idempotency_key,
            idempotency_strategy: request.idempotency_strategy,
            trace: facts.trace_within(SpanId::of_task(id)),
            lineage: Lineage::default(),
        };
        let start = match self.with_lineage(start) {
            Ok(start) => start,
            Err(reason) => return self.refuse_start(task.seq, &reason),
        };
        self.report_in_progress(task.seq);
        let child = ExecutionId::child_of(id, self.now());
        self.send_start(child, MessageBody::StartFor { task: id, start: Box::new(start) });
    }
}
