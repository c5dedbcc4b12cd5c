//! A definition, compiled once: nodes with successors, templates and settings that every execution of
//! that version shares.
//!
//! Control flow is flat: each node knows what follows it, so the decider never walks the definition.
use crate::decide::Surroundings;
use crate::task_type::EngineType;
use baton_common::{Payload, TaskDef, WorkflowDef, WorkflowTask};
use baton_expression::plain::Program;
use baton_expression::template::Template;
use indexmap::IndexMap;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A node's place in its plan.
pub type NodeId = u32;

/// What follows a node when it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another node.
    Node(NodeId),
    /// The end of a loop's body: the loop looks whether the iteration is over.
    LoopEnd,
    /// Nothing: the end of the definition, or of a dynamic branch.
    End,
}

/// What a node does, with what only that type needs.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A worker takes it from the queue of its task type.
    Worker,
    /// Like [`Kind::Worker`], with the name from an input member.
    Dynamic {
        /// The input member.
        name_param: String,
    },
    /// Chooses a branch.
    Switch(Switch),
    /// Begins its branches and its JOIN.
    Fork {
        /// First node of each branch.
        branches: Vec<NodeId>,
        /// The JOIN behind it.
        join: Option<NodeId>,
    },
    /// Begins as many branches as its input says.
    DynamicFork {
        /// The JOIN behind it.
        join: Option<NodeId>,
    },
    /// Waits for steps.
    Join,
    /// Takes over the result of the first of its steps that ran.
    ExclusiveJoin,
    /// Repeats its body.
    DoWhile {
        /// First node of the body.
        first: Option<NodeId>,
        /// Names of all steps in the body.
        body: Vec<Arc<str>>,
        /// One iteration for each item, when given.
        items: Option<Template>,
        /// The condition, where it is a plain script: it tells what it reads.
        condition: Option<Program>,
    },
    /// Starts a child and waits for it.
    SubWorkflow,
    /// Starts another workflow and goes on.
    StartWorkflow,
    /// Waits for a time or an outside call.
    Wait,
    /// Waits for a person.
    Human,
    /// Sets variables.
    SetVariable,
    /// Evaluates a script.
    Inline,
    /// Evaluates a script, the old way.
    Lambda,
    /// Evaluates a jq program.
    Jq,
    /// Ends the execution.
    Terminate,
    /// Nothing.
    Noop,
}

/// How a SWITCH or DECISION chooses.
#[derive(Clone, Debug)]
pub struct Switch {
    /// First node of each case; `None` for an empty branch.
    pub cases: IndexMap<String, Option<NodeId>>,
    /// First node of the default branch.
    pub default: Option<NodeId>,
    /// The old type, whose empty branches fall back to the default.
    pub is_decision: bool,
}

/// One step of a plan.
#[derive(Clone, Debug)]
pub struct Node {
    /// The step's name in the definition.
    pub reference: Arc<str>,
    /// The step's place in the definition: the loops around it and its name, as in `loop/step`. One
    /// for each node, and the same whatever order the compiler works in.
    pub path: Arc<str>,
    /// The task definition's name.
    pub name: Arc<str>,
    /// The type that executions show: the name for SIMPLE, `FORK` for forks.
    pub task_type: Arc<str>,
    /// What it does.
    pub kind: Kind,
    /// Its input, compiled.
    pub input: Template,
    /// The task definition's input template, where the type honours one.
    pub input_template: Option<Template>,
    /// The definition as registered.
    pub task: Arc<WorkflowTask>,
    /// The definition as readers see it.
    pub task_json: Payload,
    /// Its task definition, pinned.
    pub task_def: Arc<TaskDef>,
    /// What follows.
    pub next: Next,
    /// Whether it stands in a loop's body.
    pub in_loop: bool,
}

impl Node {
    /// Attempts after the first: the step's own number, else its task definition's.
    pub fn retries_allowed(&self) -> u32 {
        let retries = self.task.retry_count.unwrap_or(self.task_def.retry_count);
        u32::try_from(retries).unwrap_or(0)
    }

    /// The `taskDefName` that executions show: the type for those that need no definition.
    pub fn def_name(&self) -> &str {
        match self.kind {
            Kind::Switch(_) | Kind::Fork { .. } | Kind::DynamicFork { .. } | Kind::Join => {
                &self.task_type
            }
            Kind::Worker
            | Kind::Dynamic { .. }
            | Kind::ExclusiveJoin
            | Kind::DoWhile { .. }
            | Kind::SubWorkflow
            | Kind::StartWorkflow
            | Kind::Wait
            | Kind::Human
            | Kind::SetVariable
            | Kind::Inline
            | Kind::Lambda
            | Kind::Jq
            | Kind::Terminate
            | Kind::Noop => &self.name,
        }
    }

    /// Whether a worker executes it.
    pub fn is_worker(&self) -> bool {
        matches!(self.kind, Kind::Worker | Kind::Dynamic { .. })
    }
}

/// A compiled definition.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The pinned definition.
    pub definition: Arc<WorkflowDef>,
    /// The pinned definition as readers see it.
    pub json: Payload,
    /// Its steps.
    pub nodes: Vec<Node>,
    /// The first step.
    pub first: Option<NodeId>,
    /// The execution's output, compiled; `None` when the definition has none.
    pub output: Option<Template>,
    by_reference: HashMap<Arc<str>, NodeId>,
    by_path: HashMap<Arc<str>, NodeId>,
    /// Names that several steps have, which validation forbids in registered definitions.
    shared_references: HashSet<Arc<str>>,
}

impl Plan {
    /// Compiles a pinned definition; see [`pin`].
    pub fn compile(definition: WorkflowDef) -> Self {
        let mut compiler = Compiler::default();
        let first = compiler.sequence(&definition.tasks, Next::End, false);
        let output = (!definition.output_parameters.is_empty_object())
            .then(|| Template::compile(&definition.output_parameters));
        Self { first, output, ..compiler.finish(definition) }
    }

    /// Compiles one step of its own, such as a branch of a dynamic fork.
    pub fn of_step(step: &WorkflowTask) -> Self {
        let mut compiler = Compiler::default();
        let first = compiler.sequence(std::slice::from_ref(step), Next::End, false);
        Self { first, ..compiler.finish(WorkflowDef::default()) }
    }

    /// The node with this number.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id as usize)
    }

    /// The node of a step.
    pub fn find(&self, reference: &str) -> Option<NodeId> {
        self.by_reference.get(reference).copied()
    }

    /// The node of a step, when only one step has this name.
    pub fn find_only(&self, reference: &str) -> Option<NodeId> {
        self.find(reference).filter(|_| !self.shared_references.contains(reference))
    }

    /// The node with this [`Node::path`].
    pub fn find_path(&self, path: &str) -> Option<NodeId> {
        self.by_path.get(path).copied()
    }
}

/// The definition with every step's task definition attached, so that later edits do not touch
/// executions that run already. Steps without a registered one get Conductor's stand-in.
/// **Source**: conductor-semantics §0.6.
pub fn pin(mut definition: WorkflowDef, surroundings: &dyn Surroundings) -> WorkflowDef {
    for task in &mut definition.tasks {
        freeze_task(task, surroundings);
    }
    definition
}

/// Attaches the task definition to one step and to all within it, and the version of a child that
/// names none.
pub fn freeze_task(task: &mut WorkflowTask, surroundings: &dyn Surroundings) {
    if task.task_definition.is_none() {
        let name = task.name.clone().unwrap_or_default();
        let registered = surroundings.task_def(&name).map(|def| (*def).clone());
        task.task_definition =
            Some(registered.unwrap_or_else(|| stand_in(name, task.task_type == "SIMPLE")));
    }
    if let Some(child) = &mut task.sub_workflow_param
        && child.workflow_definition.is_none()
        && child.version.is_none()
    {
        child.version = child.name.as_deref().and_then(|name| surroundings.latest_version(name));
    }
    let branches = task.decision_cases.values_mut().chain(task.fork_tasks.iter_mut());
    for inner in branches.flatten().chain(&mut task.default_case).chain(&mut task.loop_over) {
        freeze_task(inner, surroundings);
    }
}

fn stand_in(name: String, is_simple: bool) -> TaskDef {
    let default = TaskDef { name: Some(name), ..TaskDef::default() };
    if is_simple {
        default
    } else {
        TaskDef { retry_count: 0, response_timeout_seconds: 0, ..default }
    }
}

#[derive(Default)]
struct Compiler {
    nodes: Vec<Option<Node>>,
    by_reference: HashMap<Arc<str>, NodeId>,
    by_path: HashMap<Arc<str>, NodeId>,
    shared_references: HashSet<Arc<str>>,
    /// The path of the loop whose body is compiled; `None` outside loops.
    inside: Option<Arc<str>>,
}

/// A node that is still to be compiled.
struct Place {
    id: NodeId,
    reference: Arc<str>,
    path: Arc<str>,
}

impl Compiler {
    fn finish(self, definition: WorkflowDef) -> Plan {
        Plan {
            json: crate::json::payload(&definition),
            definition: Arc::new(definition),
            nodes: self.nodes.into_iter().flatten().collect(),
            first: None,
            output: None,
            by_reference: self.by_reference,
            by_path: self.by_path,
            shared_references: self.shared_references,
        }
    }

    /// Compiles steps that follow each other; answers the first.
    fn sequence(&mut self, tasks: &[WorkflowTask], after: Next, in_loop: bool) -> Option<NodeId> {
        let places: Vec<Place> = tasks.iter().map(|task| self.reserve(task)).collect();
        for (index, task) in tasks.iter().enumerate() {
            let next = places.get(index + 1).map_or(after, |place| Next::Node(place.id));
            let place = &places[index];
            let node = self.node(task, place, next, in_loop);
            self.nodes[place.id as usize] = Some(node);
        }
        places.first().map(|place| place.id)
    }

    fn reserve(&mut self, task: &WorkflowTask) -> Place {
        let id = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(None);
        let reference: Arc<str> = task.task_reference_name.as_deref().unwrap_or_default().into();
        if self.by_reference.insert(reference.clone(), id).is_some() {
            self.shared_references.insert(reference.clone());
        }
        let path = self.path_of(&reference);
        self.by_path.insert(path.clone(), id);
        Place { id, reference, path }
    }

    /// A path that no other step has: those that would share one are numbered.
    fn path_of(&self, reference: &Arc<str>) -> Arc<str> {
        let path = match &self.inside {
            Some(around) => format!("{around}/{reference}").into(),
            None => reference.clone(),
        };
        if !self.by_path.contains_key(&path) {
            return path;
        }
        let numbered = (2_u32..).map(|number| Arc::from(format!("{path}#{number}")));
        numbered.into_iter().find(|path| !self.by_path.contains_key(path)).unwrap_or(path)
    }

    fn node(&mut self, task: &WorkflowTask, place: &Place, next: Next, in_loop: bool) -> Node {
        let kind = self.kind(task, place, next, in_loop);
        let name: Arc<str> = task.name.as_deref().unwrap_or_default().into();
        let task_type = match task.task_type.as_str() {
            "SIMPLE" | "DYNAMIC" | "USER_DEFINED" => name.clone(),
            "FORK_JOIN" | "FORK_JOIN_DYNAMIC" => "FORK".into(),
            other => other.into(),
        };
        let task_def = task
            .task_definition
            .clone()
            .unwrap_or_else(|| stand_in(name.to_string(), task.task_type == "SIMPLE"));
        let (input, input_template) = input_templates(task, &task_def, &kind);
        Node {
            reference: place.reference.clone(),
            path: place.path.clone(),
            name,
            task_type,
            kind,
            input,
            input_template,
            task_json: crate::json::payload(task),
            task: Arc::new(task.clone()),
            task_def: Arc::new(task_def),
            next,
            in_loop,
        }
    }

    fn kind(&mut self, task: &WorkflowTask, place: &Place, next: Next, in_loop: bool) -> Kind {
        let join = match next {
            Next::Node(id) => Some(id),
            Next::LoopEnd | Next::End => None,
        };
        let Some(engine_type) = EngineType::from_name(&task.task_type) else {
            return Kind::Worker;
        };
        match engine_type {
            EngineType::Dynamic => Kind::Dynamic {
                name_param: task.dynamic_task_name_param.clone().unwrap_or_default(),
            },
            EngineType::Switch | EngineType::Decision => {
                Kind::Switch(self.switch(task, next, in_loop))
            }
            EngineType::ForkJoin => {
                let branches = task.fork_tasks.iter();
                let branches = branches.filter_map(|branch| self.sequence(branch, next, in_loop));
                Kind::Fork { branches: branches.collect(), join }
            }
            EngineType::ForkJoinDynamic => Kind::DynamicFork { join },
            EngineType::Join => Kind::Join,
            EngineType::ExclusiveJoin => Kind::ExclusiveJoin,
            EngineType::DoWhile => {
                let before = self.nodes.len();
                let outer = self.inside.replace(place.path.clone());
                let first = self.sequence(&task.loop_over, Next::LoopEnd, true);
                self.inside = outer;
                let body = self.nodes[before..].iter().flatten();
                let body = body.map(|node| node.reference.clone()).collect();
                let condition = task.loop_condition.as_deref().and_then(Program::parse);
                Kind::DoWhile { first, body, items: loop_items(task), condition }
            }
            EngineType::SubWorkflow => Kind::SubWorkflow,
            EngineType::StartWorkflow => Kind::StartWorkflow,
            EngineType::Wait => Kind::Wait,
            EngineType::Human => Kind::Human,
            EngineType::SetVariable => Kind::SetVariable,
            EngineType::Inline => Kind::Inline,
            EngineType::Lambda => Kind::Lambda,
            EngineType::JsonJqTransform => Kind::Jq,
            EngineType::Terminate => Kind::Terminate,
            EngineType::Noop => Kind::Noop,
        }
    }

    fn switch(&mut self, task: &WorkflowTask, next: Next, in_loop: bool) -> Switch {
        let cases = task.decision_cases.iter();
        let cases =
            cases.map(|(case, branch)| (case.clone(), self.sequence(branch, next, in_loop)));
        Switch {
            cases: cases.collect(),
            default: self.sequence(&task.default_case, next, in_loop),
            is_decision: task.task_type == "DECISION",
        }
    }
}

/// The list a loop runs over: its `items`, or the input member that Orkes' SDKs use.
fn loop_items(task: &WorkflowTask) -> Option<Template> {
    if let Some(items) = &task.items {
        return Some(Template::compile_text(items));
    }
    let inputs = crate::json::members(&task.input_parameters);
    inputs.get("_items").map(Template::compile)
}

/// Compiles a step's input, and the task definition's template for the types that honour one.
fn input_templates(
    task: &WorkflowTask,
    task_def: &TaskDef,
    kind: &Kind,
) -> (Template, Option<Template>) {
    let honours = match kind {
        Kind::Worker
        | Kind::Dynamic { .. }
        | Kind::DoWhile { .. }
        | Kind::Inline
        | Kind::Lambda
        | Kind::Jq => true,
        Kind::Switch(_)
        | Kind::Fork { .. }
        | Kind::DynamicFork { .. }
        | Kind::Join
        | Kind::ExclusiveJoin
        | Kind::SubWorkflow
        | Kind::StartWorkflow
        | Kind::Wait
        | Kind::Human
        | Kind::SetVariable
        | Kind::Terminate
        | Kind::Noop => false,
    };
    if !honours || task_def.input_template.is_empty_object() {
        return (Template::compile(&task.input_parameters), None);
    }
    let merged: Payload = crate::json::put_absent(&task.input_parameters, &task_def.input_template);
    (Template::compile(&merged), Some(Template::compile(&task_def.input_template)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan() -> Plan {
        let step = |name: &str| json!({"name": name, "taskReferenceName": name, "type": "SIMPLE"});
        let inner = json!({"name": "in", "taskReferenceName": "in", "type": "DO_WHILE",
            "loopCondition": "false", "loopOver": [step("a"), step("deep")]});
        let outer = json!({"name": "out", "taskReferenceName": "out", "type": "DO_WHILE",
            "loopCondition": "false", "loopOver": [inner, step("b")]});
        let switch = json!({"name": "s", "taskReferenceName": "s", "type": "SWITCH",
            "decisionCases": {"x": [step("c")]}, "defaultCase": [step("a")]});
        let tasks = json!({"name": "w", "tasks": [step("a"), outer, switch, step("out/b")]});
        Plan::compile(serde_json::from_value(tasks).unwrap())
    }

    #[test]
    fn each_node_has_a_path_of_its_own_and_is_found_by_it() {
        let plan = plan();
        let mut paths: Vec<&str> = plan.nodes.iter().map(|node| &*node.path).collect();
        for (node, id) in plan.nodes.iter().zip(0..) {
            assert_eq!(plan.find_path(&node.path), Some(id));
        }
        paths.sort_unstable();
        let expected =
            ["a", "a#2", "c", "out", "out/b", "out/b#2", "out/in", "out/in/a", "out/in/deep", "s"];
        assert_eq!(paths, expected);
        assert_eq!(plan.find_path("deep"), None);
    }

    #[test]
    fn a_name_that_several_steps_have_names_none_of_them() {
        let plan = plan();
        assert_eq!(plan.find_only("a"), None);
        assert_eq!(plan.find_only("deep"), plan.find_path("out/in/deep"));
        assert_eq!(plan.find_only("none"), None);
    }
}
