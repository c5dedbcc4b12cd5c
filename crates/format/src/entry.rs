//! Journal entries: the changes of one commit.
use crate::envelope::{self, Writer};
use crate::{FormatError, v1};
use baton_decider::change::Change;
use baton_decider::state::Execution;

/// The bytes of a commit's changes. `after` is the state with all of them applied, and `before` the one
/// without, if there was any: changes before a restart may be about steps that are gone after it.
pub fn encode_changes(
    changes: &[Change],
    before: Option<&Execution>,
    after: &Execution,
) -> Vec<u8> {
    let is_restart = |change: &Change| matches!(change, Change::ExecutionRestarted(_));
    let restart = changes.iter().rposition(is_restart).unwrap_or(0);
    let has_slots = changes.iter().any(names_slots);
    let mut writer = Writer::new(if has_slots { v1::WITH_SLOTS } else { v1::VERSION });
    for (index, change) in changes.iter().enumerate() {
        let state = if index < restart { before.unwrap_or(after) } else { after };
        writer.push(&v1::change::Change::of(change, state));
    }
    writer.finish()
}

/// Whether an older build would miss that a slot is held.
fn names_slots(change: &Change) -> bool {
    matches!(change, Change::TaskLeased { slots: Some(_), .. })
        || matches!(change, Change::TaskScheduled(task) if task.slots.is_some())
}

/// A journal entry whose parts are read but not yet brought to what they are about.
#[derive(Debug)]
pub struct Entry<'a> {
    changes: Vec<v1::change::Change<'a>>,
}

impl<'a> Entry<'a> {
    /// Reads an entry.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (_, text) = envelope::open(bytes)?;
        Ok(Self { changes: envelope::list(text)? })
    }

    /// How many changes it holds.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The place of the last restart among its changes.
    pub(crate) fn restart(&self) -> Option<usize> {
        self.changes.iter().rposition(v1::change::Change::is_restart)
    }

    /// Its changes as the decider has them. Each is applied before the next is read, which may be about
    /// steps that it defines.
    ///
    /// # Errors
    /// [`FormatError`]; some changes are applied then.
    pub fn apply(self, execution: &mut Execution) -> Result<Vec<Change>, FormatError> {
        self.changes.into_iter().map(|change| change.apply(execution)).collect()
    }

    /// Like [`Self::apply`] for an entry whose change number `restart` makes the ones before it
    /// obsolete; all of them, for `None`.
    pub(crate) fn apply_from(
        self,
        execution: &mut Execution,
        restart: Option<usize>,
    ) -> Result<(), FormatError> {
        let restart = restart.unwrap_or(self.changes.len());
        for (index, change) in self.changes.into_iter().enumerate() {
            if index >= restart || !change.is_about_steps() {
                change.apply(execution)?;
            }
        }
        Ok(())
    }

    /// What a new execution begins with.
    ///
    /// # Errors
    /// [`FormatError`], also when it is another entry than the first.
    pub fn start(&self) -> Result<baton_decider::state::StartFacts, FormatError> {
        let start = self.changes.first().and_then(v1::change::Change::start);
        start
            .unwrap_or_else(|| Err(FormatError::corrupt("the journal does not begin with a start")))
    }
}
