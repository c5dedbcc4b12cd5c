//! The `${…}` in the values of a definition, taken apart as far as their text goes.
use crate::document::escaped;
use baton_common::Payload;
use baton_expression::template::tokens;
use serde_json::Value;

/// A token of a text.
pub(crate) struct Token {
    /// What stands between the braces.
    pub(crate) path: String,
    /// What the path begins with: `workflow` or a step's reference name; `None` when it comes from a
    /// token in the token.
    pub(crate) root: Option<String>,
    /// The members that follow, as far as they are plain names.
    pub(crate) members: Vec<String>,
    /// Whether it is a path.
    pub(crate) is_path: bool,
}

/// The tokens of a text, and whether it opens one that it does not close.
pub(crate) fn of_text(text: &str) -> (Vec<Token>, bool) {
    if !text.contains("${") {
        return (Vec::new(), false);
    }
    let Ok(json) = Payload::of(text) else { return (Vec::new(), false) };
    let found: Vec<Token> = tokens(&json)
        .into_iter()
        .map(|token| {
            let path = token.path.strip_prefix("$.").unwrap_or(&token.path);
            let root = path.split(['.', '[']).next().unwrap_or_default();
            Token {
                members: members(path),
                root: (!root.contains("${") && !root.starts_with('$')).then(|| root.to_owned()),
                is_path: token.compiles,
                path: token.path,
            }
        })
        .collect();
    let opened = text.matches("${").count();
    let escaped = text.matches("$${").count();
    let is_open = opened - escaped.min(opened) > found.len();
    (found, is_open)
}

/// The plain names behind the root of a path: `workflow.input['a'].b[0].c` has `input`, `a`, `b`.
fn members(path: &str) -> Vec<String> {
    let end = path.find("${").unwrap_or(path.len());
    let is_cut = end < path.len();
    let mut rest = &path[..end];
    let mut names = Vec::new();
    rest = rest.find(['.', '[']).map_or("", |at| &rest[at..]);
    while !rest.is_empty() {
        let (name, behind) = if let Some(after) = rest.strip_prefix('.') {
            let length = after.find(['.', '[']).unwrap_or(after.len());
            after.split_at(length)
        } else if let Some((name, behind)) = quoted(rest) {
            (name, behind)
        } else {
            break;
        };
        let is_plain = !name.is_empty() && !name.contains(['*', '(', '?', '@', '$']);
        if !is_plain || (is_cut && behind.is_empty()) {
            break;
        }
        names.push(name.to_owned());
        rest = behind;
    }
    names
}

/// `['name']` at the beginning of a path.
fn quoted(rest: &str) -> Option<(&str, &str)> {
    let inner = rest.strip_prefix('[')?;
    let quote = inner.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    let (name, behind) = inner[1..].split_once(quote)?;
    Some((name, behind.strip_prefix(']')?))
}

/// Calls `on_text` with every text of a value and its place, and `on_key` with every name that has a
/// token in it. A step in a value is passed over: a dynamic fork runs it later, with an input of its own.
pub(crate) fn visit(
    value: &Value,
    pointer: &str,
    on_text: &mut dyn FnMut(&str, &str),
    on_key: &mut dyn FnMut(&str, &str),
) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => on_text(text, pointer),
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                visit(element, &format!("{pointer}/{index}"), on_text, on_key);
            }
        }
        Value::Object(members) if members.contains_key("taskReferenceName") => {}
        Value::Object(members) => {
            for (name, member) in members {
                let pointer = format!("{pointer}/{}", escaped(name));
                if !of_text(name).0.is_empty() {
                    on_key(name, &pointer);
                }
                visit(member, &pointer, on_text, on_key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_apart_as_far_as_its_names_are_plain() {
        for (path, names) in [
            ("workflow.input.a", vec!["input", "a"]),
            ("workflow.input['a b'].c[0].d", vec!["input", "a b", "c"]),
            ("a.output.x.length()", vec!["output", "x"]),
            ("a.output[*].x", vec!["output"]),
            ("a.output..x", vec!["output"]),
            ("a.output.${b.output.c}", vec!["output"]),
            ("a.output.x${b.output.c}", vec!["output"]),
            ("a", vec![]),
        ] {
            assert_eq!(members(path), names, "{path}");
        }
    }

    #[test]
    fn a_token_that_is_not_closed_is_seen() {
        for (text, count, is_open) in [
            ("${a.b} and ${c.d}", 2, false),
            ("${a.b", 0, true),
            ("${a.b} ${c.d", 1, true),
            ("$${a.b", 0, false),
            ("$${a.b}", 0, false),
            ("a ${b.${c.d}}", 2, false),
            ("no token", 0, false),
        ] {
            let (tokens, open) = of_text(text);
            assert_eq!((tokens.len(), open), (count, is_open), "{text}");
        }
    }
}
