//! What a process can be.
pub(crate) mod executor;
pub(crate) mod gateway;
pub(crate) mod migrate;
pub(crate) mod server;
mod shutdown;

pub(crate) use shutdown::requested;
