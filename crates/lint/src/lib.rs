//! x
#![allow(missing_docs)]
mod finding; mod known; mod nearest;
pub mod schema;
pub use finding::*; pub use known::*;
