//! The limits of resolving a template, and the counting that keeps them.
use baton_common::limits::{TASK_INPUT_BYTES_MAX, TEMPLATE_READ_BYTES_MAX, VALUE_DEPTH_MAX};
use std::cell::Cell;

/// What one visit of a value costs at least, bytes: a list of millions of tiny values is work, and
/// takes memory while it is read.
const VISIT_BYTES: u64 = 16;
/// What each value costs that one step hands to the next, bytes: about the memory it takes.
const KEPT_BYTES: u64 = 32;

/// What resolving one template may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolveLimits {
    /// Largest resolved value, bytes of JSON.
    pub bytes_max: usize,
    /// Deepest nesting of objects and lists in the resolved value, levels.
    pub depth_max: usize,
    /// Most bytes all tokens together may read, repeated reading counted.
    pub read_bytes_max: u64,
}

impl ResolveLimits {
    /// The limits of a task's input.
    pub const TASK_INPUT: Self = Self::of_bytes(TASK_INPUT_BYTES_MAX);

    /// The usual limits, with `bytes_max` as the size of the value.
    pub const fn of_bytes(bytes_max: usize) -> Self {
        Self { bytes_max, depth_max: VALUE_DEPTH_MAX, read_bytes_max: TEMPLATE_READ_BYTES_MAX }
    }
}

/// A limit of templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Size of the resolved value, bytes.
    ValueBytes,
    /// Nesting of the resolved value, levels.
    ValueDepth,
    /// Bytes read by the tokens of one template.
    ReadBytes,
    /// Length of a token's path, bytes.
    PathBytes,
    /// Nesting of brackets and filters in a path, levels.
    PathDepth,
    /// Compiled size of a pattern in a filter, bytes.
    PatternBytes,
    /// Nesting of groups in a pattern of a filter, levels.
    PatternDepth,
    /// Nesting of tokens in tokens, levels.
    TokenDepth,
    /// Nesting of a document that `..` searches, levels.
    ScanDepth,
    /// Nesting of values that a filter compares, levels.
    ComparedDepth,
}

impl Limit {
    /// What is counted, and its unit.
    pub(crate) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::ValueBytes => ("the size of the resolved value", "bytes"),
            Self::ValueDepth => ("the nesting of the resolved value", "levels"),
            Self::ReadBytes => ("what the template reads", "bytes"),
            Self::PathBytes => ("the length of the path", "bytes"),
            Self::PathDepth => ("the nesting of the path", "levels"),
            Self::PatternBytes => ("the compiled size of the pattern", "bytes"),
            Self::PatternDepth => ("the nesting of the pattern", "levels"),
            Self::TokenDepth => ("the nesting of tokens", "levels"),
            Self::ScanDepth => ("the nesting of what `..` searches", "levels"),
            Self::ComparedDepth => ("the nesting of what a filter compares", "levels"),
        }
    }
}

/// A limit that was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) limit: Limit,
    /// The most that is allowed.
    pub(crate) max: u64,
    /// What was found; the true value can be larger, because work stops there.
    pub(crate) value: u64,
}

impl Fault {
    /// `value` is over `max`.
    pub(crate) fn new(limit: Limit, max: usize, value: usize) -> Self {
        let wide = |count| u64::try_from(count).unwrap_or(u64::MAX);
        Self { limit, max: wide(max), value: wide(value) }
    }
}

/// Counts what resolving one template reads and writes, and stops it at its limits.
#[derive(Debug)]
pub(crate) struct Meter {
    limits: ResolveLimits,
    read: Cell<u64>,
}

impl Meter {
    pub(crate) fn new(limits: ResolveLimits) -> Self {
        Self { limits, read: Cell::new(0) }
    }

    /// Bytes read so far.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.read.get()
    }

    /// A value of `bytes` is read.
    pub(crate) fn charge(&self, bytes: usize) -> Result<(), Fault> {
        self.add(u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(VISIT_BYTES))
    }

    /// So many values are kept for the next step.
    pub(crate) fn charge_kept(&self, values: usize) -> Result<(), Fault> {
        self.add(u64::try_from(values).unwrap_or(u64::MAX).saturating_mul(KEPT_BYTES))
    }

    fn add(&self, bytes: u64) -> Result<(), Fault> {
        let (read, max) = (self.read.get().saturating_add(bytes), self.limits.read_bytes_max);
        self.read.set(read);
        if read > max {
            return Err(Fault { limit: Limit::ReadBytes, max, value: read });
        }
        Ok(())
    }

    /// Whether `bytes` fit in a resolved value.
    pub(crate) fn check_size(&self, bytes: usize) -> Result<(), Fault> {
        let max = self.limits.bytes_max;
        if bytes > max { Err(Fault::new(Limit::ValueBytes, max, bytes)) } else { Ok(()) }
    }

    /// Appends `text` to a value that is being resolved.
    pub(crate) fn append(&self, out: &mut String, text: &str) -> Result<(), Fault> {
        self.check_size(out.len().saturating_add(text.len()))?;
        out.push_str(text);
        Ok(())
    }

    /// Appends `text` to a value that is being resolved, as a JSON string.
    pub(crate) fn append_quoted(&self, out: &mut String, text: &str) -> Result<(), Fault> {
        self.check_size(out.len().saturating_add(text.len()).saturating_add(2))?;
        crate::raw::write_text(out, text);
        self.check_size(out.len())
    }

    /// Whether the nesting of the resolved value is within its limit.
    pub(crate) fn check_depth(&self, json: &str) -> Result<(), Fault> {
        let (max, depth) = (self.limits.depth_max, crate::raw::nesting(json));
        if depth > max { Err(Fault::new(Limit::ValueDepth, max, depth)) } else { Ok(()) }
    }
}
