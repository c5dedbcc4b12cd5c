//! Lengths of the names that expressions make. Where a definition or a request fixes them they were
//! checked before; the limits and the words are the same.
use super::decider::{Decider, Flow, Stop};
use crate::command::ChildStart;
use crate::state::Branch;
use crate::validation::inline_fault;
use baton_common::limits::{
    CORRELATION_ID_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX, NAME_BYTES_MAX, REFERENCE_NAME_BYTES_MAX,
};
use baton_common::{TextFault, WorkflowDef};

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

/// The first fault of what another execution is to start with.
pub(super) fn start_fault(start: &ChildStart) -> Option<String> {
    let of_domain = |(task_type, domains): (&String, &String)| {
        let mut domains = domains.split(',').map(str::trim);
        fault("taskToDomain", task_type, NAME_BYTES_MAX)
            .or_else(|| domains.find_map(|domain| fault("taskToDomain", domain, NAME_BYTES_MAX)))
    };
    let (correlation_id, key) = (start.correlation_id.as_ref(), start.idempotency_key.as_ref());
    let of_definition = || {
        // What cannot be read is refused where it is to start.
        let definition: WorkflowDef =
            serde_json::from_str(start.definition.as_ref()?.get()).ok()?;
        let fault = inline_fault(&definition)?;
        Some(format!("workflowDefinition{}: {}", fault.pointer, fault.message))
    };
    fault("name", &start.name, NAME_BYTES_MAX)
        .or_else(|| fault("correlationId", correlation_id?, CORRELATION_ID_BYTES_MAX))
        .or_else(|| fault("idempotencyKey", key?, IDEMPOTENCY_KEY_BYTES_MAX))
        .or_else(|| start.task_to_domain.iter().find_map(of_domain))
        .or_else(of_definition)
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
