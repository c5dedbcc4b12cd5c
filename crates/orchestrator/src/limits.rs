//! What is limited, by the definitions.
mod window;

pub(crate) use window::{Rate, Window};

use baton_common::TaskDef;
use std::sync::Arc;

/// A limit: how many tasks may hold a slot of it at a time, and how many may be handed out in a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// `c:NAME` for the tasks of a definition.
    pub(crate) limit: Arc<str>,
    pub(crate) most: Option<u64>,
    pub(crate) rate: Option<Rate>,
}

/// What limits the tasks of a definition, if anything does.
/// **Source**: conductor-semantics §2.7.
pub(crate) fn bound_of_def(name: &str, def: &TaskDef) -> Option<Bound> {
    let positive = |number: i32| u64::try_from(number).ok().filter(|number| *number > 0);
    let most = def.concurrent_exec_limit.and_then(positive);
    let seconds = i64::from(def.rate_limit_frequency_in_seconds);
    let rate = positive(def.rate_limit_per_frequency).filter(|_| seconds > 0);
    let rate = rate.map(|most| Rate { most, per_ms: seconds * 1_000 });
    let is_limited = most.is_some() || rate.is_some();
    is_limited.then(|| Bound { limit: format!("c:{name}").into(), most, rate })
}

/// The task definition that a limit's name is made of.
pub(crate) fn task_def_of(limit: &str) -> Option<&str> {
    limit.strip_prefix("c:")
}
