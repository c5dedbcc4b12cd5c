//! The page of the manual about the command line, written from its definition.
use crate::cli::command;
use crate::failure::Exit;
use clap::{Arg, Command};
use std::fmt::Write;

const HEAD: &str = "# The command line

Written from the definition of the command line; a test compares, and with `BATON_UPDATE_MANUAL=1` writes it.

`baton COMMAND --help` says the same for one command.
Flags of settings are only named here: [settings.md](../settings.md) says what each does, and how to give it as a variable or in a file instead.
A command has the flags of the one above it too.
Output goes to standard output; logs and errors, with what to do about them, to standard error.

## For every command
";

/// The whole page, in Markdown.
fn page() -> String {
    let whole = command();
    let mut page = HEAD.to_owned();
    arguments(&mut page, &whole);
    page.push_str("\n## Exit codes\n\n| code | meaning |\n|--:|---|\n| 0 | ok |\n");
    for exit in Exit::ALL {
        let _ = writeln!(page, "| {} | {} |", exit as u8, exit.meaning());
    }
    for below in whole.get_subcommands() {
        section(&mut page, "baton", below);
    }
    page
}

/// A command and all commands below it.
fn section(page: &mut String, above: &str, command: &Command) {
    if command.is_hide_set() {
        return;
    }
    let path = format!("{above} {}", command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = writeln!(page, "\n## {path}\n\n{}.", plain(&about));
    let usage = command.get_positionals().map(|argument| format!(" {}", form(argument)));
    let below = match (command.has_subcommands(), command.is_subcommand_required_set()) {
        (true, true) => " COMMAND",
        (true, false) => " [COMMAND]",
        (false, _) => "",
    };
    let _ = writeln!(page, "\nUsage: `{path}{}{below} [FLAGS]`", usage.collect::<String>());
    arguments(page, command);
    let settings = command.get_arguments().filter(|argument| is_setting(argument));
    let links: Vec<String> = settings
        .filter_map(Arg::get_long)
        .map(|long| format!("[`--{long}`](../settings.md#{long})"))
        .collect();
    if !links.is_empty() {
        let _ = writeln!(page, "\nSettings: {}.", links.join(", "));
    }
    for below in command.get_subcommands() {
        section(page, &path, below);
    }
}

/// The table of a command's own arguments.
fn arguments(page: &mut String, command: &Command) {
    let mut own = command.get_arguments().filter(|argument| !is_setting(argument)).peekable();
    if own.peek().is_some() {
        page.push_str("\n| argument | default | what it does |\n|---|---|---|\n");
    }
    for argument in own {
        let defaults = argument.get_default_values().iter();
        let defaults = defaults.map(|value| format!("`{}`", value.to_string_lossy()));
        let defaults = defaults.collect::<Vec<_>>().join(", ");
        let takes_value = argument.get_action().takes_values();
        let default = if takes_value { defaults.as_str() } else { "" };
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let values = argument.get_possible_values();
        let values: Vec<String> = values
            .iter()
            .filter(|_| takes_value)
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        let values =
            if values.is_empty() { String::new() } else { format!(": {}", values.join(", ")) };
        let _ = writeln!(page, "| `{}` | {default} | {}{values} |", form(argument), plain(&help));
    }
}

fn is_setting(argument: &Arg) -> bool {
    argument.get_help_heading() == Some("Settings")
}

/// How an argument is written.
fn form(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let value = names
        .first()
        .map_or_else(|| argument.get_id().as_str().to_uppercase(), ToString::to_string);
    let more = if argument.get_num_args().is_some_and(|count| count.max_values() > 1)
        || matches!(argument.get_action(), clap::ArgAction::Append)
    {
        "…"
    } else {
        ""
    };
    match argument.get_long() {
        None => format!("{value}{more}"),
        Some(long) if argument.get_action().takes_values() => format!("--{long} {value}{more}"),
        Some(long) => format!("--{long}"),
    }
}

/// A help text in a cell of a table.
fn plain(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|").replace('<', "\\<")
}

/// Goal: the page is what the binary takes. Method: it is rendered and compared.
#[test]
fn the_page_of_the_manual_is_written_from_the_command_line() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cli.md");
    let page = page();
    if std::env::var("BATON_UPDATE_MANUAL").is_ok() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == page, "BATON_UPDATE_MANUAL=1 writes docs/reference/cli.md anew");
}

/// Goal: no flag is left unexplained. Method: every command and argument has a text.
#[test]
fn every_command_and_argument_is_explained() {
    fn check(command: &Command) {
        let name = command.get_name();
        assert!(command.get_about().is_some(), "{name} says nothing of itself");
        let bare = command.get_arguments().find(|argument| argument.get_help().is_none());
        assert!(bare.is_none(), "{name}: {bare:?} is not explained");
        command.get_subcommands().for_each(check);
    }
    check(&command());
}
