//! Text as PostgreSQL can hold it, which is any but NUL.
use std::borrow::Cow;

/// Begins an escape: a noncharacter that no text of the outside should contain.
const ESCAPE: char = '\u{10ffff}';

/// What a column holds for `value`: the same, but for NUL and the escape itself.
pub(crate) fn text(value: &str) -> Cow<'_, str> {
    if !value.contains(['\0', ESCAPE]) {
        return value.into();
    }
    value.replace(ESCAPE, "\u{10ffff}1").replace('\0', "\u{10ffff}0").into()
}

/// The value that a column holds.
pub(crate) fn value(text: String) -> String {
    if !text.contains(ESCAPE) {
        return text;
    }
    text.replace("\u{10ffff}0", "\0").replace("\u{10ffff}1", "\u{10ffff}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Different texts stay different, and come back as they were.
    #[test]
    fn every_text_comes_back() {
        for original in ["", "plain", "\0", "a\0b", "\u{10ffff}", "\u{10ffff}0", "\0\u{10ffff}1\0"]
        {
            let stored = text(original);
            assert!(!stored.contains('\0'));
            assert_eq!(value(stored.into_owned()), original);
        }
    }
}
