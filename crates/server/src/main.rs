//! The `baton` binary: roles, settings, command line. The only place that reads the environment.
mod cli;
mod commands;
mod config;
mod failure;
mod log;
#[cfg(test)]
mod manual;
mod output;
mod roles;
mod spans;

use baton_common::limits::READER_STACK_BYTES;
use cli::{Cli, Command, ConfigCommand, QueueCommand};
use config::{Config, Given, Sources};
use failure::{Exit, Failure};
use output::Output;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let (cli, flags) = match cli::read(std::env::args_os()) {
        Ok(parsed) => parsed,
        Err(error) => {
            drop(error.print());
            // Help and version are no faults.
            return if error.use_stderr() { code(Exit::Usage) } else { ExitCode::SUCCESS };
        }
    };
    match run(cli, flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            drop(writeln!(std::io::stderr().lock(), "{failure}"));
            code(failure.exit)
        }
    }
}

fn code(exit: Exit) -> ExitCode {
    ExitCode::from(exit as u8)
}

fn run(cli: Cli, flags: BTreeMap<String, String>) -> Result<(), Failure> {
    // Before anything else takes memory: the evaluator's limits count from here.
    if let Command::Evaluate = cli.command {
        return Ok(baton_expression::script::serve(std::io::stdin(), std::io::stdout())?);
    }
    if let Command::Launch { arguments } = cli.command {
        return Ok(baton_executor::command::serve_helper(arguments)?);
    }
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let output = Output::new(cli.output, no_color);
    let given = given(cli.config, flags)?;
    let config = Config::read(&given).map_err(|faults| wrong_settings(&faults))?;
    let runtime = runtime(&cli.command)?;
    match cli.command {
        Command::Config(ConfigCommand::Show) => commands::config::show(&given, output),
        Command::Config(ConfigCommand::Describe) => output::text(&config::page()),
        Command::Health(options) => {
            runtime.block_on(commands::health::run(options, &config, output))
        }
        Command::Definition(command) => {
            runtime.block_on(commands::definition::run(command, &config, output))
        }
        Command::Workflow(command) => {
            runtime.block_on(commands::workflow::run(command, &config, output))
        }
        Command::Queue(QueueCommand::List) => {
            runtime.block_on(commands::queue::list(&config, output))
        }
        Command::Bench(options) => runtime.block_on(commands::bench::run(options, output)),
        Command::Backup(options) => commands::backup::backup(&options, &config, output),
        Command::Restore(options) => commands::backup::restore(&options, &config, output),
        Command::Migrate => runtime.block_on(roles::migrate::run(&config, output)),
        Command::Server => {
            log::start(&config, no_color)?;
            runtime.block_on(roles::server::run(&config))
        }
        Command::Gateway => {
            log::start(&config, no_color)?;
            runtime.block_on(roles::gateway::run(&config))
        }
        Command::Executor => {
            log::start(&config, no_color)?;
            runtime.block_on(roles::executor::run(&config))
        }
        Command::Evaluate | Command::Launch { .. } => unreachable!("done above"),
    }
}

/// The threads of a command. A server's spend their time in short requests, which cost the more the
/// more threads pass them around: half the processors measured best, and leave the rest to the
/// database, the evaluators and, on one machine, the workers.
fn runtime(command: &Command) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Command::Server | Command::Gateway = command {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        builder.worker_threads((processors / 2).max(1));
    }
    builder.thread_stack_size(READER_STACK_BYTES).enable_all().build()
}

/// Every setting's value, with its origin.
fn given(path: Option<String>, flags: BTreeMap<String, String>) -> Result<Vec<Given>, Failure> {
    let mut environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let path = path.or(environment.remove("BATON_CONFIG"));
    let file = path.map(|path| {
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Failure::new(Exit::Config, format!("{path}: {error}"))
                .fix("check --config and BATON_CONFIG")
        })?;
        Ok::<_, Failure>((path, text))
    });
    let sources = Sources { flags, environment, file: file.transpose()? };
    sources.resolve().map_err(|faults| wrong_settings(&faults))
}

fn wrong_settings(faults: &[String]) -> Failure {
    Failure::new(Exit::Config, format!("wrong settings\n  {}", faults.join("\n  ")))
        .fix("`baton config show` lists every setting; the manual explains them")
}
