//! Follows a path through raw JSON.
use super::filter::{Condition, Operand, Operator};
use super::function::{self, Function};
use super::{Path, READ_BYTES_MAX, SCAN_DEPTH_MAX, Step, compare, is_definite};
use crate::raw::{self, Kind};
use crate::template::Scope;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};

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

/// How many bytes of JSON may still be read.
#[derive(Debug)]
pub(crate) struct Budget(Cell<usize>);

impl Default for Budget {
    fn default() -> Self {
        Self(Cell::new(READ_BYTES_MAX))
    }
}

/// The budget is used up.
struct Exhausted;

impl Budget {
    fn charge(&self, bytes: usize) -> Result<(), Exhausted> {
        // Every visit costs something, also of the shortest value.
        self.0.set(self.0.get().checked_sub(bytes + 16).ok_or(Exhausted)?);
        Ok(())
    }
}

/// Values found below some value.
enum Found<'a> {
    One(Option<Cow<'a, str>>),
    Many(Vec<Cow<'a, str>>),
}

/// One reading of a token's path.
struct Reading<'s> {
    scope: &'s dyn Scope,
    budget: &'s Budget,
    /// What the absolute paths of the filters read, once they have.
    absolutes: RefCell<Vec<Absolute>>,
}

/// What an absolute path of a filter read.
#[derive(Clone, Default)]
enum Absolute {
    #[default]
    Unread,
    Missing,
    Value(String),
}

impl Absolute {
    fn value(self) -> Option<String> {
        match self {
            Self::Value(json) => Some(json),
            Self::Unread | Self::Missing => None,
        }
    }
}

/// Appends what `path` names in `scope` to `out`; see [`Shape`].
pub(crate) fn read(path: &Path, scope: &dyn Scope, budget: &Budget, out: &mut String) -> Shape {
    let absolutes = RefCell::new(vec![Absolute::Unread; path.absolutes]);
    let reading = Reading { scope, budget, absolutes };
    reading.absolute(&path.steps, out).unwrap_or_else(|Exhausted| nothing(&path.steps, out))
}

/// Appends what `path` names in the JSON text `document` to `out`.
pub(crate) fn read_document(path: &Path, document: &str, out: &mut String) -> Shape {
    read(path, &crate::template::DocumentScope::new(document), &Budget::default(), out)
}

fn nothing(steps: &[Step], out: &mut String) -> Shape {
    if is_definite(steps) {
        return Shape::Missing;
    }
    out.push_str("[]");
    Shape::List
}

impl Reading<'_> {
    fn absolute(&self, steps: &[Step], out: &mut String) -> Result<Shape, Exhausted> {
        if let Some(document) = self.scope.document() {
            return self.write(steps, &document, out);
        }
        let [Step::Member(root), below @ ..] = steps else { return Ok(nothing(steps, out)) };
        if let [Step::Member(field), below @ ..] = below {
            return match self.scope.field(root, field) {
                Some(document) => self.write(below, &document, out),
                None => Ok(nothing(steps, out)),
            };
        }
        match self.whole_root(root) {
            Some(document) => self.write(below, &document, out),
            None => Ok(nothing(steps, out)),
        }
    }

    /// The document of `root` with all its fields.
    fn whole_root(&self, root: &str) -> Option<String> {
        let fields = self.scope.fields(root)?;
        let mut document = String::from("{");
        for name in fields {
            let value = self.scope.field(root, name);
            if document.len() > 1 {
                document.push(',');
            }
            raw::write_text(&mut document, name);
            document.push(':');
            document.push_str(value.as_deref().unwrap_or("null"));
        }
        document.push('}');
        Some(document)
    }

    fn write(&self, steps: &[Step], node: &str, out: &mut String) -> Result<Shape, Exhausted> {
        let node = node.trim_ascii();
        let values = match self.select(steps, node)? {
            Found::One(None) => return Ok(Shape::Missing),
            Found::One(Some(value)) => {
                out.push_str(&value);
                return Ok(Shape::Value);
            }
            Found::Many(values) => values,
        };
        self.budget.charge(values.iter().map(|value| value.len()).sum())?;
        out.push('[');
        out.push_str(&values.join(","));
        out.push(']');
        Ok(Shape::List)
    }

    fn select<'a>(&self, steps: &[Step], node: &'a str) -> Result<Found<'a>, Exhausted> {
        let (plain, node) = self.plain_steps(steps, node)?;
        let mut nodes: Vec<&str> = node.into_iter().collect();
        if plain == steps.len() {
            return Ok(Found::One(node.map(Cow::Borrowed)));
        }
        for (position, step) in steps.iter().enumerate().skip(plain) {
            let walked = steps.get(..position).unwrap_or(&[]);
            if let Step::Function(function) = step {
                return self.call(*function, walked, &nodes);
            }
            if let (Step::Members(names), true) = (step, position + 1 == steps.len()) {
                return self.merge(names, walked, &nodes);
            }
            let mut next = Vec::new();
            for node in nodes {
                self.step(step, node, &mut next)?;
            }
            nodes = next;
        }
        Ok(if is_definite(steps) {
            Found::One(nodes.first().map(|node| Cow::Borrowed(*node)))
        } else {
            Found::Many(nodes.into_iter().map(Cow::Borrowed).collect())
        })
    }

    /// Follows the leading names and indexes, of which most paths consist: how many there are and
    /// the value they lead to.
    fn plain_steps<'a>(
        &self,
        steps: &[Step],
        node: &'a str,
    ) -> Result<(usize, Option<&'a str>), Exhausted> {
        let mut node = Some(node);
        for (position, step) in steps.iter().enumerate() {
            self.budget.charge(node.map_or(0, str::len))?;
            node = match step {
                Step::Member(name) => node.and_then(|node| raw::member(node, name)),
                Step::Index(index) => node.and_then(|node| function::element(node, *index)),
                Step::Members(_)
                | Step::Wildcard
                | Step::Indexes(_)
                | Step::Slice(..)
                | Step::Filter(_)
                | Step::Scan
                | Step::Function(_) => return Ok((position, node)),
            };
        }
        Ok((steps.len(), node))
    }

    fn step<'a>(
        &self,
        step: &Step,
        node: &'a str,
        next: &mut Vec<&'a str>,
    ) -> Result<(), Exhausted> {
        self.budget.charge(node.len())?;
        match step {
            Step::Member(name) => next.extend(raw::member(node, name)),
            Step::Members(names) => {
                next.extend(names.iter().filter_map(|name| raw::member(node, name)));
            }
            Step::Wildcard => next.extend(children(node)),
            Step::Index(index) => next.extend(function::element(node, *index)),
            Step::Indexes(indexes) => {
                next.extend(indexes.iter().filter_map(|index| function::element(node, *index)));
            }
            Step::Slice(from, to) => slice(node, *from, *to, next),
            Step::Filter(condition) => self.filter(condition, node, next)?,
            Step::Scan => self.scan(node, next)?,
            Step::Function(_) => unreachable!("functions are called by select"),
        }
        Ok(())
    }

    /// The value and everything below it, each before what it holds.
    fn scan<'a>(&self, node: &'a str, next: &mut Vec<&'a str>) -> Result<(), Exhausted> {
        let mut waiting = vec![(node, 0)];
        while let Some((node, depth)) = waiting.pop() {
            if !matches!(raw::kind(node), Kind::Object | Kind::Array) {
                continue;
            }
            self.budget.charge(node.len())?;
            next.push(node);
            if depth < SCAN_DEPTH_MAX {
                let first = waiting.len();
                waiting.extend(children(node).map(|child| (child, depth + 1)));
                if let Some(added) = waiting.get_mut(first..) {
                    added.reverse();
                }
            }
        }
        Ok(())
    }

    /// A list is filtered by element; a map is tested itself.
    fn filter<'a>(
        &self,
        condition: &Condition,
        node: &'a str,
        next: &mut Vec<&'a str>,
    ) -> Result<(), Exhausted> {
        if raw::kind(node) == Kind::Object && self.accepts(condition, node)? {
            next.push(node);
        }
        for element in raw::elements(node) {
            if self.accepts(condition, element)? {
                next.push(element);
            }
        }
        Ok(())
    }

    fn accepts(&self, condition: &Condition, node: &str) -> Result<bool, Exhausted> {
        self.budget.charge(0)?;
        match condition {
            Condition::All(parts) => {
                for part in parts {
                    if !self.accepts(part, node)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Condition::Any(parts) => {
                for part in parts {
                    if self.accepts(part, node)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Condition::Not(inner) => Ok(!self.accepts(inner, node)?),
            Condition::Exists(operand) => Ok(self.operand(operand, node)?.is_some()),
            Condition::Compare { left, operator, right } => {
                self.compare(left, *operator, right, node)
            }
        }
    }

    fn compare(
        &self,
        left: &Operand,
        operator: Operator,
        right: &Operand,
        node: &str,
    ) -> Result<bool, Exhausted> {
        let left = self.operand(left, node)?;
        self.budget.charge(left.as_ref().map_or(0, |value| value.len()))?;
        if let Operand::Pattern(pattern) = right {
            let text = left.as_deref().and_then(raw::text);
            return Ok(text.is_some_and(|text| pattern.is_match(&text)));
        }
        let right = self.operand(right, node)?;
        self.budget.charge(right.as_ref().map_or(0, |value| value.len()))?;
        Ok(compare::holds(left.as_deref(), operator, right.as_deref()))
    }

    /// The operand's value; a path of several values gives their list.
    fn operand<'a>(
        &self,
        operand: &'a Operand,
        node: &'a str,
    ) -> Result<Option<Cow<'a, str>>, Exhausted> {
        Ok(match operand {
            Operand::Literal(json) => Some(Cow::Borrowed(json.as_str())),
            Operand::Pattern(_) => None,
            Operand::Relative(steps) => match self.select(steps, node)? {
                Found::One(value) => value,
                Found::Many(values) => Some(Cow::Owned(format!("[{}]", values.join(",")))),
            },
            Operand::Absolute { slot, steps } => self.kept_absolute(*slot, steps)?.map(Cow::Owned),
        })
    }

    fn kept_absolute(&self, slot: usize, steps: &[Step]) -> Result<Option<String>, Exhausted> {
        let kept = self.absolutes.borrow().get(slot).cloned().unwrap_or_default();
        if !matches!(kept, Absolute::Unread) {
            return Ok(kept.value());
        }
        let mut json = String::new();
        let read = match self.absolute(steps, &mut json)? {
            Shape::Missing => Absolute::Missing,
            Shape::Value | Shape::List => Absolute::Value(json),
        };
        if let Some(place) = self.absolutes.borrow_mut().get_mut(slot) {
            *place = read.clone();
        }
        Ok(read.value())
    }

    /// A number over several results is computed from all of them; any other function is called
    /// on each, except after a scan, as Jayway does.
    fn call<'a>(
        &self,
        function: Function,
        walked: &[Step],
        nodes: &[&'a str],
    ) -> Result<Found<'a>, Exhausted> {
        self.budget.charge(nodes.iter().map(|node| node.len()).sum())?;
        if is_definite(walked) {
            let result = nodes.first().and_then(|node| function.apply(node));
            return Ok(Found::One(result.map(Cow::Owned)));
        }
        if let Function::Aggregate(aggregate) = function {
            let result = aggregate.apply(&mut nodes.iter().copied());
            return Ok(Found::One(result.map(Cow::Owned)));
        }
        if walked.iter().any(|step| matches!(step, Step::Scan)) {
            let result = function.apply(&format!("[{}]", nodes.join(",")));
            return Ok(Found::One(result.map(Cow::Owned)));
        }
        let results = nodes.iter().filter_map(|node| function.apply(node));
        Ok(Found::Many(results.map(Cow::Owned).collect()))
    }

    /// The named members of each map as a map of its own.
    fn merge<'a>(
        &self,
        names: &[String],
        walked: &[Step],
        nodes: &[&'a str],
    ) -> Result<Found<'a>, Exhausted> {
        let mut merged = Vec::new();
        for node in nodes.iter().filter(|node| raw::kind(node) == Kind::Object) {
            self.budget.charge(node.len().saturating_mul(names.len()))?;
            merged.push(Cow::Owned(merge(names, node)));
        }
        Ok(if is_definite(walked) {
            Found::One(merged.into_iter().next())
        } else {
            Found::Many(merged)
        })
    }
}

fn merge(names: &[String], node: &str) -> String {
    let mut json = String::from("{");
    for name in names {
        let Some(value) = raw::member(node, name) else { continue };
        if json.len() > 1 {
            json.push(',');
        }
        raw::write_text(&mut json, name);
        json.push(':');
        json.push_str(value);
    }
    json.push('}');
    json
}

/// Elements of a list or values of a map.
fn children(node: &str) -> impl Iterator<Item = &str> {
    raw::members(node).map(|(_, value)| value).chain(raw::elements(node))
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
