//! The two languages inside definitions: `${…}` templates and scripts.
//!
//! [`template`] resolves parameters over raw JSON text. [`script`] evaluates JavaScript and jq,
//! in this process or, guarded, in child processes. Nothing here knows of executions or stores.
mod java;
mod path;
mod raw;
pub mod script;
pub mod template;

pub use java::java_text;
pub use raw::extract;
