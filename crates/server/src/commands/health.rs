//! `baton health`.
use super::client;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Asks the server that the settings name. The server asks its database in turn.
///
/// # Errors
/// [`Exit::Unavailable`] when it does not answer, or answers that it is not well.
pub(crate) async fn run(config: &Config, output: Output) -> Result<(), Failure> {
    let client = client(config)?;
    if client.health().await?.healthy {
        return output.line(&format!("{} is well", client.base_url()));
    }
    Err(Failure::new(Exit::Unavailable, format!("{} is not well", client.base_url())))
}
