//! The typed Rust client of the engine's public REST API.
//!
//! One [`Client`] holds one connection pool; clones share it. Reads are repeated a few times when
//! the server cannot be reached; anything else only when it was certainly not sent. Errors are
//! named after what the caller can do ([`ClientError`]).
mod call;
mod client;
mod error;
mod metadata;
mod server;
mod target;
mod tasks;
pub mod tls;
mod workflows;

pub use client::{Client, ClientConfig};
pub use error::ClientError;
pub use server::Health;
pub use tasks::PollRequest;
pub use workflows::{Archive, Definitions, Detail, SearchRequest, SubWorkflows, Tasks};
