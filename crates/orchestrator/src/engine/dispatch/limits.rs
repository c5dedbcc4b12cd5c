//! What this process knows of limits: how many slots each has, how many are held, and what its rate has let
//! through.
//!
//! What is known may be out of date where other processes move the same slots. The commit is exact: one
//! that would exceed a limit is refused with the true numbers, and decided again with them.
use crate::definitions::Catalog;
use crate::limits::{Bound, Rate, Window, task_def_of};
use baton_common::Timestamp;
use baton_format::decode_window;
use baton_store::{LimitState, Revision, Version};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Most limits remembered; what is forgotten is learned again from a refused commit.
const LIMITS_MAX: usize = 100_000;

/// What is known of one limit.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Known {
    pub(in crate::engine) in_use: u64,
    pub(in crate::engine) window: Window,
    pub(in crate::engine) window_version: Version,
    most: Option<u64>,
    rate: Option<Rate>,
    /// How often it was learned: an answer to an older question says nothing new.
    learned: u64,
}

impl Known {
    fn follow(&mut self, bound: &Bound) {
        (self.most, self.rate) = (bound.most, bound.rate);
    }

    fn room(&self, now: Timestamp) -> u64 {
        let slots = self.most.map_or(u64::MAX, |most| most.saturating_sub(self.in_use));
        slots.min(self.rate.map_or(u64::MAX, |rate| self.window.room(rate, now)))
    }

    fn take_in(&mut self, state: &LimitState) {
        self.in_use = state.in_use;
        self.window_version = state.window_version;
        match decode_window(&state.window) {
            Ok(entries) => self.window = Window::of(entries),
            Err(error) => tracing::warn!(limit = state.limit, %error, "a window cannot be read"),
        }
        self.learned += 1;
    }
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
    now: Timestamp,
}

impl Limits {
    /// The time is this.
    pub(super) fn pass(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Follows the definitions; true when they have changed.
    pub(super) fn follow(&mut self, catalog: &Catalog) -> bool {
        if self.revision == Some(catalog.revision) {
            return false;
        }
        self.revision = Some(catalog.revision);
        self.by_type.clear();
        for (name, bound) in &catalog.bounds {
            self.by_type.insert(name.clone(), bound.limit.clone());
            self.known.entry(bound.limit.clone()).or_default().follow(bound);
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

    /// How many tasks could be handed out now, as far as is known.
    pub(super) fn room(&self, limit: &str) -> u64 {
        self.known.get(limit).map_or(u64::MAX, |known| known.room(self.now))
    }

    /// When a limit that is full for its rate lets one more through.
    pub(super) fn next_room(&self, limit: &str) -> Option<Timestamp> {
        let known = self.known.get(limit)?;
        known.window.next_room(known.rate?, self.now)
    }

    /// What is known of the limit of a task.
    pub(super) fn of(&mut self, bound: &Bound) -> &Known {
        let known = self.known.entry(bound.limit.clone()).or_default();
        known.follow(bound);
        known
    }

    /// So many slots are held.
    pub(super) fn learn(&mut self, limit: &str, in_use: u64) {
        if self.known.len() > LIMITS_MAX {
            let by_type: BTreeSet<&Arc<str>> = self.by_type.values().collect();
            self.known.retain(|limit, _| by_type.contains(limit));
        }
        if let Some(known) = self.known.get_mut(limit) {
            known.in_use = in_use;
            known.learned += 1;
        }
    }

    /// This is what the database has.
    pub(super) fn take_in(&mut self, state: &LimitState) {
        if let Some(known) = self.known.get_mut(&*state.limit) {
            known.take_in(state);
        }
    }

    /// This window was written.
    pub(super) fn wrote(&mut self, limit: &str, version: Version, window: Window) {
        if let Some(known) = self.known.get_mut(limit) {
            (known.window, known.window_version) = (window, version);
        }
    }

    /// What is known of a limit may be wrong: it is to be read.
    pub(super) fn doubt(&mut self, limit: &str) {
        if let Some((limit, _)) = self.known.get_key_value(limit) {
            self.doubted.insert(limit.clone());
        }
    }

    /// The limits to read, each with how often it was learned.
    pub(super) fn take_doubted(&mut self) -> Vec<(String, u64)> {
        let doubted = std::mem::take(&mut self.doubted).into_iter();
        let learned = |limit: &Arc<str>| self.known.get(limit).map_or(0, |known| known.learned);
        doubted.map(|limit| (limit.to_string(), learned(&limit))).collect()
    }

    /// Takes in what was read, unless something newer was learned since the question; true when it was
    /// taken in.
    pub(super) fn answer(&mut self, state: &LimitState, learned: u64) -> bool {
        let is_newest = self.known.get(&*state.limit).is_some_and(|known| known.learned == learned);
        if is_newest {
            self.take_in(state);
        } else {
            self.doubt(&state.limit);
        }
        is_newest
    }
}
