//! What a process can be.
use crate::failure::{Exit, Failure};
use std::net::SocketAddr;
use tokio::net::TcpListener;

pub(crate) mod executor;
pub(crate) mod gateway;
mod local_source;
pub(crate) mod migrate;
pub(crate) mod server;
mod shutdown;

pub(crate) use shutdown::requested;

/// Opens a port; `flag` is the setting that chose it.
async fn listen(address: SocketAddr, flag: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::new(Exit::Config, format!("{address} cannot be listened on: {error}"))
            .fix(format!("stop what uses the port, or choose another with {flag}"))
    })
}
