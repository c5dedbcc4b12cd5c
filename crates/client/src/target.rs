//! Paths and queries, percent-encoded piece by piece.
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::{Display, Write};

/// What stays as it is in a path segment or query value: RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A path below the API's base, with its query.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    text: String,
    has_query: bool,
}

impl Target {
    /// A literal path that begins with a slash.
    pub(crate) fn new(path: &'static str) -> Self {
        Self { text: path.to_owned(), has_query: false }
    }

    /// Adds one segment, encoded.
    pub(crate) fn segment(mut self, segment: impl Display) -> Self {
        let segment = segment.to_string();
        // Writing to a String cannot fail.
        let _ = write!(self.text, "/{}", utf8_percent_encode(&segment, ENCODED));
        self
    }

    /// Adds a literal suffix that begins with a slash.
    pub(crate) fn literal(mut self, suffix: &'static str) -> Self {
        self.text.push_str(suffix);
        self
    }

    /// Adds a query parameter.
    pub(crate) fn query(mut self, name: &'static str, value: impl Display) -> Self {
        let separator = if self.has_query { '&' } else { '?' };
        let value = value.to_string();
        let _ = write!(self.text, "{separator}{name}={}", utf8_percent_encode(&value, ENCODED));
        self.has_query = true;
        self
    }

    /// Adds a query parameter if there is one.
    pub(crate) fn query_if(self, name: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// The text after the base.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_odd_characters_stay_one_segment() {
        let target = Target::new("/tasks/poll/batch")
            .segment("a/b c?ü")
            .query("count", 3)
            .query_if("domain", None::<&str>)
            .query("query", "status IN (A,B)");
        assert_eq!(
            target.as_str(),
            "/tasks/poll/batch/a%2Fb%20c%3F%C3%BC?count=3&query=status%20IN%20%28A%2CB%29"
        );
    }
}
