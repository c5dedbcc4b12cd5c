//! What a process can be.
pub(crate) mod executor;
pub(crate) mod gateway;
mod local_source;
pub(crate) mod migrate;
pub(crate) mod server;
mod shutdown;

pub(crate) use shutdown::requested;
