//! What commands print: tables for people, JSON for programs.
use crate::failure::Failure;
use comfy_table::presets::NOTHING;
use comfy_table::{Cell, Color, Table};
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Columns.
    Table,
    /// One JSON value.
    Json,
}

/// Where and how a command prints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// The format asked for.
    pub(crate) format: Format,
    /// Whether to use colors.
    pub(crate) color: bool,
    /// Whether a line may be drawn again.
    pub(crate) redraw: bool,
}

impl Output {
    /// Colors and redrawing only on a terminal; no colors if NO_COLOR is set to anything.
    pub(crate) fn new(format: Format, no_color: bool) -> Self {
        let color = std::io::stdout().is_terminal() && !no_color;
        Self { format, color, redraw: std::io::stderr().is_terminal() }
    }

    /// Prints one line; as JSON, `{"message": line}`.
    pub(crate) fn line(self, line: &str) -> Result<(), Failure> {
        match self.format {
            Format::Table => print(line),
            Format::Json => print(&serde_json::json!({ "message": line }).to_string()),
        }
    }

    /// Prints rows below their headings, or `value` as JSON if that was asked for.
    pub(crate) fn rows<T: Serialize + ?Sized>(
        self,
        headings: &[&str],
        rows: Vec<Vec<String>>,
        value: &T,
    ) -> Result<(), Failure> {
        if self.format == Format::Json {
            return json(value);
        }
        let mut table = Table::new();
        table.load_style(NOTHING).set_header(headings.iter().map(Cell::new));
        for row in rows {
            table.add_row(row.into_iter().map(|text| self.cell(text)));
        }
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        print(&lines.join("\n"))
    }

    fn cell(self, text: String) -> Cell {
        let color = if self.color { color_of(&text) } else { None };
        match color {
            Some(color) => Cell::new(text).fg(color),
            None => Cell::new(text),
        }
    }
}

/// Prints a text that ends its own lines, whatever the format.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    print(text.trim_end())
}

/// Prints a value as JSON.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<(), Failure> {
    // By way of a Value: spliced payloads are indented like the rest.
    let text = serde_json::to_value(value).and_then(|value| serde_json::to_string_pretty(&value));
    print(&text.map_err(std::io::Error::other)?)
}

/// The color of a status; everything else has none.
fn color_of(text: &str) -> Option<Color> {
    match text {
        "COMPLETED" => Some(Color::Green),
        "FAILED" | "FAILED_WITH_TERMINAL_ERROR" | "TIMED_OUT" | "TERMINATED" => Some(Color::Red),
        "RUNNING" | "IN_PROGRESS" | "SCHEDULED" => Some(Color::Cyan),
        "PAUSED" | "CANCELED" | "SKIPPED" | "COMPLETED_WITH_ERRORS" => Some(Color::Yellow),
        _ => None,
    }
}

fn print(text: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout().lock(), "{text}").or_else(broken_pipe_is_fine)
}

/// A reader that has seen enough, such as `head`, is no fault.
fn broken_pipe_is_fine(error: std::io::Error) -> Result<(), Failure> {
    if error.kind() == std::io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error.into()) }
}
