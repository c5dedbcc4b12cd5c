//! Runs a throw-away PostgreSQL for scripts: prints the URL of an empty database, one line, and
//! stops when its input closes. Arguments `name=value` are server settings.
use anyhow::{Context, Result};
use baton_test_support::Postgres;
use std::io::{Read, Write};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let settings: Option<Vec<(&str, &str)>> =
        arguments.iter().map(|argument| argument.split_once('=')).collect();
    let server = Postgres::start_with(&settings.context("arguments are name=value")?)?;
    let mut output = std::io::stdout();
    writeln!(output, "{}", server.database()?)?;
    output.flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
