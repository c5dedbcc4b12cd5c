//! What the command line asks of a server; nothing here has a door that the public API lacks.
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod config;
pub(crate) mod definition;
mod document;
mod explain;
pub(crate) mod health;
mod moment;
mod offline;
pub(crate) mod queue;
mod show;
mod warning;
pub(crate) mod watch;
pub(crate) mod workflow;

use crate::config::Config;
use crate::failure::{Exit, Failure};
use baton_client::{Client, ClientConfig};
use baton_common::ExecutionId;

/// The client of the server that the settings name.
pub(crate) fn client(config: &Config) -> Result<Client, Failure> {
    let settings =
        ClientConfig { token: config.token.clone(), ..ClientConfig::new(&config.server_url) };
    Client::new(&settings).map_err(|error| {
        Failure::new(Exit::Config, error.to_string()).fix("set --server-url to http://host:8080")
    })
}

/// Reads an execution's id.
pub(crate) fn execution_id(text: &str) -> Result<ExecutionId, Failure> {
    text.trim().parse().map_err(|_| {
        Failure::new(Exit::NotFound, format!("no execution has the id `{text}`"))
            .fix("`baton workflow list` shows ids")
    })
}
