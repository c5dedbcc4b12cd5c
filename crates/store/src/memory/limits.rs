//! Slots and windows of the model: what is held is counted anew each time.
use crate::{InUse, LimitMoves, LimitState, Slot, Version};
use baton_common::planted::{Planted, is};
use baton_common::{ExecutionId, TaskId};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Limits {
    slots: BTreeSet<Slot>,
    windows: BTreeMap<String, (Version, Bytes)>,
}

impl Limits {
    pub(super) fn holders(&self, limit: &str) -> impl Iterator<Item = TaskId> {
        self.slots.iter().filter(move |slot| slot.limit == limit).map(|slot| slot.task)
    }

    pub(super) fn state(&self, limit: &str) -> LimitState {
        let in_use = self.holders(limit).count() as u64;
        let (window_version, window) = self.windows.get(limit).cloned().unwrap_or_default();
        LimitState { limit: limit.to_owned(), in_use, window_version, window }
    }

    /// The limits that stand against these moves.
    pub(super) fn conflicts(&self, moves: &LimitMoves) -> Vec<LimitState> {
        let states = moves.names().into_iter().map(|name| self.state(name));
        states.filter(|state| self.is_over(state, moves) || is_behind(state, moves)).collect()
    }

    fn is_over(&self, state: &LimitState, moves: &LimitMoves) -> bool {
        let is_of = |slot: &&Slot| slot.limit == state.limit;
        let is_held = |slot: &&Slot| self.slots.contains(*slot);
        let taken = moves.taken.iter().filter(is_of).filter(|slot| !is_held(slot)).count();
        let freed = moves.freed.iter().filter(is_of).filter(is_held).count();
        let after = (state.in_use + taken as u64).saturating_sub(freed as u64);
        let is_over = moves.most.get(&state.limit).is_some_and(|most| after > *most);
        is_over && !is(Planted::IgnoreTheLimit)
    }

    pub(super) fn apply(&mut self, moves: &LimitMoves) -> InUse {
        for slot in &moves.freed {
            self.slots.remove(slot);
        }
        self.slots.extend(moves.taken.iter().cloned());
        for write in &moves.windows {
            let next = (write.expected_version + 1, write.body.clone());
            self.windows.insert(write.limit.clone(), next);
        }
        let in_use = |name: &str| (name.to_owned(), self.holders(name).count() as u64);
        moves.names().into_iter().map(in_use).collect()
    }

    pub(super) fn forget(&mut self, id: ExecutionId) {
        self.slots.retain(|slot| slot.task.execution() != id);
    }
}

/// Whether its window has been written meanwhile.
fn is_behind(state: &LimitState, moves: &LimitMoves) -> bool {
    let write = moves.windows.iter().find(|write| write.limit == state.limit);
    write.is_some_and(|write| write.expected_version != state.window_version)
}
