//! Texts as Java writes them: that is what `"n=${x}"` gives in Conductor.
use crate::meter::{Fault, Meter};
use crate::raw;

/// The Java string form of a JSON value: texts bare, maps as `{k=v, k2=v2}`, lists as `[a, b]`,
/// other values as `null`, `true`, `42`, `1.0E10`; whole numbers keep all their digits.
/// At most three times as long as `json`.
pub fn java_text(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for piece in pieces(json) {
        push_java(&mut out, &piece);
    }
    out
}

/// Appends the Java string form of `json`; see [`java_text`].
pub(crate) fn write_java_text(out: &mut String, json: &str, meter: &Meter) -> Result<(), Fault> {
    for piece in pieces(json) {
        push_java(out, &piece);
        meter.check_size(out.len())?;
    }
    Ok(())
}

fn push_java(out: &mut String, piece: &Piece<'_>) {
    match piece {
        Piece::Text(quoted) => out.push_str(&raw::text(quoted).unwrap_or_default()),
        Piece::Scalar(number) => write_scalar(out, number),
        Piece::Mark(b':') => out.push('='),
        Piece::Mark(b',') => out.push_str(", "),
        Piece::Mark(mark) => out.push(char::from(*mark)),
    }
}

/// Appends `json` without the blanks between its values.
pub(crate) fn write_compact(out: &mut String, json: &str, meter: &Meter) -> Result<(), Fault> {
    for piece in pieces(json) {
        match piece {
            Piece::Text(text) | Piece::Scalar(text) => out.push_str(text),
            Piece::Mark(mark) => out.push(char::from(mark)),
        }
        meter.check_size(out.len())?;
    }
    Ok(())
}

/// The whole numbers in `json` of at least `chars_min` characters.
pub(crate) fn long_integers(json: &str, chars_min: usize) -> impl Iterator<Item = &str> {
    pieces(json).filter_map(move |piece| match piece {
        Piece::Scalar(text) if text.len() >= chars_min && !is_fraction(text) => Some(text),
        Piece::Scalar(_) | Piece::Text(_) | Piece::Mark(_) => None,
    })
}

enum Piece<'a> {
    /// A quoted string, key or value.
    Text(&'a str),
    /// A number, `true`, `false` or `null`.
    Scalar(&'a str),
    /// One of `{}[]:,`.
    Mark(u8),
}

fn pieces(json: &str) -> impl Iterator<Item = Piece<'_>> {
    let bytes = json.as_bytes();
    let mut position = 0;
    std::iter::from_fn(move || {
        while bytes.get(position).is_some_and(u8::is_ascii_whitespace) {
            position += 1;
        }
        let start = position;
        let piece = match *bytes.get(position)? {
            b'"' => {
                position = raw::string_end(bytes, start).min(bytes.len());
                Piece::Text(json.get(start..position)?)
            }
            mark @ (b'{' | b'}' | b'[' | b']' | b':' | b',') => {
                position += 1;
                Piece::Mark(mark)
            }
            _ => {
                let is_end = |byte: &u8| !byte.is_ascii_alphanumeric() && !b"+-.".contains(byte);
                let length = bytes[start..].iter().position(is_end).unwrap_or(bytes.len() - start);
                position += length.max(1);
                Piece::Scalar(json.get(start..position)?)
            }
        };
        Some(piece)
    })
}

fn write_scalar(out: &mut String, scalar: &str) {
    match scalar {
        "-0" => out.push('0'),
        number if is_fraction(number) => match number.parse::<f64>() {
            Ok(value) => out.push_str(&java_double(value)),
            Err(_) => out.push_str(number),
        },
        other => out.push_str(other),
    }
}

/// Whether a JSON number is spelled with a fraction or an exponent: Java reads it as a double.
fn is_fraction(number: &str) -> bool {
    number.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && number.contains(['.', 'e', 'E'])
}

/// A double as `Double.toString` writes it: plain from 0.001 up to 10^7, else `d.dddE±n`.
///
/// Finite results are JSON numbers too.
pub(crate) fn java_double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{value:?}");
    }
    let shortest = format!("{value:e}");
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    format!("{mantissa}{point}E{exponent}")
}

/// The JSON of a script's number: whole ones as such, others as [`not_whole`].
pub(crate) fn number_text(number: f64) -> String {
    whole_number(number).map_or_else(|| not_whole(number), |number| number.to_string())
}

/// A double that is not written as a whole number; what JSON has no number for becomes its name.
pub(crate) fn not_whole(number: f64) -> String {
    let text = java_double(number);
    if number.is_finite() { text } else { format!("\"{text}\"") }
}

/// The whole number a double is, when it fits 64 bits and is not the negative zero.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
pub(crate) fn whole_number(number: f64) -> Option<i64> {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    let is_whole = number.fract() == 0.0 && (-TWO_TO_63..TWO_TO_63).contains(&number);
    let is_negative_zero = number == 0.0 && number.is_sign_negative();
    (is_whole && !is_negative_zero).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_java_writes_them() {
        for (value, expected) in [
            (1e10, "1.0E10"),
            (1e-5, "1.0E-5"),
            (12_345_678.9, "1.23456789E7"),
            (3.0, "3.0"),
            (0.001, "0.001"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1.0 / 3.0, "0.3333333333333333"),
            (-2.5e-300, "-2.5E-300"),
            (f64::INFINITY, "Infinity"),
        ] {
            assert_eq!(java_double(value), expected);
        }
    }

    #[test]
    fn values_are_written_as_java_writes_them() {
        for (json, expected) in [
            ("null", "null"),
            ("\"a\\n\\u00e9\"", "a\né"),
            ("{}", "{}"),
            (r#"{"a":1,"b":"two"}"#, "{a=1, b=two}"),
            (r#"{ "x" : {"y":[1,{"z":true}]}}"#, "{x={y=[1, {z=true}]}}"),
            (r#"{"n":null}"#, "{n=null}"),
            ("[1, 2]", "[1, 2]"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("9007199254740993", "9007199254740993"),
            ("1e10", "1.0E10"),
            ("2.50", "2.5"),
            ("1e400", "Infinity"),
            ("-0", "0"),
        ] {
            assert_eq!(java_text(json), expected, "{json}");
        }
    }

    #[test]
    fn deep_values_need_no_stack() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(java_text(&deep), deep);
    }
}
