//! One string with tokens in it.
use super::{RESOLVED_BYTES_MAX, Scope, Word};
use crate::java;
use crate::path::{self, Budget, Path, Shape};
use crate::raw;
use std::collections::BTreeSet;

/// Deepest nesting of tokens in tokens; a deeper one stays as text. Bounds the recursion.
pub(super) const TOKEN_DEPTH_MAX: usize = 16;

/// Where the environment's values are read; `${workflow.env.NAME}`.
const ENVIRONMENT: &str = "workflow.env.";
/// Where secrets are read. Their tokens stay as they are until a worker gets the task.
const SECRETS: &str = "workflow.secrets.";

/// A compiled string.
#[derive(Debug)]
pub(super) struct Text(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Literal(String),
    Token(Target),
    /// A token whose path is put together from other tokens.
    Nested(Text),
}

/// What a token reads.
#[derive(Debug)]
enum Target {
    /// Nothing between the braces: an empty text.
    Blank,
    /// The token stays as it is: `${…}` of this path.
    Secret(String),
    Environment {
        name: String,
        path: Option<Path>,
    },
    Path {
        path: Path,
        word: Option<String>,
    },
    /// No path: null.
    Malformed,
}

/// A stretch of a string: plain text, or what stands between a token's braces.
pub(super) enum Stretch<'a> {
    Plain(&'a str),
    Token(&'a str),
}

/// Splits `text` at its tokens: each `${` that no `$` precedes, up to the brace that closes it.
/// A `${` that is never closed is plain text.
pub(super) fn stretches(text: &str) -> Vec<Stretch<'_>> {
    let closing = closing_braces(text);
    let bytes = text.as_bytes();
    let (mut stretches, mut plain, mut position) = (Vec::new(), 0, 0);
    while position + 1 < bytes.len() {
        let opens = bytes[position] == b'$' && bytes[position + 1] == b'{';
        let escaped = position > 0 && bytes[position - 1] == b'$';
        let close = if opens && !escaped { closing.get(&(position + 1)) } else { None };
        let Some(close) = close else {
            position += 1;
            continue;
        };
        stretches.push(Stretch::Plain(&text[plain..position]));
        stretches.push(Stretch::Token(&text[position + 2..*close]));
        position = close + 1;
        plain = position;
    }
    stretches.push(Stretch::Plain(&text[plain..]));
    stretches
}

/// The position of the closing brace for each opening one that has one.
fn closing_braces(text: &str) -> std::collections::HashMap<usize, usize> {
    let mut open = Vec::new();
    let mut pairs = std::collections::HashMap::new();
    for (position, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => open.push(position),
            b'}' => {
                if let Some(start) = open.pop() {
                    pairs.insert(start, position);
                }
            }
            _ => {}
        }
    }
    pairs
}

impl Text {
    /// Compiles `text`.
    pub(super) fn compile(text: &str) -> Self {
        Self::at_depth(text, TOKEN_DEPTH_MAX)
    }

    fn at_depth(text: &str, depth_left: usize) -> Self {
        let Some(depth_left) = depth_left.checked_sub(1) else {
            return Self(vec![Piece::Literal(unescaped(text))]);
        };
        let mut pieces = Vec::new();
        for stretch in stretches(text) {
            match stretch {
                Stretch::Plain("") => {}
                Stretch::Plain(plain) => pieces.push(Piece::Literal(unescaped(plain))),
                Stretch::Token(inner) => pieces.push(Piece::token(inner, depth_left)),
            }
        }
        Self(pieces)
    }

    /// Whether the string is the same in every scope.
    pub(super) fn is_constant(&self) -> bool {
        self.0.iter().all(|piece| match piece {
            Piece::Literal(_) | Piece::Token(Target::Blank | Target::Secret(_)) => true,
            Piece::Token(Target::Environment { .. } | Target::Path { .. } | Target::Malformed)
            | Piece::Nested(_) => false,
        })
    }

    /// Adds the roots of all tokens, nested ones too.
    pub(super) fn collect_roots<'a>(&'a self, roots: &mut BTreeSet<&'a str>) {
        for piece in &self.0 {
            match piece {
                Piece::Nested(inner) => inner.collect_roots(roots),
                Piece::Token(Target::Path { path, .. }) => roots.extend(path.root()),
                Piece::Literal(_)
                | Piece::Token(
                    Target::Blank
                    | Target::Secret(_)
                    | Target::Environment { .. }
                    | Target::Malformed,
                ) => {}
            }
        }
    }

    /// Appends the resolved string as JSON: the native value when it is one token and nothing else.
    pub(super) fn write_json(&self, scope: &dyn Scope, budget: &Budget, out: &mut String) {
        if out.len() > RESOLVED_BYTES_MAX {
            out.push_str("null");
            return;
        }
        if let [piece @ (Piece::Token(_) | Piece::Nested(_))] = self.0.as_slice() {
            piece.write_json(scope, budget, out);
            return;
        }
        let mut text = String::new();
        self.write_text(scope, budget, &mut text);
        raw::write_text(out, &text);
    }

    fn write_text(&self, scope: &dyn Scope, budget: &Budget, out: &mut String) {
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Token(_) | Piece::Nested(_) if out.len() > RESOLVED_BYTES_MAX => {
                    out.push_str("null");
                }
                Piece::Token(target) => target.write_text(scope, budget, out),
                Piece::Nested(inner) => {
                    inner.target(scope, budget).write_text(scope, budget, out);
                }
            }
        }
    }

    /// What a token reads whose path this string is.
    fn target(&self, scope: &dyn Scope, budget: &Budget) -> Target {
        let mut path = String::new();
        self.write_text(scope, budget, &mut path);
        Target::compile(&path)
    }
}

impl Piece {
    fn token(inner: &str, depth_left: usize) -> Self {
        if inner.contains("${") {
            return Self::Nested(Text::at_depth(inner, depth_left));
        }
        Self::Token(Target::compile(inner))
    }

    fn write_json(&self, scope: &dyn Scope, budget: &Budget, out: &mut String) {
        match self {
            Self::Literal(text) => raw::write_text(out, text),
            Self::Token(target) => target.write_json(scope, budget, out),
            Self::Nested(inner) => inner.target(scope, budget).write_json(scope, budget, out),
        }
    }
}

impl Target {
    fn compile(text: &str) -> Self {
        if text.trim().is_empty() {
            return Self::Blank;
        }
        if text.starts_with(SECRETS) {
            return Self::Secret(text.to_owned());
        }
        if let Some(variable) = text.strip_prefix(ENVIRONMENT) {
            return Self::environment(variable);
        }
        let Some(path) = Path::compile(text) else { return Self::Malformed };
        let is_word = path.is_root_only() && path.root() == Some(text);
        Self::Path { path, word: is_word.then(|| text.to_owned()) }
    }

    fn environment(variable: &str) -> Self {
        let end = variable.find(['.', '[']).unwrap_or(variable.len());
        let (name, rest) = variable.split_at(end);
        if rest.is_empty() {
            return Self::Environment { name: name.to_owned(), path: None };
        }
        match Path::compile(&format!("${rest}")) {
            Some(path) => Self::Environment { name: name.to_owned(), path: Some(path) },
            None => Self::Malformed,
        }
    }

    /// Appends the native value.
    fn write_json(&self, scope: &dyn Scope, budget: &Budget, out: &mut String) {
        match self {
            Self::Blank => out.push_str("\"\""),
            Self::Secret(path) => raw::write_text(out, &format!("${{{path}}}")),
            Self::Malformed => out.push_str("null"),
            Self::Environment { name, path } => match environment(name, path.as_ref(), scope) {
                Some(json) => out.push_str(&json),
                None => out.push_str("null"),
            },
            Self::Path { path, word } => {
                if let Some(text) = word.as_ref().and_then(|word| word_text(word, scope)) {
                    raw::write_text(out, &text);
                } else if path::read(path, scope, budget, out) == Shape::Missing {
                    out.push_str("null");
                }
            }
        }
    }

    /// Appends the string form.
    fn write_text(&self, scope: &dyn Scope, budget: &Budget, out: &mut String) {
        match self {
            Self::Blank => {}
            Self::Secret(path) => out.extend(["${", path, "}"]),
            Self::Malformed => out.push_str("null"),
            Self::Environment { name, path } => match environment(name, path.as_ref(), scope) {
                Some(json) => java::write_java_text(out, &json),
                None => out.push_str("null"),
            },
            Self::Path { path, word } => {
                if let Some(text) = word.as_ref().and_then(|word| word_text(word, scope)) {
                    out.push_str(&text);
                    return;
                }
                let mut json = String::new();
                match path::read(path, scope, budget, &mut json) {
                    Shape::Missing => out.push_str("null"),
                    Shape::Value => java::write_java_text(out, &json),
                    Shape::List => java::write_compact(out, &json),
                }
            }
        }
    }
}

/// The text of a token that is one word and no root; `None` when it is null or a root.
fn word_text(word: &str, scope: &dyn Scope) -> Option<String> {
    if scope.document().is_some() || scope.fields(word).is_some() {
        return None;
    }
    match scope.word(word) {
        Word::Value(text) => Some(text),
        Word::Unknown => None,
        Word::Literal => Some(format!("${{{word}}}")),
    }
}

/// The JSON of an environment value, or of what `path` names in it.
fn environment(name: &str, path: Option<&Path>, scope: &dyn Scope) -> Option<String> {
    let value = scope.environment(name)?;
    let mut json = String::new();
    let Some(path) = path else {
        raw::write_text(&mut json, &value);
        return Some(json);
    };
    serde_json::from_str::<serde::de::IgnoredAny>(&value).ok()?;
    match path::read_document(path, &value, &mut json) {
        Shape::Missing => None,
        Shape::Value | Shape::List => Some(json),
    }
}

/// Every `$${` loses one dollar.
fn unescaped(text: &str) -> String {
    text.replace("$${", "${")
}
