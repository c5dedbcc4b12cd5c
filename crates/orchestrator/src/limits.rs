//! What is limited, by the definitions.
use baton_common::TaskDef;
use std::sync::Arc;

/// A limit, and how many tasks may hold a slot of it at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// `c:NAME` for the tasks of a definition.
    pub(crate) limit: Arc<str>,
    pub(crate) most: u64,
}

/// How many tasks of a definition may be with workers at a time; `None` for any number.
/// **Source**: conductor-semantics §2.7.
pub(crate) fn bound_of_def(name: &str, def: &TaskDef) -> Option<Bound> {
    let most = def.concurrent_exec_limit.filter(|most| *most > 0)?;
    Some(Bound { limit: format!("c:{name}").into(), most: u64::from(most.unsigned_abs()) })
}

/// The task definition that a limit's name is made of.
pub(crate) fn task_def_of(limit: &str) -> Option<&str> {
    limit.strip_prefix("c:")
}
