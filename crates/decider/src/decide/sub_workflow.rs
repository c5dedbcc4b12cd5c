//! SUB_WORKFLOW and START_WORKFLOW: other executions, asked for by message.
//! **Source**: conductor-semantics §1.10, §1.11.
use super::{Decider, Flow, names};
use crate::change::{Change, TaskReport};
use crate::command::{ChildStart, MessageBody};
use crate::json::{self, Object};
use crate::plan::Node;
use crate::state::{Lineage, NodeKey, Output, Parent, Task};
use baton_common::definition::{InlineDefinition, SubWorkflowParams};
use baton_common::limits::SUB_WORKFLOW_DEPTH_MAX;
use baton_common::planted::{Planted, is};
use baton_common::{ExecutionId, Payload, SpanId, TaskStatus};
use baton_expression::template::Template;
use std::sync::Arc;

impl Decider {
    pub(super) fn schedule_sub_workflow(
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

    pub(super) fn schedule_start_workflow(
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

    /// Records a task that begins now, or after its step's delay.
    fn hold_back(&mut self, node: &Node, mut task: Task) {
        let delay = i64::from(node.task.start_delay.max(0));
        let seq = task.seq;
        task.status = TaskStatus::Scheduled;
        task.started_at = None;
        task.start_delay_seconds = delay;
        task.callback_after_seconds = delay;
        if delay > 0 {
            task.delivery = self.delivery_after(delay * 1000);
            self.record(Change::TaskScheduled(Arc::new(task)));
        } else {
            self.record(Change::TaskScheduled(Arc::new(task)));
            self.activate(seq);
        }
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
    pub(super) fn launch_child(&mut self, task: &Task, _node: &Node) {
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
            idempotency_key: None,
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

    /// Starts another execution for a START_WORKFLOW task; its birth completes the task.
    pub(super) fn launch_other(&mut self, task: &Task) {
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
        }
        let members = json::members(&task.input);
        let request = members.get("startWorkflow").map(|raw| serde_json::from_str(raw.get()));
        let Some(Ok(request)) = request else {
            let reason = "Missing 'startWorkflow' in input data";
            self.end(task.seq, TaskStatus::Failed, None, Some(reason));
            return;
        };
        let request: Request = request;
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

impl Decider {
    /// Counts a start among those since something last came from outside.
    ///
    /// # Errors
    /// Why it is one too many, or which of its names is too long.
    pub(super) fn with_lineage(&self, start: ChildStart) -> Result<ChildStart, String> {
        let lineage = self.lineage_of(&start, self.execution.starts + 1);
        let fault = names::start_fault(&start).or_else(|| lineage.fault(&start.name));
        fault.map_or(Ok(ChildStart { lineage, ..start }), Err)
    }

    fn lineage_of(&self, start: &ChildStart, siblings: u32) -> Lineage {
        let facts = &self.execution.facts;
        if self.execution.saw_outside {
            return Lineage::default();
        }
        facts.lineage.of_child(&facts.workflow_name, &start.name, siblings)
    }

    fn refuse_start(&mut self, seq: u32, reason: &str) {
        self.end(seq, TaskStatus::FailedWithTerminalError, None, Some(reason));
    }

    /// Siblings that one decision starts all count as many as there are.
    pub(super) fn finish_lineages(&mut self) {
        let mut messages = std::mem::take(&mut self.messages);
        for message in &mut messages {
            if let MessageBody::Start(start) | MessageBody::StartFor { start, .. } =
                &mut message.body
            {
                start.lineage = self.lineage_of(start, self.execution.starts);
            }
        }
        self.messages = messages;
    }
}

/// A SUB_WORKFLOW task's output while its child is open.
pub(super) fn child_output(child: ExecutionId) -> Output {
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
