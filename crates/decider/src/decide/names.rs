//! Names that are made at run time: their lengths, and which of them tell their fork.
//! Where a definition or a request fixes them they were
//! checked before; the limits and the words are the same.
use super::decider::{Decider, Flow, Stop};
use crate::plan::Node;
use crate::state::{Branch, Task};
use crate::task_type::Inside;
use baton_common::limits::{NAME_BYTES_MAX, REFERENCE_NAME_BYTES_MAX};
use baton_common::{TextFault, WorkflowTask};
use std::sync::Arc;

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
    /// Whether the branches that a dynamic fork names itself leave its own name out. As in Conductor,
    /// those of the first fork do. Of forks that run side by side that is the first in the definition,
    /// so that the names do not depend on which is faster.
    pub(super) fn has_short_names(&self, fork: &Node) -> bool {
        let definition = &self.execution.plan.definition;
        let mut found = Vec::new();
        self.dynamic_forks(&definition.tasks, false, &mut found);
        let place = found.iter().position(|(name, _)| *name == Some(&*fork.reference));
        match place {
            Some(0) if found[0].1 => {
                let has_run = |task: &Arc<Task>| task.base_reference() == &*fork.reference;
                !self.execution.tasks.values().any(has_run)
            }
            Some(place) if found[place].1 => false,
            _ => !self.execution.has_dynamic_fork,
        }
    }

    /// The dynamic forks among these steps in the order of the definition, and whether each may run
    /// beside others.
    fn dynamic_forks<'s>(
        &self,
        steps: &'s [WorkflowTask],
        is_beside: bool,
        found: &mut Vec<(Option<&'s str>, bool)>,
    ) {
        for step in steps {
            if self.execution.plan.facts_of(&step.task_type).inside == Inside::RunTimeBranches {
                found.push((step.task_reference_name.as_deref(), is_beside));
            }
            let within = step.decision_cases.values().chain([&step.default_case, &step.loop_over]);
            within.for_each(|steps| self.dynamic_forks(steps, is_beside, found));
            step.fork_tasks.iter().for_each(|steps| self.dynamic_forks(steps, true, found));
        }
    }

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
