//! Follows a path through raw JSON.
use super::compare;
use super::function::Function;
use super::segment::{Condition, Operand, Operator, Path, Segment, is_definite};
use super::source::{Source, children};
use crate::index::Index;
use crate::meter::{Fault, Limit, Meter};
use crate::raw::{self, Kind};
use crate::template::{Document, Scope};
use std::borrow::Cow;
use std::cell::OnceCell;

/// Deepest level of a document that `..` searches: what Conductor's own JSON reader accepts.
const SCAN_DEPTH_MAX: usize = baton_common::limits::VALUE_DEPTH_MAX;

/// What a path read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A definite path that leads nowhere; nothing was written.
    Missing,
    /// One value was written.
    Value,
    /// A list of results was written.
    List,
}

/// Values found below some value.
enum Found<'a> {
    One(Option<Cow<'a, str>>),
    Many(Vec<Cow<'a, str>>),
}

/// One reading of a token's path.
struct Reading<'s> {
    scope: &'s dyn Scope,
    meter: &'s Meter,
    /// What the absolute paths of the filters read, once they have.
    absolutes: Vec<OnceCell<Option<String>>>,
}

/// Appends what `path` names in `scope` to `out`; see [`Shape`].
///
/// # Errors
/// The limit that was exceeded; what `out` holds then is of no use.
pub(crate) fn read(
    path: &Path,
    scope: &dyn Scope,
    meter: &Meter,
    out: &mut String,
) -> Result<Shape, Fault> {
    let absolutes = vec![OnceCell::new(); path.absolutes];
    Reading { scope, meter, absolutes }.absolute(&path.segments, out)
}

/// Appends what `path` names in the JSON text `document` to `out`.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_document(
    path: &Path,
    document: &str,
    meter: &Meter,
    out: &mut String,
) -> Result<Shape, Fault> {
    read(path, &crate::template::DocumentScope::new(document), meter, out)
}

fn nothing(segments: &[Segment], out: &mut String) -> Shape {
    if is_definite(segments) {
        return Shape::Missing;
    }
    out.push_str("[]");
    Shape::List
}

impl Reading<'_> {
    fn absolute(&self, segments: &[Segment], out: &mut String) -> Result<Shape, Fault> {
        if let Some(document) = self.scope.document() {
            return self.write(segments, &document, out);
        }
        let [Segment::Member(root), below @ ..] = segments else {
            return Ok(nothing(segments, out));
        };
        if let [Segment::Member(field), below @ ..] = below {
            return match self.scope.field(root, field) {
                Some(document) => self.write(below, &document, out),
                None => Ok(nothing(segments, out)),
            };
        }
        match self.whole_root(root)? {
            Some(document) => self.write(below, &Document::from(document), out),
            None => Ok(nothing(segments, out)),
        }
    }

    /// The document of `root` with all its fields.
    fn whole_root(&self, root: &str) -> Result<Option<String>, Fault> {
        let Some(fields) = self.scope.fields(root) else { return Ok(None) };
        let mut document = String::from("{");
        for name in fields {
            let value = self.scope.field(root, name);
            let value = value.as_ref().map_or("null", Document::text);
            self.meter.charge(value.len())?;
            if document.len() > 1 {
                document.push(',');
            }
            raw::write_text(&mut document, name);
            document.push(':');
            document.push_str(value);
        }
        document.push('}');
        Ok(Some(document))
    }

    fn write(
        &self,
        segments: &[Segment],
        document: &Document<'_>,
        out: &mut String,
    ) -> Result<Shape, Fault> {
        let index = if segments.is_empty() { None } else { document.payload().and_then(Index::of) };
        let source = Source::new(document.text(), index);
        let values = match self.select(segments, source, source.root())? {
            Found::One(None) => return Ok(Shape::Missing),
            Found::One(Some(value)) => {
                self.meter.append(out, &value)?;
                return Ok(Shape::Value);
            }
            Found::Many(values) => values,
        };
        self.meter.charge(joined_bytes(&values))?;
        self.meter.check_size(out.len().saturating_add(joined_bytes(&values)))?;
        write_list(&values, out);
        Ok(Shape::List)
    }

    fn select<'a>(
        &self,
        segments: &[Segment],
        source: Source<'a>,
        node: &'a str,
    ) -> Result<Found<'a>, Fault> {
        let (plain, node) = self.plain_segments(segments, source, node)?;
        let mut nodes: Vec<&str> = node.into_iter().collect();
        if plain == segments.len() {
            return Ok(Found::One(node.map(Cow::Borrowed)));
        }
        for (position, segment) in segments.iter().enumerate().skip(plain) {
            let walked = segments.get(..position).unwrap_or(&[]);
            if let Segment::Function(function) = segment {
                return self.call(*function, walked, source, &nodes);
            }
            if let (Segment::Members(names), true) = (segment, position + 1 == segments.len()) {
                return self.merge(names, walked, source, &nodes);
            }
            let mut next = Vec::new();
            for node in nodes {
                let before = next.len();
                self.segment(segment, source, node, &mut next)?;
                self.meter.charge_kept(next.len() - before)?;
            }
            nodes = next;
        }
        Ok(if is_definite(segments) {
            Found::One(nodes.first().map(|node| Cow::Borrowed(*node)))
        } else {
            Found::Many(nodes.into_iter().map(Cow::Borrowed).collect())
        })
    }

    /// Follows the leading names and indexes, of which most paths consist: how many there are and
    /// the value they lead to.
    fn plain_segments<'a>(
        &self,
        segments: &[Segment],
        source: Source<'a>,
        node: &'a str,
    ) -> Result<(usize, Option<&'a str>), Fault> {
        let mut found = Some(node);
        for (position, segment) in segments.iter().enumerate() {
            let Some(node) = found else { return Ok((position, None)) };
            found = match segment {
                Segment::Member(name) => source.member(node, name, self.meter)?,
                Segment::Index(index) => source.element(node, *index, self.meter)?,
                Segment::Members(_)
                | Segment::Wildcard
                | Segment::Indexes(_)
                | Segment::Slice(..)
                | Segment::Filter(_)
                | Segment::Scan
                | Segment::Function(_) => return Ok((position, found)),
            };
        }
        Ok((segments.len(), found))
    }

    fn segment<'a>(
        &self,
        segment: &Segment,
        source: Source<'a>,
        node: &'a str,
        next: &mut Vec<&'a str>,
    ) -> Result<(), Fault> {
        match segment {
            Segment::Member(name) => next.extend(source.member(node, name, self.meter)?),
            Segment::Members(names) => {
                for name in names {
                    next.extend(source.member(node, name, self.meter)?);
                }
            }
            Segment::Index(index) => next.extend(source.element(node, *index, self.meter)?),
            Segment::Indexes(indexes) => {
                for index in indexes {
                    next.extend(source.element(node, *index, self.meter)?);
                }
            }
            Segment::Wildcard => {
                self.meter.charge(node.len())?;
                next.extend(children(node));
            }
            Segment::Slice(from, to) => {
                self.meter.charge(node.len())?;
                slice(node, *from, *to, next);
            }
            Segment::Filter(condition) => self.filter(condition, source, node, next)?,
            Segment::Scan => self.scan(node, next)?,
            Segment::Function(_) => unreachable!("functions are called by select"),
        }
        Ok(())
    }

    /// The value and everything below it, each before what it holds.
    fn scan<'a>(&self, node: &'a str, next: &mut Vec<&'a str>) -> Result<(), Fault> {
        let mut waiting = vec![(node, 1)];
        while let Some((node, depth)) = waiting.pop() {
            if !matches!(raw::kind(node), Kind::Object | Kind::Array) {
                continue;
            }
            if depth > SCAN_DEPTH_MAX {
                return Err(Fault::new(Limit::ScanDepth, SCAN_DEPTH_MAX, depth));
            }
            self.meter.charge(node.len())?;
            next.push(node);
            let first = waiting.len();
            waiting.extend(children(node).map(|child| (child, depth + 1)));
            if let Some(added) = waiting.get_mut(first..) {
                added.reverse();
            }
            self.meter.charge_kept(waiting.len() - first)?;
        }
        Ok(())
    }

    /// A list is filtered by element; a map is tested itself.
    fn filter<'a>(
        &self,
        condition: &Condition,
        source: Source<'a>,
        node: &'a str,
        next: &mut Vec<&'a str>,
    ) -> Result<(), Fault> {
        self.meter.charge(node.len())?;
        if raw::kind(node) == Kind::Object && self.accepts(condition, source, node)? {
            next.push(node);
        }
        for element in raw::elements(node) {
            if self.accepts(condition, source, element)? {
                next.push(element);
            }
        }
        Ok(())
    }

    fn accepts(
        &self,
        condition: &Condition,
        source: Source<'_>,
        node: &str,
    ) -> Result<bool, Fault> {
        self.meter.charge(0)?;
        match condition {
            Condition::All(parts) => {
                for part in parts {
                    if !self.accepts(part, source, node)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Condition::Any(parts) => {
                for part in parts {
                    if self.accepts(part, source, node)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Condition::Not(inner) => Ok(!self.accepts(inner, source, node)?),
            Condition::Exists(operand) => Ok(self.operand(operand, source, node)?.is_some()),
            Condition::Compare { left, operator, right } => {
                let left = self.operand(left, source, node)?;
                let value = self.operand(right, source, node)?;
                self.compare(left.as_deref(), *operator, right, value.as_deref())
            }
        }
    }

    /// Compares with `right`, whose value is `value` unless it is a pattern.
    fn compare(
        &self,
        left: Option<&str>,
        operator: Operator,
        right: &Operand,
        value: Option<&str>,
    ) -> Result<bool, Fault> {
        self.meter.charge(left.map_or(0, str::len))?;
        if let Operand::Pattern(pattern) = right {
            let text = left.and_then(raw::text);
            return Ok(text.is_some_and(|text| pattern.is_match(&text)));
        }
        self.meter.charge(value.map_or(0, str::len))?;
        compare::holds(left, operator, value, self.meter)
    }

    /// The operand's value; a path of several values gives their list.
    fn operand<'a>(
        &'a self,
        operand: &'a Operand,
        source: Source<'a>,
        node: &'a str,
    ) -> Result<Option<Cow<'a, str>>, Fault> {
        Ok(match operand {
            Operand::Literal(json) => Some(Cow::Borrowed(json.as_str())),
            Operand::Pattern(_) => None,
            Operand::Relative(segments) => match self.select(segments, source, node)? {
                Found::One(value) => value,
                Found::Many(values) => {
                    self.meter.charge(joined_bytes(&values))?;
                    let mut list = String::new();
                    write_list(&values, &mut list);
                    Some(Cow::Owned(list))
                }
            },
            Operand::Absolute { slot, segments } => {
                self.kept_absolute(*slot, segments)?.map(Cow::Borrowed)
            }
        })
    }

    fn kept_absolute(&self, slot: usize, segments: &[Segment]) -> Result<Option<&str>, Fault> {
        let Some(place) = self.absolutes.get(slot) else { return Ok(None) };
        if let Some(kept) = place.get() {
            return Ok(kept.as_deref());
        }
        let mut json = String::new();
        let read = match self.absolute(segments, &mut json)? {
            Shape::Missing => None,
            Shape::Value | Shape::List => Some(json),
        };
        Ok(place.get_or_init(|| read).as_deref())
    }

    /// A number over several results is computed from all of them; any other function is called
    /// on each, except after a scan, as Jayway does.
    fn call<'a>(
        &self,
        function: Function,
        walked: &[Segment],
        source: Source<'a>,
        nodes: &[&'a str],
    ) -> Result<Found<'a>, Fault> {
        let meter = self.meter;
        if is_definite(walked) {
            let Some(node) = nodes.first() else { return Ok(Found::One(None)) };
            return function.apply(source, node, meter).map(Found::One);
        }
        if let Function::Aggregate(aggregate) = function {
            meter.charge(nodes.iter().map(|node| node.len()).sum())?;
            let result = aggregate.apply(&mut nodes.iter().copied());
            return Ok(Found::One(result.map(Cow::Owned)));
        }
        if walked.iter().any(|segment| matches!(segment, Segment::Scan)) {
            meter.charge(joined_bytes(nodes))?;
            let mut list = String::new();
            write_list(nodes, &mut list);
            let result = function.apply(Source::plain(&list), &list, meter)?;
            return Ok(Found::One(result.map(|json| Cow::Owned(json.into_owned()))));
        }
        let mut results = Vec::new();
        for node in nodes {
            results.extend(function.apply(source, node, meter)?);
        }
        Ok(Found::Many(results))
    }

    /// The named members of each map as a map of its own.
    fn merge<'a>(
        &self,
        names: &[String],
        walked: &[Segment],
        source: Source<'a>,
        nodes: &[&'a str],
    ) -> Result<Found<'a>, Fault> {
        let mut merged = Vec::new();
        for node in nodes.iter().filter(|node| raw::kind(node) == Kind::Object) {
            merged.push(Cow::Owned(self.merged(names, source, node)?));
        }
        Ok(if is_definite(walked) {
            Found::One(merged.into_iter().next())
        } else {
            Found::Many(merged)
        })
    }

    fn merged(&self, names: &[String], source: Source<'_>, node: &str) -> Result<String, Fault> {
        let mut json = String::from("{");
        for name in names {
            let Some(value) = source.member(node, name, self.meter)? else { continue };
            self.meter.charge(value.len())?;
            if json.len() > 1 {
                json.push(',');
            }
            raw::write_text(&mut json, name);
            json.push(':');
            json.push_str(value);
        }
        json.push('}');
        Ok(json)
    }
}

/// Size of the list of `values`, bytes.
fn joined_bytes(values: &[impl AsRef<str>]) -> usize {
    let commas = values.len().saturating_sub(1);
    values.iter().map(|value| value.as_ref().len()).sum::<usize>() + commas + 2
}

fn write_list(values: &[impl AsRef<str>], out: &mut String) {
    out.push('[');
    for (position, value) in values.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        out.push_str(value.as_ref());
    }
    out.push(']');
}

/// `[from:to]` with Jayway's ends: a negative `to` counts from the end only when `from` is left
/// out, so `[1:-1]` is empty; a negative `from` before a `to` runs through the end to the start.
fn slice<'a>(node: &'a str, from: Option<i64>, to: Option<i64>, next: &mut Vec<&'a str>) {
    let elements: Vec<&str> = raw::elements(node).collect();
    let length = i64::try_from(elements.len()).unwrap_or(i64::MAX);
    let (first, end) = match (from, to) {
        (None, None) => (0, length),
        (None, Some(to)) if to < 0 => (0, length.saturating_add(to)),
        (None, Some(to)) => (0, to.min(length)),
        (Some(from), None) if from < 0 => (length.saturating_add(from).max(0), length),
        (Some(from), None) => (from, length),
        (Some(from), Some(to)) => (from.max(length.saturating_neg()), to.min(length)),
    };
    for index in first..end {
        let position = if index < 0 { index + length } else { index };
        next.extend(usize::try_from(position).ok().and_then(|at| elements.get(at)).copied());
    }
}
