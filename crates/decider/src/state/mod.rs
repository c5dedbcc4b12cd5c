//! What is known of an execution, and how changes alter it.
mod apply;
mod check;
mod execution;
mod lineage;
mod step;
mod task;

pub use execution::{Execution, Parent, StartFacts};
pub use lineage::Lineage;
pub use step::{Branch, Expansion, Step};
pub use task::{Delivery, LoopProgress, NodeKey, Output, Task};
