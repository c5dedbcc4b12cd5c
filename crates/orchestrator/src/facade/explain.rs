//! Why executions and tasks are where they are, children included, to the leaf.
//!
//! First the states are read, then what they leave open: places in queues, pollers, children. That
//! second read brings the states themselves up to its own moment, so an execution is explained from
//! one snapshot. Children cost one more round trip for each level.
use super::{Answer, Orchestrator, execution_id};
use crate::engine::ready_key;
use crate::error::{OrchestratorError, no_workflow};
use crate::explain::{Children, View};
use crate::journal::{self, FROM_THE_START};
use crate::limits::Bound;
use baton_common::api::{LastPoll, LimitUse, TaskExplanation, WorkflowExplanation};
use baton_common::{ExecutionId, TaskId, Timestamp};
use baton_decider::explain::{Known, Place, Questions, Scope, explain};
use baton_decider::state::{Delivery, Execution, Task};
use baton_store::{
    LoadRequest, LoadedExecution, PlanHash, PollQuery, PollRecord, READY_COUNT_MAX, ReadyKey,
    ReadyPlace, Version, WaitFacts, WaitQuery,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Levels of children that are explained; the children below are named only.
const LEVELS_MAX: usize = 10;
/// Executions that one answer explains; further children are named only.
const EXECUTIONS_MAX: usize = 32;
/// Ready tasks whose places are asked for in one read; others have no place in the answer.
const PLACES_MAX: usize = 64;
/// Reads of a level that changes meanwhile; after them the last one is taken as it is.
const READS_MAX: usize = 3;

/// An execution as of a version, with what is known of its queues.
struct Seen {
    execution: Execution,
    version: Version,
    plan: PlanHash,
    known: Known,
}

/// What has been read for one answer.
struct Reading {
    root: ExecutionId,
    scope: Scope,
    seen: HashMap<ExecutionId, Seen>,
    /// From the root down.
    levels: Vec<Vec<ExecutionId>>,
}

impl Orchestrator {
    /// Why an execution is where it is, and each of its waiting tasks, children included.
    ///
    /// # Errors
    /// NotFound, Unavailable, Corrupt.
    pub async fn explain_workflow(&self, id: &str) -> Answer<WorkflowExplanation> {
        let root = execution_id(id)?;
        let reading = self.read_tree(root, Scope::Open).await?;
        let now = self.inner.clock.now();
        let below = reading.below_root(now);
        let view = reading.view(root, now, &below).ok_or_else(|| no_workflow(id))?;
        Ok(view.workflow())
    }

    /// Why a task is where it is, its child included.
    ///
    /// # Errors
    /// NotFound, Unavailable, Corrupt.
    pub async fn explain_task(&self, id: &str) -> Answer<TaskExplanation> {
        let missing = || OrchestratorError::NotFound(format!("Task not found for taskId: {id}"));
        let task: TaskId = id.parse().map_err(|_| missing())?;
        let root = task.execution();
        let reading = match self.read_tree(root, Scope::Task(task.seq())).await {
            Err(OrchestratorError::NotFound(_)) => return Err(missing()),
            other => other?,
        };
        let now = self.inner.clock.now();
        let below = reading.below_root(now);
        let view = reading.view(root, now, &below).ok_or_else(missing)?;
        view.first_task().ok_or_else(missing)
    }

    /// Reads an execution and those below it, level by level.
    async fn read_tree(&self, root: ExecutionId, scope: Scope) -> Answer<Reading> {
        let mut reading = Reading { root, scope, seen: HashMap::new(), levels: Vec::new() };
        let query = WaitQuery { executions: vec![from_the_start(root)], ..WaitQuery::default() };
        let facts = self.inner.store.load_waits(&query).await?;
        self.take_in(&mut reading, facts.executions).await?;
        let mut level = vec![root];
        while !level.is_empty() {
            reading.levels.push(level.clone());
            level = self.read_level(&mut reading, &level).await?;
        }
        Ok(reading)
    }

    /// Learns what the states of a level leave open, and answers the level below.
    async fn read_level(
        &self,
        reading: &mut Reading,
        level: &[ExecutionId],
    ) -> Answer<Vec<ExecutionId>> {
        let mut below = Vec::new();
        for _ in 0..READS_MAX {
            let asked = self.questions(reading, level);
            below = reading.children(&asked);
            if below.is_empty() && asked.is_empty() {
                break;
            }
            let query = reading.query(level, &below, &asked);
            let facts = self.inner.store.load_waits(&query).await?;
            self.learn(reading, level, &asked, &facts);
            self.learn_limits(reading, level).await?;
            if !self.take_in(reading, facts.executions).await? {
                break;
            }
        }
        below.retain(|child| reading.seen.contains_key(child));
        Ok(below)
    }

    fn questions(&self, reading: &Reading, level: &[ExecutionId]) -> Asked {
        let now = self.inner.clock.now();
        let mut asked = Asked::default();
        for id in level {
            let Some(seen) = reading.seen.get(id) else { continue };
            let scope = reading.scope_of(*id);
            let questions = explain(&seen.execution, scope, now, &Known::default()).questions;
            asked.add(&seen.execution, questions);
        }
        asked
    }

    /// Takes in executions as read; true when one that was known has changed.
    async fn take_in(
        &self,
        reading: &mut Reading,
        loaded: Vec<Option<LoadedExecution>>,
    ) -> Answer<bool> {
        let mut has_changed = false;
        for loaded in loaded.into_iter().flatten() {
            let id = loaded.row.id;
            let old = reading.seen.remove(&id);
            has_changed |= old.as_ref().is_some_and(|old| old.version != loaded.row.version);
            let seen = self.seen(loaded, old).await?;
            reading.seen.insert(id, seen);
        }
        if reading.seen.contains_key(&reading.root) {
            Ok(has_changed)
        } else {
            Err(no_workflow(reading.root))
        }
    }

    /// The state as of what was read: folded anew, or the old one with what came later.
    async fn seen(&self, loaded: LoadedExecution, old: Option<Seen>) -> Answer<Seen> {
        let (version, plan) = (loaded.row.version, loaded.row.index.plan);
        let known = old.as_ref().map(|old| old.known.clone()).unwrap_or_default();
        if journal::is_whole(&loaded) {
            let (execution, _) = journal::fold(&loaded, &self.inner.definitions).await?;
            return Ok(Seen { execution, version, plan, known });
        }
        if let Some(mut old) = old.filter(|old| old.plan == plan)
            && journal::catch_up(&mut old.execution, &loaded)?.is_some()
        {
            return Ok(Seen { version, ..old });
        }
        // It was restarted between two reads: it is read again whole, a moment later.
        let whole = self.loaded(from_the_start(loaded.row.id)).await?;
        let (execution, _) = journal::fold(&whole, &self.inner.definitions).await?;
        let (version, plan) = (whole.row.version, whole.row.index.plan);
        Ok(Seen { execution, version, plan, known })
    }

    /// Notes what was read of queues and workers.
    fn learn(
        &self,
        reading: &mut Reading,
        level: &[ExecutionId],
        asked: &Asked,
        facts: &WaitFacts,
    ) {
        let mut polls: HashMap<Arc<str>, Vec<LastPoll>> = HashMap::new();
        for task_type in &asked.task_types {
            let own = self.inner.polls.of(task_type);
            let stored = facts.polls.iter().filter(|poll| *poll.task_type == **task_type);
            polls.insert(task_type.clone(), newest(own.iter().chain(stored)));
        }
        for id in level {
            if let Some(seen) = reading.seen.get_mut(id) {
                seen.known = Known { polls: polls.clone(), ..Known::default() };
            }
        }
        for (key, place) in asked.places.iter().zip(&facts.places) {
            let Some(seen) = reading.seen.get_mut(&key.task.execution()) else { continue };
            if let Some(place) = place {
                seen.known.places.insert(key.task.seq(), shown(*place));
            }
            let handed_out = self.inner.handed_out.of(&key.queue);
            seen.known.handed_out.extend(handed_out.map(|count| (key.queue.clone(), count)));
        }
    }
}

impl Orchestrator {
    /// Notes which limits of a level's ready tasks are full.
    async fn learn_limits(&self, reading: &mut Reading, level: &[ExecutionId]) -> Answer<()> {
        let catalog = self.inner.definitions.catalog();
        let mut bounds: BTreeMap<Arc<str>, Bound> = BTreeMap::new();
        for execution in level.iter().filter_map(|id| reading.seen.get(id)).map(|s| &s.execution) {
            let is_ready = |task: &&Arc<Task>| matches!(task.delivery, Delivery::Ready(_));
            for task in execution.open_tasks().filter(is_ready) {
                let node = execution.node_of(task);
                if let Some(bound) = catalog.bound_of(node) {
                    bounds.entry(bound.limit.clone()).or_insert(bound);
                }
            }
        }
        let uses = self.uses(&bounds.into_values().collect::<Vec<_>>()).await?;
        let full = uses.into_iter().filter(LimitUse::is_full);
        let full: HashMap<_, _> = full.map(|limit| (limit.name.clone(), limit)).collect();
        for id in level {
            if let Some(seen) = reading.seen.get_mut(id) {
                seen.known.full.clone_from(&full);
            }
        }
        Ok(())
    }
}

/// The questions of a level.
#[derive(Default)]
struct Asked {
    places: Vec<ReadyKey>,
    task_types: BTreeSet<Arc<str>>,
    children: Vec<ExecutionId>,
}

impl Asked {
    fn add(&mut self, execution: &Execution, questions: Questions) {
        let keys = questions.places.into_iter().filter_map(|seq| ready_key(execution, seq));
        let free = PLACES_MAX.saturating_sub(self.places.len());
        self.places.extend(keys.take(free));
        self.task_types.extend(questions.task_types);
        self.children.extend(questions.children);
    }

    fn is_empty(&self) -> bool {
        self.places.is_empty() && self.task_types.is_empty()
    }
}

impl Reading {
    fn scope_of(&self, id: ExecutionId) -> Scope {
        if id == self.root { self.scope } else { Scope::Open }
    }

    /// The level below, as far as the answer's limits allow.
    fn children(&self, asked: &Asked) -> Vec<ExecutionId> {
        if self.levels.len() > LEVELS_MAX {
            return Vec::new();
        }
        let above: HashSet<ExecutionId> = self.levels.iter().flatten().copied().collect();
        let fresh = asked.children.iter().copied().filter(|child| !above.contains(child));
        fresh.take(EXECUTIONS_MAX.saturating_sub(above.len())).collect()
    }

    fn query(&self, level: &[ExecutionId], below: &[ExecutionId], asked: &Asked) -> WaitQuery {
        let request = |id: &ExecutionId| match self.seen.get(id) {
            Some(seen) => LoadRequest { id: *id, journal_after: Some(seen.version) },
            None => from_the_start(*id),
        };
        WaitQuery {
            executions: level.iter().chain(below).map(request).collect(),
            places: asked.places.clone(),
            polls: PollQuery::Of(asked.task_types.iter().map(ToString::to_string).collect()),
        }
    }

    /// The executions below the root, explained from the leaves up; each stands inside its parent.
    fn below_root(&self, now: Timestamp) -> Children {
        let mut below = Children::new();
        for level in self.levels.iter().skip(1).rev() {
            let explained =
                level.iter().filter_map(|id| Some((*id, self.view(*id, now, &below)?.workflow())));
            below = explained.collect();
        }
        below
    }

    fn view<'a>(
        &'a self,
        id: ExecutionId,
        now: Timestamp,
        children: &'a Children,
    ) -> Option<View<'a>> {
        let seen = self.seen.get(&id)?;
        let execution = &seen.execution;
        let explained = explain(execution, self.scope_of(id), now, &seen.known);
        Some(View { execution, explained, now, children })
    }
}

fn from_the_start(id: ExecutionId) -> LoadRequest {
    LoadRequest { id, journal_after: Some(FROM_THE_START) }
}

fn shown(place: ReadyPlace) -> Place {
    let at_least = place.size >= READY_COUNT_MAX.into();
    Place { ahead: place.ahead, size: place.size, at_least }
}

/// The newest poll in each domain.
fn newest<'a>(polls: impl Iterator<Item = &'a PollRecord>) -> Vec<LastPoll> {
    let mut newest: HashMap<&str, &PollRecord> = HashMap::new();
    for poll in polls {
        let held = newest.entry(&poll.domain).or_insert(poll);
        if poll.at > held.at {
            *held = poll;
        }
    }
    let some = |text: &str| Some(text).filter(|text| !text.is_empty()).map(Arc::from);
    let last = newest.into_values().map(|poll| LastPoll {
        domain: some(&poll.domain),
        worker_id: some(&poll.worker),
        time: poll.at,
    });
    last.collect()
}
