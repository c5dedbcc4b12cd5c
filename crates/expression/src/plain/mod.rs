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
mod value;

use baton_common::payload::Payload;

/// Longest program, bytes: conditions are short, and each evaluation parses anew.
const SOURCE_BYTES_MAX: usize = 4 * 1024;
/// Deepest nesting of expressions and statements; bounds the recursion.
const DEPTH_MAX: usize = 32;
/// Bytes of input that one evaluation may read, repeated reading counted: about a millisecond.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// A script that changes nothing and calls nothing.
#[derive(Clone, Debug)]
pub struct Program {
    body: Vec<Statement>,
    reads: Vec<Read>,
}

/// A place of the script that reads its input: `$.first.second…`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Read {
    /// The member of `$`; `None` when the script computes its name or takes the whole input.
    first: Option<String>,
    /// The member of that member; `None` as above.
    second: Option<String>,
}

impl Program {
    /// Reads a script; `None` when it is not a plain one, or wrong.
    pub fn parse(source: &str) -> Option<Self> {
        (source.len() <= SOURCE_BYTES_MAX).then(|| parse::program(source)).flatten()
    }

    /// The value of the script over `input`; `None` when only the engine knows.
    pub fn evaluate(&self, input: &Payload) -> Option<Payload> {
        if input.get().len().saturating_mul(self.reads.len()) > READ_BYTES_MAX {
            return None;
        }
        evaluate::value_of(&self.body, input.get())?.payload()
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

#[derive(Clone, Debug)]
enum Statement {
    /// An expression, whose value is the program's if nothing comes after it.
    Value(Expression),
    If {
        condition: Expression,
        then: Vec<Statement>,
        otherwise: Vec<Statement>,
    },
    /// Ends a function, and so the program.
    Return(Option<Expression>),
}

#[derive(Clone, Debug)]
enum Expression {
    /// `$`.
    Input,
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Member(Box<Expression>, Box<Expression>),
    Unary(Unary, Box<Expression>),
    Binary(Binary, Box<Expression>, Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Choice(Box<Expression>, Box<Expression>, Box<Expression>),
}

impl Expression {
    fn literal_text(&self) -> Option<String> {
        if let Self::Text(text) = self { Some(text.clone()) } else { None }
    }
}

#[derive(Clone, Copy, Debug)]
enum Unary {
    Not,
    Minus,
    Plus,
    Typeof,
}

#[derive(Clone, Copy, Debug)]
enum Binary {
    Equal,
    NotEqual,
    Same,
    NotSame,
    Less,
    Greater,
    AtMost,
    AtLeast,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[cfg(test)]
mod tests;
