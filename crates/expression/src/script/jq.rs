//! jq by jaq. Compiled programs are kept, since compiling costs far more than running.
use super::assignment::rewritten;
use super::deadline::Deadline;
use super::error::ScriptError;
use super::limits::ScriptLimits;
use crate::java::{java_double, whole_number};
use crate::raw::{self, nesting};
use baton_common::limits::VALUE_DEPTH_MAX;
use baton_common::payload::Payload;
use jaq_core::data::JustLut;
use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars};
use jaq_json::{Num, Val};
use std::collections::HashMap;

type Filter = jaq_core::Filter<JustLut<Val>>;

/// Most operators and keywords of a jq program: each can be a level of its parser, which takes up to
/// 4 KiB of its thread's stack.
const OPERATORS_MAX: usize = 4_096;
/// The words that make a level.
const KEYWORDS: [&str; 12] =
    ["and", "as", "catch", "def", "elif", "foreach", "if", "label", "or", "reduce", "then", "try"];
/// Deepest nesting of brackets in a jq program, levels: its parser recurses without a check.
const BRACKETS_DEPTH_MAX: usize = 256;
/// The name of a program among the definitions.
const PROGRAM: &str = "_program";
/// Most compiled programs kept; about 100 KiB each.
const PROGRAMS_MAX: usize = 64;

/// What the engine's own definitions must not do here (read the environment, write to standard
/// error, end the process), a stated order for `keys_unsorted`, and what the engine lacks of jq.
const OVERRIDES: &str = include_str!("overrides.jq");

/// Compiled programs by their text.
#[derive(Default)]
pub(super) struct Programs(HashMap<String, Filter>);

impl Programs {
    /// All results of the program `source` as a JSON array.
    pub(super) fn evaluate(
        &mut self,
        source: &str,
        input: &Payload,
        limits: &ScriptLimits,
    ) -> Result<String, ScriptError> {
        let filter = self.compiled(source)?;
        let input = jaq_json::read::parse_single(input.get().as_bytes())
            .map_err(|error| failed(format!("the input is no JSON: {error}")))?;
        let deadline = Deadline::after_ms(limits.time_ms);
        let context = Ctx::<JustLut<Val>>::new(&filter.lut, Vars::new([]));
        let mut out = String::from("[");
        for result in filter.id.run((context, input)) {
            let value = result.map_err(|exception| {
                let error = exception.get_err().map(jaq_core::Error::into_val);
                failed(
                    error
                        .as_ref()
                        .map_or_else(|_| "the program ended itself".to_owned(), in_jq_words),
                )
            })?;
            if out.len() > 1 {
                out.push(',');
            }
            write(&value, 0, limits, &mut out)?;
            if deadline.has_passed() {
                return Err(ScriptError::TimedOut { limit_ms: limits.time_ms });
            }
        }
        out.push(']');
        check_size(out.len(), limits)?;
        Ok(out)
    }

    fn compiled(&mut self, source: &str) -> Result<&Filter, ScriptError> {
        if !self.0.contains_key(source) && self.0.len() >= PROGRAMS_MAX {
            self.0.clear();
        }
        match self.0.entry(source.to_owned()) {
            std::collections::hash_map::Entry::Occupied(kept) => Ok(kept.into_mut()),
            std::collections::hash_map::Entry::Vacant(place) => Ok(place.insert(compile(source)?)),
        }
    }
}

/// What is wrong with the syntax of `source`.
pub(super) fn syntax_error(source: &str) -> Option<String> {
    compile(source).err().map(|error| error.to_string())
}

fn failed(message: String) -> ScriptError {
    ScriptError::Failed { message }
}

fn compile(source: &str) -> Result<Filter, ScriptError> {
    if nesting(source) > BRACKETS_DEPTH_MAX {
        return Err(ScriptError::limit("the program's nesting", BRACKETS_DEPTH_MAX, "levels"));
    }
    if operators(source) > OPERATORS_MAX {
        return Err(ScriptError::limit("the program", OPERATORS_MAX, "operators and keywords"));
    }
    let overrides = load::parse(OVERRIDES, |parser| parser.defs()).unwrap_or_default();
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()).chain(overrides);
    let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    // What does not parse as one term goes to the loader as it is, which says what is wrong.
    let program = load::parse(source, |parser| parser.term()).map(|term| load::parse::Def {
        name: PROGRAM,
        args: Vec::new(),
        body: rewritten(term),
    });
    let code = if program.is_some() { PROGRAM } else { source };
    let modules = Loader::new(defs.map(shortened).chain(program))
        .load(&arena, File { code, path: () })
        .map_err(|errors| failed(load_error(source, &errors)))?;
    Compiler::default().with_funs(funs).compile(modules).map_err(|errors| {
        let undefined = errors.iter().flat_map(|(_, errors)| errors).next();
        failed(undefined.map_or_else(|| "the program does not compile".to_owned(), undefined_name))
    })
}

/// How many operators and keywords it has, those in texts and comments counted too.
fn operators(source: &str) -> usize {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = source.split(|letter: char| !is_word(letter));
    let signs = source.matches(['|', ',', '=', '<', '>', '+', '-', '*', '/', '%']).count();
    signs + words.filter(|word| KEYWORDS.contains(word)).count()
}

/// The definition among others that live as long as a program.
fn shortened<'s>(def: load::parse::Def<&'static str>) -> load::parse::Def<&'s str> {
    def
}

fn undefined_name((name, kind): &(&str, jaq_core::compile::Undefined)) -> String {
    if let jaq_core::compile::Undefined::Filter(arity) = kind {
        return format!("Function {name}/{arity} does not exist");
    }
    format!("Undefined {}: {name}", kind.as_str())
}

fn load_error(source: &str, errors: &load::Errors<&str, ()>) -> String {
    let (expected, found) = match errors.first().map(|(_, error)| error) {
        Some(load::Error::Lex(errors)) => match errors.first() {
            Some((expected, found)) => (expected.as_str(), *found),
            None => ("a program", ""),
        },
        Some(load::Error::Parse(errors)) => match errors.first() {
            Some((expected, found)) => (expected.as_str(), *found),
            None => ("a program", ""),
        },
        Some(load::Error::Io(_)) => return "modules cannot be loaded".to_owned(),
        None => ("a program", ""),
    };
    if found.is_empty() {
        return format!("Encountered the end of the program, expected {expected}");
    }
    let before = source.get(..load::span(source, found).start).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    let found: String = found.chars().take(20).collect();
    format!("Encountered \"{found}\" at line {line}, column {column}, expected {expected}")
}

fn write(
    value: &Val,
    depth: usize,
    limits: &ScriptLimits,
    out: &mut String,
) -> Result<(), ScriptError> {
    if depth >= VALUE_DEPTH_MAX && matches!(value, Val::Arr(_) | Val::Obj(_)) {
        return Err(ScriptError::limit("the result's nesting", VALUE_DEPTH_MAX, "levels"));
    }
    match value {
        Val::Null => out.push_str("null"),
        Val::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Val::Num(number) => out.push_str(&number_text(number)),
        Val::BStr(bytes) | Val::TStr(bytes) => {
            // Checked before it is written, which can take six times its size.
            check_size(out.len().saturating_add(bytes.len()), limits)?;
            raw::write_text(out, &String::from_utf8_lossy(bytes));
        }
        Val::Arr(elements) => {
            out.push('[');
            for (position, element) in elements.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write(element, depth + 1, limits, out)?;
            }
            out.push(']');
        }
        Val::Obj(members) => {
            out.push('{');
            for (position, (key, member)) in members.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_key(key, depth, limits, out)?;
                out.push(':');
                write(member, depth + 1, limits, out)?;
            }
            out.push('}');
        }
    }
    check_size(out.len(), limits)
}

fn check_size(bytes: usize, limits: &ScriptLimits) -> Result<(), ScriptError> {
    if bytes > limits.output_bytes {
        return Err(ScriptError::limit("the result", limits.output_bytes, "bytes"));
    }
    Ok(())
}

/// Keys that are no texts, which jaq allows, are written as the text of their JSON.
fn write_key(
    key: &Val,
    depth: usize,
    limits: &ScriptLimits,
    out: &mut String,
) -> Result<(), ScriptError> {
    if matches!(key, Val::TStr(_) | Val::BStr(_)) {
        return write(key, depth, limits, out);
    }
    let mut json = String::new();
    write(key, depth, limits, &mut json)?;
    raw::write_text(out, &json);
    Ok(())
}

/// A number that was written with a fraction or an exponent stays a double; one that was computed
/// is a whole number when it can be. What JSON has no number for is as jq writes it.
fn number_text(number: &Num) -> String {
    match number {
        Num::Int(whole) => whole.to_string(),
        Num::BigInt(whole) => whole.to_string(),
        Num::Float(double) => match whole_number(*double) {
            Some(whole) => whole.to_string(),
            None if *double == 0.0 => "0".to_owned(),
            None => finite(*double),
        },
        Num::Dec(text) => text.parse().map_or_else(|_| "null".to_owned(), finite),
    }
}

fn finite(double: f64) -> String {
    if double.is_nan() {
        return "null".to_owned();
    }
    java_double(double.clamp(f64::MIN, f64::MAX))
}

/// The error in the words jq has for the common cases.
fn in_jq_words(error: &Val) -> String {
    let (Val::TStr(bytes) | Val::BStr(bytes)) = error else { return error.to_string() };
    let text = String::from_utf8_lossy(bytes).into_owned();
    let in_words = arithmetic(&text).or_else(|| indexing(&text)).or_else(|| iteration(&text));
    in_words.unwrap_or(text)
}

fn arithmetic(text: &str) -> Option<String> {
    let operation = text.strip_prefix("cannot calculate ")?;
    let signs = [
        (" + ", "added"),
        (" - ", "subtracted"),
        (" * ", "multiplied"),
        (" / ", "divided"),
        (" % ", "divided"),
    ];
    for (sign, done) in signs {
        for (position, _) in operation.match_indices(sign) {
            let (left, right) = (&operation[..position], &operation[position + sign.len()..]);
            if let (Some(left_type), Some(right_type)) = (type_of(left), type_of(right)) {
                return Some(format!(
                    "{left_type} ({left}) and {right_type} ({right}) cannot be {done}"
                ));
            }
        }
    }
    None
}

fn indexing(text: &str) -> Option<String> {
    let (value, key) = text.strip_prefix("cannot index ")?.rsplit_once(" with ")?;
    let (value_type, key_type) = (type_of(value)?, type_of(key)?);
    let key = if key_type == "string" { key } else { key_type };
    Some(format!("Cannot index {value_type} with {key}"))
}

fn iteration(text: &str) -> Option<String> {
    let value = text.strip_prefix("cannot use ")?.strip_suffix(" as iterable (array or object)")?;
    Some(match type_of(value)? {
        "null" => "Cannot iterate over null".to_owned(),
        value_type => format!("Cannot iterate over {value_type} ({value})"),
    })
}

/// jq's name for the type of the JSON `json`; `None` when it is no JSON.
fn type_of(json: &str) -> Option<&'static str> {
    serde_json::from_str::<serde::de::IgnoredAny>(json).ok()?;
    Some(match raw::kind(json) {
        raw::Kind::Object => "object",
        raw::Kind::Array => "array",
        raw::Kind::Text => "string",
        raw::Kind::Number => "number",
        raw::Kind::Bool => "boolean",
        raw::Kind::Null => "null",
    })
}
