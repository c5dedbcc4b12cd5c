//! The list around every record: `[version,part,part…]`.
use crate::{FormatError, NEWEST};
use serde::de::{self, Deserialize, SeqAccess, Visitor};
use serde::{Deserializer, Serialize};
use std::fmt;
use std::marker::PhantomData;

/// Room for a usual record, bytes: one task scheduled, with its input.
const USUAL_BYTES: usize = 512;

/// A record that is being written.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new(version: u32) -> Self {
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        bytes.push(b'[');
        Self(bytes).with(&version)
    }

    pub(crate) fn push<T: Serialize>(&mut self, part: &T) {
        self.0.push(b',');
        self.write(part);
    }

    fn with<T: Serialize>(mut self, part: &T) -> Self {
        self.write(part);
        self
    }

    fn write<T: Serialize>(&mut self, part: &T) {
        if let Err(error) = serde_json::to_writer(&mut self.0, part) {
            unreachable!("records have text keys only, and memory takes all bytes: {error}");
        }
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.push(b']');
        self.0
    }
}

/// A record with one part.
pub(crate) fn single<T: Serialize>(version: u32, part: &T) -> Vec<u8> {
    let mut writer = Writer::new(version);
    writer.push(part);
    writer.finish()
}

/// The version of a record, and its text.
pub(crate) fn open(bytes: &[u8]) -> Result<(u32, &str), FormatError> {
    let text = std::str::from_utf8(bytes).map_err(|_| FormatError::corrupt("it is not UTF-8"))?;
    let version = version(text).ok_or_else(|| FormatError::corrupt("it names no format"))?;
    if version > NEWEST {
        return Err(FormatError::Newer { version });
    }
    Ok((version, text))
}

fn version(text: &str) -> Option<u32> {
    let rest = text.strip_prefix('[')?;
    let (digits, _) = rest.split_once([',', ']'])?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    digits.parse().ok().filter(|_| is_number)
}

/// The only part of a record.
pub(crate) fn part<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, FormatError> {
    let Parts { first, rest } = parts::<T, de::IgnoredAny>(text)?;
    if rest.is_empty() { Ok(first) } else { Err(FormatError::corrupt("it has a part too many")) }
}

/// All parts of a record, which are alike.
pub(crate) fn list<'a, T: Deserialize<'a>>(text: &'a str) -> Result<Vec<T>, FormatError> {
    let Parts { first: Nothing, rest } = parts(text)?;
    Ok(rest)
}

/// The first part of a record, and the others, which are alike.
pub(crate) struct Parts<F, R> {
    pub(crate) first: F,
    pub(crate) rest: Vec<R>,
}

pub(crate) fn parts<'a, F, R>(text: &'a str) -> Result<Parts<F, R>, FormatError>
where
    F: First<'a>,
    R: Deserialize<'a>,
{
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = deserializer.deserialize_seq(PartsVisitor(PhantomData));
    let read = read.and_then(|parts| deserializer.end().map(|()| parts));
    read.map_err(|error| FormatError::Corrupt(fault(&error)))
}

/// What may come before the parts that are alike.
pub(crate) trait First<'de>: Sized {
    fn next<A: SeqAccess<'de>>(seq: &mut A) -> Result<Self, A::Error>;
}

/// Nothing comes before them.
struct Nothing;

impl<'de> First<'de> for Nothing {
    fn next<A: SeqAccess<'de>>(_: &mut A) -> Result<Self, A::Error> {
        Ok(Self)
    }
}

impl<'de, T: Deserialize<'de>> First<'de> for T {
    fn next<A: SeqAccess<'de>>(seq: &mut A) -> Result<Self, A::Error> {
        seq.next_element()?.ok_or_else(|| de::Error::custom("a part is missing"))
    }
}

struct PartsVisitor<F, R>(PhantomData<(F, R)>);

impl<'de, F: First<'de>, R: Deserialize<'de>> Visitor<'de> for PartsVisitor<F, R> {
    type Value = Parts<F, R>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a record")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let _version: Option<u32> = seq.next_element()?;
        let first = F::next(&mut seq)?;
        let mut rest = Vec::new();
        while let Some(part) = seq.next_element()? {
            rest.push(part);
        }
        Ok(Parts { first, rest })
    }
}

/// Where a record is wrong. The parser's own words may quote a payload, and errors are logged.
fn fault(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    format!("its JSON has a {:?} fault in line {line}, column {column}", error.classify())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_before_anything_else() {
        for newer in ["[3]", "[3,", "[17,{\"unknown\":1}]", "[4294967295,\u{7}]"] {
            assert!(matches!(open(newer.as_bytes()), Err(FormatError::Newer { .. })), "{newer}");
        }
        for corrupt in ["", "[", "[]", "1", "[1", "[01,]", "[0,1]", "[+1,2]", "[ 1]", "[-1]", "{}"]
        {
            assert!(matches!(open(corrupt.as_bytes()), Err(FormatError::Corrupt(_))), "{corrupt}");
        }
        assert!(matches!(open(b"[1,\xff]"), Err(FormatError::Corrupt(_))));
        assert_eq!(open(b"[1,2]"), Ok((1, "[1,2]")));
    }

    #[test]
    fn parts_are_counted() {
        assert_eq!(part::<u8>("[1,7]"), Ok(7));
        assert_eq!(list::<u8>("[1]"), Ok(vec![]));
        assert_eq!(list::<u8>("[1,7,8]"), Ok(vec![7, 8]));
        for wrong in ["[1]", "[1,7,8]", "[1,7]x", "[1,7", "[1,\"x\"]"] {
            assert!(part::<u8>(wrong).is_err(), "{wrong}");
        }
    }
}
