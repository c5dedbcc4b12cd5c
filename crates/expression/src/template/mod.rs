//! The `${…}` language of parameters.
//!
//! A [`Template`] is JSON whose strings may hold tokens. It is compiled once to the stretches of
//! text that stay and the strings that change, and resolved many times against a [`Scope`].
//! Keys are never substituted, and what a token gives is not looked at again.
mod error;
mod scope;
mod text;
mod tokens;

pub use crate::meter::{Limit, ResolveLimits};
pub use error::TemplateError;
pub use scope::{Document, DocumentScope, Scope, Word};
pub use tokens::{Token, tokens};

use crate::meter::Meter;
use crate::raw;
use baton_common::payload::Payload;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use text::Text;

/// What resolving a template gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The value, or why there is none: a value over a limit is never cut short.
    pub value: Result<Payload, TemplateError>,
    /// Bytes read and written, also without a value. Depends on the template and its documents
    /// only, not on what was read before.
    pub cost: u64,
}

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
    /// Compiles `json`. Never fails: what is no token stays as it is, a token that is no path
    /// resolves to null, and one over a limit of paths makes [`resolve`](Self::resolve) fail.
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
            let compiled = Compiled { source, parts };
            let meter = Meter::new(ResolveLimits::of_bytes(usize::MAX));
            return match compiled.resolve(&NoScope, &meter) {
                Ok(source) => Self(Arc::new(Compiled { source, parts: Vec::new() })),
                Err(_) => Self(Arc::new(compiled)),
            };
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

    /// The value with its tokens replaced by what `scope` has for them. A token that leads nowhere
    /// is null; what is over one of `limits` is an error.
    pub fn resolve(&self, scope: &dyn Scope, limits: &ResolveLimits) -> Resolved {
        let meter = Meter::new(*limits);
        let value = if self.is_constant() {
            let source = &self.0.source;
            let fits = meter.check_size(source.len_bytes());
            fits.map(|()| source.clone()).map_err(|fault| TemplateError::of(fault, ""))
        } else {
            self.0.resolve(scope, &meter)
        };
        let written = value.as_ref().ok().filter(|_| !self.is_constant()).map(Payload::len_bytes);
        let written = u64::try_from(written.unwrap_or(0)).unwrap_or(u64::MAX);
        Resolved { value, cost: meter.read_bytes().saturating_add(written) }
    }
}

impl Compiled {
    fn resolve(&self, scope: &dyn Scope, meter: &Meter) -> Result<Payload, TemplateError> {
        let whole = |fault| TemplateError::of(fault, "");
        let source = self.source.get();
        let mut out = String::with_capacity(source.len());
        for part in &self.parts {
            match part {
                Part::Copied(range) => {
                    let text = source.get(range.clone()).unwrap_or("");
                    meter.append(&mut out, text).map_err(whole)?;
                }
                Part::Text(text) => text.write_json(scope, meter, &mut out)?,
            }
        }
        meter.check_depth(&out).map_err(whole)?;
        // Only a scope that hands out what is no JSON can make this fail.
        Payload::parse(out).map_err(|_| TemplateError::NotJson)
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
    fn field(&self, _root: &str, _field: &str) -> Option<Document<'_>> {
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
