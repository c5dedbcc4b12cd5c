//! FORK_JOIN_DYNAMIC: as many branches as the input says, in three styles.
//! **Source**: conductor-semantics §1.6.
//!
//! Data of a branch is never substituted a second time: Conductor does, and lets text that users
//! supply read other data.
use super::super::decider::{Decider, Flow, Stop, TaskType};
use super::engine::ENGINE;
use super::join::JOIN;
use super::simple::SIMPLE;
use super::sub_workflow::SUB_WORKFLOW;
use super::switch;
use crate::change::Change;
use crate::json::{self, Object};
use crate::plan::{Kind, Node};
use crate::state::{AgendaItem, Branch, Expansion, NodeKey, Task};
use crate::task_type::{Again, Facts, Inside, Mark, Shown};
use crate::validation::Fault;
use crate::validation::demands::{has_input, join_missing, required};
use crate::validation::steps::{Step, TaskDefs};
use baton_common::definition::SubWorkflowParams;
use baton_common::limits::FORK_BRANCHES_MAX;
use baton_common::{Payload, TaskStatus, WorkflowStatus, WorkflowTask};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Forks wider than this keep only the names of their branches in their input, not the whole
/// definitions again: those are with the branches.
const FORK_RECORD_BRANCHES_MAX: usize = 256;

pub(super) static FORK_JOIN_DYNAMIC: TaskType = TaskType {
    facts: Facts {
        shown: Shown::As("FORK"),
        inside: Inside::RunTimeBranches,
        again: Again::WithItsBranches,
        marks: &[Mark::NotRetried, Mark::NeedsNoTaskDef],
        faults,
        flow_faults: |step, _| join_missing(step, JOIN.facts.name).into_iter().collect(),
        ..Facts::of_engine("FORK_JOIN_DYNAMIC")
    },
    schedule: Decider::schedule_dynamic_fork,
    ..ENGINE
};

/// The step as a definition of its own, with this input.
fn whole(branch: &Branch, input: Payload) -> WorkflowTask {
    let mut step = (*branch.step).clone();
    step.task_reference_name = Some(branch.reference.to_string());
    step.input_parameters = input;
    step
}

/// Keeps one of all steps that are alike but for name and input, so that a fork of a hundred
/// thousand branches does not hold as many definitions.
#[derive(Default)]
struct Alike {
    known: HashMap<String, Arc<WorkflowTask>>,
    /// Most branches are like the one before, which costs less to see.
    last: Option<Arc<WorkflowTask>>,
}

impl Alike {
    fn branch(&mut self, reference: Arc<str>, mut step: WorkflowTask, input: Payload) -> Branch {
        step.task_reference_name = None;
        step.input_parameters = Payload::empty_object();
        let last = self.last.take().filter(|last| **last == step);
        let step = last.unwrap_or_else(|| {
            let known = self.known.entry(json::payload(&step).get().to_owned());
            known.or_insert_with(|| Arc::new(step)).clone()
        });
        self.last = Some(step.clone());
        Branch { reference, step, input }
    }
}

impl Decider {
    fn schedule_dynamic_fork(
        &mut self,
        node: &Node,
        place: NodeKey,
        loop_task: Option<u32>,
    ) -> Flow {
        let Kind::RunTimeBranches { join } = &node.kind else { return Ok(()) };
        if self.join_behind(place, *join).is_none() {
            return Ok(());
        }
        let mut task = self.new_task(node, place, loop_task);
        task.input = self.input_of(node, None)?;
        let branches = match self.branches(node, &task.input) {
            Ok(branches) => branches,
            Err(reason) => {
                self.fail_for_good(&reason);
                return Ok(());
            }
        };
        self.check_branches(&branches, loop_task)?;
        if let Some(branch) = self.taken_branch(&branches, place, loop_task) {
            let (name, reference) =
                (branch.step.name.as_deref().unwrap_or_default(), &branch.reference);
            let reason = format!(
                "No dynamic tasks could be created for the Workflow: {}, Dynamic Fork Task: {name}/{reference} attempted to create a duplicate task reference name: {reference}",
                self.label()
            );
            self.fail_for_good(&reason);
            return Ok(());
        }
        self.ask_ahead(&branches)?;
        task.input = fork_input(&task.input, &branches);
        let fork = task.seq;
        self.record_ended(task, TaskStatus::Completed);
        let (branches, joined) = (branches.into(), imbl::Vector::new());
        self.expansions.insert(fork, Expansion { branches, joined, recorded: 0 });
        self.agenda.push_first(std::iter::once(AgendaItem::Branches(fork)));
        Ok(())
    }

    /// The first branch whose name another step of the same iteration has: one that has begun or is yet
    /// to come, a branch before it, or one of another fork.
    fn taken_branch<'b>(
        &self,
        branches: &'b [Branch],
        place: NodeKey,
        loop_task: Option<u32>,
    ) -> Option<&'b Branch> {
        let plan = self.plan_of(place);
        let path = plan.node(place.node).map_or("", |node| &*node.path);
        let around = path.rsplit_once('/').map_or(String::new(), |(loops, _)| format!("{loops}/"));
        let known = self.execution.expansions.iter().map(|(fork, known)| (fork, &**known));
        let under_way = known.chain(&self.expansions);
        let beside = under_way.filter(|(fork, _)| {
            self.execution.task(**fork).is_some_and(|fork| fork.loop_task == loop_task)
        });
        let mut taken: HashSet<&str> = beside
            .flat_map(|(_, other)| other.branches.iter().map(|branch| &*branch.reference))
            .collect();
        branches.iter().find(|branch| {
            let full = self.full_reference(&branch.reference, loop_task);
            !taken.insert(&branch.reference)
                || self.execution.by_reference(&full).is_some()
                || plan.find_path(&format!("{around}{}", branch.reference)).is_some()
                || (loop_task.is_none()
                    && self.execution.plan.find_path(&branch.reference).is_some())
        })
    }

    /// Has the choices of the first branches by script evaluated before they are scheduled, as many as
    /// this slice has room for: the JOIN waits for the step that they choose.
    fn ask_ahead(&mut self, branches: &[Branch]) -> Flow {
        let mut is_complete = true;
        for (index, branch) in branches.iter().enumerate() {
            let Some(source) = self.choice_script(&branch.step) else { continue };
            if index > 0 && !self.has_room_for_script() {
                break;
            }
            is_complete &= self.evaluate(switch::script(source, &branch.input)).is_ok();
        }
        if is_complete { Ok(()) } else { Err(Stop::Wanted) }
    }

    /// Creates the next branches of a dynamic fork, as many as the slice allows; after the last of
    /// them the JOIN, which waits for them by name.
    pub(in crate::decide) fn expand_fork(&mut self, fork: u32) -> Flow {
        let Some(task) = self.execution.task(fork).cloned() else { return Ok(()) };
        let Some(mut expansion) = self.expansion_of(fork) else { return Ok(()) };
        let branches = expansion.branches.clone();
        let mut shared = HashMap::new();
        let mut flow = Ok(());
        while let Some(branch) = branches.get(expansion.joined.len())
            && self.execution.status == WorkflowStatus::Running
            && !self.slice.is_used_up()
        {
            match self.join_branch(&branches[expansion.joined.len()..], branch, &task, &mut shared)
            {
                Ok(name) => expansion.joined.push_back(name),
                Err(stop) => {
                    flow = Err(stop);
                    break;
                }
            }
        }
        let is_done = expansion.joined.len() == branches.len();
        if is_done && self.execution.status == WorkflowStatus::Running {
            return self.close_expansion(&task, &expansion);
        }
        if flow.is_ok() {
            self.agenda.push_first(std::iter::once(AgendaItem::Branches(fork)));
        }
        self.expansions.insert(fork, expansion);
        flow
    }

    fn choice_script<'s>(&self, step: &'s WorkflowTask) -> Option<&'s str> {
        (self.execution.plan.facts_of(&step.task_type).choice_script)(step)
    }

    /// Whether workers run tasks of this type.
    fn is_worker_type(&self, task_type: &str) -> bool {
        self.execution.plan.facts_of(task_type).is_plain_worker()
    }

    fn expansion_of(&mut self, fork: u32) -> Option<Expansion> {
        let own = self.expansions.remove(&fork);
        own.or_else(|| self.execution.expansions.get(&fork).map(|known| (**known).clone()))
    }

    /// Creates a branch unless it has begun; answers the name that the JOIN waits for.
    fn join_branch(
        &mut self,
        ahead: &[Branch],
        branch: &Branch,
        fork: &Task,
        shared: &mut Defined,
    ) -> Flow<Arc<str>> {
        let full = self.full_reference(&branch.reference, fork.loop_task);
        if self.execution.by_reference(&full).is_some() {
            return Ok(branch.reference.clone());
        }
        if self.choice_script(&branch.step).is_some() {
            self.ask_ahead(ahead)?;
        }
        self.schedule_branch(branch, fork.loop_task, shared)
    }

    /// All branches are there: the JOIN follows.
    fn close_expansion(&mut self, fork: &Task, expansion: &Expansion) -> Flow {
        if self.execution.expansions.contains_key(&fork.seq) {
            let names = expansion.joined.iter().skip(expansion.recorded).cloned().collect();
            self.record(Change::BranchesJoined { fork: fork.seq, names, is_done: true });
        }
        let plan = self.plan_of(fork.place);
        let node = plan.node(fork.place.node);
        let Some(Kind::RunTimeBranches { join: Some(join) }) = node.map(|node| &node.kind) else {
            return Ok(());
        };
        let place = NodeKey { plan: fork.place.plan, node: *join };
        let joined: Vec<Arc<str>> = expansion.joined.iter().cloned().collect();
        match plan.node(*join) {
            Some(node) => self.schedule_join(node, place, fork.loop_task, Some(&joined)),
            None => Ok(()),
        }
    }

    /// Keeps in the state what is known of forks whose branches are still to come.
    pub(in crate::decide) fn record_expansions(&mut self) {
        for (fork, expansion) in std::mem::take(&mut self.expansions) {
            let Expansion { branches, joined, recorded } = expansion;
            if self.execution.expansions.contains_key(&fork) {
                let names: Vec<Arc<str>> = joined.iter().skip(recorded).cloned().collect();
                if !names.is_empty() {
                    self.record(Change::BranchesJoined { fork, names, is_done: false });
                }
            } else {
                let joined = joined.into_iter().collect();
                self.record(Change::BranchesPlanned { fork, branches, joined });
            }
        }
    }

    fn schedule_branch(
        &mut self,
        branch: &Branch,
        loop_task: Option<u32>,
        shared: &mut Defined,
    ) -> Flow<Arc<str>> {
        if self.is_worker_type(&branch.step.task_type) {
            let key = self.shared_step(&branch.step, shared);
            let mut task = self.new_named_task(&branch.reference, key, loop_task);
            task.input = branch.input.clone();
            let plan = self.plan_of(key);
            if let Some(node) = plan.node(key.node) {
                self.queue_task(node, task);
            }
            return Ok(branch.reference.clone());
        }
        let key = self.define_step(whole(branch, literal(&branch.input)));
        let first = self.execution.last_seq + 1;
        self.schedule(key, loop_task)?;
        Ok(self.last_of_branch(first).unwrap_or_else(|| branch.reference.clone()))
    }

    /// The step that a JOIN waits for: the last one that the branch's first step brought along.
    fn last_of_branch(&mut self, first: u32) -> Option<Arc<str>> {
        let task = self.execution.task(first)?.clone();
        let node = self.execution.node_of(&task);
        let is_loop = node.facts.inside == Inside::Body;
        if node.facts.has(Mark::ChoosesNext) {
            // A choice by value is made at once, so that its first step is known here. One by script
            // asks again when its turn comes; what others ask for stays asked.
            let wanted = self.wanted.len();
            if self.run_task(first).is_ok() {
                self.take_schedules();
            }
            self.wanted.truncate(wanted);
        }
        let last = if is_loop { first } else { self.execution.last_seq };
        self.execution.task(last).map(|task| Arc::from(task.base_reference()))
    }

    /// Takes the steps that a choice just put last on the agenda.
    fn take_schedules(&mut self) {
        while let Some(step @ AgendaItem::Schedule { .. }) = self.agenda.back() {
            self.agenda.pop_back();
            if let AgendaItem::Schedule { place, loop_task } = step {
                let _ = self.schedule(place, loop_task);
            }
        }
    }

    /// Worker branches that differ only in name and input share one definition.
    fn shared_step(&mut self, step: &Arc<WorkflowTask>, shared: &mut Defined) -> NodeKey {
        if let Some(known) = shared.get(&Arc::as_ptr(step)) {
            return *known;
        }
        let place = self.define_step((**step).clone());
        shared.insert(Arc::as_ptr(step), place);
        place
    }

    fn branches(&self, node: &Node, input: &Payload) -> Result<Vec<Branch>, String> {
        let members = json::members(input);
        let simple = members.get("forkTaskInputs").and_then(json::elements);
        let branches = if let Some(elements) = simple {
            self.simple_branches(node, &members, elements)
        } else if let Some(param) = &node.task.dynamic_fork_tasks_param {
            self.paired_branches(node, &members, param)
        } else {
            let param = node.task.dynamic_fork_join_tasks_param.as_deref().unwrap_or_default();
            legacy_branches(members.get(param))
        }?;
        if branches.len() > FORK_BRANCHES_MAX {
            return Err(format!("{} branches are more than {FORK_BRANCHES_MAX}", branches.len()));
        }
        Ok(branches)
    }

    /// Style 1: one branch for each element of `forkTaskInputs`.
    fn simple_branches(
        &self,
        node: &Node,
        members: &Object,
        elements: Vec<Payload>,
    ) -> Result<Vec<Branch>, String> {
        let text = |key: &str| members.get(key).and_then(json::text);
        let workflow = text("forkTaskWorkflow");
        let task_type = match &workflow {
            Some(_) => SUB_WORKFLOW.facts.name.to_owned(),
            None => text("forkTaskType").unwrap_or_else(|| SIMPLE.facts.name.to_owned()),
        };
        let facts = self.execution.plan.facts_of(&task_type);
        let names_it = !facts.is_plain_worker() || facts.has(Mark::NamesBranches);
        let fork = node.reference.to_string();
        let name = text("forkTaskName").unwrap_or_else(|| {
            if names_it && workflow.is_none() { task_type.clone() } else { fork.clone() }
        });
        let prefix =
            if self.has_short_names(node) { format!("_{name}") } else { format!("_{fork}_{name}") };
        let version = text("forkTaskWorkflowVersion").and_then(|version| version.parse().ok());
        let mut alike = Alike::default();
        let branch = |(index, element): (usize, Payload)| {
            let mut step: WorkflowTask = if element.is_object() {
                serde_json::from_str(element.get()).unwrap_or_default()
            } else {
                WorkflowTask::default()
            };
            let mut input = if element.is_object() {
                json::members(&element)
            } else {
                Object::from([("input".to_owned(), element)])
            };
            input.insert("__index".into(), json::payload(&index));
            let reference: Arc<str> = format!("{prefix}_{index}").into();
            step.name = Some(workflow.clone().unwrap_or_else(|| name.clone()));
            step.task_type.clone_from(&task_type);
            step.optional |= node.task.optional;
            if let Some(workflow) = &workflow {
                let task_to_domain = input.get("taskToDomain");
                step.sub_workflow_param = Some(SubWorkflowParams {
                    name: Some(workflow.clone()),
                    version,
                    task_to_domain: task_to_domain
                        .and_then(|domains| serde_json::from_str(domains.get()).ok()),
                    ..SubWorkflowParams::default()
                });
            }
            alike.branch(reference, step, json::payload(&input))
        };
        Ok(elements.into_iter().enumerate().map(branch).collect())
    }

    /// Style 2: a list of steps and a map of their inputs.
    fn paired_branches(
        &self,
        node: &Node,
        members: &Object,
        param: &str,
    ) -> Result<Vec<Branch>, String> {
        let steps = members.get(param).cloned().unwrap_or_else(Payload::null);
        let steps: Vec<Payload> = read_step(&steps)?;
        let inputs_param = node.task.dynamic_fork_tasks_input_param_name.as_deref();
        let inputs = inputs_param.and_then(|param| members.get(param));
        let inputs = inputs.filter(|inputs| inputs.is_object()).ok_or_else(|| {
            let found = inputs.map_or("null", |inputs| inputs.get());
            let found: String = found.chars().take(100).collect();
            format!("Input to the dynamically forked tasks is not a map -> expecting a map of K,V  but found {found}")
        })?;
        let inputs = json::members(inputs);
        let mut alike = Alike::default();
        let branch = |step: Payload| {
            let step: WorkflowTask = read_step(&step)?;
            let reference = step.task_reference_name.clone().filter(|name| !name.is_empty());
            let reference = reference.ok_or("a forked task has no taskReferenceName")?;
            let own = if step.input_parameters.get().contains("${") {
                let own = baton_expression::template::Template::compile(&step.input_parameters);
                self.resolve(&own, None).map_err(|stop| stop.reason())?
            } else {
                step.input_parameters.clone()
            };
            let input = match inputs.get(&reference) {
                Some(given) if given.is_object() => json::overlay(&own, given),
                _ => own,
            };
            Ok(alike.branch(reference.into(), step, input))
        };
        steps.into_iter().map(branch).collect()
    }
}

/// The steps that a fork has defined already.
type Defined = HashMap<*const WorkflowTask, NodeKey>;

/// Style 3: `{dynamicTasks: [{taskName, referenceName, input, type}]}`.
fn legacy_branches(given: Option<&Payload>) -> Result<Vec<Branch>, String> {
    #[derive(serde::Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct LegacyTask {
        task_name: Option<String>,
        workflow_name: Option<String>,
        reference_name: Option<String>,
        input: Option<Payload>,
        #[serde(rename = "type")]
        task_type: Option<String>,
    }
    let list = given.map(json::members).and_then(|mut members| members.swap_remove("dynamicTasks"));
    let list = list.ok_or("the input names no dynamic tasks")?;
    let tasks: Vec<LegacyTask> =
        serde_json::from_str(list.get()).map_err(|error| error.to_string())?;
    let mut alike = Alike::default();
    let branch = |task: LegacyTask| {
        let reference = task.reference_name.ok_or("a forked task has no referenceName")?;
        let input = task.input.unwrap_or_default();
        let workflow = task
            .workflow_name
            .map(|name| SubWorkflowParams { name: Some(name), ..SubWorkflowParams::default() });
        let step = WorkflowTask {
            name: task.task_name,
            task_type: task.task_type.unwrap_or_else(|| SIMPLE.facts.name.to_owned()),
            sub_workflow_param: workflow,
            ..WorkflowTask::default()
        };
        Ok(alike.branch(reference.into(), step, input))
    };
    tasks.into_iter().map(branch).collect()
}

/// The list of steps, or one of it.
fn read_step<T: serde::de::DeserializeOwned>(step: &Payload) -> Result<T, String> {
    serde_json::from_str(step.get())
        .map_err(|error| format!("Input to the dynamically forked tasks is not a list: {error}"))
}

/// The input as a definition in which nothing is substituted.
fn literal(input: &Payload) -> Payload {
    if !input.get().contains("${") {
        return input.clone();
    }
    Payload::parse(input.get().replace("${", "$${")).unwrap_or_default()
}

/// What the FORK task shows as its input.
fn fork_input(input: &Payload, branches: &[Branch]) -> Payload {
    let names: Vec<&str> = branches.iter().map(|branch| &*branch.reference).collect();
    if branches.len() > FORK_RECORD_BRANCHES_MAX {
        return json::payload(&Object::from([("forkedTasks".to_owned(), json::payload(&names))]));
    }
    let steps = branches.iter().map(|branch| whole(branch, branch.input.clone()));
    let steps: Vec<WorkflowTask> = steps.collect();
    let mut members = json::members(input);
    members.insert("forkedTasks".into(), json::payload(&names));
    members.insert("forkedTaskDefs".into(), json::payload(&steps));
    json::payload(&members)
}

fn faults(step: &Step<'_>, _: TaskDefs<'_>) -> Vec<Fault> {
    let task = step.task;
    let (list, inputs) = (
        task.dynamic_fork_tasks_param.is_some(),
        task.dynamic_fork_tasks_input_param_name.is_some(),
    );
    if task.dynamic_fork_join_tasks_param.is_some() {
        let message = format!(
            "dynamicForkJoinTasksParam or combination of dynamicForkTasksInputParamName and \
             dynamicForkTasksParam cam be used for taskType: FORK_JOIN_DYNAMIC taskName: {}",
            step.name()
        );
        let is_mixed = list || inputs;
        return is_mixed
            .then(|| step.fault("/dynamicForkJoinTasksParam", message))
            .into_iter()
            .collect();
    }
    if has_input(step, "forkTaskInputs") {
        return Vec::new();
    }
    let mut faults = required(step, "dynamicForkTasksParam", list);
    faults.extend(required(step, "dynamicForkTasksInputParamName", inputs));
    faults
}
