//! `baton health`.
use super::client;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use baton_client::Client;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Time between two requests.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How to ask.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct HealthOptions {
    /// Retries until healthy, for up to SECONDS
    #[arg(long, value_name = "SECONDS", default_value_t = 0, hide_default_value = true)]
    wait: u64,
}

/// Asks the server that the settings name. The server asks its engine and its database in turn.
///
/// # Errors
/// [`Exit::Unavailable`] when it does not answer, or answers that it is not healthy, to the last.
pub(crate) async fn run(
    options: HealthOptions,
    config: &Config,
    output: Output,
) -> Result<(), Failure> {
    let client = client(config)?;
    let deadline = Instant::now() + Duration::from_secs(options.wait);
    loop {
        match ask(&client).await {
            Ok(()) => return output.line(&format!("{} is healthy", client.base_url())),
            Err(failure) if failure.exit != Exit::Unavailable || Instant::now() >= deadline => {
                return Err(failure);
            }
            Err(_) => sleep(LOOK_EVERY).await,
        }
    }
}

async fn ask(client: &Client) -> Result<(), Failure> {
    let health = client.health().await?;
    if health.healthy {
        return Ok(());
    }
    let mut cause = format!("{} is not healthy", client.base_url());
    for (number, reason) in health.reasons.iter().enumerate() {
        cause.push_str(if number == 0 { ": " } else { "; " });
        cause.push_str(reason);
    }
    Err(Failure::new(Exit::Unavailable, cause))
}
