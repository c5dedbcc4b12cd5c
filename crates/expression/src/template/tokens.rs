//! What registration wants to know about the tokens of a definition.
use super::text::{Stretch, TOKEN_DEPTH_MAX, stretches};
use crate::path::Path;
use crate::raw;
use baton_common::payload::Payload;

/// A token as it is written in a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The member names that lead to the string the token stands in; elements of lists add none.
    pub keys: Vec<String>,
    /// What stands between the braces.
    pub path: String,
    /// Whether the token can be registered: not blank, without blanks at its ends, a path, and
    /// within the limits of paths and of tokens in tokens.
    pub compiles: bool,
    /// The text before the first dot, which must be `workflow`, a task's reference name or a known
    /// word: a bracket or a `$` there makes it neither. `None` when it comes from a nested token.
    pub root: Option<String>,
}

/// All tokens in the string values of `json`, in their order; a token inside a token follows it.
pub fn tokens(json: &Payload) -> Vec<Token> {
    let mut found = Vec::new();
    let mut keys: Vec<Option<String>> = Vec::new();
    let text = json.get();
    let bytes = text.as_bytes();
    let mut position = 0;
    while let Some(byte) = bytes.get(position) {
        match byte {
            b'{' | b'[' => keys.push(None),
            b'}' | b']' => {
                keys.pop();
            }
            b'"' => {
                let end = raw::string_end(bytes, position);
                let decoded = text.get(position..end).and_then(raw::text).unwrap_or_default();
                let rest = bytes.get(end..).unwrap_or(&[]).trim_ascii_start();
                if rest.first() == Some(&b':') {
                    if let Some(key) = keys.last_mut() {
                        *key = Some(decoded.into_owned());
                    }
                } else {
                    let keys: Vec<String> = keys.iter().flatten().cloned().collect();
                    tokens_of(&decoded, &keys, TOKEN_DEPTH_MAX, &mut found);
                }
                position = end;
                continue;
            }
            _ => {}
        }
        position += 1;
    }
    found
}

fn tokens_of(text: &str, keys: &[String], depth_left: usize, found: &mut Vec<Token>) {
    for stretch in stretches(text) {
        let Stretch::Token(path) = stretch else { continue };
        let is_nested = path.contains("${");
        let deeper = depth_left.checked_sub(1);
        let root = path.split('.').next().unwrap_or("");
        found.push(Token {
            keys: keys.to_vec(),
            path: path.to_owned(),
            compiles: deeper.is_some() && compiles(path, is_nested),
            root: (!root.contains("${")).then(|| root.to_owned()),
        });
        if let Some(depth_left) = deeper.filter(|_| is_nested) {
            tokens_of(path, keys, depth_left, found);
        }
    }
}

fn compiles(path: &str, is_nested: bool) -> bool {
    let has_outer_blanks = path != path.trim();
    let is_unclosed = path.ends_with('[');
    !has_outer_blanks
        && !path.is_empty()
        && (is_nested || (!is_unclosed && Path::compile(path).is_ok()))
}
