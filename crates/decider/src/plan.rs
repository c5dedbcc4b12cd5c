//! A definition, compiled once: nodes with successors, templates and settings that every execution of
//! that version shares.
//!
//! Control flow is flat: each node knows what follows it, so the decider never walks the definition.
pub use crate::state::NodeId;
use crate::surroundings::Surroundings;
use crate::task_type::{Facts, Inside, Mark, Runner, Shown};
use baton_common::{Payload, TaskDef, WorkflowDef, WorkflowTask};
use baton_expression::plain::Program;
use baton_expression::template::Template;
use indexmap::IndexMap;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Finds the facts of a type by its name in definitions.
pub(crate) type FindType = fn(&str) -> &'static Facts;

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

/// The steps inside a node, compiled.
#[derive(Clone, Debug)]
pub enum Kind {
    /// None.
    Leaf,
    /// None; another type runs here, by the name in an input member.
    Named {
        /// The input member.
        name_param: String,
    },
    /// Branches, one of which is chosen.
    Cases(Cases),
    /// Branches that all begin.
    Branches {
        /// First node of each branch.
        branches: Vec<NodeId>,
        /// The step behind it, which joins them.
        join: Option<NodeId>,
    },
    /// Branches that its input describes.
    RunTimeBranches {
        /// The step behind it, which joins them.
        join: Option<NodeId>,
    },
    /// A body that is repeated.
    Body(Box<Body>),
}

/// Branches, one of which is chosen.
#[derive(Clone, Debug)]
pub struct Cases {
    /// First node of each case; `None` for an empty branch.
    pub cases: IndexMap<String, Option<NodeId>>,
    /// First node of the default branch.
    pub default: Option<NodeId>,
}

/// A body that is repeated.
#[derive(Clone, Debug)]
pub struct Body {
    /// Its first node.
    pub first: Option<NodeId>,
    /// Names of all steps in it.
    pub names: Vec<Arc<str>>,
    /// One iteration for each item, when given.
    pub items: Option<Template>,
    /// The condition, where it is a plain script: it tells what it reads.
    pub condition: Option<Program>,
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
    /// The facts of its type.
    pub facts: &'static Facts,
    /// Whether it is run by the rules of Conductor's system tasks; so is a step of another type whose
    /// queue is that of such a type.
    pub(crate) is_system_worker: bool,
    /// The steps inside.
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
        if self.facts.has(Mark::NeedsNoTaskDef) { &self.task_type } else { &self.name }
    }

    /// Whether a worker executes it.
    pub fn is_worker(&self) -> bool {
        self.facts.is_worker()
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
    find_type: FindType,
}

impl Plan {
    /// Compiles a pinned definition.
    pub(crate) fn of(definition: WorkflowDef, find_type: FindType) -> Self {
        let mut compiler = Compiler::new(find_type);
        let first = compiler.sequence(&definition.tasks, Next::End, false);
        let output = (!definition.output_parameters.is_empty_object())
            .then(|| Template::compile(&definition.output_parameters));
        Self { first, output, ..compiler.finish(definition) }
    }

    /// Compiles one step of its own, such as a branch of a dynamic fork, with the types of this plan.
    pub(crate) fn of_step(&self, step: &WorkflowTask) -> Self {
        let mut compiler = Compiler::new(self.find_type);
        let first = compiler.sequence(std::slice::from_ref(step), Next::End, false);
        Self { first, ..compiler.finish(WorkflowDef::default()) }
    }

    /// The facts of a type, by its name in definitions.
    pub(crate) fn facts_of(&self, task_type: &str) -> &'static Facts {
        (self.find_type)(task_type)
    }

    /// Attaches the task definition to a step that is defined at run time.
    pub(crate) fn pin_step(&self, step: &mut WorkflowTask, surroundings: &dyn Surroundings) {
        pin_step(step, surroundings, self.find_type);
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

/// Attaches the task definition to one step and to all within it, and the version of a child that
/// names none, or 0. Steps without a registered definition get Conductor's stand-in.
/// **Source**: conductor-semantics §0.6.
pub(crate) fn pin_step(
    task: &mut WorkflowTask,
    surroundings: &dyn Surroundings,
    find_type: FindType,
) {
    if task.task_definition.is_none() {
        let name = task.name.clone().unwrap_or_default();
        let registered = surroundings.task_def(&name).map(|def| (*def).clone());
        let stand_in = find_type(&task.task_type).stand_in;
        task.task_definition = Some(registered.unwrap_or_else(|| stand_in(name)));
    }
    if let Some(child) = &mut task.sub_workflow_param
        && child.workflow_definition.is_none()
        && child.version.is_none_or(|version| version == 0)
    {
        child.version = child.name.as_deref().and_then(|name| surroundings.latest_version(name));
    }
    let branches = task.decision_cases.values_mut().chain(task.fork_tasks.iter_mut());
    for inner in branches.flatten().chain(&mut task.default_case).chain(&mut task.loop_over) {
        pin_step(inner, surroundings, find_type);
    }
}

struct Compiler {
    find_type: FindType,
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
    fn new(find_type: FindType) -> Self {
        Self {
            find_type,
            nodes: Vec::new(),
            by_reference: HashMap::new(),
            by_path: HashMap::new(),
            shared_references: HashSet::new(),
            inside: None,
        }
    }

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
            find_type: self.find_type,
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
        let facts = (self.find_type)(&task.task_type);
        let kind = self.kind(task, facts.inside, place, (next, in_loop));
        let name: Arc<str> = task.name.as_deref().unwrap_or_default().into();
        let task_type = match facts.shown {
            Shown::Name => name.clone(),
            Shown::As(other) => other.into(),
            Shown::Type => task.task_type.as_str().into(),
        };
        let queue_runner = (self.find_type)(&task_type).runner;
        let task_def =
            task.task_definition.clone().unwrap_or_else(|| (facts.stand_in)(name.to_string()));
        let (input, input_template) = input_templates(task, &task_def, facts);
        Node {
            reference: place.reference.clone(),
            path: place.path.clone(),
            name,
            task_type,
            facts,
            is_system_worker: facts.is_plain_worker() && queue_runner == Runner::Executor,
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

    fn kind(
        &mut self,
        task: &WorkflowTask,
        inside: Inside,
        place: &Place,
        (next, in_loop): (Next, bool),
    ) -> Kind {
        let join = match next {
            Next::Node(id) => Some(id),
            Next::LoopEnd | Next::End => None,
        };
        match inside {
            Inside::Nothing => Kind::Leaf,
            Inside::NamedType => {
                Kind::Named { name_param: task.dynamic_task_name_param.clone().unwrap_or_default() }
            }
            Inside::Cases => Kind::Cases(self.cases(task, next, in_loop)),
            Inside::Branches => {
                let branches = task.fork_tasks.iter();
                let branches = branches.filter_map(|branch| self.sequence(branch, next, in_loop));
                Kind::Branches { branches: branches.collect(), join }
            }
            Inside::RunTimeBranches => Kind::RunTimeBranches { join },
            Inside::Body => Kind::Body(Box::new(self.body(task, place))),
        }
    }

    fn body(&mut self, task: &WorkflowTask, place: &Place) -> Body {
        let before = self.nodes.len();
        let outer = self.inside.replace(place.path.clone());
        let first = self.sequence(&task.loop_over, Next::LoopEnd, true);
        self.inside = outer;
        let nodes = self.nodes[before..].iter().flatten();
        let names = nodes.map(|node| node.reference.clone()).collect();
        let condition = task.loop_condition.as_deref().and_then(Program::parse);
        Body { first, names, items: loop_items(task), condition }
    }

    fn cases(&mut self, task: &WorkflowTask, next: Next, in_loop: bool) -> Cases {
        let cases = task.decision_cases.iter();
        let cases =
            cases.map(|(case, branch)| (case.clone(), self.sequence(branch, next, in_loop)));
        Cases { cases: cases.collect(), default: self.sequence(&task.default_case, next, in_loop) }
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

/// Compiles a step's input, and the task definition's template for the types that take one.
fn input_templates(
    task: &WorkflowTask,
    task_def: &TaskDef,
    facts: &Facts,
) -> (Template, Option<Template>) {
    let takes_template = facts.has(Mark::TakesInputTemplate);
    if !takes_template || task_def.input_template.is_empty_object() {
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
