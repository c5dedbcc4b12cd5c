//! What is known of an execution, and how changes alter it.
mod agenda_item;
mod apply;
mod check;
mod execution;
mod iterations;
mod lineage;
mod task;

pub use agenda_item::{AgendaItem, Branch, Expansion};
pub use execution::{Execution, Parent, StartFacts};
pub use iterations::Iterations;
pub use lineage::Lineage;
pub use task::{Delivery, LoopProgress, NodeId, NodeKey, Output, Slots, Task};
