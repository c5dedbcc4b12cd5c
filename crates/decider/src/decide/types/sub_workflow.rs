//! SUB_WORKFLOW: a child, asked for by message. **Source**: conductor-semantics §1.10.
use super::super::decider::{Decider, Flow, TaskType};
use super::engine::ENGINE;
use crate::change::{Change, TaskReport};
use crate::command::{ChildStart, MessageBody};
use crate::json::{self, Object};
use crate::plan::Node;
use crate::state::{Lineage, NodeKey, Output, Parent, Task};
use crate::task_type::{Facts, FreshInput, Starts, Waits};
use crate::validation::demands::required;
use baton_common::definition::{InlineDefinition, SubWorkflowParams};
use baton_common::limits::SUB_WORKFLOW_DEPTH_MAX;
use baton_common::planted::{Planted, is};
use baton_common::{ExecutionId, Payload, SpanId, TaskStatus};
use baton_expression::template::Template;
use std::sync::Arc;

pub(super) static SUB_WORKFLOW: TaskType = TaskType {
    facts: Facts {
        starts: Starts::Child,
        fresh_input: FreshInput::Kept,
        waits: |task| if task.child.is_some() { Waits::Child } else { Waits::Start },
        faults: |step, _| {
            required(step, "subWorkflowParam", step.task.sub_workflow_param.is_some())
        },
        ..Facts::of_engine("SUB_WORKFLOW")
    },
    schedule: Decider::schedule_sub_workflow,
    activate: Decider::launch_child,
    ..ENGINE
};

impl Decider {
    fn schedule_sub_workflow(
        &mut self,
        node: &Node,
        place: NodeKey,
        loop_task: Option<u32>,
    ) -> Flow {
        let mut task = self.new_task(node, place, loop_task);
        let parameters = self.input_of(node, None)?;
        task.input = self.child_input(node, parameters)?;
        self.hold_back(node, task);
        Ok(())
    }

    /// The input that a SUB_WORKFLOW task shows, from its parameters.
    fn child_input(&self, node: &Node, parameters: Payload) -> Flow<Payload> {
        let default = SubWorkflowParams::default();
        let param = node.task.sub_workflow_param.as_ref().unwrap_or(&default);
        let text = |value: &Option<String>| match value {
            Some(text) => self.resolve(&Template::compile_text(text), None),
            None => Ok(Payload::null()),
        };
        let definition = match &param.workflow_definition {
            Some(InlineDefinition::Definition(definition)) => json::payload(definition),
            Some(InlineDefinition::Expression(token)) => {
                self.resolve(&Template::compile_text(token), None)?
            }
            None => Payload::null(),
        };
        let embedded = json::members(&definition);
        let name = match embedded.get("name") {
            Some(name) => name.clone(),
            None => text(&param.name)?,
        };
        // A definition given whole leaves the version out, as in Conductor.
        let version = if embedded.is_empty() { param.version } else { None };
        let version = json::payload(&version);
        let priority = param.priority.as_ref();
        let priority =
            priority.map(|value| self.resolve(&Template::compile(value), None)).transpose()?;
        Ok(json::payload(&Object::from([
            ("subWorkflowName".to_owned(), name),
            ("subWorkflowVersion".to_owned(), version),
            ("subWorkflowTaskToDomain".to_owned(), json::payload(&param.task_to_domain)),
            ("subWorkflowDefinition".to_owned(), definition),
            ("priority".to_owned(), priority.unwrap_or_else(Payload::null)),
            ("idempotencyKey".to_owned(), text(&param.idempotency_key)?),
            ("idempotencyStrategy".to_owned(), json::payload(&param.idempotency_strategy)),
            ("workflowInput".to_owned(), parameters),
        ])))
    }

    /// Asks for the child that a SUB_WORKFLOW task waits for.
    fn launch_child(&mut self, task: &Arc<Task>) {
        let depth = self.execution.facts.parent.map_or(0, |parent| parent.depth) + 1;
        if depth > SUB_WORKFLOW_DEPTH_MAX {
            let reason = format!("sub-workflows nest deeper than {SUB_WORKFLOW_DEPTH_MAX}");
            self.end(task.seq, TaskStatus::FailedWithTerminalError, None, Some(&reason));
            return;
        }
        let id = self.execution.id().task(task.seq);
        let child = ExecutionId::child_of(id, self.now());
        let members = json::members(&task.input);
        let definition = members.get("subWorkflowDefinition").filter(|value| !value.is_null());
        let mut input = members.get("workflowInput").cloned().unwrap_or_default();
        if input.is_empty_object() {
            input = task.input.clone();
        }
        if definition.is_some() {
            let mark = Payload::parse("{\"dynamic\":true}".to_owned()).unwrap_or_default();
            input = json::with_member(&input, "_systemMetadata", mark);
        }
        let strategy = members.get("idempotencyStrategy").filter(|value| !value.is_null());
        let strategy = match strategy.map(|value| serde_json::from_str(value.get())).transpose() {
            Ok(strategy) => strategy,
            Err(fault) => {
                let reason = format!("idempotencyStrategy: {fault}");
                let status = TaskStatus::FailedWithTerminalError;
                return self.end(task.seq, status, None, Some(&reason));
            }
        };
        let domains = members.get("subWorkflowTaskToDomain").filter(|value| !value.is_null());
        let domains = domains.and_then(|value| serde_json::from_str(value.get()).ok());
        let facts = &self.execution.facts;
        let start = ChildStart {
            name: members.get("subWorkflowName").and_then(json::text).unwrap_or_default(),
            version: members.get("subWorkflowVersion").and_then(version_of),
            definition: definition.cloned(),
            input,
            correlation_id: facts.correlation_id.clone(),
            task_to_domain: domains.unwrap_or_else(|| facts.task_to_domain.clone()),
            priority: members.get("priority").and_then(priority_of).unwrap_or(0),
            parent: Some(Parent { task: id, depth }),
            idempotency_key: members.get("idempotencyKey").and_then(json::text),
            idempotency_strategy: strategy,
            trace: facts.trace_within(SpanId::of_task(id)),
            lineage: Lineage::default(),
        };
        let start = match self.with_lineage(start) {
            Ok(start) => start,
            Err(reason) => return self.refuse_start(task.seq, &reason),
        };
        let at = self.now();
        let output = Some(child_output(child).json());
        let child_is = Some(child);
        let report = TaskReport { output, child: child_is, ..TaskReport::new(task.seq, at) };
        self.record(Change::TaskReported(Box::new(report)));
        if is(Planted::StartAChildTwice) {
            let twin = ExecutionId::child_of(id, self.now().plus_millis(1));
            self.send_start(twin, MessageBody::Start(Box::new(start.clone())));
        }
        self.send_start(child, MessageBody::Start(Box::new(start)));
    }
}

/// A SUB_WORKFLOW task's output while its child is open.
pub(in crate::decide) fn child_output(child: ExecutionId) -> Output {
    let output = format!("{{\"subWorkflowId\":\"{child}\"}}");
    Output::Plain(Payload::parse(output).unwrap_or_default())
}

fn version_of(value: &Payload) -> Option<i32> {
    json::integer(value).and_then(|version| i32::try_from(version).ok())
}

fn priority_of(value: &Payload) -> Option<u8> {
    let number = json::integer(value).or_else(|| json::text(value)?.parse().ok())?;
    u8::try_from(number.clamp(0, 99)).ok()
}
