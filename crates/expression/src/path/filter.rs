//! Filters: `[?(@.p > 10 && @.q == 'x')]`.
use super::Segment;
use super::parse::{Ends, Parser};
use crate::meter::{Fault, Limit};
use regex::Regex;

/// Largest compiled pattern of a filter, bytes: the memory `=~` may cost.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// Deepest nesting of groups in a pattern, levels: the parser of patterns stops at 250 levels of all
/// kinds, of which a group can be two.
const PATTERN_DEPTH_MAX: usize = 100;

/// What a filter demands of a value.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// The path leads somewhere, be it to null.
    Exists(Operand),
    Compare {
        left: Operand,
        operator: Operator,
        right: Operand,
    },
}

/// One side of a comparison.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    /// A path from the tested value, `@…`.
    Relative(Vec<Segment>),
    /// A path from the document, `$…`; read once per evaluation and kept in its `slot`.
    Absolute {
        slot: usize,
        segments: Vec<Segment>,
    },
    /// JSON text.
    Literal(String),
    Pattern(Regex),
}

/// How two operands are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    SameTypeEqual,
    SameTypeNotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Matches,
    In,
    NotIn,
    Contains,
    ContainsAll,
    SubsetOf,
    AnyOf,
    NoneOf,
    Size,
    Empty,
}

/// Signs first tried; a longer one stands before its prefix.
const SIGNS: [(&str, Operator); 9] = [
    ("===", Operator::SameTypeEqual),
    ("!==", Operator::SameTypeNotEqual),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=~", Operator::Matches),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

const WORDS: [(&str, Operator); 9] = [
    ("in", Operator::In),
    ("nin", Operator::NotIn),
    ("contains", Operator::Contains),
    ("all", Operator::ContainsAll),
    ("subsetof", Operator::SubsetOf),
    ("anyof", Operator::AnyOf),
    ("noneof", Operator::NoneOf),
    ("size", Operator::Size),
    ("empty", Operator::Empty),
];

/// Parses a condition up to the bracket that closes it.
pub(super) fn condition(parser: &mut Parser) -> Option<Condition> {
    parser.descend()?;
    let mut alternatives = vec![conjunction(parser)?];
    while eat_sign(parser, "||") {
        alternatives.push(conjunction(parser)?);
    }
    parser.ascend();
    Some(Condition::Any(alternatives))
}

fn conjunction(parser: &mut Parser) -> Option<Condition> {
    let mut parts = vec![term(parser)?];
    while eat_sign(parser, "&&") {
        parts.push(term(parser)?);
    }
    Some(Condition::All(parts))
}

fn eat_sign(parser: &mut Parser, sign: &str) -> bool {
    parser.skip_blanks();
    parser.eat_all(sign)
}

fn term(parser: &mut Parser) -> Option<Condition> {
    parser.skip_blanks();
    if parser.eat('!') {
        parser.descend()?;
        let negated = term(parser)?;
        parser.ascend();
        return Some(Condition::Not(Box::new(negated)));
    }
    if parser.eat('(') {
        let inner = condition(parser)?;
        parser.skip_blanks();
        return parser.eat(')').then_some(inner);
    }
    comparison(parser)
}

fn comparison(parser: &mut Parser) -> Option<Condition> {
    let left = operand(parser)?;
    parser.skip_blanks();
    let Some(operator) = operator(parser) else {
        let is_path = matches!(left, Operand::Relative(_) | Operand::Absolute { .. });
        return is_path.then_some(Condition::Exists(left));
    };
    parser.skip_blanks();
    let right = operand(parser)?;
    let has_pattern = matches!(right, Operand::Pattern(_));
    (has_pattern == (operator == Operator::Matches)).then_some(Condition::Compare {
        left,
        operator,
        right,
    })
}

fn operator(parser: &mut Parser) -> Option<Operator> {
    if let Some((_, operator)) = SIGNS.iter().find(|(sign, _)| parser.eat_all(sign)) {
        return Some(*operator);
    }
    let word = parser.take_while(|c| c.is_ascii_alphabetic()).to_ascii_lowercase();
    WORDS.iter().find(|(name, _)| *name == word).map(|(_, operator)| *operator)
}

fn operand(parser: &mut Parser) -> Option<Operand> {
    match parser.peek()? {
        '@' => {
            parser.advance();
            parser.segments(Ends::InFilter).map(Operand::Relative)
        }
        '$' => {
            parser.advance();
            let segments = parser.segments(Ends::InFilter)?;
            parser.absolutes += 1;
            Some(Operand::Absolute { slot: parser.absolutes - 1, segments })
        }
        '/' => pattern(parser).map(Operand::Pattern),
        _ => {
            let mut json = String::new();
            literal(parser, &mut json)?;
            Some(Operand::Literal(json))
        }
    }
}

/// A literal as JSON text; texts in lists may have single quotes.
fn literal(parser: &mut Parser, json: &mut String) -> Option<()> {
    parser.skip_blanks();
    match parser.peek()? {
        '\'' | '"' => {
            crate::raw::write_text(json, &parser.quoted()?);
            Some(())
        }
        '[' => container(parser, json, ']', false),
        '{' => container(parser, json, '}', true),
        _ => {
            let word = parser.take_while(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
            serde_json::from_str::<serde::de::IgnoredAny>(&word).ok()?;
            json.push_str(&word);
            Some(())
        }
    }
}

fn container(parser: &mut Parser, json: &mut String, close: char, keyed: bool) -> Option<()> {
    parser.descend()?;
    json.push(parser.advance()?);
    parser.skip_blanks();
    if !parser.eat(close) {
        loop {
            if keyed {
                parser.skip_blanks();
                crate::raw::write_text(json, &parser.quoted()?);
                json.push(':');
                parser.skip_blanks();
                parser.eat(':').then_some(())?;
            }
            literal(parser, json)?;
            parser.skip_blanks();
            if parser.eat(close) {
                break;
            }
            parser.eat(',').then_some(())?;
            json.push(',');
        }
    }
    json.push(close);
    parser.ascend();
    Some(())
}

/// `/…/flags`; the whole text has to match, as Java's `matches` wants it.
fn pattern(parser: &mut Parser) -> Option<Regex> {
    parser.advance();
    let mut source = String::new();
    loop {
        match parser.advance()? {
            '/' => break,
            '\\' if parser.eat('/') => source.push('/'),
            '\\' => {
                source.push('\\');
                source.push(parser.advance()?);
            }
            other => source.push(other),
        }
    }
    let mut flags = parser.take_while(|c| c.is_ascii_alphabetic());
    flags.retain(|flag| "imsx".contains(flag));
    let flags = if flags.is_empty() { String::new() } else { format!("(?{flags})") };
    let anchored = format!("{flags}\\A(?:{source})\\z");
    let depth = crate::raw::nesting(&anchored);
    if depth > PATTERN_DEPTH_MAX {
        parser.over_limit = Some(Fault::new(Limit::PatternDepth, PATTERN_DEPTH_MAX, depth));
        return None;
    }
    let built = regex::RegexBuilder::new(&anchored).size_limit(PATTERN_BYTES_MAX).build();
    if let Err(regex::Error::CompiledTooBig(max)) = built {
        parser.over_limit = Some(Fault::new(Limit::PatternBytes, max, max.saturating_add(1)));
    }
    built.ok()
}
