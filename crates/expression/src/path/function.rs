//! The functions a path may end with, such as `l.length()`.
use super::source::Source;
use crate::java::java_double;
use crate::meter::{Fault, Meter};
use crate::raw::{self, Kind};
use std::borrow::Cow;

/// A function at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    /// Number of elements or members; of a text there is none.
    Length,
    /// The member names of a map.
    Keys,
    /// A number computed from the numbers of a list, always a double.
    Aggregate(Aggregate),
    /// One element of a list, counted from the end when negative.
    Element(i64),
}

/// See [`Function::Aggregate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    Min,
    Max,
    Sum,
    Average,
    Deviation,
}

impl Function {
    /// The function `name` with the text between its parentheses; `None` when there is none.
    pub(super) fn named(name: &str, argument: &str) -> Option<Self> {
        let function = match name {
            "length" | "size" => Self::Length,
            "keys" => Self::Keys,
            "min" => Self::Aggregate(Aggregate::Min),
            "max" => Self::Aggregate(Aggregate::Max),
            "sum" => Self::Aggregate(Aggregate::Sum),
            "avg" => Self::Aggregate(Aggregate::Average),
            "stddev" => Self::Aggregate(Aggregate::Deviation),
            "first" => Self::Element(0),
            "last" => Self::Element(-1),
            "index" => return argument.parse().ok().map(Self::Element),
            _ => return None,
        };
        argument.is_empty().then_some(function)
    }

    /// The JSON this function makes of `node`, a value of `source`; `None` when it makes nothing
    /// of it.
    pub(super) fn apply<'a>(
        self,
        source: Source<'a>,
        node: &'a str,
        meter: &Meter,
    ) -> Result<Option<Cow<'a, str>>, Fault> {
        Ok(match self {
            Self::Length => source.length(node, meter)?.map(|length| length.to_string().into()),
            Self::Element(position) => source.element(node, position, meter)?.map(Cow::Borrowed),
            Self::Keys => {
                meter.charge(node.len())?;
                keys(node).map(Cow::Owned)
            }
            Self::Aggregate(aggregate) => {
                meter.charge(node.len())?;
                aggregate.apply(&mut raw::elements(node)).map(Cow::Owned)
            }
        })
    }
}

fn keys(json: &str) -> Option<String> {
    if raw::kind(json) != Kind::Object {
        return None;
    }
    let keys: Vec<&str> = raw::members(json).map(|(key, _)| key).collect();
    Some(format!("[{}]", keys.join(",")))
}

impl Aggregate {
    /// Computes over the numbers among `values`; without any there is no result.
    pub(super) fn apply(self, values: &mut dyn Iterator<Item = &str>) -> Option<String> {
        let numbers: Vec<f64> = values
            .filter(|value| raw::kind(value) == Kind::Number)
            .filter_map(|number| number.parse().ok())
            .collect();
        if numbers.is_empty() {
            return None;
        }
        let result = self.compute(&numbers);
        result.is_finite().then(|| java_double(result))
    }

    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^53")]
    fn compute(self, numbers: &[f64]) -> f64 {
        let sum: f64 = numbers.iter().sum();
        let mean = sum / numbers.len() as f64;
        match self {
            Self::Min => numbers.iter().copied().fold(f64::INFINITY, f64::min),
            Self::Max => numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Self::Sum => sum,
            Self::Average => mean,
            Self::Deviation => {
                let squares: f64 = numbers.iter().map(|number| number * number).sum();
                (squares / numbers.len() as f64 - mean * mean).max(0.0).sqrt()
            }
        }
    }
}
