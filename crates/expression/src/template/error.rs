//! Why a template gives no value.
use crate::meter::{Fault, Limit};

/// Longest part of a token that an error quotes, characters.
const QUOTED_CHARS_MAX: usize = 100;

/// Why a template gives no value. The text of each is fit to be a task's reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A limit was exceeded: the same template over the same documents exceeds it again.
    #[error("{}{} is {value} {}, over the limit of {max} {}", at(token), limit.words().0, limit.words().1, limit.words().1)]
    OverLimit {
        /// Which one.
        limit: Limit,
        /// The most that is allowed.
        max: u64,
        /// What was found before work stopped: the true value is at least this.
        value: u64,
        /// The path of the token at which it was found, its beginning when it is long; empty where
        /// no single token is the cause.
        token: String,
    },
    /// The scope gave a document that is no JSON: a fault of the caller.
    #[error("a document that the template reads is no JSON")]
    NotJson,
}

impl TemplateError {
    pub(super) fn of(fault: Fault, token: &str) -> Self {
        let Fault { limit, max, value } = fault;
        Self::OverLimit { limit, max, value, token: beginning(token) }
    }
}

fn at(token: &str) -> String {
    if token.is_empty() { String::new() } else { format!("at ${{{token}}} ") }
}

fn beginning(token: &str) -> String {
    match token.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{}…", token.get(..end).unwrap_or("")),
        None => token.to_owned(),
    }
}
