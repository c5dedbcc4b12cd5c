//! The comparisons of filters, with Jayway's view of types: a text and a number are equal when
//! one reads as the other, an order exists only among numbers and among texts.
use super::segment::Operator;
use crate::meter::{Fault, Limit, Meter};
use crate::raw::{self, Kind};
use std::cmp::Ordering;

/// Deepest nesting of lists and maps that are compared with each other, levels: what the parser
/// that builds their trees accepts.
const COMPARED_DEPTH_MAX: usize = 127;

/// Whether `left operator right` holds; `None` is a path that leads nowhere.
///
/// # Errors
/// The limit that was exceeded: lists compared with lists are read many times.
pub(super) fn holds(
    left: Option<&str>,
    operator: Operator,
    right: Option<&str>,
    meter: &Meter,
) -> Result<bool, Fault> {
    let order = |wanted: fn(Ordering) -> bool| order(left, right).is_some_and(wanted);
    let are_lists = is_list(left) && is_list(right);
    Ok(match operator {
        Operator::Equal => equal(left, right)?,
        Operator::NotEqual => !equal(left, right)?,
        Operator::SameTypeEqual => same_type(left, right) && equal(left, right)?,
        Operator::SameTypeNotEqual => !(same_type(left, right) && equal(left, right)?),
        Operator::Less => order(Ordering::is_lt),
        Operator::LessOrEqual => order(Ordering::is_le),
        Operator::Greater => order(Ordering::is_gt),
        Operator::GreaterOrEqual => order(Ordering::is_ge),
        Operator::In => is_list(right) && among(left, right, meter)?,
        Operator::NotIn => !(is_list(right) && among(left, right, meter)?),
        Operator::Contains => contains(left, right, meter)?,
        Operator::ContainsAll => are_lists && every(right, left, meter)?,
        Operator::SubsetOf => are_lists && every(left, right, meter)?,
        Operator::AnyOf => are_lists && any(left, right, meter)?,
        Operator::NoneOf => are_lists && !any(left, right, meter)?,
        Operator::Size => size(left).is_some_and(|size| Some(size.to_string().as_str()) == right),
        Operator::Empty => size(left).is_some_and(|size| Some(bool_text(size == 0)) == right),
        // A pattern is no JSON: the evaluator matches it itself.
        Operator::Matches => false,
    })
}

fn bool_text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn is_list(value: Option<&str>) -> bool {
    value.is_some_and(|json| raw::kind(json) == Kind::Array)
}

fn same_type(left: Option<&str>, right: Option<&str>) -> bool {
    left.map(raw::kind) == right.map(raw::kind)
}

fn equal(left: Option<&str>, right: Option<&str>) -> Result<bool, Fault> {
    let (Some(left), Some(right)) = (left, right) else { return Ok(false) };
    Ok(match (raw::kind(left), raw::kind(right)) {
        (Kind::Number, Kind::Number) => compare_numbers(left, right) == Some(Ordering::Equal),
        (Kind::Number, Kind::Text) => number_is_text(left, right),
        (Kind::Text, Kind::Number) => raw::text(left).is_some_and(|text| text == right),
        (Kind::Text, Kind::Text) => raw::text(left) == raw::text(right),
        (Kind::Object, Kind::Object) | (Kind::Array, Kind::Array) => equal_trees(left, right)?,
        (Kind::Bool, Kind::Bool) | (Kind::Null, Kind::Null) => left == right,
        (
            Kind::Object | Kind::Array | Kind::Text | Kind::Number | Kind::Bool | Kind::Null,
            Kind::Object | Kind::Array | Kind::Text | Kind::Number | Kind::Bool | Kind::Null,
        ) => false,
    })
}

fn number_is_text(number: &str, text: &str) -> bool {
    raw::text(text).is_some_and(|text| compare_numbers(number, &text) == Some(Ordering::Equal))
}

fn equal_trees(left: &str, right: &str) -> Result<bool, Fault> {
    if left == right {
        return Ok(true);
    }
    let depth = raw::nesting(left).max(raw::nesting(right));
    if depth > COMPARED_DEPTH_MAX {
        return Err(Fault::new(Limit::ComparedDepth, COMPARED_DEPTH_MAX, depth));
    }
    let parse = |json| serde_json::from_str::<serde_json::Value>(json).ok();
    Ok(parse(left).is_some_and(|tree| Some(tree) == parse(right)))
}

fn order(left: Option<&str>, right: Option<&str>) -> Option<Ordering> {
    let (left, right) = (left?, right?);
    if raw::kind(left) == Kind::Number && raw::kind(right) == Kind::Number {
        return compare_numbers(left, right);
    }
    Some(raw::text(left)?.cmp(&raw::text(right)?))
}

/// Whole numbers are compared exactly as far as they fit 128 bits, others as doubles.
fn compare_numbers(left: &str, right: &str) -> Option<Ordering> {
    if let (Ok(left), Ok(right)) = (left.parse::<i128>(), right.parse::<i128>()) {
        return Some(left.cmp(&right));
    }
    left.parse::<f64>().ok()?.partial_cmp(&right.parse::<f64>().ok()?)
}

fn among(value: Option<&str>, list: Option<&str>, meter: &Meter) -> Result<bool, Fault> {
    for element in list.into_iter().flat_map(raw::elements) {
        meter.charge(element.len())?;
        if equal(value, Some(element))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn every(values: Option<&str>, list: Option<&str>, meter: &Meter) -> Result<bool, Fault> {
    for value in values.into_iter().flat_map(raw::elements) {
        if !among(Some(value), list, meter)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn any(values: Option<&str>, list: Option<&str>, meter: &Meter) -> Result<bool, Fault> {
    for value in values.into_iter().flat_map(raw::elements) {
        if among(Some(value), list, meter)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn contains(whole: Option<&str>, part: Option<&str>, meter: &Meter) -> Result<bool, Fault> {
    let (Some(text), Some(part_json)) = (whole, part) else { return Ok(false) };
    match (raw::text(text), raw::text(part_json)) {
        (Some(text), Some(part)) => Ok(text.contains(part.as_ref())),
        (None, _) => Ok(is_list(whole) && among(part, whole, meter)?),
        (Some(_), None) => Ok(false),
    }
}

/// Elements of a list or characters of a text.
fn size(value: Option<&str>) -> Option<usize> {
    let json = value?;
    match raw::kind(json) {
        Kind::Array => Some(raw::elements(json).count()),
        Kind::Object => Some(raw::members(json).count()),
        Kind::Text => raw::text(json).map(|text| text.encode_utf16().count()),
        Kind::Number | Kind::Bool | Kind::Null => None,
    }
}
