//! What a limit has let through lately: pairs of a time and how many it was.
use crate::envelope::{self, Writer};
use crate::{FormatError, v1};
use baton_common::Timestamp;

/// The bytes of a limit's window.
pub fn encode_window(entries: &[(Timestamp, u32)]) -> Vec<u8> {
    let mut writer = Writer::new(v1::VERSION);
    for entry in entries {
        writer.push(entry);
    }
    writer.finish()
}

/// The entries of a window, in the order of their times; none before the first write.
///
/// # Errors
/// [`FormatError`].
pub fn decode_window(bytes: &[u8]) -> Result<Vec<(Timestamp, u32)>, FormatError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let (_, text) = envelope::open(bytes)?;
    envelope::list(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_comes_back() {
        let at = Timestamp::from_millis;
        for entries in [vec![], vec![(at(1), 2)], vec![(at(-5), 1), (at(i64::MAX), u32::MAX)]] {
            assert_eq!(decode_window(&encode_window(&entries)), Ok(entries));
        }
        assert_eq!(encode_window(&[(at(1), 2), (at(7), 1)]), b"[1,[1,2],[7,1]]");
        assert_eq!(decode_window(b""), Ok(vec![]));
        assert!(decode_window(b"[1,7]").is_err() && decode_window(b"[3,[1,2]]").is_err());
    }
}
