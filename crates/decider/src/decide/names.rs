//! Lengths of the names that expressions make. Where a definition or a request fixes them they were
//! checked before; the limits and the words are the same.
use super::decider::{Decider, Flow, Stop};
use crate::state::Branch;
use baton_common::TextFault;
use baton_common::limits::{NAME_BYTES_MAX, REFERENCE_NAME_BYTES_MAX};

/// The fault of a name, with the limit that it is over.
pub(super) fn fault(what: &str, text: &str, limit: usize) -> Option<String> {
    TextFault::of(text, limit).map(|fault| format!("{what} {fault}"))
}

/// As [`fault`].
///
/// # Errors
/// [`Stop::TooLarge`].
pub(super) fn check(what: &str, text: &str, limit: usize) -> Flow {
    fault(what, text, limit).map_or(Ok(()), |reason| Err(Stop::TooLarge(reason)))
}

impl Decider {
    /// Checks the names that the input of a dynamic fork gives its branches.
    ///
    /// # Errors
    /// [`Stop::TooLarge`].
    pub(super) fn check_branches(&self, branches: &[Branch], loop_task: Option<u32>) -> Flow {
        for branch in branches {
            let full = self.full_reference(&branch.reference, loop_task);
            check("taskReferenceName", &full, REFERENCE_NAME_BYTES_MAX)?;
            let name = branch.step.name.as_deref().unwrap_or_default();
            check("name", name, NAME_BYTES_MAX)?;
            check("type", &branch.step.task_type, NAME_BYTES_MAX)?;
        }
        Ok(())
    }
}
