//! The document a path is read from, and what reading it costs.
use crate::index::{Container, Index, LOOKUP_BYTES};
use crate::meter::{Fault, Meter};
use crate::raw::{self, Kind};

/// A document with its index, where it has one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    text: &'a str,
    index: Option<&'a Index>,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str, index: Option<&'a Index>) -> Self {
        Self { text, index }
    }

    /// A text without an index.
    pub(super) fn plain(text: &'a str) -> Self {
        Self { text, index: None }
    }

    /// The value as a whole.
    pub(super) fn root(self) -> &'a str {
        self.text.trim_ascii()
    }

    /// The member `name` of `node`, a value of this document; the last one of that name.
    pub(super) fn member(
        self,
        node: &'a str,
        name: &str,
        meter: &Meter,
    ) -> Result<Option<&'a str>, Fault> {
        if raw::kind(node) != Kind::Object {
            meter.charge(0)?;
            return Ok(None);
        }
        let Some((index, container)) = self.indexed(node) else {
            meter.charge(node.len())?;
            return Ok(raw::member(node, name));
        };
        self.found(index.member(self.text, container, name), meter)
    }

    /// The element at `position` of `node`, counted from the end when negative.
    pub(super) fn element(
        self,
        node: &'a str,
        position: i64,
        meter: &Meter,
    ) -> Result<Option<&'a str>, Fault> {
        if raw::kind(node) != Kind::Array {
            meter.charge(0)?;
            return Ok(None);
        }
        let from_end = usize::try_from(position.unsigned_abs()).ok();
        let from_start = usize::try_from(position).ok();
        let of_length = |length: usize| {
            if position < 0 { length.checked_sub(from_end?) } else { from_start }
        };
        let Some((index, container)) = self.indexed(node) else {
            meter.charge(node.len())?;
            let length = if position < 0 { raw::elements(node).count() } else { 0 };
            return Ok(of_length(length).and_then(|position| raw::elements(node).nth(position)));
        };
        let position = of_length(container.length());
        let element = position.and_then(|at| index.element(self.text, container, at));
        self.found(element, meter)
    }

    /// Number of elements or members of `node`; `None` for other values.
    pub(super) fn length(self, node: &'a str, meter: &Meter) -> Result<Option<usize>, Fault> {
        if let Some((_, container)) = self.indexed(node) {
            meter.charge(0)?;
            return Ok(Some(container.length()));
        }
        meter.charge(node.len())?;
        Ok(match raw::kind(node) {
            Kind::Array => Some(raw::elements(node).count()),
            Kind::Object => Some(raw::members(node).count()),
            Kind::Text | Kind::Number | Kind::Bool | Kind::Null => None,
        })
    }

    /// Charges a lookup in an index: where a value has no entry of its own, its end was searched.
    fn found(self, value: Option<&'a str>, meter: &Meter) -> Result<Option<&'a str>, Fault> {
        let searched = value.filter(|value| self.indexed(value).is_none()).map_or(0, str::len);
        meter.charge(LOOKUP_BYTES.saturating_add(searched))?;
        Ok(value)
    }

    fn indexed(self, node: &str) -> Option<(&'a Index, &'a Container)> {
        let index = self.index?;
        // A node of this document is a slice of its text.
        let start = node.as_ptr().addr().checked_sub(self.text.as_ptr().addr())?;
        let is_inside = start.checked_add(node.len())? <= self.text.len();
        let container = index.container(start).filter(|_| is_inside)?;
        Some((index, container))
    }
}

/// Elements of a list or values of a map.
pub(super) fn children(node: &str) -> impl Iterator<Item = &str> {
    raw::members(node).map(|(_, value)| value).chain(raw::elements(node))
}
