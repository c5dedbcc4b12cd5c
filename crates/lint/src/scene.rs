//! What all checks of one definition look at.
use crate::known::Known;
use crate::steps::Steps;
use baton_common::WorkflowDef;

/// A definition with its steps, and what is known of the world.
pub(crate) struct Scene<'a> {
    pub(crate) definition: &'a WorkflowDef,
    pub(crate) steps: Steps<'a>,
    pub(crate) known: &'a dyn Known,
}
