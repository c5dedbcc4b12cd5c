//! Paths into JSON, as Conductor's `${…}` tokens spell them: Jayway JsonPath 2.4, whose leading
//! `$.` may be left out.
//!
//! A path that can name one value at most is *definite* and reads as that value or null.
//! Any other (`[*]`, `..`, a filter, a slice, several indexes) reads as a list.
mod compare;
mod evaluate;
mod filter;
mod function;
mod parse;
mod source;

use crate::meter::Fault;
pub(crate) use evaluate::{Shape, read, read_document};
use filter::Condition;
use function::Function;

/// Longest path, bytes: a path can be put together from values, and its compilation costs time.
pub(crate) const PATH_BYTES_MAX: usize = 16 * 1024;
/// Deepest nesting of brackets and filters in one path; bounds the parser's recursion.
const PATH_DEPTH_MAX: usize = 32;
/// Deepest level of a document that `..` searches: what Conductor's own JSON reader accepts.
const SCAN_DEPTH_MAX: usize = baton_common::limits::VALUE_DEPTH_MAX;

/// Why a text is no path that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It does not spell one.
    Malformed,
    /// It is over a limit.
    OverLimit(Fault),
}

/// A compiled path.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    segments: Vec<Segment>,
    /// How many absolute paths stand in the filters.
    absolutes: usize,
}

/// One segment from a value to values below it.
#[derive(Clone, Debug)]
enum Segment {
    Member(String),
    /// Several members: merged to one map when last, else one after the other.
    Members(Vec<String>),
    Wildcard,
    Index(i64),
    Indexes(Vec<i64>),
    Slice(Option<i64>, Option<i64>),
    Filter(Condition),
    /// The value itself and everything below it.
    Scan,
    Function(Function),
}

impl Path {
    /// Compiles `text`.
    ///
    /// # Errors
    /// [`Unreadable`], when it is no path or is over a limit.
    pub(crate) fn compile(text: &str) -> Result<Self, Unreadable> {
        parse::path(text)
    }

    /// The first member's name: the root of the document a token reads.
    pub(crate) fn root(&self) -> Option<&str> {
        if let Segment::Member(name) = self.segments.first()? { Some(name) } else { None }
    }

    /// Whether the path is its root alone.
    pub(crate) fn is_root_only(&self) -> bool {
        self.segments.len() == 1
    }
}

/// Whether `segments` name one value at most.
fn is_definite(segments: &[Segment]) -> bool {
    let last = segments.len().saturating_sub(1);
    segments.iter().enumerate().all(|(position, segment)| match segment {
        Segment::Member(_) | Segment::Index(_) | Segment::Function(_) => true,
        Segment::Members(_) => position == last,
        Segment::Wildcard
        | Segment::Indexes(_)
        | Segment::Slice(..)
        | Segment::Filter(_)
        | Segment::Scan => false,
    })
}
