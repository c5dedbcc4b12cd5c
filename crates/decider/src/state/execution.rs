//! The state of one execution: facts, tasks, and the indexes that keep a decision's cost
//! independent of the number of tasks. Cloning is cheap: the maps share their nodes.
use crate::plan::{Node, Plan};
use crate::state::{AgendaItem, Delivery, Expansion, Lineage, NodeKey, Task};
use crate::task_type::Waits;
use baton_common::{ExecutionId, Payload, SpanId, TaskId, Timestamp, Trace, WorkflowStatus};
use indexmap::IndexMap;
use std::sync::Arc;

/// Who started an execution as a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The SUB_WORKFLOW task.
    pub task: TaskId,
    /// How many executions stand above.
    pub depth: u32,
}

/// What is known of an execution from its start on.
#[derive(Clone, Debug, PartialEq)]
pub struct StartFacts {
    /// Its id.
    pub id: ExecutionId,
    /// Name of its definition.
    pub workflow_name: Arc<str>,
    /// Version of its definition.
    pub workflow_version: i32,
    /// The caller's own id.
    pub correlation_id: Option<String>,
    /// 0 to 99.
    pub priority: u8,
    /// Domains by task type, `*` for any.
    pub task_to_domain: IndexMap<String, String>,
    /// Who started it as a child.
    pub parent: Option<Parent>,
    /// First variables.
    pub variables: Payload,
    /// The event that started it.
    pub event: Option<String>,
    /// Who started it.
    pub created_by: Option<String>,
    /// The caller's key that allows only one start.
    pub idempotency_key: Option<String>,
    /// The trace it belongs to.
    pub trace: Option<Trace>,
    /// The starts since something last came from outside.
    pub lineage: Lineage,
    /// When.
    pub at: Timestamp,
}

impl StartFacts {
    /// The trace of an execution that is asked for in this span of ours.
    pub(crate) fn trace_within(&self, span: SpanId) -> Option<Trace> {
        self.trace.as_ref().map(|trace| trace.within(span))
    }
}

/// The state of one execution.
#[derive(Clone, Debug)]
pub struct Execution {
    /// Facts of its start (or last restart).
    pub facts: Arc<StartFacts>,
    /// The plan it runs on.
    pub plan: Arc<Plan>,
    /// Its input.
    pub input: Payload,
    /// Its status.
    pub status: WorkflowStatus,
    /// Its variables.
    pub variables: Payload,
    /// What it answers; `{}` while open.
    pub output: Payload,
    /// Why it did not end well.
    pub reason: Option<Arc<str>>,
    /// The task at fault.
    pub failed_task: Option<u32>,
    /// Start (of the last restart).
    pub created_at: Timestamp,
    /// End.
    pub ended_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was last resumed or retried; the clock of its timeout.
    pub last_retried_at: Option<Timestamp>,
    /// When it was paused; nothing unless it is.
    pub paused_at: Option<Timestamp>,
    /// When it last went on, or began anew, after an end.
    pub reopened_at: Option<Timestamp>,
    /// Steps that failed, by reference name, in order.
    pub failed_references: imbl::OrdSet<(u32, Arc<str>)>,
    /// Those of them that failed before the last restart.
    pub inherited_failures: imbl::OrdSet<(u32, Arc<str>)>,
    /// Every task by number.
    pub tasks: imbl::OrdMap<u32, Arc<Task>>,
    /// The newest task number given out; numbers are never used again.
    pub last_seq: u32,
    /// Steps defined at run time.
    pub step_plans: imbl::Vector<Arc<Plan>>,
    /// Tasks that ended while it was paused and whose consequences are still to come.
    pub unsettled: imbl::OrdSet<u32>,
    /// Messages sent to its parent.
    pub sent_to_parent: u32,
    /// Messages received from its parent, its start included.
    pub received_from_parent: u32,
    /// Whether a worker, a timer or a person has had a part in it, directly or in a child.
    pub saw_outside: bool,
    /// Executions that it has started by its steps.
    pub starts: u32,
    /// Steps that the last slice left to the next one, in order.
    pub agenda: imbl::Vector<AgendaItem>,
    /// Dynamic forks whose branches are not all there yet.
    pub expansions: imbl::OrdMap<u32, Arc<Expansion>>,
    pub(crate) by_reference: imbl::HashMap<Arc<str>, u32>,
    /// The newest task of each step inside a loop, by the step's own name.
    pub(crate) by_looped_base: imbl::HashMap<Arc<str>, u32>,
    pub(crate) open: imbl::OrdSet<u32>,
    /// Open DO_WHILE tasks.
    pub(crate) open_loops: imbl::OrdSet<u32>,
    /// Open tasks by the loop around them.
    pub(crate) open_in_loop: imbl::HashMap<u32, u32>,
    /// Open tasks whose next deadline is at that time.
    pub(crate) deadlines: imbl::OrdSet<(Timestamp, u32)>,
    /// Open JOINs by a reference name they wait for.
    pub(crate) joins: imbl::HashMap<Arc<str>, imbl::OrdSet<u32>>,
    /// How many names each open JOIN still waits for.
    pub(crate) join_open: imbl::HashMap<u32, u32>,
    /// Open tasks by what they wait for: lease, ready, child, external, timer.
    pub(crate) wait_counts: [u32; 5],
    /// The slots that its tasks hold: the limit's name and the task.
    pub slots: imbl::OrdSet<(Arc<str>, u32)>,
    /// Inputs and outputs of all tasks together, bytes; rough for loops.
    pub(crate) task_payload_bytes: usize,
    /// Whether a dynamic fork has run, which changes how later ones name their branches.
    pub has_dynamic_fork: bool,
}

impl Execution {
    /// The state right after the start.
    pub fn new(plan: Arc<Plan>, facts: StartFacts, input: Payload) -> Self {
        Self {
            plan,
            input,
            status: WorkflowStatus::Running,
            variables: facts.variables.clone(),
            output: Payload::empty_object(),
            reason: None,
            failed_task: None,
            created_at: facts.at,
            ended_at: None,
            updated_at: facts.at,
            last_retried_at: None,
            paused_at: None,
            reopened_at: None,
            failed_references: imbl::OrdSet::new(),
            inherited_failures: imbl::OrdSet::new(),
            tasks: imbl::OrdMap::new(),
            last_seq: 0,
            step_plans: imbl::Vector::new(),
            unsettled: imbl::OrdSet::new(),
            sent_to_parent: 0,
            received_from_parent: u32::from(facts.parent.is_some()),
            saw_outside: false,
            starts: 0,
            agenda: imbl::Vector::new(),
            expansions: imbl::OrdMap::new(),
            by_reference: imbl::HashMap::new(),
            by_looped_base: imbl::HashMap::new(),
            open: imbl::OrdSet::new(),
            open_loops: imbl::OrdSet::new(),
            open_in_loop: imbl::HashMap::new(),
            deadlines: imbl::OrdSet::new(),
            joins: imbl::HashMap::new(),
            join_open: imbl::HashMap::new(),
            wait_counts: [0; 5],
            slots: imbl::OrdSet::new(),
            task_payload_bytes: 0,
            has_dynamic_fork: false,
            facts: Arc::new(facts),
        }
    }

    /// Its id.
    pub fn id(&self) -> ExecutionId {
        self.facts.id
    }

    /// The task with this number.
    pub fn task(&self, seq: u32) -> Option<&Arc<Task>> {
        self.tasks.get(&seq)
    }

    /// The newest attempt at a step, by its full reference name.
    pub fn by_reference(&self, reference: &str) -> Option<&Arc<Task>> {
        self.by_reference.get(reference).and_then(|seq| self.tasks.get(seq))
    }

    /// The newest task of a step, whatever the iteration.
    pub fn by_base(&self, reference: &str) -> Option<&Arc<Task>> {
        let looped = self.by_looped_base.get(reference).and_then(|seq| self.tasks.get(seq));
        let plain = self.by_reference(reference).filter(|task| task.base.is_none());
        looped.into_iter().chain(plain).max_by_key(|task| task.seq)
    }

    /// Whether a task is the newest attempt at its step and has ended well.
    pub(crate) fn is_settled_well(&self, seq: u32) -> bool {
        self.task(seq).is_some_and(|task| {
            let newest = self.by_reference(&task.reference);
            task.status.is_successful()
                && task.status != baton_common::TaskStatus::Skipped
                && newest.is_some_and(|newest| newest.seq == seq)
        })
    }

    /// Open tasks in the order they came.
    pub fn open_tasks(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.open.iter().filter_map(|seq| self.tasks.get(seq))
    }

    /// The plan that a key's node is in; `None` when no steps of that number were defined.
    pub fn plan_of(&self, key: NodeKey) -> Option<&Arc<Plan>> {
        match key.plan.checked_sub(1) {
            None => Some(&self.plan),
            Some(index) => self.step_plans.get(index as usize),
        }
    }

    /// The node that a key names.
    ///
    /// # Panics
    /// Never for keys of this execution's own tasks.
    pub fn node(&self, key: NodeKey) -> &Node {
        match self.find_node(key) {
            Some(node) => node,
            None => unreachable!("a task names only nodes that were defined before it"),
        }
    }

    /// The node that a key names; `None` for one of a plan from before a restart.
    pub fn find_node(&self, key: NodeKey) -> Option<&Node> {
        self.plan_of(key)?.node(key.node)
    }

    /// The node that says what a task does.
    pub fn node_of(&self, task: &Task) -> &Node {
        self.node(task.runs.unwrap_or(task.place))
    }

    /// The queue a task is handed out from: `type` or `domain:type`.
    pub fn queue_of(&self, task: &Task) -> String {
        let task_type = &self.node_of(task).task_type;
        match &task.domain {
            Some(domain) => format!("{domain}:{task_type}"),
            None => task_type.to_string(),
        }
    }

    /// Open tasks inside a loop.
    pub(crate) fn open_count(&self, loop_task: u32) -> u32 {
        self.open_in_loop.get(&loop_task).copied().unwrap_or(0)
    }

    /// The next moment at which it must be looked at.
    pub fn wake_at(&self) -> Option<Timestamp> {
        if self.status.is_terminal() {
            return None;
        }
        if self.last_seq == 0 {
            // Created, but not begun: whoever finds it so must begin it.
            return Some(self.created_at);
        }
        let own = self.timeout_at();
        let tasks = match self.status {
            WorkflowStatus::Running if self.is_due_to_continue() => Some(self.updated_at),
            WorkflowStatus::Running => self.wake_at_of_tasks(),
            WorkflowStatus::Paused
            | WorkflowStatus::Completed
            | WorkflowStatus::Failed
            | WorkflowStatus::TimedOut
            | WorkflowStatus::Terminated => None,
        };
        own.into_iter().chain(tasks).min()
    }

    /// Whether a slice has left steps to the next one.
    pub fn has_agenda(&self) -> bool {
        !self.agenda.is_empty()
    }

    /// Whether the next slice can be taken now: in a paused execution the rest waits.
    pub fn is_due_to_continue(&self) -> bool {
        self.status == WorkflowStatus::Running && self.has_agenda()
    }

    /// The earliest deadline of an open task.
    pub(crate) fn wake_at_of_tasks(&self) -> Option<Timestamp> {
        self.deadlines.get_min().map(|(at, _)| *at)
    }

    /// When the execution itself times out.
    pub(crate) fn timeout_at(&self) -> Option<Timestamp> {
        use baton_common::definition::WorkflowTimeoutPolicy::TimeOutWf;
        let definition = &self.plan.definition;
        let ends = definition.timeout_policy == TimeOutWf && definition.timeout_seconds > 0;
        let since = self.last_retried_at.unwrap_or(self.created_at);
        ends.then(|| since.plus_seconds(definition.timeout_seconds))
    }

    /// What it waits for: lease, ready, child, external, timer.
    pub fn waits(&self) -> [bool; 5] {
        self.wait_counts.map(|count| count > 0)
    }

    /// The place in its queue of a task that any worker may take.
    pub fn ready_since(&self, seq: u32) -> Option<Timestamp> {
        match self.tasks.get(&seq)?.delivery {
            Delivery::Ready(at) => Some(at),
            Delivery::None | Delivery::Delayed(_) | Delivery::Leased => None,
        }
    }

    /// Bytes of its input, output and variables and of those of its tasks; rough for loops.
    pub fn payload_bytes(&self) -> usize {
        let payloads = [&self.input, &self.variables, &self.output].map(Payload::len_bytes);
        payloads.iter().sum::<usize>() + self.task_payload_bytes
    }

    /// Rough size in memory, bytes. Most of what a small one takes are the first nodes of its maps.
    pub fn weight_bytes(&self) -> usize {
        3_300 + self.tasks.len() * 500 + self.payload_bytes()
    }
}

/// Which counter of [`Execution::waits`] an open task belongs to.
pub(crate) fn wait_class(node: &Node, task: &Task) -> Option<usize> {
    if task.status.is_terminal() {
        return None;
    }
    match task.delivery {
        Delivery::Leased => return Some(0),
        Delivery::Ready(_) => return Some(1),
        Delivery::Delayed(_) => return Some(4),
        Delivery::None => {}
    }
    match (node.facts.waits)(task) {
        Waits::Child | Waits::Start => Some(2),
        Waits::Timer(_) => Some(4),
        Waits::Action | Waits::Signal | Waits::Person => Some(3),
        Waits::Engine | Waits::Steps | Waits::Iteration => None,
    }
}

/// Whether a reference name's newest task has had its end, as far as joins are concerned.
pub(crate) fn has_ended(task: Option<&Arc<Task>>) -> bool {
    task.is_some_and(|task| task.status.is_terminal())
}
