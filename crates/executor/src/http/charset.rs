//! Texts in the charset that a content type names.
//!
//! **Source**: the labels and their encodings are those of the WHATWG Encoding Standard.
use encoding_rs::{Encoding, UTF_8};
use std::borrow::Cow;

/// A charset that nobody knows, or that lacks a character.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CharsetFault {
    #[error("the charset `{0}` is not known")]
    Unknown(String),
    #[error("the body has characters that {0} does not have")]
    Lacks(&'static str),
}

/// The text that an answer's bytes are; `None` when they are no text in its charset. A byte-order mark
/// wins over the content type and is no part of the text; without either it is UTF-8.
pub(super) fn decode<'body>(
    content_type: Option<&str>,
    body: &'body [u8],
) -> Result<Option<Cow<'body, str>>, CharsetFault> {
    let (encoding, mark) = match Encoding::for_bom(body) {
        Some(marked) => marked,
        None => (of(content_type)?.unwrap_or(UTF_8), 0),
    };
    Ok(encoding.decode_without_bom_handling_and_without_replacement(&body[mark..]))
}

/// The bytes of a text in the charset of its content type.
pub(super) fn encode(content_type: &str, text: &str) -> Result<Vec<u8>, CharsetFault> {
    let encoding = of(Some(content_type))?.unwrap_or(UTF_8);
    if encoding.output_encoding() != encoding {
        // The standard has no encoder for UTF-16.
        return match encoding.name() {
            "UTF-16LE" => Ok(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            "UTF-16BE" => Ok(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            other => Err(CharsetFault::Unknown(other.to_owned())),
        };
    }
    let (bytes, _, lacks) = encoding.encode(text);
    if lacks {
        return Err(CharsetFault::Lacks(encoding.name()));
    }
    Ok(bytes.into_owned())
}

fn of(content_type: Option<&str>) -> Result<Option<&'static Encoding>, CharsetFault> {
    let Some(label) = content_type.and_then(|text| parameter(text, "charset")) else {
        return Ok(None);
    };
    let encoding = Encoding::for_label_no_replacement(label.as_bytes());
    encoding.map(Some).ok_or_else(|| CharsetFault::Unknown(label.to_owned()))
}

/// A parameter of a content type, without its quotes.
fn parameter<'text>(content_type: &'text str, name: &str) -> Option<&'text str> {
    content_type.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (key.trim().eq_ignore_ascii_case(name) && !value.is_empty()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_in_the_charset_that_they_are_in() {
        for (kind, bytes, text) in [
            ("text/plain", &b"na\xc3\xafve"[..], "naïve"),
            ("text/plain; charset=ISO-8859-1", b"M\xfcller", "Müller"),
            ("text/html;charset=windows-1252", b"10 \x80", "10 €"),
            ("application/xml; a=b; Charset=\"Shift_JIS\"", b"\x93\xfa\x96\x7b", "日本"),
            ("text/plain; charset=utf-16le", b"a\0\xe9\0", "aé"),
            ("text/plain; charset=utf-16", b"\xfe\xff\0a", "a"),
            ("text/plain; charset=ISO-8859-1", b"\xef\xbb\xbfa\xc3\xa9", "aé"),
            ("application/json", b"\xef\xbb\xbf{}", "{}"),
            ("text/plain; charset=", b"a", "a"),
        ] {
            assert_eq!(decode(Some(kind), bytes).unwrap().as_deref(), Some(text), "{kind}");
        }
        assert_eq!(decode(None, b"a").unwrap().as_deref(), Some("a"));
    }

    #[test]
    fn what_is_no_text_is_not_read_as_one() {
        assert_eq!(decode(Some("image/png"), b"\x89PNG"), Ok(None));
        assert_eq!(decode(Some("text/plain; charset=utf-16le"), b"a\0b"), Ok(None));
        let unknown = decode(Some("text/plain; charset=klingon"), b"a");
        assert_eq!(unknown, Err(CharsetFault::Unknown("klingon".into())));
    }

    #[test]
    fn a_text_is_sent_in_the_charset_that_it_is_said_to_be_in() {
        let sent = |kind: &str, text: &str| encode(kind, text);
        assert_eq!(sent("text/plain", "é").unwrap(), "é".as_bytes());
        assert_eq!(sent("text/plain; charset=latin1", "é").unwrap(), b"\xe9");
        assert_eq!(sent("text/plain; charset=UTF-16BE", "é").unwrap(), b"\0\xe9");
        let lacks = sent("text/plain; charset=iso-8859-2", "日");
        assert_eq!(lacks, Err(CharsetFault::Lacks("ISO-8859-2")));
    }
}
