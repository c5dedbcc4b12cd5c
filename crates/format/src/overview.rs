//! The overview of an execution, which its row holds.
use baton_common::{Payload, Timestamp};
use indexmap::IndexMap;
use std::sync::Arc;

/// Execution-level facts, for readers that want no tasks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overview {
    /// Its variables.
    pub variables: Payload,
    /// What it answers.
    pub output: Payload,
    /// Why it did not end well.
    pub reason: Option<Arc<str>>,
    /// Steps that failed, by reference name, each once.
    pub failed_references: Vec<Arc<str>>,
    /// Names of task definitions that failed, each once.
    pub failed_names: Vec<Arc<str>>,
    /// 0 to 99.
    pub priority: u8,
    /// Domains by task type.
    pub task_to_domain: IndexMap<String, String>,
    /// When it was last resumed or retried.
    pub last_retried_at: Option<Timestamp>,
    /// Who started it.
    pub created_by: Option<String>,
    /// The event that started it.
    pub event: Option<String>,
    /// The caller's key that allows only one start.
    pub idempotency_key: Option<String>,
}
