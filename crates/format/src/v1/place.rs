//! Which step a task belongs to: by its path in the definition, so the compiler may change.
use super::{Text, omit, text};
use crate::FormatError;
use baton_decider::plan::{NodeId, Plan};
use baton_decider::state::{Execution, NodeKey};
use serde::{Deserialize, Serialize};

/// A node: in the execution's own plan, or in a step that was defined while it ran.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Place<'a> {
    /// 0 = the execution's own plan; n = the n-th step defined while it ran.
    #[serde(default, skip_serializing_if = "omit::zero")]
    pub(super) plan: u32,
    /// The node's path there; left out when the task's name says it, see [`implied`].
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<Text<'a>>,
}

impl<'a> Place<'a> {
    /// The name of a node for a task with this base reference name. A node that is not there is about a
    /// plan from before a restart, and nobody will ask for it.
    pub(super) fn of(key: NodeKey, base: &str, execution: &'a Execution) -> Self {
        let plan = execution.plan_of(key);
        let is_implied = plan.is_none_or(|plan| implied(plan, key.plan, base) == Some(key.node));
        let node = plan.filter(|_| !is_implied).and_then(|plan| plan.node(key.node));
        Self { plan: key.plan, path: node.map(|node| text(&node.path)) }
    }

    /// The node that is named.
    ///
    /// # Errors
    /// [`FormatError::Corrupt`] when there is no such node.
    pub(super) fn read(&self, base: &str, execution: &Execution) -> Result<NodeKey, FormatError> {
        let plan = execution.plan_of(NodeKey { plan: self.plan, node: 0 });
        let node = plan.and_then(|plan| match &self.path {
            Some(path) => plan.find_path(path),
            None => implied(plan, self.plan, base),
        });
        let missing =
            || FormatError::corrupt("a task is at a step that its definition does not have");
        Ok(NodeKey { plan: self.plan, node: node.ok_or_else(missing)? })
    }
}

/// The node that a task's base reference name tells without a path: the only step of this name, else
/// the first node of a step that was defined while the execution ran.
fn implied(plan: &Plan, number: u32, base: &str) -> Option<NodeId> {
    plan.find_only(base).or(plan.first.filter(|_| number > 0))
}
