//! The values of plain scripts, and what JavaScript's operators make of them. `None` everywhere
//! means that only the engine knows.
use super::tree::Binary;
use crate::java::number_text;
use crate::raw;
use baton_common::payload::Payload;
use std::borrow::Cow;
use std::cmp::Ordering;

/// Longest number of the input that is surely read as the double it spells.
const NUMBER_CHARS_MAX: usize = 15;
/// Above this the engine's whole numbers may stand for longer ones of the input.
const WHOLE_MAX: f64 = 1e15;
/// Names that objects have without owning a member of that name, with those of Java's collections.
const INHERITED: &str = "__defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__ __proto__ \
    constructor containsKey get getOrDefault hasOwnProperty isEmpty isPrototypeOf keySet \
    propertyIsEnumerable put size toLocaleString toString valueOf values";

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value<'i> {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'i, str>),
    /// An object or a list of the input, as its JSON.
    Structure(&'i str),
}

impl<'i> Value<'i> {
    /// The value that `json` spells.
    pub(super) fn of_json(json: &'i str) -> Option<Self> {
        Some(match raw::kind(json) {
            raw::Kind::Object | raw::Kind::Array => Self::Structure(json),
            raw::Kind::Text => Self::Text(text(json)?),
            raw::Kind::Number if json.len() <= NUMBER_CHARS_MAX => Self::Number(json.parse().ok()?),
            raw::Kind::Number => return None,
            raw::Kind::Bool => Self::Bool(json == "true"),
            raw::Kind::Null => Self::Null,
        })
    }

    /// The JSON of a result. Objects and lists are written anew by the engine.
    pub(super) fn payload(&self) -> Option<Payload> {
        let json = match self {
            Self::Undefined | Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) if number.abs() >= WHOLE_MAX => return None,
            Self::Number(number) => number_text(*number),
            Self::Text(text) => {
                let mut json = String::with_capacity(text.len() + 2);
                raw::write_text(&mut json, text);
                json
            }
            Self::Structure(_) => return None,
        };
        Payload::parse(json).ok()
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Undefined | Self::Null => false,
            Self::Bool(value) => *value,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::Structure(_) => true,
        }
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Undefined => "undefined",
            Self::Null | Self::Structure(_) => "object",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
        }
    }

    /// `self[key]`.
    pub(super) fn member(&self, key: &Value<'_>) -> Option<Value<'i>> {
        let key = match key {
            Value::Text(text) => text.clone(),
            Value::Number(number) => Cow::Owned(whole_text(*number)?),
            Value::Undefined | Value::Null | Value::Bool(_) | Value::Structure(_) => return None,
        };
        match self {
            Self::Structure(json) if raw::kind(json) == raw::Kind::Object => {
                match raw::member(json, &key) {
                    Some(member) => Self::of_json(member),
                    None => (!is_inherited(&key)).then_some(Self::Undefined),
                }
            }
            Self::Structure(json) if &*key == "length" => count(raw::elements(json).count()),
            Self::Structure(json) => {
                let index: usize = key.parse().ok()?;
                (index.to_string() == *key).then_some(())?;
                raw::elements(json).nth(index).map_or(Some(Self::Undefined), Self::of_json)
            }
            Self::Text(text) if &*key == "length" => count(text.encode_utf16().count()),
            Self::Text(_) | Self::Undefined | Self::Null | Self::Bool(_) | Self::Number(_) => None,
        }
    }

    /// As a number, where JavaScript would take it for one.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Undefined => Some(f64::NAN),
            Self::Null => Some(0.0),
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            Self::Number(number) => Some(*number),
            Self::Text(text) => number_of_text(text),
            Self::Structure(_) => None,
        }
    }

    /// As a text, where JavaScript would take it for one.
    fn text(&self) -> Option<Cow<'i, str>> {
        match self {
            Self::Undefined => Some("undefined".into()),
            Self::Null => Some("null".into()),
            Self::Bool(value) => Some(value.to_string().into()),
            Self::Number(number) => whole_text(*number).map(Cow::Owned),
            Self::Text(text) => Some(text.clone()),
            Self::Structure(_) => None,
        }
    }

    /// `self operator other`.
    pub(super) fn combine(&self, operator: Binary, other: &Value<'i>) -> Option<Value<'i>> {
        let numbers = || Some((self.number()?, other.number()?));
        let arithmetic = |compute: fn(f64, f64) -> f64| {
            numbers().map(|(left, right)| Value::Number(compute(left, right)))
        };
        let order = |is: fn(Ordering) -> bool| self.compares(other, is).map(Value::Bool);
        match operator {
            Binary::Equal => self.equals(other).map(Value::Bool),
            Binary::NotEqual => self.equals(other).map(|equal| Value::Bool(!equal)),
            Binary::Same => self.is_same(other).map(Value::Bool),
            Binary::NotSame => self.is_same(other).map(|same| Value::Bool(!same)),
            Binary::Less => order(Ordering::is_lt),
            Binary::Greater => order(Ordering::is_gt),
            Binary::AtMost => order(Ordering::is_le),
            Binary::AtLeast => order(Ordering::is_ge),
            Binary::Add => self.add(other),
            Binary::Subtract => arithmetic(|left, right| left - right),
            Binary::Multiply => arithmetic(|left, right| left * right),
            Binary::Divide => arithmetic(|left, right| left / right),
            Binary::Remainder => arithmetic(|left, right| left % right),
        }
    }

    fn add(&self, other: &Value<'i>) -> Option<Value<'i>> {
        if matches!(self, Self::Text(_)) || matches!(other, Self::Text(_)) {
            let text = self.text()?.into_owned() + &*other.text()?;
            return Some(Value::Text(text.into()));
        }
        Some(Value::Number(self.number()? + other.number()?))
    }

    /// Whether the order of the two is such a one; false when neither is before the other nor equal.
    fn compares(&self, other: &Value<'_>, is: fn(Ordering) -> bool) -> Option<bool> {
        if let (Self::Text(left), Value::Text(right)) = (self, other) {
            // The engine compares halves of surrogate pairs, which is the same order for these only.
            let is_simple = left.is_ascii() && right.is_ascii();
            return is_simple.then(|| is(left.cmp(right)));
        }
        Some(self.number()?.partial_cmp(&other.number()?).is_some_and(is))
    }

    /// `===`.
    fn is_same(&self, other: &Value<'_>) -> Option<bool> {
        match (self, other) {
            (Self::Undefined, Value::Undefined) | (Self::Null, Value::Null) => Some(true),
            (Self::Bool(left), Value::Bool(right)) => Some(left == right),
            (Self::Number(_), Value::Number(_)) => self.compares(other, Ordering::is_eq),
            (Self::Text(left), Value::Text(right)) => Some(left == right),
            (Self::Structure(_), Value::Structure(_)) => None,
            (
                Self::Undefined
                | Self::Null
                | Self::Bool(_)
                | Self::Number(_)
                | Self::Text(_)
                | Self::Structure(_),
                _,
            ) => Some(false),
        }
    }

    /// `==`.
    fn equals(&self, other: &Value<'_>) -> Option<bool> {
        let is_nothing = |value: &Value<'_>| matches!(value, Value::Undefined | Value::Null);
        if is_nothing(self) || is_nothing(other) {
            return Some(is_nothing(self) && is_nothing(other));
        }
        if self.type_name() == other.type_name() {
            return self.is_same(other);
        }
        self.compares(other, Ordering::is_eq)
    }
}

fn is_inherited(name: &str) -> bool {
    INHERITED.split(' ').any(|inherited| inherited == name)
}

/// The text of a JSON string; `None` where it spells a half of a surrogate pair.
fn text(json: &str) -> Option<Cow<'_, str>> {
    let has_surrogate = json.contains("\\ud") || json.contains("\\uD");
    (!has_surrogate).then(|| raw::text(json)).flatten()
}

fn count<'i>(count: usize) -> Option<Value<'i>> {
    u32::try_from(count).ok().map(|count| Value::Number(count.into()))
}

/// A number as JavaScript writes it into a text, for whole ones.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
fn whole_text(number: f64) -> Option<String> {
    let is_whole = number.fract() == 0.0 && number.abs() < WHOLE_MAX;
    is_whole.then(|| (number as i64).to_string())
}

/// The number that a text spells in the plainest way; a text that begins with a letter is none.
fn number_of_text(text: &str) -> Option<f64> {
    let Some(first) = text.bytes().next() else { return Some(0.0) };
    if first.is_ascii_alphabetic() && first != b'I' {
        return Some(f64::NAN);
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = is_digits(whole) && is_digits(fraction) && text.len() <= NUMBER_CHARS_MAX;
    is_plain.then(|| text.parse().ok()).flatten()
}
