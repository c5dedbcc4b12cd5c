//! The values that stand in a filter.
use super::cursor::Cursor;
use crate::meter::{Fault, Limit};
use crate::raw;
use regex::Regex;

/// Largest compiled pattern of a filter, bytes: the memory `=~` may cost.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// Deepest nesting of groups in a pattern, levels: the parser of patterns stops at 250 levels of all
/// kinds, of which a group can be two.
const PATTERN_DEPTH_MAX: usize = 100;

/// A literal as JSON text; texts in lists may have single quotes.
pub(super) fn literal(cursor: &mut Cursor, json: &mut String) -> Option<()> {
    cursor.skip_blanks();
    match cursor.peek()? {
        '\'' | '"' => {
            raw::write_text(json, &cursor.quoted()?);
            Some(())
        }
        '[' => container(cursor, json, ']', false),
        '{' => container(cursor, json, '}', true),
        _ => {
            let word = cursor.take_while(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
            serde_json::from_str::<serde::de::IgnoredAny>(&word).ok()?;
            json.push_str(&word);
            Some(())
        }
    }
}

fn container(cursor: &mut Cursor, json: &mut String, close: char, keyed: bool) -> Option<()> {
    cursor.descend()?;
    json.push(cursor.advance()?);
    cursor.skip_blanks();
    if !cursor.eat(close) {
        loop {
            if keyed {
                cursor.skip_blanks();
                raw::write_text(json, &cursor.quoted()?);
                json.push(':');
                cursor.skip_blanks();
                cursor.eat(':').then_some(())?;
            }
            literal(cursor, json)?;
            cursor.skip_blanks();
            if cursor.eat(close) {
                break;
            }
            cursor.eat(',').then_some(())?;
            json.push(',');
        }
    }
    json.push(close);
    cursor.ascend();
    Some(())
}

/// `/…/flags`; the whole text has to match, as Java's `matches` wants it.
pub(super) fn pattern(cursor: &mut Cursor) -> Option<Regex> {
    cursor.advance();
    let mut source = String::new();
    loop {
        match cursor.advance()? {
            '/' => break,
            '\\' if cursor.eat('/') => source.push('/'),
            '\\' => {
                source.push('\\');
                source.push(cursor.advance()?);
            }
            other => source.push(other),
        }
    }
    let mut flags = cursor.take_while(|c| c.is_ascii_alphabetic());
    flags.retain(|flag| "imsx".contains(flag));
    let flags = if flags.is_empty() { String::new() } else { format!("(?{flags})") };
    let anchored = format!("{flags}\\A(?:{source})\\z");
    let depth = raw::nesting(&anchored);
    if depth > PATTERN_DEPTH_MAX {
        cursor.over_limit = Some(Fault::new(Limit::PatternDepth, PATTERN_DEPTH_MAX, depth));
        return None;
    }
    let built = regex::RegexBuilder::new(&anchored).size_limit(PATTERN_BYTES_MAX).build();
    if let Err(regex::Error::CompiledTooBig(max)) = built {
        cursor.over_limit = Some(Fault::new(Limit::PatternBytes, max, max.saturating_add(1)));
    }
    built.ok()
}
