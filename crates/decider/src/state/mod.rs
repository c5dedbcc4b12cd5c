//! What the decider knows of one execution, and how a change alters it.
mod apply;
mod check;
mod execution;
mod task;

pub use execution::{Execution, Parent, StartFacts};
pub use task::{Delivery, LoopProgress, NodeKey, Output, Task};
