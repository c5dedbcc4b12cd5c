//! The text form of a history.
use std::fmt::Write;

/// One history file.
#[derive(Debug, PartialEq)]
pub(crate) struct History {
    /// The behaviour, as comment lines.
    pub(crate) comment: String,
    /// Its commands in order.
    pub(crate) blocks: Vec<Block>,
}

/// A command and what came of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Block {
    /// The command, of one line or more.
    pub(crate) command: String,
    /// The transcript.
    pub(crate) transcript: String,
}

impl History {
    /// Reads the text form.
    pub(crate) fn parse(text: &str) -> Self {
        let (comments, rest): (Vec<&str>, Vec<&str>) = {
            let count = text.lines().take_while(|line| line.starts_with('#')).count();
            (text.lines().take(count).collect(), text.lines().skip(count).collect())
        };
        let mut blocks = Vec::new();
        for chunk in rest.join("\n").split("\n\n").map(str::trim).filter(|chunk| !chunk.is_empty())
        {
            let (command, transcript) = chunk.split_once("\n----").unwrap_or((chunk, ""));
            blocks.push(Block {
                command: command.trim().to_owned(),
                transcript: transcript.trim().to_owned(),
            });
        }
        Self { comment: comments.join("\n"), blocks }
    }

    /// Writes the text form.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("{}\n", self.comment);
        for block in &self.blocks {
            let _ = write!(text, "\n{}\n----\n", block.command);
            if !block.transcript.is_empty() {
                let _ = writeln!(text, "{}", block.transcript);
            }
        }
        text
    }
}
