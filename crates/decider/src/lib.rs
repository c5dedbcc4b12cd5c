//! Pure decisions about executions: a definition is compiled to a [`plan::Plan`] once, and
//! [`decide::decide`] turns an execution and a command into changes. No clock, no IO, no async, no
//! randomness: the time arrives with the command, ids are derived from ids.
pub mod change;
pub mod command;
pub mod deadline;
pub mod decide;
pub mod duration;
pub mod explain;
pub mod json;
pub mod plan;
pub mod retry;
mod scope;
pub mod state;
mod surroundings;
pub mod task_type;
pub mod validation;

pub use scope::{TASK_FIELDS, WORKFLOW_FIELDS};
