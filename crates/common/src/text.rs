//! Texts that end up in an index or in the name of a queue: how long they may be.

/// Why a text cannot be part of an index or of a queue's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextFault {
    /// Send a shorter one.
    #[error("has {bytes} bytes of UTF-8, the limit is {limit}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The longest there may be.
        limit: usize,
    },
    /// Leave the character out; PostgreSQL keeps no text that holds it.
    #[error("must not contain the character U+0000")]
    Nul,
}

impl TextFault {
    /// The fault of a text that may have `limit` bytes of UTF-8, if it has one.
    pub fn of(text: &str, limit: usize) -> Option<Self> {
        if text.len() > limit {
            return Some(Self::TooLong { bytes: text.len(), limit });
        }
        text.contains('\0').then_some(Self::Nul)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_counted_in_bytes() {
        assert_eq!(TextFault::of("éé", 4), None);
        let fault = TextFault::of("ééx", 4).unwrap();
        assert_eq!(fault.to_string(), "has 5 bytes of UTF-8, the limit is 4");
        assert_eq!(TextFault::of("", 0), None);
        assert_eq!(TextFault::of("a\0", 4), Some(TextFault::Nul));
    }
}
