//! The command line. Flags of settings are made from the table of settings.
use crate::commands::backup::{BackupOptions, RestoreOptions};
use crate::commands::definition::DefinitionCommand;
use crate::commands::health::HealthOptions;
use crate::commands::workflow::WorkflowCommand;
use crate::config::setting::{Readers, SETTINGS, Setting};
use crate::output::Format;
use baton_bench::BenchOptions;
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::collections::BTreeMap;

/// A distributed workflow engine, compatible with Conductor.
#[derive(Debug, Parser)]
#[command(name = "baton", version, about, subcommand_required = true, max_term_width = 100)]
#[command(after_help = crate::failure::exit_codes())]
pub(crate) struct Cli {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How to print
    #[arg(long, global = true, value_enum, default_value = "table")]
    pub(crate) output: Format,
    /// A TOML file of settings, also BATON_CONFIG
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs everything in one process: API, engine and built-in task types
    Server,
    /// Runs API and engine; as many as wanted against one PostgreSQL
    Gateway,
    /// Runs the built-in task types for a server elsewhere
    Executor,
    /// Brings the database to this version's schema, and ends
    Migrate,
    /// Asks a server whether it is healthy: exit code 0 if so, for health checks
    Health(HealthOptions),
    /// Copies the SQLite file to another, while a server uses it or not
    Backup(BackupOptions),
    /// Puts such a copy in the SQLite file's place, while no server uses it
    Restore(RestoreOptions),
    /// Shows the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Checks, registers and shows definitions
    #[command(subcommand)]
    Definition(DefinitionCommand),
    /// Starts, follows and steers executions
    #[command(subcommand)]
    Workflow(WorkflowCommand),
    /// Shows queues and their limits
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Measures a server; starts one of its own, on a temporary SQLite file, unless given --url
    Bench(BenchOptions),
    /// Evaluates scripts for a server, on standard input and output
    #[command(name = "__evaluate", hide = true)]
    Evaluate,
    /// Becomes a command of a COMMAND task, or guards such commands
    #[command(name = "__command", hide = true)]
    Launch {
        /// What the executor asks for
        #[arg(last = true)]
        arguments: Vec<std::ffi::OsString>,
    },
}

/// What to do with queues.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Lists queues that have ready tasks or a limit in use
    List,
}

/// What to do with settings.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Prints every setting with its value and origin; secrets are hidden
    Show,
    /// Prints what every setting does, as the manual has it, in Markdown
    Describe,
}

/// The commands, and the settings that they have flags for.
///
/// All commands of the user's are here, so that they keep their order: one that is changed goes to the end.
const FLAGS: [(&str, &[Readers]); 12] = [
    ("server", &[Readers::Database, Readers::Engine, Readers::Worker, Readers::All]),
    ("gateway", &[Readers::Database, Readers::Engine, Readers::All]),
    ("executor", &[Readers::Worker, Readers::Executor, Readers::Caller, Readers::All]),
    ("migrate", &[Readers::Database, Readers::Engine, Readers::All]),
    ("health", &[Readers::Caller]),
    ("backup", &[Readers::Database]),
    ("restore", &[Readers::Database]),
    (
        "config",
        &[
            Readers::Database,
            Readers::Engine,
            Readers::Worker,
            Readers::Executor,
            Readers::Caller,
            Readers::All,
        ],
    ),
    ("definition", &[Readers::Caller]),
    ("workflow", &[Readers::Caller]),
    ("queue", &[Readers::Caller]),
    ("bench", &[]),
];

fn flag(setting: &'static Setting) -> Arg {
    let default = match setting.default {
        "" => String::new(),
        value => format!(" [default: {value}]"),
    };
    Arg::new(setting.key)
        .long(setting.key)
        .value_name(setting.value_name)
        .help(format!("{}{default} [env: {}]", setting.doc, setting.variable()))
        .help_heading("Settings")
        .global(true)
        .hide_default_value(true)
}

/// The whole command line, flags of settings included.
pub(crate) fn command() -> clap::Command {
    let mut whole = Cli::command();
    for (name, scopes) in FLAGS {
        let flags = SETTINGS.iter().filter(|setting| scopes.contains(&setting.readers)).map(flag);
        let flags: Vec<Arg> = flags.collect();
        whole = whole.mut_subcommand(name, |command| command.args(flags));
    }
    whole
}

/// The command asked for, and the flags of settings that were given.
pub(crate) fn read(
    arguments: impl IntoIterator<Item = std::ffi::OsString>,
) -> Result<(Cli, BTreeMap<String, String>), clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    let flags = flags_of(&matches);
    Ok((Cli::from_arg_matches(&matches)?, flags))
}

/// Flags are global: the innermost subcommand has them all.
fn flags_of(matches: &ArgMatches) -> BTreeMap<String, String> {
    let mut innermost = matches;
    while let Some((_, below)) = innermost.subcommand() {
        innermost = below;
    }
    let given = SETTINGS.iter().filter_map(|setting| {
        let value = innermost.try_get_one::<String>(setting.key).ok().flatten()?;
        Some((setting.key.to_owned(), value.clone()))
    });
    given.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> (Cli, BTreeMap<String, String>) {
        read(line.split(' ').map(Into::into)).unwrap()
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn flags_of_settings_are_found_at_every_depth() {
        let (cli, flags) = parse("baton server --listen 0.0.0.0:1 --samples true");
        assert!(matches!(cli.command, Command::Server));
        assert_eq!(flags["listen"], "0.0.0.0:1");
        assert_eq!(flags["samples"], "true");
        let (_, flags) = parse("baton workflow list --server-url http://h --output json");
        assert_eq!(flags["server-url"], "http://h");
    }

    #[test]
    fn a_benchmark_needs_neither_a_scenario_nor_a_server() {
        let (cli, _) = parse("baton bench --output json");
        assert!(matches!(cli.command, Command::Bench(options) if options.url.is_none()));
        let (cli, _) = parse("baton bench fanout --width 5 --url http://h/api");
        assert!(matches!(cli.command, Command::Bench(options) if options.scenario.is_some()));
    }

    #[test]
    fn a_command_has_only_the_settings_that_it_reads() {
        assert!(read("baton bench --listen x".split(' ').map(Into::into)).is_err());
        assert!(read("baton gateway --samples true".split(' ').map(Into::into)).is_err());
        assert!(read("baton workflow list --listen x".split(' ').map(Into::into)).is_err());
    }
}
