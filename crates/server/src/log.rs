//! Log lines, on standard error.
use crate::config::Config;
use crate::failure::{Exit, Failure};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Begins to write log lines as the settings say.
pub(crate) fn start(config: &Config, no_color: bool) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&config.log).map_err(|error| {
        Failure::new(Exit::Config, format!("log = `{}`: {error}", config.log))
            .fix("write a level such as info, or a filter such as info,baton_executor=debug")
    })?;
    let is_terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal && !no_color);
    if config.log_format.is_json(is_terminal) {
        lines.json().flatten_event(true).init();
    } else {
        lines.init();
    }
    Ok(())
}
