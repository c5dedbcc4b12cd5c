//! Plain scripts: the JavaScript that most conditions are written in, evaluated without an engine.
//!
//! `$.loop['iteration'] < 3`, `if ($.more) { true; } else { false; }` and
//! `(function () { return $.type === 'batch' ? 'many' : 'one'; })()` compare what they read and
//! change nothing. Such a script needs no engine, no limit of time and no process of its own: it
//! is a pure function of a few members of its input.
//!
//! The part understood here is small, and whatever is outside of it is left to the engine: a script
//! that [`Program::parse`] does not take, and a value at which [`Program::evaluate`] is not sure
//! what JavaScript would make of it. What it does answer is what the engine answers; a test asks
//! both.
mod evaluate;
mod lexer;
mod parse;
mod results;
mod tree;
mod value;

use baton_common::payload::Payload;
use tree::{Read, Statement};

/// Longest program, bytes: conditions are short, and each evaluation parses anew.
const SOURCE_BYTES_MAX: usize = 4 * 1024;
/// Bytes of input that one evaluation may read, repeated reading counted: about a millisecond.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// A script that changes nothing and calls nothing.
#[derive(Clone, Debug)]
pub struct Program {
    body: Vec<Statement>,
    reads: Vec<Read>,
}

impl Program {
    /// Reads a script; `None` when it is not a plain one, or wrong.
    pub fn parse(source: &str) -> Option<Self> {
        let parsed = (source.len() <= SOURCE_BYTES_MAX).then(|| parse::program(source)).flatten();
        parsed.map(|(body, reads)| Self { body, reads })
    }

    /// The value of the script over `input`; `None` when only the engine knows.
    pub fn evaluate(&self, input: &Payload) -> Option<Payload> {
        if input.get().len().saturating_mul(self.reads.len()) > READ_BYTES_MAX {
            return None;
        }
        evaluate::value_of(&self.body, input.get())?.payload()
    }

    /// The members of the input that the program may read; `None` = all of it.
    pub fn reads(&self) -> Option<Vec<&str>> {
        self.reads.iter().map(|read| read.first.as_deref()).collect()
    }

    /// Every value that the program can give, as text; `None` when they cannot be listed.
    pub fn results(&self) -> Option<Vec<String>> {
        results::of(&self.body)
    }

    /// The members of the input's member `first` that the program may read; `None` = all of it.
    pub fn members_of<'p>(&'p self, first: &'p str) -> Option<impl Iterator<Item = &'p str>> {
        let touching = move |read: &&Read| read.first.as_deref().is_none_or(|name| name == first);
        let is_known = |read: &Read| read.first.is_some() && read.second.is_some();
        self.reads
            .iter()
            .filter(touching)
            .all(is_known)
            .then(|| self.reads.iter().filter(touching).filter_map(|read| read.second.as_deref()))
    }
}

#[cfg(test)]
mod tests;
