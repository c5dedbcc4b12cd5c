//! The slots that a batch takes and frees, while it is decided.
use crate::definitions::Catalog;
use crate::engine::dispatch::Known;
use crate::engine::draft::Draft;
use crate::limits::{Bound, Window};
use baton_common::Timestamp;
use baton_common::planted::{Planted, is};
use baton_decider::state::{self, Execution};
use baton_format::encode_window;
use baton_store::{LimitMoves, Version, WindowWrite};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a batch has moved so far.
pub(super) struct Slots<'a> {
    catalog: &'a Catalog,
    now: Timestamp,
    freed: BTreeMap<Arc<str>, u64>,
    limits: BTreeMap<Arc<str>, Moved>,
    is_closed: bool,
}

/// A limit as the batch leaves it.
struct Moved {
    bound: Bound,
    in_use: u64,
    window: Window,
    window_version: Version,
    taken: u64,
}

impl<'a> Slots<'a> {
    /// What the decisions of these drafts have freed: it can be taken in the same commit.
    pub(super) fn freed_by<'d>(
        drafts: impl Iterator<Item = &'d Draft>,
        catalog: &'a Catalog,
        now: Timestamp,
    ) -> Self {
        let mut freed: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        for draft in drafts {
            for (limit, _) in draft.slots_freed() {
                *freed.entry(limit.clone()).or_default() += 1;
            }
        }
        Self { catalog, now, freed, limits: BTreeMap::new(), is_closed: false }
    }

    /// No slot is taken from now on.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    /// The limit under which a task is leased.
    pub(super) fn needed(&self, execution: &Execution, seq: u32) -> Option<Bound> {
        let task = execution.task(seq)?;
        self.catalog.bound_of(execution.node_of(task))
    }

    /// Whether a task may be handed out, beside what was known when the batch began.
    pub(super) fn has_room(&mut self, bound: &Bound, known: &Known) -> bool {
        let freed = self.freed.get(&bound.limit).copied().unwrap_or(0);
        let now = self.now;
        let moved = self.limits.entry(bound.limit.clone()).or_insert_with(|| Moved {
            bound: bound.clone(),
            in_use: known.in_use.saturating_sub(freed),
            window: known.window.clone(),
            window_version: known.window_version,
            taken: 0,
        });
        let has_slot = bound.most.is_none_or(|most| moved.in_use + moved.taken < most);
        let is_in_time = bound.rate.is_none_or(|rate| moved.window.room(rate, now) > 0);
        (has_slot && is_in_time && !self.is_closed) || is(Planted::IgnoreTheLimit)
    }

    /// Hands out a task for which there is room; returns the slots that it holds from now on.
    pub(super) fn take(&mut self, bound: &Bound) -> state::Slots {
        if let Some(moved) = self.limits.get_mut(&bound.limit) {
            moved.taken += 1;
            if let Some(rate) = bound.rate {
                moved.window.take(rate, self.now);
            }
        }
        bound.most.map(|_| Arc::from([bound.limit.clone()]))
    }

    /// What the commit must hold to: how many slots may be held, and the windows to write.
    pub(super) fn moves(self) -> LimitMoves {
        let mut moves = LimitMoves::default();
        for (limit, moved) in self.limits.into_iter().filter(|(_, moved)| moved.taken > 0) {
            if let Some(most) = moved.bound.most {
                moves.most.insert(limit.to_string(), most);
            }
            if moved.bound.rate.is_some() {
                moves.windows.push(WindowWrite {
                    limit: limit.to_string(),
                    expected_version: moved.window_version,
                    body: encode_window(moved.window.entries()).into(),
                });
            }
        }
        moves
    }
}
