//! The tokens of a plain script.

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'s> {
    /// A name or a keyword; `$` is one.
    Word(&'s str),
    Number(f64),
    Text(&'s str),
    /// An operator or a bracket, spelled out.
    Mark(&'static str),
}

/// A token, and whether it begins a line: where a statement ends may depend on it.
#[derive(Clone, Debug)]
pub(super) struct Placed<'s> {
    pub(super) token: Token<'s>,
    pub(super) begins_line: bool,
}

/// Longer ones first.
const MARKS: [&str; 28] = [
    "===", "!==", "==", "!=", "<=", ">=", "&&", "||", "=>", "<", ">", "!", "+", "-", "*", "/", "%",
    "?", ":", "(", ")", "[", "]", "{", "}", ".", ",", ";",
];
/// What JavaScript reads as one token here, and no plain script has.
const FOREIGN: [&str; 10] = ["++", "--", "**", "<<", ">>", "??", "?.", "<!--", "!--", "/="];

/// The tokens of `source`; `None` when there is one that no plain script has.
pub(super) fn tokens(source: &str) -> Option<Vec<Placed<'_>>> {
    let mut tokens = Vec::new();
    let mut rest = source;
    loop {
        let (after, begins_line) = skip_blanks(rest)?;
        if after.is_empty() {
            return Some(tokens);
        }
        let (token, length) = token(after)?;
        tokens.push(Placed { token, begins_line });
        rest = after.get(length..)?;
    }
}

/// What follows blanks and comments, and whether a line ended in them.
fn skip_blanks(mut rest: &str) -> Option<(&str, bool)> {
    let mut begins_line = false;
    loop {
        let after = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        begins_line |= rest.get(..rest.len() - after.len())?.contains(['\n', '\r']);
        rest = if let Some(comment) = after.strip_prefix("//") {
            comment.get(
                comment.find(['\n', '\r', '\u{2028}', '\u{2029}']).unwrap_or(comment.len())..,
            )?
        } else if let Some(comment) = after.strip_prefix("/*") {
            let (inside, behind) = comment.split_once("*/")?;
            begins_line |= inside.contains(['\n', '\r', '\u{2028}', '\u{2029}']);
            behind
        } else {
            return Some((after, begins_line));
        };
    }
}

/// The token that `text` begins with, and its length.
fn token(text: &str) -> Option<(Token<'_>, usize)> {
    match *text.as_bytes().first()? {
        first if is_word_byte(first) && !first.is_ascii_digit() => {
            let length = word_length(text);
            Some((Token::Word(text.get(..length)?), length))
        }
        b'0'..=b'9' => number(text),
        quote @ (b'"' | b'\'') => quoted(text, char::from(quote)),
        _ if FOREIGN.iter().any(|mark| text.starts_with(mark)) => None,
        _ => {
            let mark = MARKS.into_iter().find(|mark| text.starts_with(mark))?;
            Some((Token::Mark(mark), mark.len()))
        }
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

fn word_length(text: &str) -> usize {
    text.bytes().position(|byte| !is_word_byte(byte)).unwrap_or(text.len())
}

/// Digits with at most one point between them; no other spelling of numbers.
fn number(text: &str) -> Option<(Token<'_>, usize)> {
    let length =
        text.bytes().position(|byte| !byte.is_ascii_digit() && byte != b'.').unwrap_or(text.len());
    let (digits, after) = text.split_at_checked(length)?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_octal = whole.len() > 1 && whole.starts_with('0');
    let is_plain = !is_octal && !fraction.is_empty() && !fraction.contains('.');
    let ends = !after.bytes().next().is_some_and(|byte| is_word_byte(byte) || byte == b'\\');
    (is_plain && ends).then_some(())?;
    Some((Token::Number(digits.parse().ok()?), length))
}

/// A text without escapes.
fn quoted(text: &str, quote: char) -> Option<(Token<'_>, usize)> {
    let (inside, _) = text.get(1..)?.split_once(quote)?;
    (!inside.contains(['\\', '\n', '\r'])).then_some((Token::Text(inside), inside.len() + 2))
}
