//! The `${…}` language of parameters.
//!
//! A [`Template`] is JSON whose strings may hold tokens. It is compiled once to the stretches of
//! text that stay and the strings that change, and resolved many times against a [`Scope`].
//! Keys are never substituted, and what a token gives is not looked at again.
mod scope;
mod text;
mod tokens;

pub use scope::{DocumentScope, Scope, Word};
pub use tokens::{Token, tokens};

use crate::path::Budget;
use crate::raw;
use baton_common::payload::Payload;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use text::Text;

/// Largest resolved value, bytes: above the largest payload the engine keeps, so a value that is
/// cut off here is refused there.
/// Tokens after this point resolve to null.
pub(crate) const RESOLVED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A JSON value whose strings may hold `${…}` tokens, compiled once and resolved many times.
#[derive(Clone, Debug)]
pub struct Template(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    source: Payload,
    parts: Vec<Part>,
}

/// A stretch of the source, or the string that stands in its place.
#[derive(Debug)]
enum Part {
    Copied(Range<usize>),
    Text(Text),
}

impl Template {
    /// Compiles `json`. Never fails: what is no token stays as it is, and a token that is no path
    /// resolves to null.
    pub fn compile(json: &Payload) -> Self {
        let text = json.get();
        let mut parts = Vec::new();
        let mut copied = 0;
        for range in values_with_tokens(text) {
            let value = text.get(range.clone()).and_then(raw::text).unwrap_or_default();
            if !value.contains("${") {
                continue;
            }
            parts.push(Part::Copied(copied..range.start));
            copied = range.end;
            parts.push(Part::Text(Text::compile(&value)));
        }
        parts.push(Part::Copied(copied..text.len()));
        Self::of(json.clone(), parts)
    }

    /// Compiles a single string, which resolves like a JSON string value of that text.
    pub fn compile_text(text: &str) -> Self {
        let mut quoted = String::new();
        raw::write_text(&mut quoted, text);
        match Payload::parse(quoted) {
            Ok(source) => Self::compile(&source),
            Err(_) => unreachable!("a quoted text is JSON"),
        }
    }

    /// Strings that only lose dollars are written out now, so that a constant costs nothing later.
    fn of(source: Payload, parts: Vec<Part>) -> Self {
        let is_constant = |part: &Part| match part {
            Part::Copied(_) => true,
            Part::Text(text) => text.is_constant(),
        };
        if parts.len() > 1 && parts.iter().all(is_constant) {
            let source = Compiled { source, parts }.resolve(&NoScope);
            return Self(Arc::new(Compiled { source, parts: Vec::new() }));
        }
        Self(Arc::new(Compiled { source, parts }))
    }

    /// Whether the value is the same in every scope.
    pub fn is_constant(&self) -> bool {
        !self.0.parts.iter().any(|part| matches!(part, Part::Text(_)))
    }

    /// The root names the tokens read, each once: `workflow`, references of tasks, and single
    /// words that may be neither. Roots that themselves come from a token are not among them.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        let mut roots = BTreeSet::new();
        for part in &self.0.parts {
            if let Part::Text(text) = part {
                text.collect_roots(&mut roots);
            }
        }
        roots.into_iter()
    }

    /// The value with its tokens replaced by what `scope` has for them.
    pub fn resolve(&self, scope: &dyn Scope) -> Payload {
        if self.is_constant() {
            return self.0.source.clone();
        }
        self.0.resolve(scope)
    }
}

impl Compiled {
    fn resolve(&self, scope: &dyn Scope) -> Payload {
        let source = self.source.get();
        let budget = Budget::default();
        let mut out = String::with_capacity(source.len());
        for part in &self.parts {
            match part {
                Part::Copied(range) => out.push_str(source.get(range.clone()).unwrap_or("")),
                Part::Text(text) => text.write_json(scope, &budget, &mut out),
            }
        }
        // Only a scope that hands out what is no JSON can make this fail.
        Payload::parse(out).unwrap_or_else(|_| Payload::null())
    }
}

/// The string values (not keys) of `json` in which a token may stand: where each begins and ends.
fn values_with_tokens(json: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = json.as_bytes();
    let mut position = 0;
    std::iter::from_fn(move || {
        loop {
            let offset = bytes.get(position..)?.iter().position(|byte| *byte == b'"')?;
            let start = position + offset;
            let end = raw::string_end(bytes, start);
            position = end;
            let rest = bytes.get(end..).unwrap_or(&[]).trim_ascii_start();
            let inner = json.get(start..end).unwrap_or("");
            if rest.first() != Some(&b':') && may_hold_token(inner) {
                return Some(start..end);
            }
        }
    })
}

/// Whether a quoted string can hold a token; `$` and `{` may be spelled as escapes.
fn may_hold_token(quoted: &str) -> bool {
    quoted.contains("${") || quoted.contains("\\u00")
}

/// A scope without documents.
struct NoScope;

impl Scope for NoScope {
    fn field(&self, _root: &str, _field: &str) -> Option<std::borrow::Cow<'_, str>> {
        None
    }

    fn fields(&self, _root: &str) -> Option<&'static [&'static str]> {
        None
    }

    fn word(&self, _word: &str) -> Word {
        Word::Unknown
    }

    fn environment(&self, _name: &str) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests;
