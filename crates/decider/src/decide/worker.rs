//! Tasks that a worker takes from a queue: SIMPLE, HTTP, unknown types, and DYNAMIC.
use super::{Decider, Flow, names};
use crate::change::Change;
use crate::json;
use crate::plan::{Kind, Node, freeze_task};
use crate::state::{Delivery, NodeKey, Task};
use baton_common::limits::NAME_BYTES_MAX;
use baton_common::{TaskStatus, WorkflowTask};
use std::sync::Arc;

/// Types that the engine's own executors run; they take `asyncComplete` and know no domains.
const SYSTEM_TYPES: [&str; 2] = ["HTTP", "KAFKA_PUBLISH"];

impl Decider {
    pub(super) fn schedule_worker(
        &mut self,
        node: &Node,
        place: NodeKey,
        loop_task: Option<u32>,
    ) -> Flow {
        let mut task = self.new_task(node, place, loop_task);
        task.input = self.input_of(node, Some(task.seq))?;
        self.queue_task(node, task);
        Ok(())
    }

    /// Puts a new task into its queue, now or after the step's delay.
    pub(super) fn queue_task(&mut self, node: &Node, mut task: Task) {
        let is_system = SYSTEM_TYPES.contains(&&*node.task_type);
        if is_system {
            let flag = json::payload(&node.task.async_complete);
            if !json::members(&task.input).contains_key("asyncComplete") {
                task.input = json::with_member(&task.input, "asyncComplete", flag);
            }
        } else {
            task.domain = self.domain_of(&node.task_type);
        }
        let delay = i64::from(node.task.start_delay.max(0));
        task.status = TaskStatus::Scheduled;
        task.started_at = None;
        task.start_delay_seconds = delay;
        task.callback_after_seconds = delay;
        task.delivery = self.delivery_after(delay * 1000);
        self.record(Change::TaskScheduled(Arc::new(task)));
    }

    /// Ready now, or delayed by so many milliseconds.
    pub(super) fn delivery_after(&self, delay_ms: i64) -> Delivery {
        if delay_ms > 0 {
            Delivery::Delayed(self.now().plus_millis(delay_ms))
        } else {
            Delivery::Ready(self.now())
        }
    }

    /// The domain whose workers get tasks of this type: the first listed one that is active, else the
    /// last. **Source**: conductor-semantics §2.7.
    fn domain_of(&self, task_type: &str) -> Option<Arc<str>> {
        let domains = &self.execution.facts.task_to_domain;
        let list = domains.get(task_type).or_else(|| domains.get("*"))?;
        let names: Vec<&str> = list.split(',').map(str::trim).filter(|d| !d.is_empty()).collect();
        let surroundings = &self.context.surroundings;
        let active = names.iter().find(|name| {
            name.eq_ignore_ascii_case("NO_DOMAIN") || surroundings.is_domain_active(task_type, name)
        });
        let chosen: &str = active.or(names.last()).copied()?;
        (!chosen.eq_ignore_ascii_case("NO_DOMAIN")).then(|| Arc::from(chosen))
    }

    /// DYNAMIC: the input names what runs here.
    pub(super) fn schedule_dynamic(
        &mut self,
        node: &Node,
        place: NodeKey,
        loop_task: Option<u32>,
        name_param: &str,
    ) -> Flow {
        let mut task = self.new_task(node, place, loop_task);
        task.input = self.input_of(node, Some(task.seq))?;
        let named = json::members(&task.input).get(name_param).and_then(dynamic_name);
        let Some(name) = named else {
            let reason = format!(
                "Cannot map a dynamic task based on the parameter and input. Parameter= {name_param}, input= {}",
                task.input.get()
            );
            self.fail_for_good(&reason);
            return Ok(());
        };
        names::check(name_param, &name, NAME_BYTES_MAX)?;
        let runs = self.define_dynamic(node, &name);
        task.runs = Some(runs);
        let plan = self.plan_of(runs);
        let Some(target) = plan.node(runs.node) else { return Ok(()) };
        if target.is_worker() {
            self.queue_task(target, task);
            return Ok(());
        }
        let seq = task.seq;
        self.record(Change::TaskScheduled(Arc::new(task)));
        self.activate(seq);
        Ok(())
    }

    /// The step that a DYNAMIC node becomes under a name; defined once for each name.
    fn define_dynamic(&mut self, node: &Node, name: &str) -> NodeKey {
        let known = self.execution.step_plans.iter().position(|plan| {
            plan.node(0).is_some_and(|step| step.reference == node.reference && &*step.name == name)
        });
        if let Some(index) = known {
            return NodeKey { plan: u32::try_from(index).unwrap_or(u32::MAX) + 1, node: 0 };
        }
        let mut step = WorkflowTask {
            name: Some(name.to_owned()),
            task_type: dynamic_type(name).to_owned(),
            ..(*node.task).clone()
        };
        let surroundings = self.context.surroundings.clone();
        if let Some(registered) = surroundings.task_def(name) {
            step.task_definition = Some((*registered).clone());
        }
        freeze_task(&mut step, &*surroundings);
        self.define_step(&step)
    }

    /// Adds a step of its own to the execution.
    pub(super) fn define_step(&mut self, step: &WorkflowTask) -> NodeKey {
        self.record(Change::StepsDefined { steps: vec![json::payload(step)] });
        let plan = u32::try_from(self.execution.step_plans.len()).unwrap_or(u32::MAX);
        NodeKey { plan, node: 0 }
    }
}

/// A usable name: text or a number as text, not empty.
fn dynamic_name(value: &baton_common::Payload) -> Option<String> {
    let name = json::text(value).or_else(|| (!value.is_null()).then(|| value.get().to_owned()))?;
    (!name.is_empty()).then_some(name)
}

/// A name that is a type of the engine runs that type; types whose flow needs more than an input do not.
fn dynamic_type(name: &str) -> &str {
    match name {
        "HTTP" | "INLINE" | "JSON_JQ_TRANSFORM" | "SET_VARIABLE" | "NOOP" | "WAIT" | "HUMAN"
        | "LAMBDA" => name,
        _ => "SIMPLE",
    }
}

impl Node {
    /// Whether the engine's own executors run it.
    pub(crate) fn is_system_worker(&self) -> bool {
        matches!(self.kind, Kind::Worker) && SYSTEM_TYPES.contains(&&*self.task_type)
    }
}
