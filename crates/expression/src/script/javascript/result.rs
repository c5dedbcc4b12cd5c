//! The JSON Conductor makes of a script's result.
use super::stop::Stop;
use crate::java::{self, not_whole, number_text, whole_number};
use crate::raw;
use crate::script::error::ScriptError;
use baton_common::limits::VALUE_DEPTH_MAX;
use rquickjs::{Array, Filter, Function, Object, Type, Value};
use std::collections::HashMap;

/// Fewest characters of a whole number that a double may not hold exactly.
const INEXACT_CHARS_MIN: usize = 16;

/// Writes one result.
pub(super) struct Writer<'w, 'js> {
    helpers: &'w Object<'js>,
    /// Whole numbers of the input that a double cannot hold, by the double they became: a result
    /// that is such a double is taken for that number passed through.
    inexact: HashMap<u64, &'w str>,
    output_bytes: usize,
    out: String,
}

impl<'w, 'js> Writer<'w, 'js> {
    /// A writer for a result computed from `input`, of at most `output_bytes`.
    pub(super) fn new(helpers: &'w Object<'js>, input: &'w str, output_bytes: usize) -> Self {
        let inexact = inexact_integers(input);
        Self { helpers, inexact, output_bytes, out: String::new() }
    }

    /// The JSON of `value`.
    pub(super) fn write(mut self, value: &Value<'js>) -> Result<String, Stop> {
        self.value(value, 0)?;
        Ok(self.out)
    }

    fn value(&mut self, value: &Value<'js>, depth: usize) -> Result<(), Stop> {
        match value.type_of() {
            Type::Bool => {
                self.out.push_str(if value.as_bool() == Some(true) { "true" } else { "false" });
            }
            Type::Int | Type::Float => self.number(value.as_number().unwrap_or(f64::NAN)),
            Type::String => self.text(value)?,
            Type::BigInt => {
                let number = self.call("number", value)?.as_number().unwrap_or(f64::NAN);
                self.out.push_str(&not_whole(number));
            }
            Type::Array => self.array(value, deeper(depth)?)?,
            Type::Undefined | Type::Null | Type::Uninitialized => self.out.push_str("null"),
            Type::Object | Type::Proxy => self.object(value, deeper(depth)?)?,
            Type::Symbol
            | Type::Function
            | Type::Constructor
            | Type::Promise
            | Type::Exception
            | Type::Module
            | Type::Unknown => self.out.push_str("{}"),
        }
        self.check_size(self.out.len())
    }

    fn check_size(&self, bytes: usize) -> Result<(), Stop> {
        if bytes > self.output_bytes {
            return Err(Stop::Limit(ScriptError::limit("the result", self.output_bytes, "bytes")));
        }
        Ok(())
    }

    fn call(&self, helper: &str, value: &Value<'js>) -> Result<Value<'js>, Stop> {
        let function: Function<'js> = self.helpers.get(helper)?;
        Ok(function.call((value.clone(),))?)
    }

    fn number(&mut self, number: f64) {
        if let Some(original) = self.inexact.get(&number.to_bits()) {
            self.out.push_str(original);
        } else {
            self.out.push_str(&number_text(number));
        }
    }

    fn text(&mut self, value: &Value<'js>) -> Result<(), Stop> {
        let Some(text) = value.as_string() else { return Ok(()) };
        let text = match text.to_string() {
            Ok(text) => text,
            Err(_) => self.call("wellFormed", value)?.get::<String>()?,
        };
        // Checked before it is written, which can take six times its size.
        self.check_size(self.out.len().saturating_add(text.len()))?;
        raw::write_text(&mut self.out, &text);
        Ok(())
    }

    fn array(&mut self, value: &Value<'js>, depth: usize) -> Result<(), Stop> {
        let Some(array) = value.as_array() else { return Ok(()) };
        // Asked as a number: a list can be longer than the engine's own count of it can say.
        let length = array.as_object().get::<_, f64>("length")?;
        let Some(length) = whole_number(length).and_then(|length| usize::try_from(length).ok())
        else {
            return Ok(());
        };
        self.check_size(length)?;
        self.out.push('[');
        for index in 0..length {
            if index > 0 {
                self.out.push(',');
            }
            self.value(&array.get::<Value<'js>>(index)?, depth)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn object(&mut self, value: &Value<'js>, depth: usize) -> Result<(), Stop> {
        let Some(object) = value.as_object() else { return Ok(()) };
        let numbers = self.call("numbers", value)?;
        if numbers.is_array() {
            return self.array(&numbers, depth);
        }
        if let Some(pairs) = self.call("pairs", value)?.as_array() {
            return self.pairs(pairs, depth);
        }
        self.out.push('{');
        let mut is_first = true;
        for entry in object.own_props::<Value<'js>, Value<'js>>(Filter::new().string().enum_only())
        {
            let (key, member) = entry?;
            self.member(&key, &member, depth, &mut is_first)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn pairs(&mut self, pairs: &Array<'js>, depth: usize) -> Result<(), Stop> {
        self.out.push('{');
        let mut is_first = true;
        for pair in pairs.iter::<Array<'js>>() {
            let pair = pair?;
            self.member(&pair.get(0)?, &pair.get(1)?, depth, &mut is_first)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn member(
        &mut self,
        key: &Value<'js>,
        member: &Value<'js>,
        depth: usize,
        is_first: &mut bool,
    ) -> Result<(), Stop> {
        if !std::mem::take(is_first) {
            self.out.push(',');
        }
        self.text(key)?;
        self.out.push(':');
        self.value(member, depth)
    }
}

/// The level of a list or map at `depth` levels below the result.
fn deeper(depth: usize) -> Result<usize, Stop> {
    if depth >= VALUE_DEPTH_MAX {
        let error = ScriptError::limit("the result's nesting", VALUE_DEPTH_MAX, "levels");
        return Err(Stop::Limit(error));
    }
    Ok(depth + 1)
}

/// The long whole numbers in `json` by the bits of the double they become.
/// Two that become the same double are ambiguous and left out.
fn inexact_integers(json: &str) -> HashMap<u64, &str> {
    let mut found: HashMap<u64, Option<&str>> = HashMap::new();
    for number in java::long_integers(json, INEXACT_CHARS_MIN) {
        let Ok(double) = number.parse::<f64>() else { continue };
        let entry = found.entry(double.to_bits()).or_insert(Some(number));
        if *entry != Some(number) {
            *entry = None;
        }
    }
    found.into_iter().filter_map(|(bits, number)| Some((bits, number?))).collect()
}
