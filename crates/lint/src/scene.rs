//! What all checks of one definition look at.
use crate::finding::FINDINGS_MAX;
use crate::known::Known;
use crate::nearest::hint;
use crate::steps::Steps;
use baton_common::WorkflowDef;
use std::cell::Cell;

/// A definition with its steps, and what is known of the world.
pub(crate) struct Scene<'a> {
    pub(crate) definition: &'a WorkflowDef,
    pub(crate) steps: Steps<'a>,
    pub(crate) known: &'a dyn Known,
    hints_left: Cell<usize>,
}

impl<'a> Scene<'a> {
    pub(crate) fn of(definition: &'a WorkflowDef, known: &'a dyn Known) -> Self {
        let hints_left = Cell::new(2 * FINDINGS_MAX);
        Self { definition, steps: Steps::of(definition), known, hints_left }
    }

    /// As [`hint`]. A definition with very many faults gets no suggestions for the last of them, which
    /// no report shows: a name is compared with thousands of others.
    pub(crate) fn hint<'k>(
        &self,
        name: &str,
        known: impl IntoIterator<Item = &'k str>,
        otherwise: &str,
    ) -> String {
        let left = self.hints_left.get();
        self.hints_left.set(left.saturating_sub(1));
        if left > 0 { hint(name, known, otherwise) } else { hint(name, [], otherwise) }
    }
}
