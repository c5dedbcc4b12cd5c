//! The two languages inside definitions: `${…}` templates and scripts.
//!
//! [`template`] resolves parameters over raw JSON text. [`script`] evaluates JavaScript and jq,
//! in this process or, guarded, in child processes; [`plain`] the JavaScript that needs no engine. Nothing here knows of executions or stores.
mod index;
mod java;
mod meter;
mod path;
pub mod plain;
mod raw;
pub mod script;
pub mod template;

pub use java::java_text;
pub use raw::extract;
