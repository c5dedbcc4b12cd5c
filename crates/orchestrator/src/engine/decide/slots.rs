//! The slots that a batch takes and frees, while it is decided.
use crate::definitions::Catalog;
use crate::engine::draft::Draft;
use crate::limits::Bound;
use baton_common::planted::{Planted, is};
use baton_decider::state::Execution;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a batch has moved so far.
pub(super) struct Slots<'a> {
    catalog: &'a Catalog,
    freed: BTreeMap<Arc<str>, u64>,
    taken: BTreeMap<Arc<str>, (Bound, u64)>,
}

impl<'a> Slots<'a> {
    /// What the decisions of these drafts have freed: it can be taken in the same commit.
    pub(super) fn freed_by<'d>(
        drafts: impl Iterator<Item = &'d Draft>,
        catalog: &'a Catalog,
    ) -> Self {
        let mut freed: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        for draft in drafts {
            for (limit, _) in draft.slots_freed() {
                *freed.entry(limit.clone()).or_default() += 1;
            }
        }
        Self { catalog, freed, taken: BTreeMap::new() }
    }

    /// The limit under which a task is leased.
    pub(super) fn needed(&self, execution: &Execution, seq: u32) -> Option<Bound> {
        let task = execution.task(seq)?;
        self.catalog.bound_of(execution.node_of(task))
    }

    /// Whether there is a slot beside those in use when the batch began.
    pub(super) fn has_room(&self, bound: &Bound, in_use: u64) -> bool {
        let freed = self.freed.get(&bound.limit).copied().unwrap_or(0);
        let taken = self.taken.get(&bound.limit).map_or(0, |(_, taken)| *taken);
        (in_use + taken).saturating_sub(freed) < bound.most || is(Planted::IgnoreTheLimit)
    }

    /// Takes a slot; returns the limit's name.
    pub(super) fn take(&mut self, bound: Bound) -> Arc<str> {
        let limit = bound.limit.clone();
        self.taken.entry(limit.clone()).or_insert((bound, 0)).1 += 1;
        limit
    }

    /// How many slots may be held of the limits of which slots were taken.
    pub(super) fn most(self) -> BTreeMap<String, u64> {
        let taken = self.taken.into_iter();
        taken.map(|(limit, (bound, _))| (limit.to_string(), bound.most)).collect()
    }
}
