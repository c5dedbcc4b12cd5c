//! What this process knows of limits: how many slots each has, and how many are held.
//!
//! What is known may be out of date where other processes move the same slots. The commit is exact: one
//! that would exceed a limit is refused with the true number, and decided again with it.
use crate::definitions::Catalog;
use crate::limits::{Bound, task_def_of};
use baton_store::Revision;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Most limits remembered; what is forgotten is learned again from a refused commit.
const LIMITS_MAX: usize = 100_000;

/// What is known of one limit.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    in_use: u64,
    most: u64,
    /// How often it was learned: an answer to an older question says nothing new.
    version: u64,
}

/// What is known of all limits.
#[derive(Default)]
pub(in crate::engine) struct Limits {
    known: HashMap<Arc<str>, Known>,
    /// The limits of task types, by the type.
    by_type: HashMap<String, Arc<str>>,
    /// Of the definitions that this follows.
    revision: Option<Revision>,
    /// Those that must be read in the database.
    doubted: BTreeSet<Arc<str>>,
}

impl Limits {
    /// Follows the definitions; true when they have changed.
    pub(super) fn follow(&mut self, catalog: &Catalog) -> bool {
        if self.revision == Some(catalog.revision) {
            return false;
        }
        self.revision = Some(catalog.revision);
        self.by_type.clear();
        for (name, bound) in &catalog.bounds {
            self.by_type.insert(name.clone(), bound.limit.clone());
            self.known.entry(bound.limit.clone()).or_default().most = bound.most;
        }
        self.known.retain(|limit, _| {
            let name = task_def_of(limit).unwrap_or_default();
            catalog.bounds.contains_key(name) || !catalog.tasks.contains_key(name)
        });
        true
    }

    /// The limit that all tasks of this queue are under.
    pub(super) fn of_queue(&self, queue: &str) -> Option<&Arc<str>> {
        if self.by_type.is_empty() {
            return None;
        }
        let task_type = queue.rsplit_once(':').map_or(queue, |(_, task_type)| task_type);
        self.by_type.get(task_type)
    }

    /// How many slots are free as far as is known.
    pub(super) fn room(&self, limit: &str) -> u64 {
        self.known.get(limit).map_or(u64::MAX, |known| known.most.saturating_sub(known.in_use))
    }

    /// How many slots are held as far as is known.
    pub(in crate::engine) fn in_use(&self, limit: &str) -> u64 {
        self.known.get(limit).map_or(0, |known| known.in_use)
    }

    /// A task needs a slot of this limit.
    pub(super) fn note(&mut self, bound: &Bound) {
        self.known.entry(bound.limit.clone()).or_default().most = bound.most;
    }

    /// So many slots are held.
    pub(super) fn learn(&mut self, limit: &str, in_use: u64) {
        if self.known.len() > LIMITS_MAX {
            let by_type = &self.by_type;
            self.known.retain(|limit, _| by_type.values().any(|of_type| of_type == limit));
        }
        if let Some(known) = self.known.get_mut(limit) {
            known.in_use = in_use;
            known.version += 1;
        }
    }

    /// What is known of a limit may be wrong: it is to be read.
    pub(super) fn doubt(&mut self, limit: &str) {
        if let Some((limit, _)) = self.known.get_key_value(limit) {
            self.doubted.insert(limit.clone());
        }
    }

    /// The limits to read, each with how often it was learned.
    pub(in crate::engine) fn take_doubted(&mut self) -> Vec<(String, u64)> {
        let doubted = std::mem::take(&mut self.doubted).into_iter();
        let version = |limit: &Arc<str>| self.known.get(limit).map_or(0, |known| known.version);
        doubted.map(|limit| (limit.to_string(), version(&limit))).collect()
    }

    /// Takes in what was read, unless something newer was learned since the question; true when it was
    /// taken in.
    pub(super) fn answer(&mut self, limit: &str, version: u64, in_use: u64) -> bool {
        let is_newest = self.known.get(limit).is_some_and(|known| known.version == version);
        if is_newest {
            self.learn(limit, in_use);
        } else {
            self.doubt(limit);
        }
        is_newest
    }
}
