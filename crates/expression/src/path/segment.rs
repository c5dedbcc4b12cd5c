//! What a compiled path is made of.
use super::function::Function;
use regex::Regex;

/// A compiled path.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(super) segments: Vec<Segment>,
    /// How many absolute paths stand in the filters.
    pub(super) absolutes: usize,
}

/// One segment from a value to values below it.
#[derive(Clone, Debug)]
pub(super) enum Segment {
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

/// What a filter demands of a value.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// The path leads somewhere, be it to null.
    Exists(Operand),
    Compare {
        left: Operand,
        operator: Operator,
        right: Operand,
    },
}

/// One side of a comparison.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    /// A path from the tested value, `@…`.
    Relative(Vec<Segment>),
    /// A path from the document, `$…`; read once per evaluation and kept in its `slot`.
    Absolute {
        slot: usize,
        segments: Vec<Segment>,
    },
    /// JSON text.
    Literal(String),
    Pattern(Regex),
}

/// How two operands are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    SameTypeEqual,
    SameTypeNotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Matches,
    In,
    NotIn,
    Contains,
    ContainsAll,
    SubsetOf,
    AnyOf,
    NoneOf,
    Size,
    Empty,
}

impl Path {
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
pub(super) fn is_definite(segments: &[Segment]) -> bool {
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
