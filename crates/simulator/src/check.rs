//! Follows every commit and checks what must be true after it.
use crate::rules::{Breach, Circumstances, judge};
use baton_common::{ExecutionId, Payload, TaskId, Timestamp, WorkflowStatus};
use baton_decider::change::Change;
use baton_decider::plan::Plan;
use baton_decider::state::{Delivery, Execution, StartFacts, Task};
use baton_decider::task_type::Starts;
use baton_format::{Entry, FormatError};
use baton_orchestrator::inspect;
use baton_store::{Batch, ExecutionWrite, MessageId, PlanHash, ReadyKey, StoredMessage};
use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most commits of one execution: one that has more turns in a circle, and each costs more than the
/// one before. The longest of a good run has some sixty.
const COMMITS_MAX: i64 = 300;

/// Longest wait of a task for which there is a slot while nothing goes wrong, ms: a worker that has
/// vanished in time of trouble keeps its slot until its lease ends.
const IDLE_MS_MAX: i64 = 15_000;

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub rule: &'static str,
    /// What was seen.
    pub text: String,
    /// When, ms since the run began.
    pub at_ms: u64,
}

/// An execution as its commits tell it.
pub struct Seen {
    /// The fold of its changes.
    pub execution: Execution,
    /// How often it went on after an end, or began anew.
    pub reopenings: u32,
    ready: BTreeSet<ReadyKey>,
}

impl Seen {
    /// For people: its state and its open tasks.
    pub(crate) fn in_words(&self) -> String {
        let state = &self.execution;
        let task =
            |task: &Arc<Task>| format!("{} {} {:?}", task.reference, task.status, task.delivery);
        let tasks: Vec<String> = state.open_tasks().map(task).collect();
        format!("{} {} [{}]", state.facts.workflow_name, state.status, tasks.join(", "))
    }
}

/// All that was committed so far.
#[derive(Default)]
pub struct Checker {
    /// Executions by id.
    pub executions: BTreeMap<ExecutionId, Seen>,
    /// Their ids in the order in which they came.
    pub order: Vec<ExecutionId>,
    /// Those that were removed.
    pub removed: BTreeSet<ExecutionId>,
    /// Plans by their hash.
    pub plans: BTreeMap<PlanHash, Arc<Plan>>,
    /// The first invariant that was broken.
    pub broken: Option<Broken>,
    /// Whether people repeat and pass over steps in this run.
    pub has_operations: bool,
    /// How many tasks of a type may be with workers at a time.
    pub limit: Option<u32>,
    /// The failure workflows of each execution.
    pub handlers: BTreeMap<String, Vec<ExecutionId>>,
    /// Commits so far.
    pub commits: u64,
    messages: BTreeMap<MessageId, StoredMessage>,
    children: BTreeMap<TaskId, ExecutionId>,
    keys: BTreeMap<(String, String), ExecutionId>,
    handed: BTreeSet<(TaskId, i32)>,
}

impl Checker {
    /// Follows a commit.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn committed(
        &mut self,
        batch: &Batch,
        now: Timestamp,
        dead: &[ExecutionId],
    ) -> Result<(), Breach> {
        self.commits += 1;
        for (hash, plan) in &batch.plans {
            self.learn(*hash, plan)?;
        }
        for message in &batch.delivered {
            self.messages.remove(message);
        }
        for write in &batch.writes {
            self.follow(write, now)?;
        }
        if let Some(dead) = dead.first() {
            return Err(("I9 no dead wait", format!("{dead} waits for nothing")));
        }
        for write in &batch.writes {
            self.family(write.id)?;
        }
        self.limits()
    }

    /// Tasks that are with workers, by their type.
    fn at_work(&self) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        for seen in self.executions.values() {
            let leased = seen.execution.open_tasks().filter(|t| t.delivery == Delivery::Leased);
            for task in leased {
                *counts.entry(seen.execution.queue_of(task)).or_default() += 1;
            }
        }
        counts
    }

    fn limits(&self) -> Result<(), Breach> {
        let Some(limit) = self.limit else { return Ok(()) };
        match self.at_work().into_iter().find(|(_, count)| *count > limit) {
            Some((queue, count)) => {
                let text = format!("{count} of {queue} are with workers; the limit is {limit}");
                Err(("I13 limits are kept", text))
            }
            None => Ok(()),
        }
    }

    /// In calm times workers always poll, so no task waits for long while there is a slot for it.
    ///
    /// # Errors
    /// One does.
    pub fn idle_slot(&self, calm_at: Timestamp, now: Timestamp) -> Result<(), Breach> {
        let counts = self.at_work();
        for seen in self.executions.values() {
            let state = &seen.execution;
            for task in state.open_tasks().filter(|_| !state.status.is_terminal()) {
                let Delivery::Ready(since) = task.delivery else { continue };
                let at_work = counts.get(&state.queue_of(task)).copied().unwrap_or(0);
                let is_free = self.limit.is_none_or(|limit| at_work < limit);
                if is_free && now.millis_since(since.max(calm_at)) > IDLE_MS_MAX {
                    let text = format!("{} waits beside a free slot", task.reference);
                    return Err(("I13 limits are kept", text));
                }
            }
        }
        Ok(())
    }

    fn learn(&mut self, hash: PlanHash, plan: &Payload) -> Result<(), Breach> {
        if let Slot::Vacant(free) = self.plans.entry(hash) {
            let definition = serde_json::from_str(plan.get());
            let definition = definition.map_err(|error| ("I15 decodable", error.to_string()))?;
            free.insert(Arc::new(Plan::compile(definition)));
        }
        Ok(())
    }

    fn follow(&mut self, write: &ExecutionWrite, now: Timestamp) -> Result<(), Breach> {
        let unreadable = |error: FormatError| ("I15 decodable", error.to_string());
        let entry = Entry::parse(&write.journal).map_err(unreadable)?;
        if write.expected_version >= COMMITS_MAX {
            let text = format!("it turns in a circle: {COMMITS_MAX} commits of {}", write.id);
            return Err(("ends", text));
        }
        for message in &write.sent {
            self.messages.insert(message.id, message.clone());
        }
        let mut seen = match self.executions.remove(&write.id) {
            Some(seen) => seen,
            None => self.first(write, entry.start().map_err(unreadable)?)?,
        };
        let changes = entry.apply(&mut self.before(&seen, write)).map_err(unreadable)?;
        if let Some(input) = &write.input {
            seen.execution.input = input.clone();
        }
        let known = Circumstances { now, has_operations: self.has_operations };
        let mut result = Ok(());
        for change in &changes {
            if result.is_ok() {
                result = judge(&seen.execution, change, known);
            }
            self.apply(&mut seen, write, change);
        }
        let row = result.and_then(|()| row_faults(&mut seen, write));
        self.executions.insert(write.id, seen);
        row
    }

    fn apply(&self, seen: &mut Seen, write: &ExecutionWrite, change: &Change) {
        let is_restart = matches!(change, Change::ExecutionRestarted(_));
        if is_restart || matches!(change, Change::ExecutionReopened { .. }) {
            seen.reopenings += 1;
        }
        let plan = write.index.as_ref().and_then(|index| self.plans.get(&index.plan));
        if let Some(plan) = plan.filter(|_| is_restart) {
            seen.execution.plan = plan.clone();
        }
        seen.execution.apply(change);
    }

    /// The state in which a commit's changes are read: a restart may bring another plan.
    fn before(&self, seen: &Seen, write: &ExecutionWrite) -> Execution {
        let mut execution = seen.execution.clone();
        if let Some(plan) = write.index.as_ref().and_then(|index| self.plans.get(&index.plan)) {
            execution.plan = plan.clone();
        }
        execution
    }

    fn first(&mut self, write: &ExecutionWrite, facts: StartFacts) -> Result<Seen, Breach> {
        let id = write.id;
        let fault = |text: &str| ("I1 a start is whole", format!("{id}: {text}"));
        let plan = write.index.as_ref().and_then(|index| self.plans.get(&index.plan));
        let plan = plan.ok_or_else(|| fault("has no plan"))?.clone();
        let input = write.input.clone().ok_or_else(|| fault("has no input"))?;
        if let Some(parent) = facts.parent
            && let Some(other) = self.children.insert(parent.task, id)
            && !self.has_operations
        {
            return Err(("I8 one child", format!("{} has {other} and {id}", parent.task)));
        }
        if let Some(key) = write.idempotency_key.clone()
            && let Some(other) = self.keys.insert((facts.workflow_name.to_string(), key), id)
        {
            return Err(("I2 one key", format!("{other} and {id} have one key")));
        }
        self.note_handler(id, &input)?;
        self.order.push(id);
        let execution = Execution::new(plan, facts, input);
        Ok(Seen { execution, reopenings: 0, ready: BTreeSet::new() })
    }

    fn note_handler(&mut self, id: ExecutionId, input: &Payload) -> Result<(), Breach> {
        let input: serde_json::Value = serde_json::from_str(input.get()).unwrap_or_default();
        if input.get("failedWorkflow").is_none() {
            return Ok(());
        }
        let failed = input["workflowId"].as_str().unwrap_or_default().to_owned();
        let handlers = self.handlers.entry(failed.clone()).or_default();
        handlers.push(id);
        if handlers.len() > 1 && !self.has_operations {
            return Err(("I8 one child", format!("two failure workflows of {failed}")));
        }
        Ok(())
    }

    /// Whether an execution and those around it know of each other.
    fn family(&self, id: ExecutionId) -> Result<(), Breach> {
        let Some(seen) = self.executions.get(&id) else { return Ok(()) };
        for task in seen.execution.open_tasks() {
            let Some(child) = task.child else { continue };
            if seen.execution.node_of(task).facts.starts == Starts::Child {
                self.parent_waits(id.task(task.seq), child)?;
            }
        }
        for task in seen.execution.tasks.values().filter(|task| task.status.is_terminal()) {
            if let Some(child) = task.child {
                self.child_is_waited_for(id.task(task.seq), child)?;
            }
        }
        match seen.execution.facts.parent {
            Some(parent) => self.child_is_waited_for(parent.task, id),
            None => Ok(()),
        }
    }

    fn parent_waits(&self, task: TaskId, child: ExecutionId) -> Result<(), Breach> {
        let parent = task.execution();
        let told = || self.is_under_way(child, parent) || self.is_under_way(parent, child);
        let Some(seen) = self.executions.get(&child) else {
            return if self.removed.contains(&child) && told() {
                Ok(())
            } else {
                Err(("I8 one child", format!("{task} waits for {child}, which is not there")))
            };
        };
        if seen.execution.status.is_terminal() && !told() {
            return Err(("I9 no dead wait", format!("{task} waits for {child}, which has ended")));
        }
        Ok(())
    }

    fn child_is_waited_for(&self, task: TaskId, child: ExecutionId) -> Result<(), Breach> {
        let parent = task.execution();
        let Some(seen) = self.executions.get(&child) else { return Ok(()) };
        if self.removed.contains(&parent) {
            return self.child_of_removed(parent, seen);
        }
        let Some(above) = self.executions.get(&parent) else { return Ok(()) };
        let Some(waiting) = above.execution.task(task.seq()) else { return Ok(()) };
        let is_open = !waiting.status.is_terminal() && waiting.child == Some(child);
        let told = || self.is_under_way(parent, child) || self.is_under_way(child, parent);
        if seen.execution.status.is_terminal() {
            return if is_open && !told() {
                Err(("I9 no dead wait", format!("{task} waits for {child}, which has ended")))
            } else {
                Ok(())
            };
        }
        if waiting.status.is_terminal() && !self.has_operations && !told() {
            return Err(("I14 nothing new", format!("{child} goes on without its parent {task}")));
        }
        Ok(())
    }

    fn is_under_way(&self, from: ExecutionId, to: ExecutionId) -> bool {
        self.messages.values().any(|message| message.id.from == from && message.to == to)
    }

    /// The key of an ended execution is free again.
    pub fn key_released(&mut self, id: ExecutionId) {
        self.keys.retain(|_, holder| *holder != id);
    }

    /// An execution was removed.
    ///
    /// # Errors
    /// Its parent waits for it, or a child of it goes on, and nothing is on its way to them.
    pub fn removed(&mut self, id: ExecutionId) -> Result<(), Breach> {
        self.removed.insert(id);
        self.messages.retain(|_, message| message.to != id);
        self.keys.retain(|_, holder| *holder != id);
        let gone = self.executions.remove(&id);
        if let Some(parent) = gone.and_then(|gone| gone.execution.facts.parent) {
            self.family(parent.task.execution())?;
        }
        let children = self.executions.values().filter(|seen| {
            let parent = seen.execution.facts.parent;
            parent.is_some_and(|parent| parent.task.execution() == id)
        });
        for child in children {
            self.child_of_removed(id, child)?;
        }
        Ok(())
    }

    /// A child that somebody reopened needs no parent.
    fn child_of_removed(&self, parent: ExecutionId, child: &Seen) -> Result<(), Breach> {
        let (id, is_open) = (child.execution.id(), !child.execution.status.is_terminal());
        if is_open && child.reopenings == 0 && !self.is_under_way(parent, id) {
            let text = format!("{id} goes on, and its parent {parent} was removed");
            return Err(("I14 nothing new", text));
        }
        Ok(())
    }

    /// A client was told that its start succeeded.
    ///
    /// # Errors
    /// The execution is not there.
    pub fn started(&self, id: ExecutionId) -> Result<(), Breach> {
        if self.executions.contains_key(&id) || self.removed.contains(&id) {
            return Ok(());
        }
        Err(("I1 a start is whole", format!("{id} was acknowledged and is not there")))
    }

    /// A worker got a task.
    ///
    /// # Errors
    /// It was not leased to it, or was before.
    pub fn handed(&mut self, task: TaskId, poll_count: i32) -> Result<(), Breach> {
        let is_new = self.handed.insert((task, poll_count));
        let Some(seen) = self.executions.get(&task.execution()) else { return Ok(()) };
        if !is_new && seen.reopenings == 0 {
            return Err(("I3 one lease", format!("{task} handed out twice by one lease")));
        }
        let known = seen.execution.task(task.seq()).map_or(0, |task| task.poll_count);
        let is_leased = seen.reopenings > 0 || i64::from(known) >= i64::from(poll_count);
        if is_leased { Ok(()) } else { Err(("I3 one lease", format!("{task} without a lease"))) }
    }

    /// A worker was told that its result is kept.
    ///
    /// # Errors
    /// It is not.
    pub fn acknowledged(
        &self,
        task: TaskId,
        worker: Option<&str>,
        result: &Payload,
    ) -> Result<(), Breach> {
        let Some(seen) = self.executions.get(&task.execution()) else { return Ok(()) };
        let Some(kept) = seen.execution.task(task.seq()) else { return Ok(()) };
        if seen.reopenings > 0 || seen.execution.status.is_terminal() {
            return Ok(());
        }
        if !kept.status.is_terminal() {
            return Err(("I4 results are kept", format!("{task} is {}", kept.status)));
        }
        let is_completed = kept.status == baton_common::TaskStatus::Completed;
        let is_own = is_completed && kept.poll_count == 1 && kept.worker.as_deref() == worker;
        if is_own && kept.output.json() != *result {
            return Err(("I4 results are kept", format!("{task} has another result")));
        }
        Ok(())
    }

    /// Executions that have not ended.
    pub fn open(&self) -> impl Iterator<Item = &Seen> {
        self.executions.values().filter(|seen| !seen.execution.status.is_terminal())
    }

    /// Whether nothing is left to do. What is told to a removed execution nobody waits for.
    pub fn is_quiet(&self) -> bool {
        let is_told = |message: &StoredMessage| !self.removed.contains(&message.to);
        self.open().next().is_none() && !self.messages.values().any(is_told)
    }
}

/// The row, the queue and the state must say the same.
fn row_faults(seen: &mut Seen, write: &ExecutionWrite) -> Result<(), Breach> {
    let state = &seen.execution;
    let id = write.id;
    let is_begun = state.last_seq > 0;
    if let Some(fault) = state.faults().into_iter().find(|_| is_begun) {
        return Err(("I11 fold is state", format!("{id}: {fault}")));
    }
    if write.status != state.status || write.ended_at.is_some() != state.status.is_terminal() {
        return Err((
            "I11 fold is state",
            format!("{id}: row {}, state {}", write.status, state.status),
        ));
    }
    // One with a rest is due at once, whenever its row was written.
    let slack_ms = if state.has_agenda() { 60_000 } else { 0 };
    let is_late =
        |wanted: Timestamp| write.wake_at.is_none_or(|at| at > wanted.plus_millis(slack_ms));
    if state.wake_at().is_some_and(is_late) {
        let wanted = state.wake_at();
        return Err((
            "I9 no dead wait",
            format!("{id}: wakes at {:?}, not {wanted:?}", write.wake_at),
        ));
    }
    for key in &write.ready_removed {
        seen.ready.remove(key);
    }
    seen.ready.extend(write.ready_added.iter().cloned());
    let is_open = !matches!(
        state.status,
        WorkflowStatus::Completed
            | WorkflowStatus::Failed
            | WorkflowStatus::TimedOut
            | WorkflowStatus::Terminated
    );
    let keys = state.open_tasks().filter_map(|task| inspect::ready_key(state, task.seq));
    let wanted: BTreeSet<ReadyKey> = keys.filter(|_| is_open).collect();
    if wanted != seen.ready {
        let text = format!("{id}: queue {:?}, state {wanted:?}", seen.ready);
        return Err(("I11 queue is state", text));
    }
    Ok(())
}
