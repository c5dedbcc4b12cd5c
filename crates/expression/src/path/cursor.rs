//! A path's text, read from left to right.
use crate::meter::{Fault, Limit};

/// Deepest nesting of brackets and filters in one path; bounds the parser's recursion.
const PATH_DEPTH_MAX: usize = 32;

/// A cursor over the characters of a path.
pub(super) struct Cursor {
    chars: Vec<char>,
    position: usize,
    /// How many more brackets or filters may open.
    depth_left: usize,
    /// The limit that stopped the reading, if one did.
    pub(super) over_limit: Option<Fault>,
    /// How many absolute paths the filters held so far; see [`super::segment::Operand::Absolute`].
    pub(super) absolutes: usize,
}

impl Cursor {
    pub(super) fn new(text: &str) -> Self {
        Self {
            chars: text.chars().collect(),
            position: 0,
            depth_left: PATH_DEPTH_MAX,
            over_limit: None,
            absolutes: 0,
        }
    }

    /// One more bracket or filter opens; `None` when that is one too many.
    pub(super) fn descend(&mut self) -> Option<()> {
        if let Some(left) = self.depth_left.checked_sub(1) {
            self.depth_left = left;
            return Some(());
        }
        let fault = Fault::new(Limit::PathDepth, PATH_DEPTH_MAX, PATH_DEPTH_MAX + 1);
        self.over_limit = Some(fault);
        None
    }

    /// The innermost bracket or filter has closed.
    pub(super) fn ascend(&mut self) {
        self.depth_left += 1;
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.chars.get(self.position).copied()
    }

    pub(super) fn advance(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.position += 1;
        Some(next)
    }

    /// Whether the next character is the last one.
    pub(super) fn is_at_last(&self) -> bool {
        self.position + 1 == self.chars.len()
    }

    pub(super) fn eat(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        self.position += usize::from(found);
        found
    }

    pub(super) fn eat_all(&mut self, expected: &str) -> bool {
        let rest = self.chars.get(self.position..).unwrap_or(&[]);
        let found = expected.chars().enumerate().all(|(i, c)| rest.get(i) == Some(&c));
        if found {
            self.position += expected.chars().count();
        }
        found
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.position += 1;
        }
    }

    /// Takes characters while `wanted` holds.
    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(next) = self.peek().filter(|c| wanted(*c)) {
            taken.push(next);
            self.position += 1;
        }
        taken
    }

    /// A text in single or double quotes; a backslash takes the next character as it is.
    pub(super) fn quoted(&mut self) -> Option<String> {
        let quote = self.advance().filter(|c| matches!(c, '\'' | '"'))?;
        let mut text = String::new();
        loop {
            match self.advance()? {
                '\\' => text.push(self.advance()?),
                end if end == quote => return Some(text),
                other => text.push(other),
            }
        }
    }

    pub(super) fn integer(&mut self) -> Option<i64> {
        let sign = if self.eat('-') { "-" } else { "" };
        let digits = self.take_while(|c| c.is_ascii_digit());
        format!("{sign}{digits}").parse().ok()
    }
}
