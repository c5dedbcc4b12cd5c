//! The definitions of the database, mirrored in memory up to a revision.
//!
//! Decisions read the mirror; every batch that read it is fenced by its revision, so a stale mirror
//! is never acted upon: the commit is refused, the mirror refreshed, and everything decided again.
use crate::limits::{Bound, bound_of_def};
use crate::polls::Polls;
use baton_common::{Payload, TaskDef, WorkflowDef, strict};
use baton_decider::decide::Surroundings;
use baton_decider::decide::types::pin;
use baton_decider::plan::{Node, Plan};
use baton_store::{DefinitionChanges, PlanHash, Revision, Store, StoreError};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// One registered version of a workflow definition.
#[derive(Clone, Debug)]
pub(crate) struct WorkflowEntry {
    pub(crate) definition: Arc<WorkflowDef>,
    pub(crate) body: Payload,
}

/// All definitions at one revision.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    pub(crate) revision: Revision,
    pub(crate) workflows: BTreeMap<String, BTreeMap<i32, WorkflowEntry>>,
    pub(crate) tasks: BTreeMap<String, (Arc<TaskDef>, Payload)>,
    /// The limits of task definitions that have one, by the definition's name.
    pub(crate) bounds: HashMap<String, Bound>,
}

impl Catalog {
    /// A version of a definition, the highest for `None`.
    pub(crate) fn workflow(&self, name: &str, version: Option<i32>) -> Option<&WorkflowEntry> {
        let versions = self.workflows.get(name)?;
        match version {
            Some(version) => versions.get(&version),
            None => versions.last_key_value().map(|(_, entry)| entry),
        }
    }

    /// The limits of task definitions, by name.
    pub(crate) fn bounds_by_name(&self) -> Vec<(String, Bound)> {
        let bounds = self.bounds.iter().map(|(name, bound)| (name.clone(), bound.clone()));
        let sorted: BTreeMap<String, Bound> = bounds.collect();
        sorted.into_iter().collect()
    }

    /// The limit of a step's tasks: by the definition that is registered now, else by the one that the
    /// execution has pinned.
    pub(crate) fn bound_of(&self, node: &Node) -> Option<Bound> {
        if let Some(bound) = self.bounds.get(&*node.name) {
            return Some(bound.clone());
        }
        let pinned = bound_of_def(&node.name, &node.task_def)?;
        (!self.tasks.contains_key(&*node.name)).then_some(pinned)
    }

    fn absorb(&mut self, changes: DefinitionChanges) {
        self.revision = changes.revision;
        for (name, version, body) in changes.workflows {
            let versions = self.workflows.entry(name.clone()).or_default();
            match body {
                Some(body) => {
                    let definition = strict::from_str(body.get()).unwrap_or_default();
                    let definition = Arc::new(definition);
                    versions.insert(version, WorkflowEntry { definition, body });
                }
                None => {
                    versions.remove(&version);
                }
            }
            if versions.is_empty() {
                self.workflows.remove(&name);
            }
        }
        for (name, body) in changes.tasks {
            self.bounds.remove(&name);
            let Some(body) = body else {
                self.tasks.remove(&name);
                continue;
            };
            let def = strict::from_str(body.get()).unwrap_or_default();
            self.bounds.extend(bound_of_def(&name, &def).map(|bound| (name.clone(), bound)));
            self.tasks.insert(name, (Arc::new(def), body));
        }
    }
}

/// A pinned definition, compiled.
#[derive(Debug)]
pub(crate) struct PinnedDefinition {
    pub(crate) hash: PlanHash,
    pub(crate) plan: Arc<Plan>,
    /// Whether the database is known to have it.
    pub(crate) is_stored: AtomicBool,
}

impl PinnedDefinition {
    /// Compiles a pinned definition and names it by its content.
    pub(crate) fn new(definition: WorkflowDef) -> Self {
        let plan = Plan::compile(definition);
        let hash = PlanHash(Sha256::digest(plan.json.get()).into());
        Self { hash, plan: Arc::new(plan), is_stored: AtomicBool::new(false) }
    }
}

/// A pinned definition, and the revision it was made at.
type PinnedAt = (Revision, Arc<PinnedDefinition>);

/// Most pinned definitions kept compiled.
const PLANS_MAX: usize = 2_000;

/// The mirror, and the plans made from it.
pub(crate) struct Definitions {
    store: Arc<dyn Store>,
    polls: Arc<Polls>,
    catalog: RwLock<Arc<Catalog>>,
    by_name: Mutex<HashMap<(String, i32), PinnedAt>>,
    by_hash: quick_cache::sync::Cache<PlanHash, Arc<PinnedDefinition>>,
}

impl Definitions {
    pub(crate) fn new(store: Arc<dyn Store>, polls: Arc<Polls>) -> Self {
        Self {
            store,
            polls,
            catalog: RwLock::default(),
            by_name: Mutex::default(),
            by_hash: quick_cache::sync::Cache::new(PLANS_MAX),
        }
    }

    /// The mirror as it is.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The mirror, brought up to date.
    pub(crate) async fn refresh(&self) -> Result<Arc<Catalog>, StoreError> {
        let old = self.catalog();
        let changes = self.store.read_definitions(old.revision).await?;
        if changes.revision == old.revision {
            return Ok(old);
        }
        let mut catalog = (*old).clone();
        catalog.absorb(changes);
        let catalog = Arc::new(catalog);
        let mut slot = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
        if slot.revision < catalog.revision {
            *slot = catalog.clone();
        }
        Ok(slot.clone())
    }

    /// What decisions may read at this moment.
    pub(crate) fn surroundings(&self) -> Arc<Snapshot> {
        Arc::new(Snapshot { catalog: self.catalog(), polls: self.polls.clone() })
    }

    /// The plan of a registered definition as of `snapshot`; `None` when it is not registered.
    pub(crate) fn registered(
        &self,
        snapshot: &Snapshot,
        name: &str,
        version: Option<i32>,
    ) -> Option<Arc<PinnedDefinition>> {
        let entry = snapshot.catalog.workflow(name, version)?;
        let key = (name.to_owned(), entry.definition.version);
        let revision = snapshot.catalog.revision;
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made_at, pinned)) = by_name.get(&key)
            && *made_at == revision
        {
            return Some(pinned.clone());
        }
        let pinned = self.inline(snapshot, (*entry.definition).clone());
        if by_name.len() >= PLANS_MAX {
            by_name.clear();
        }
        by_name.insert(key, (revision, pinned.clone()));
        Some(pinned)
    }

    /// The plan of a definition that a request brought along.
    pub(crate) fn inline(
        &self,
        snapshot: &Snapshot,
        definition: WorkflowDef,
    ) -> Arc<PinnedDefinition> {
        let pinned = PinnedDefinition::new(pin(definition, snapshot));
        if let Some(known) = self.by_hash.get(&pinned.hash) {
            return known;
        }
        let pinned = Arc::new(pinned);
        self.by_hash.insert(pinned.hash, pinned.clone());
        pinned
    }

    /// The plan that executions of this hash run on.
    pub(crate) async fn by_hash(
        &self,
        hash: PlanHash,
    ) -> Result<Arc<PinnedDefinition>, StoreError> {
        if let Some(known) = self.by_hash.get(&hash) {
            return Ok(known);
        }
        let body = self.store.load_plan(hash).await?;
        let definition = strict::from_str(body.get())
            .map_err(|error| fault_in_json(&error))
            .map_err(|fault| StoreError::Corrupt(format!("a pinned definition: {fault}")))?;
        let plan = Arc::new(Plan::compile(definition));
        let pinned = Arc::new(PinnedDefinition { hash, plan, is_stored: AtomicBool::new(true) });
        self.by_hash.insert(hash, pinned.clone());
        Ok(pinned)
    }
}

/// Where stored JSON is wrong. The parser's own words may quote a payload, and errors are logged.
fn fault_in_json(error: &serde_json::Error) -> String {
    format!("{:?} fault in line {}, column {}", error.classify(), error.line(), error.column())
}

/// The definitions and polls that one batch of decisions reads.
pub(crate) struct Snapshot {
    pub(crate) catalog: Arc<Catalog>,
    polls: Arc<Polls>,
}

impl Surroundings for Snapshot {
    fn task_def(&self, name: &str) -> Option<Arc<TaskDef>> {
        self.catalog.tasks.get(name).map(|(def, _)| def.clone())
    }

    fn latest_version(&self, name: &str) -> Option<i32> {
        self.catalog.workflow(name, None).map(|entry| entry.definition.version)
    }

    fn is_domain_active(&self, task_type: &str, domain: &str) -> bool {
        self.polls.is_active(task_type, domain)
    }

    fn environment(&self, _name: &str) -> Option<String> {
        None
    }
}
