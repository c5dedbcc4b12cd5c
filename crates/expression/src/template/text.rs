//! One string with tokens in it.
use super::{Scope, TemplateError, Word};
use crate::java;
use crate::meter::{Fault, Limit, Meter};
use crate::path::{self, Path, Shape, Unreadable};
use std::collections::BTreeSet;

/// Deepest nesting of tokens in tokens, levels. Bounds the recursion.
pub(super) const TOKEN_DEPTH_MAX: usize = 16;

/// Where the environment's values are read; `${workflow.env.NAME}`.
const ENVIRONMENT: &str = "workflow.env.";
/// Where secrets are read. Their tokens stay as they are until a worker gets the task.
const SECRETS: &str = "workflow.secrets.";

/// What is kept of a path that is too long to be read, characters.
const TOKEN_CHARS_KEPT: usize = 200;

/// A compiled string.
#[derive(Debug)]
pub(super) struct Text(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Literal(String),
    Token(Token),
    /// A token whose path is put together from other tokens.
    Nested(Text),
    /// Tokens that nest too deep.
    TooDeep,
}

/// A token and how it is spelled.
#[derive(Debug)]
struct Token {
    path: String,
    target: Target,
}

/// What a token reads.
#[derive(Debug)]
enum Target {
    /// Nothing between the braces: an empty text.
    Blank,
    /// The token stays as it is.
    Secret,
    Environment {
        name: String,
        path: Option<Path>,
    },
    Path {
        path: Path,
        /// The whole token is one bare word, which may be no root.
        is_word: bool,
    },
    /// No path: null.
    Malformed,
    /// A path over a limit: an error.
    OverLimit(Fault),
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
            return Self(vec![Piece::TooDeep]);
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
            Piece::Literal(_) => true,
            Piece::Token(token) => match token.target {
                Target::Blank | Target::Secret => true,
                Target::Environment { .. }
                | Target::Path { .. }
                | Target::Malformed
                | Target::OverLimit(_) => false,
            },
            Piece::Nested(_) | Piece::TooDeep => false,
        })
    }

    /// Adds the roots of all tokens, nested ones too.
    pub(super) fn collect_roots<'a>(&'a self, roots: &mut BTreeSet<&'a str>) {
        for piece in &self.0 {
            match piece {
                Piece::Nested(inner) => inner.collect_roots(roots),
                Piece::Token(token) => roots.extend(token.root()),
                Piece::Literal(_) | Piece::TooDeep => {}
            }
        }
    }

    /// Appends the resolved string as JSON: the native value when it is one token and nothing else.
    pub(super) fn write_json(
        &self,
        scope: &dyn Scope,
        meter: &Meter,
        out: &mut String,
    ) -> Result<(), TemplateError> {
        match self.0.as_slice() {
            [Piece::Token(token)] => return token.write_json(scope, meter, out),
            [Piece::Nested(inner)] => {
                return inner.token(scope, meter)?.write_json(scope, meter, out);
            }
            _ => {}
        }
        let mut text = String::new();
        self.write_text(scope, meter, &mut text)?;
        meter.append_quoted(out, &text).map_err(|fault| TemplateError::of(fault, ""))
    }

    fn write_text(
        &self,
        scope: &dyn Scope,
        meter: &Meter,
        out: &mut String,
    ) -> Result<(), TemplateError> {
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => {
                    meter.append(out, text).map_err(|fault| TemplateError::of(fault, ""))?;
                }
                Piece::Token(token) => token.write_text(scope, meter, out)?,
                Piece::Nested(inner) => {
                    inner.token(scope, meter)?.write_text(scope, meter, out)?;
                }
                Piece::TooDeep => {
                    let (max, value) = (TOKEN_DEPTH_MAX, TOKEN_DEPTH_MAX + 1);
                    let fault = Fault::new(Limit::TokenDepth, max, value);
                    return Err(TemplateError::of(fault, ""));
                }
            }
        }
        Ok(())
    }

    /// The token whose path this string is.
    fn token(&self, scope: &dyn Scope, meter: &Meter) -> Result<Token, TemplateError> {
        let mut path = String::new();
        self.write_text(scope, meter, &mut path)?;
        Ok(Token::compile(&path))
    }
}

impl Piece {
    fn token(inner: &str, depth_left: usize) -> Self {
        if inner.contains("${") {
            return Self::Nested(Text::at_depth(inner, depth_left));
        }
        Self::Token(Token::compile(inner))
    }
}

impl Token {
    fn compile(path: &str) -> Self {
        let target = Target::compile(path);
        // A path that is too long is never read: its beginning does for the error.
        let kept = if let Target::OverLimit(_) = target {
            path.char_indices().nth(TOKEN_CHARS_KEPT).map_or(path.len(), |(end, _)| end)
        } else {
            path.len()
        };
        Self { path: path.get(..kept).unwrap_or("").to_owned(), target }
    }

    fn root(&self) -> Option<&str> {
        match &self.target {
            Target::Path { path, .. } => path.root(),
            Target::Blank
            | Target::Secret
            | Target::Environment { .. }
            | Target::Malformed
            | Target::OverLimit(_) => None,
        }
    }

    /// Appends the native value.
    fn write_json(
        &self,
        scope: &dyn Scope,
        meter: &Meter,
        out: &mut String,
    ) -> Result<(), TemplateError> {
        self.append_json(scope, meter, out).map_err(|fault| TemplateError::of(fault, &self.path))
    }

    /// Appends the string form.
    fn write_text(
        &self,
        scope: &dyn Scope,
        meter: &Meter,
        out: &mut String,
    ) -> Result<(), TemplateError> {
        self.append_text(scope, meter, out).map_err(|fault| TemplateError::of(fault, &self.path))
    }

    fn append_json(&self, scope: &dyn Scope, meter: &Meter, out: &mut String) -> Result<(), Fault> {
        match &self.target {
            Target::Blank => meter.append(out, "\"\""),
            Target::Secret => meter.append_quoted(out, &self.spelled()),
            Target::Malformed => meter.append(out, "null"),
            Target::OverLimit(fault) => Err(*fault),
            Target::Environment { name, path } => {
                let json = environment(name, path.as_ref(), scope, meter)?;
                meter.append(out, json.as_deref().unwrap_or("null"))
            }
            Target::Path { path, is_word } => {
                let word = is_word.then(|| self.word_text(scope)).flatten();
                if let Some(text) = word {
                    return meter.append_quoted(out, &text);
                }
                match path::read(path, scope, meter, out)? {
                    Shape::Missing => meter.append(out, "null"),
                    Shape::Value | Shape::List => meter.check_size(out.len()),
                }
            }
        }
    }

    fn append_text(&self, scope: &dyn Scope, meter: &Meter, out: &mut String) -> Result<(), Fault> {
        match &self.target {
            Target::Blank => Ok(()),
            Target::Secret => meter.append(out, &self.spelled()),
            Target::Malformed => meter.append(out, "null"),
            Target::OverLimit(fault) => Err(*fault),
            Target::Environment { name, path } => {
                match environment(name, path.as_ref(), scope, meter)? {
                    Some(json) => java::write_java_text(out, &json, meter),
                    None => meter.append(out, "null"),
                }
            }
            Target::Path { path, is_word } => {
                let word = is_word.then(|| self.word_text(scope)).flatten();
                if let Some(text) = word {
                    return meter.append(out, &text);
                }
                let mut json = String::new();
                match path::read(path, scope, meter, &mut json)? {
                    Shape::Missing => meter.append(out, "null"),
                    Shape::Value => java::write_java_text(out, &json, meter),
                    Shape::List => java::write_compact(out, &json, meter),
                }
            }
        }
    }

    /// As it stands in the template.
    fn spelled(&self) -> String {
        format!("${{{}}}", self.path)
    }

    /// The text of a token that is one word and no root; `None` when it is null or a root.
    fn word_text(&self, scope: &dyn Scope) -> Option<String> {
        if scope.document().is_some() || scope.fields(&self.path).is_some() {
            return None;
        }
        match scope.word(&self.path) {
            Word::Value(text) => Some(text),
            Word::Unknown => None,
            Word::Literal => Some(self.spelled()),
        }
    }
}

impl Target {
    fn compile(text: &str) -> Self {
        if text.trim().is_empty() {
            return Self::Blank;
        }
        if text.starts_with(SECRETS) {
            return Self::Secret;
        }
        if let Some(variable) = text.strip_prefix(ENVIRONMENT) {
            return Self::environment(variable);
        }
        match Path::compile(text) {
            Ok(path) => {
                let is_word = path.is_root_only() && path.root() == Some(text);
                Self::Path { path, is_word }
            }
            Err(unreadable) => Self::unreadable(unreadable),
        }
    }

    fn unreadable(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Malformed => Self::Malformed,
            Unreadable::OverLimit(fault) => Self::OverLimit(fault),
        }
    }

    fn environment(variable: &str) -> Self {
        let end = variable.find(['.', '[']).unwrap_or(variable.len());
        let (name, rest) = variable.split_at(end);
        if rest.is_empty() {
            return Self::Environment { name: name.to_owned(), path: None };
        }
        match Path::compile(&format!("${rest}")) {
            Ok(path) => Self::Environment { name: name.to_owned(), path: Some(path) },
            Err(unreadable) => Self::unreadable(unreadable),
        }
    }
}

/// The JSON of an environment value, or of what `path` names in it.
fn environment(
    name: &str,
    path: Option<&Path>,
    scope: &dyn Scope,
    meter: &Meter,
) -> Result<Option<String>, Fault> {
    let Some(value) = scope.environment(name) else { return Ok(None) };
    meter.charge(value.len())?;
    let mut json = String::new();
    let Some(path) = path else {
        meter.append_quoted(&mut json, &value)?;
        return Ok(Some(json));
    };
    if serde_json::from_str::<serde::de::IgnoredAny>(&value).is_err() {
        return Ok(None);
    }
    Ok(match path::read_document(path, &value, meter, &mut json)? {
        Shape::Missing => None,
        Shape::Value | Shape::List => Some(json),
    })
}

/// Every `$${` loses one dollar.
fn unescaped(text: &str) -> String {
    text.replace("$${", "${")
}
