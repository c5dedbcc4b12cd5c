//! The steps a decision still has to take, and the slice of them that it takes now.
//!
//! A decision ends when its agenda is empty or its slice is used up. The rest becomes part of the
//! execution's state, and the next wake-up continues with it, so one execution can never hold the
//! engine for long, whatever its definition asks for.
use crate::state::AgendaItem;
use std::cell::Cell;
use std::collections::VecDeque;

/// How much one decision does before it leaves the rest to the next one. It is counted, never timed:
/// the same command on the same state gives the same slices.
#[derive(Clone, Copy, Debug)]
pub struct SliceLimits {
    /// Changes. A step makes two or three.
    pub changes: usize,
    /// Bytes of the payloads it records. One more payload can exceed it.
    pub bytes: usize,
    /// Bytes of the documents that its templates read.
    pub read_bytes: usize,
    /// Executions that it starts.
    pub starts: usize,
    /// Scripts that it waits for. A fork of a thousand scripts gets its results that many at a time,
    /// so that those of other executions run in between.
    pub scripts: usize,
}

impl SliceLimits {
    /// What takes a few milliseconds to decide and to commit.
    pub const DEFAULT: Self = Self {
        changes: 512,
        bytes: 8 * 1024 * 1024,
        read_bytes: 32 * 1024 * 1024,
        starts: 128,
        scripts: 32,
    };

    /// A part of these limits, 0 to 1; at least one of each. Scripts stay as many: they are not
    /// evaluated in the decision.
    #[must_use]
    pub fn share(self, share: f32) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a part of a limit need not be exact"
        )]
        let part = |limit: usize| ((limit as f32 * share) as usize).max(1);
        Self {
            changes: part(self.changes),
            bytes: part(self.bytes),
            read_bytes: part(self.read_bytes),
            starts: part(self.starts),
            scripts: self.scripts,
        }
    }
}

/// What a decision has used of its slice.
#[derive(Debug)]
pub(super) struct Slice {
    limits: SliceLimits,
    pub(super) used: SliceLimits,
    /// Bytes that templates have read.
    read_bytes: Cell<usize>,
}

impl Slice {
    pub(super) fn new(limits: SliceLimits) -> Self {
        let used = SliceLimits { changes: 0, bytes: 0, read_bytes: 0, starts: 0, scripts: 0 };
        Self { limits, used, read_bytes: Cell::new(0) }
    }

    /// A template has read so many bytes.
    pub(super) fn read(&self, bytes: u64) {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.read_bytes.set(self.read_bytes.get().saturating_add(bytes));
    }

    /// Whether the rest is for the next decision.
    pub(super) fn is_used_up(&self) -> bool {
        let (limits, used) = (&self.limits, &self.used);
        used.changes >= limits.changes
            || used.bytes >= limits.bytes
            || self.read_bytes.get() >= limits.read_bytes
            || used.starts >= limits.starts
    }

    /// Whether it waits for no more scripts than these and those before.
    pub(super) fn has_all_scripts(&self, wanted: usize) -> bool {
        self.used.scripts + wanted >= self.limits.scripts
    }
}

/// Steps in the order they are taken: what must come first, what earlier slices left, what is new.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    first: VecDeque<AgendaItem>,
    carried: imbl::Vector<AgendaItem>,
    /// How many of the carried steps are taken.
    taken: usize,
    last: VecDeque<AgendaItem>,
}

/// How the agenda that the state holds changes: see [`crate::change::Change::AgendaLeft`].
pub(super) struct Rest {
    pub(super) taken: usize,
    pub(super) first: Vec<AgendaItem>,
    pub(super) last: Vec<AgendaItem>,
}

impl Agenda {
    /// Continues with what an earlier slice left.
    pub(super) fn carry(&mut self, steps: &imbl::Vector<AgendaItem>) {
        self.carried = steps.clone();
        self.taken = 0;
    }

    pub(super) fn push_back(&mut self, step: AgendaItem) {
        self.last.push_back(step);
    }

    /// Puts steps before all others, in their order.
    pub(super) fn push_first(&mut self, steps: impl DoubleEndedIterator<Item = AgendaItem>) {
        for step in steps.rev() {
            self.first.push_front(step);
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<AgendaItem> {
        if let Some(step) = self.first.pop_front() {
            return Some(step);
        }
        if let Some(step) = self.carried.pop_front() {
            self.taken += 1;
            return Some(step);
        }
        self.last.pop_front()
    }

    /// The newest step, if this decision put it last.
    pub(super) fn back(&self) -> Option<AgendaItem> {
        self.last.back().copied()
    }

    pub(super) fn pop_back(&mut self) -> Option<AgendaItem> {
        self.last.pop_back()
    }

    /// Drops what this decision has put on it; what earlier slices left stays.
    pub(super) fn drop_new(&mut self) {
        self.first.clear();
        self.last.clear();
    }

    /// Keeps only these of the steps that this decision has put on it.
    pub(super) fn retain_new(&mut self, keep: impl Fn(&AgendaItem) -> bool) {
        self.first.retain(&keep);
        self.last.retain(&keep);
    }

    /// What the state must hold for the next slice; `None` when that is what it holds already.
    pub(super) fn into_rest(self) -> Option<Rest> {
        let Self { first, taken, last, .. } = self;
        let is_changed = taken > 0 || !first.is_empty() || !last.is_empty();
        is_changed.then(|| Rest { taken, first: first.into(), last: last.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(mut agenda: Agenda) -> Vec<AgendaItem> {
        std::iter::from_fn(|| agenda.pop_front()).collect()
    }

    #[test]
    fn what_must_come_first_comes_before_what_was_left_and_what_is_new() {
        let mut agenda = Agenda::default();
        agenda.push_back(AgendaItem::Run(5));
        agenda.carry(&imbl::vector![AgendaItem::Run(3), AgendaItem::Run(4)]);
        agenda.push_first([AgendaItem::Run(1), AgendaItem::Run(2)].into_iter());
        assert_eq!(taken(agenda), [1, 2, 3, 4, 5].map(AgendaItem::Run));
    }

    #[test]
    fn an_untouched_agenda_leaves_the_state_as_it_is() {
        let mut agenda = Agenda::default();
        agenda.carry(&imbl::vector![AgendaItem::Run(3)]);
        assert!(agenda.into_rest().is_none());
    }

    #[test]
    fn the_rest_says_what_was_taken_and_what_came_up() {
        let mut agenda = Agenda::default();
        agenda.carry(&imbl::vector![AgendaItem::Run(3), AgendaItem::Run(4)]);
        agenda.pop_front();
        agenda.push_first(std::iter::once(AgendaItem::AfterEnd(3)));
        agenda.push_back(AgendaItem::Run(9));
        let rest = agenda.into_rest().unwrap();
        assert_eq!(
            (rest.taken, rest.first, rest.last),
            (1, vec![AgendaItem::AfterEnd(3)], vec![AgendaItem::Run(9)])
        );
    }
}
