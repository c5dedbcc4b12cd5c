//! Walking JSON text without building a tree: every answer is a slice of the text that came in.
//!
//! The text is trusted to be JSON (a [`Payload`](baton_common::payload::Payload) was checked when
//! it was made). On anything else these functions answer "nothing there"; they never panic, recurse
//! or loop.
use memchr::memchr2;
use std::borrow::Cow;

/// What a JSON value is, told by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    Text,
    Number,
    Bool,
    Null,
}

/// The kind of the value `json`, which must not start with blanks.
pub(crate) fn kind(json: &str) -> Kind {
    match json.as_bytes().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        Some(b'"') => Kind::Text,
        Some(b't' | b'f') => Kind::Bool,
        Some(b'-' | b'0'..=b'9') => Kind::Number,
        Some(_) | None => Kind::Null,
    }
}

/// The value below `json` that the member names of `path` lead to.
///
/// Of members with equal names the last one counts, as it does for every common parser.
pub fn extract<'a>(json: &'a str, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(json.trim_ascii(), |node, name| member(node, name))
}

/// The member `name` of the object `json`; the last one of that name.
pub(crate) fn member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let mut found = None;
    for (key, value) in members(json) {
        if key_is(key, name) {
            found = Some(value);
        }
    }
    found
}

/// Whether the quoted JSON string `key` spells `name`.
fn key_is(key: &str, name: &str) -> bool {
    let inner = key.get(1..key.len().saturating_sub(1)).unwrap_or("");
    inner == name || (inner.contains('\\') && text(key).is_some_and(|decoded| decoded == name))
}

/// The decoded text of the JSON string `json`; `None` when it is no string.
///
/// Halves of surrogate pairs that stand alone, which JSON can spell and text cannot hold, become
/// replacement characters.
pub(crate) fn text(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    match serde_json::from_str::<String>(json) {
        Ok(decoded) => Some(Cow::Owned(decoded)),
        Err(_) => Some(Cow::Owned(lossy(json))),
    }
}

fn lossy(json: &str) -> String {
    serde_json::from_str::<LossyText>(json).map_or_else(|_| String::new(), |lossy| lossy.0)
}

/// A string whose lone surrogates were replaced: serde_json hands them out as bytes only.
struct LossyText(String);

impl<'de> serde::Deserialize<'de> for LossyText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(LossyVisitor)
    }
}

struct LossyVisitor;

impl serde::de::Visitor<'_> for LossyVisitor {
    type Value = LossyText;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<LossyText, E> {
        Ok(LossyText(String::from_utf8_lossy(bytes).into_owned()))
    }
}

/// Writes `text` as a JSON string.
pub(crate) fn write_text(out: &mut String, text: &str) {
    match serde_json::to_string(text) {
        Ok(quoted) => out.push_str(&quoted),
        Err(_) => unreachable!("a text can always be written as JSON"),
    }
}

/// The members of the object `json`: quoted key and value. Empty for other values.
pub(crate) fn members(json: &str) -> Members<'_> {
    Members { walk: Walk::into_container(json, b'{') }
}

/// The elements of the array `json`. Empty for other values.
pub(crate) fn elements(json: &str) -> Elements<'_> {
    Elements { walk: Walk::into_container(json, b'[') }
}

/// See [`members`].
pub(crate) struct Members<'a> {
    walk: Walk<'a>,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.walk.item()?;
        self.walk.skip_blanks();
        self.walk.position += 1;
        let value = self.walk.item()?;
        Some((key, value))
    }
}

/// See [`elements`].
pub(crate) struct Elements<'a> {
    walk: Walk<'a>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<Self::Item> {
        self.walk.item()
    }
}

/// A position inside a container's text.
struct Walk<'a> {
    json: &'a str,
    position: usize,
}

impl<'a> Walk<'a> {
    fn into_container(json: &'a str, open: u8) -> Self {
        let inside = json.as_bytes().first() == Some(&open);
        Self { json, position: if inside { 1 } else { json.len() } }
    }

    fn skip_blanks(&mut self) {
        self.position = blanks_end(self.json.as_bytes(), self.position);
    }

    /// The next key, value or element, past a comma if there is one; `None` at the closing bracket.
    fn item(&mut self) -> Option<&'a str> {
        let start = next_item(self.json.as_bytes(), self.position);
        let end = value_end(self.json.as_bytes(), start);
        if end == start {
            self.position = self.json.len();
            return None;
        }
        self.position = end;
        self.json.get(start..end)
    }
}

/// Where the blanks that start at `position` end.
pub(crate) fn blanks_end(bytes: &[u8], mut position: usize) -> usize {
    while matches!(bytes.get(position), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        position += 1;
    }
    position
}

/// Where the value that starts at `start` ends; `start` itself when there is no value.
pub(crate) fn value_end(bytes: &[u8], start: usize) -> usize {
    match bytes.get(start) {
        Some(b'"') => string_end(bytes, start),
        Some(b'{' | b'[') => container_end(bytes, start),
        Some(_) | None => scalar_end(bytes, start),
    }
}

/// Where the item behind the one that ends at `end` starts, past a comma if there is one.
pub(crate) fn next_item(bytes: &[u8], end: usize) -> usize {
    let position = blanks_end(bytes, end);
    match bytes.get(position) {
        Some(b',') => blanks_end(bytes, position + 1),
        Some(_) | None => position,
    }
}

fn scalar_end(bytes: &[u8], start: usize) -> usize {
    let is_end =
        |byte: &u8| matches!(byte, b',' | b':' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
    let rest = bytes.get(start..).unwrap_or(&[]);
    start + rest.iter().position(is_end).unwrap_or(rest.len())
}

/// Where the string that opens at `start` ends, past its closing quote.
pub(crate) fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut position = start + 1;
    while let Some(found) = bytes.get(position..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        if bytes.get(position + found) == Some(&b'"') {
            return position + found + 1;
        }
        position += found + 2;
    }
    bytes.len()
}

fn container_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut position = start;
    while let Some(byte) = bytes.get(position) {
        match byte {
            b'"' => {
                position = string_end(bytes, position);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        position += 1;
        if depth == 0 {
            return position;
        }
    }
    bytes.len()
}

/// How deep the brackets outside of texts nest, parentheses counted.
pub(crate) fn nesting(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut deepest, mut position) = (0_usize, 0, 0);
    while let Some(byte) = bytes.get(position) {
        match byte {
            b'"' => {
                position = string_end(bytes, position);
                continue;
            }
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
        position += 1;
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_path_leads_to_the_original_bytes() {
        let json = r#" { "a" : {"b":[1, 2.50 ],"c\u0064":1e3} , "x":null} "#;
        assert_eq!(extract(json, &["a", "b"]), Some("[1, 2.50 ]"));
        assert_eq!(extract(json, &["a", "cd"]), Some("1e3"));
        assert_eq!(extract(json, &["x"]), Some("null"));
        assert_eq!(extract(json, &["x", "y"]), None);
        assert_eq!(extract(json, &["zz"]), None);
        assert_eq!(extract(json, &[]), Some(json.trim()));
    }

    #[test]
    fn the_last_of_equal_members_counts() {
        assert_eq!(extract(r#"{"a":1,"a":2}"#, &["a"]), Some("2"));
    }

    #[test]
    fn elements_and_members_stop_at_the_end() {
        assert_eq!(elements("[]").count(), 0);
        assert_eq!(elements(" [1").count(), 0);
        assert_eq!(elements("[1 , [2,3],\"a,]\" ]").collect::<Vec<_>>(), ["1", "[2,3]", "\"a,]\""]);
        assert_eq!(members("{ }").count(), 0);
        assert_eq!(members("7").count(), 0);
    }

    #[test]
    fn broken_text_gives_nothing_and_does_not_panic() {
        for broken in
            ["", "{", "{\"", "{\"a", "{\"a\"", "{\"a\":", "[,", "[\"\\", "{:", "{,,,}", "]"]
        {
            let _ = members(broken).count() + elements(broken).count();
            let _ = text(broken);
        }
    }

    #[test]
    fn lone_surrogates_become_replacement_characters() {
        assert_eq!(text(r#""a\ud800b""#).as_deref().map(|t| t.starts_with('a')), Some(true));
        assert_eq!(text(r#""\ud83d\ude80""#).as_deref(), Some("🚀"));
    }
}
